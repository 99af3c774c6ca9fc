"""What a message is made of: the flat vector of an update, arrays whose sizes both ends know, and
tight packing.

Both ends know the names and shapes, so nothing but the values travels, and every array must have
the size foreseen.
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
from fedkit.wire.bits import bits, number, unbits, varint


@dataclass(frozen=True)
class Form:
    """Names and shapes in alphabetical order, so that both ends have the same one whatever the
    order of their dicts.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, params: Params) -> Form:
        return cls(tuple((name, tuple(params[name].shape)) for name in sorted(params)))

    @property
    def size(self) -> int:
        return sum(prod(shape) for _, shape in self.shapes)

    def flat(self, params: Params) -> np.ndarray:
        """All values in one float32 vector, shape (size,); a copy."""
        rows = [
            params[name].detach().to("cpu", torch.float32).numpy().ravel()
            for name, _ in self.shapes
        ]
        return np.concatenate([np.zeros(0, np.float32), *rows])

    def arrays(self, flat: np.ndarray) -> Iterator[np.ndarray]:
        """The vector cut into arrays of the shapes."""
        start = 0
        for _, shape in self.shapes:
            yield flat[start : (start := start + prod(shape))].reshape(shape)

    def params(self, flat: np.ndarray) -> Params:
        """The vector as named tensors that own their memory."""
        return {
            name: torch.from_numpy(a.copy()) for (name, _), a in zip(self.shapes, self.arrays(flat))
        }


@dataclass(frozen=True)
class StageInfo:
    """What a stage may know beside the values. feedback: what is lost is kept for later, so noise
    and scaling are not needed to be right on average, and a contraction is better: ||x - C(x)||
    < ||x||.
    """

    seed: int
    round: int
    sender: str
    feedback: bool

    def rng(self, stage: str) -> np.random.Generator:
        """A generator of this message and stage only."""
        return np.random.default_rng(
            [self.seed, self.round, zlib.crc32(self.sender.encode()), zlib.crc32(stage.encode())]
        )


@dataclass(frozen=True)
class Slot:
    """One array of a message: `count` items of `dtype`, or, where alphabet > 0, `count` uint8
    symbols below it.
    """

    count: int
    dtype: str = "<f4"
    alphabet: int = 0

    @property
    def width(self) -> int:
        """Bits of a symbol."""
        return (self.alphabet - 1).bit_length()

    @property
    def most(self) -> int:
        """Bytes that `packed` makes at most."""
        return (
            (1 + -(-self.count * self.width // 8))
            if self.alphabet
            else self.count * np.dtype(self.dtype).itemsize
        )


def packed(array: np.ndarray, slot: Slot) -> bytes:
    """An array in as few bytes as a fixed width allows. A mask travels as gaps between its ones
    where that is shorter.

    Symbols: width of a gap u8 (0: no gaps), then the bits; gaps: their number, then the gaps.
    """
    if not slot.alphabet:
        return array.astype(slot.dtype, copy=False).tobytes()
    plain = b"\0" + bits(array, slot.width)
    if slot.alphabet != 2 or not array.any():
        return plain
    gaps = np.diff(np.flatnonzero(array), prepend=-1) - 1
    width = max(1, int(gaps.max()).bit_length())
    if len(gaps) * width >= slot.count:
        return plain
    short = bytes([width]) + varint(len(gaps)) + bits(gaps, width)
    return min(plain, short, key=len)


def unpacked(data: bytes, slot: Slot) -> np.ndarray:
    """What `packed` packed. Raises PayloadError for a wrong size or a symbol out of range."""
    if not slot.alphabet:
        if len(data) != slot.most:
            raise PayloadError(f"a part of {len(data)} bytes, expected {slot.most}")
        return np.frombuffer(data, slot.dtype)
    if not data or data[0] > 32:
        raise PayloadError("symbols that cannot be read")
    if (width := data[0]) and slot.alphabet == 2:
        return _mask(data, width, slot.count)
    symbols = unbits(data[1:], slot.width, slot.count).astype(np.uint8)
    if width or (symbols >= slot.alphabet).any():
        raise PayloadError(f"a symbol out of range: they are below {slot.alphabet}")
    return symbols


def _mask(data: bytes, width: int, count: int) -> np.ndarray:
    ones, start = number(data, 1)
    if ones > count:
        raise PayloadError(f"{ones} positions among {count}")
    places = np.cumsum(unbits(data[start:], width, ones).astype(np.int64) + 1) - 1
    if ones and places[-1] >= count:
        raise PayloadError("a position out of range")
    mask = np.zeros(count, np.uint8)
    mask[places] = 1
    return mask
