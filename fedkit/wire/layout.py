"""How tensors lie in a message: an update as a flat vector, and arrays packed without gaps.

Both ends know names and shapes: only the values are sent, and arrays must have the expected size.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from fedkit.core.errors import PayloadError
from fedkit.core.tensors import Params
from fedkit.wire.bits import decode_varint, encode_varint, pack_bits, unpack_bits


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
class StageInfo:
    """What a stage knows besides the values.

    feedback: the error is kept for later messages; a stage C then need not be unbiased and should
    be a contraction, ||x - C(x)|| < ||x||.
    """

    seed: int
    round: int
    sender: str
    feedback: bool

    def rng(self, stage: str) -> np.random.Generator:
        """Return a random generator that belongs to this message and stage only."""
        return np.random.default_rng(
            [self.seed, self.round, zlib.crc32(self.sender.encode()), zlib.crc32(stage.encode())]
        )


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
        return (
            (1 + -(-self.count * self.width // 8))
            if self.alphabet
            else self.count * np.dtype(self.dtype).itemsize
        )


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
