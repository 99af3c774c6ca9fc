"""How values lie in a message: numbers without gaps, varints, parts, an update as a flat vector.

Both ends know names and shapes: only the values are sent, and arrays must have the expected size.
Reading bytes that do not fit raises PayloadError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from fedkit.core.errors import PayloadError
from fedkit.core.tensors import Params

MAX_VARINT_BYTES = 5  # of a varint, so it is below 2**35


def _octets(width: int) -> int:
    return 1 if width <= 8 else 2 if width <= 16 else 4


def pack_bits(values: np.ndarray, width: int) -> bytes:
    """Pack whole numbers below 2**width, width from 1 to 32, without gaps between them."""
    size = _octets(width)
    octets = values.astype(f">u{size}").view(np.uint8).reshape(-1, size)
    return np.packbits(np.unpackbits(octets, axis=1)[:, 8 * size - width :]).tobytes()


def unpack_bits(data: bytes, width: int, count: int) -> np.ndarray:
    """Return the `count` numbers that `pack_bits` packed. Raises PayloadError for a wrong size."""
    if len(data) != -(-count * width // 8):
        raise PayloadError(f"{len(data)} bytes for {count} symbols of {width} bits")
    size = _octets(width)
    wide = np.zeros((count, 8 * size), np.uint8)
    wide[:, 8 * size - width :] = np.unpackbits(
        np.frombuffer(data, np.uint8), count=count * width
    ).reshape(count, width)
    return np.packbits(wide, axis=1).view(f">u{size}").reshape(count)


def encode_varint(value: int) -> bytes:
    """Encode a whole number >= 0 in groups of 7 bits, the lowest first (LEB128)."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def decode_varint(data: bytes, start: int) -> tuple[int, int]:
    """Return the varint at `start` and the position after it. Raises PayloadError otherwise."""
    value = 0
    for i, octet in enumerate(data[start : start + MAX_VARINT_BYTES]):
        value |= (octet & 127) << 7 * i
        if octet < 128:
            return value, start + i + 1
    raise PayloadError("a length that cannot be read")


def join_parts(parts: Sequence[bytes]) -> bytes:
    """Return the parts in one piece, each after its length."""
    return b"".join(encode_varint(len(part)) + part for part in parts)


def split_parts(data: bytes, count: int) -> list[bytes]:
    """Split what `join_parts` joined. Raises PayloadError unless it is exactly `count` parts."""
    parts, start = [], 0
    for _ in range(count):
        length, start = decode_varint(data, start)
        if length > len(data) - start:
            raise PayloadError(f"a part of {length} bytes where {len(data) - start} are left")
        parts.append(data[start : (start := start + length)])
    if start != len(data):
        raise PayloadError(f"{len(data) - start} bytes too many")
    return parts


@dataclass(frozen=True)
class TensorLayout:
    """Names and shapes of tensors, sorted by name, so that both ends use the same order."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def from_params(cls, params: Params) -> TensorLayout:
        return cls(tuple((name, tuple(params[name].shape)) for name in sorted(params)))

    @property
    def size(self) -> int:
        """Number of values of all tensors."""
        return sum(prod(shape) for _, shape in self.shapes)

    def flatten(self, params: Params) -> np.ndarray:
        """Return a copy of all values in one float32 vector, shape (size,)."""
        rows = [
            params[name].detach().to("cpu", torch.float32).numpy().ravel()
            for name, _ in self.shapes
        ]
        return np.concatenate([np.zeros(0, np.float32), *rows])

    def split_arrays(self, flat: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the parts of a vector, shape (size,), as arrays of the tensors' shapes."""
        start = 0
        for _, shape in self.shapes:
            yield flat[start : (start := start + prod(shape))].reshape(shape)

    def unflatten(self, flat: np.ndarray) -> Params:
        """Return a vector, shape (size,), as named tensors that own their memory."""
        return {
            name: torch.from_numpy(a.copy())
            for (name, _), a in zip(self.shapes, self.split_arrays(flat))
        }


@dataclass(frozen=True)
class Slot:
    """One array of a message: `count` items of `dtype`; if alphabet > 0, uint8 symbols below it."""

    count: int
    dtype: str = "<f4"
    alphabet: int = 0

    @property
    def width(self) -> int:
        """Bits per symbol."""
        return (self.alphabet - 1).bit_length()

    @property
    def max_bytes(self) -> int:
        """Largest number of bytes that `pack_array` returns."""
        if self.alphabet:
            return 1 + -(-self.count * self.width // 8)
        return self.count * np.dtype(self.dtype).itemsize


def pack_array(array: np.ndarray, slot: Slot) -> bytes:
    """Pack an array at a fixed width; a 0/1 mask as the gaps between its ones if that is shorter.

    Symbols: width of a gap u8 (0: no gaps), then the bits; gaps: their number, then the gaps.
    """
    if not slot.alphabet:
        return array.astype(slot.dtype, copy=False).tobytes()
    plain = b"\0" + pack_bits(array, slot.width)
    if slot.alphabet != 2 or not array.any():
        return plain
    gaps = np.diff(np.flatnonzero(array), prepend=-1) - 1
    width = max(1, int(gaps.max()).bit_length())
    if len(gaps) * width >= slot.count:
        return plain
    short = bytes([width]) + encode_varint(len(gaps)) + pack_bits(gaps, width)
    return min(plain, short, key=len)


def unpack_array(data: bytes, slot: Slot) -> np.ndarray:
    """Return what `pack_array` packed. Raises PayloadError for a wrong size or symbol."""
    if not slot.alphabet:
        if len(data) != slot.max_bytes:
            raise PayloadError(f"a part of {len(data)} bytes, expected {slot.max_bytes}")
        return np.frombuffer(data, slot.dtype)
    if not data or data[0] > 32:
        raise PayloadError("symbols that cannot be read")
    if (width := data[0]) and slot.alphabet == 2:
        return _unpack_mask(data, width, slot.count)
    symbols = unpack_bits(data[1:], slot.width, slot.count).astype(np.uint8)
    if width or (symbols >= slot.alphabet).any():
        raise PayloadError(f"a symbol out of range: they are below {slot.alphabet}")
    return symbols


def _unpack_mask(data: bytes, width: int, count: int) -> np.ndarray:
    ones, start = decode_varint(data, 1)
    if ones > count:
        raise PayloadError(f"{ones} positions among {count}")
    places = np.cumsum(unpack_bits(data[start:], width, ones).astype(np.int64) + 1) - 1
    if ones and places[-1] >= count:
        raise PayloadError("a position out of range")
    mask = np.zeros(count, np.uint8)
    mask[places] = 1
    return mask
