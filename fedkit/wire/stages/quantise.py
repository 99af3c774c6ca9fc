"""Stages that send each number in fewer bits: 16-bit floats, uniform levels, quantiles, signs.

Symbols are [symbols, scales]: a block of values has one scale of 16 bits (bfloat16), rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np
import torch

from fedkit.wire.layout import Slot
from fedkit.wire.stages.stage import Arrays, Context, Stage

LARGEST_BFLOAT16 = 0x7F7F  # the largest finite bfloat16


class Cast(Stage):
    """Base of bf16 and fp16: clamp to the largest finite number, then round to nearest."""

    kind: ClassVar[torch.dtype]
    role = "quantise"
    needs = "nothing; not linear: cannot go under secure aggregation"

    def slots(self, size: int) -> list[Slot]:
        return [Slot(size, "<i2")]

    def compress(self, values: np.ndarray, context: Context) -> Arrays:
        most = torch.finfo(self.kind).max
        return [torch.from_numpy(values).clamp(-most, most).to(self.kind).view(torch.int16).numpy()]

    def decompress(self, arrays: Arrays, size: int) -> np.ndarray:
        return torch.from_numpy(arrays[0].astype(np.int16)).view(self.kind).float().numpy()


@dataclass(frozen=True)
class BFloat16(Cast):
    """16 bits with float32's range: relative error at most 2^-8."""

    kind = torch.bfloat16


@dataclass(frozen=True)
class Float16(Cast):
    """16 bits with more precision and less range: relative error at most 2^-11 between 6e-5 and
    65504.
    """

    kind = torch.float16


def encode_scales(values: np.ndarray) -> np.ndarray:
    """Return values >= 0 as bfloat16 bits, uint16, rounded up; NaN stays NaN."""
    raised = (values.astype(np.float32).view(np.uint32).astype(np.uint64) + 0xFFFF) >> 16
    stored = np.where(np.isfinite(values), np.minimum(raised, LARGEST_BFLOAT16), 0x7FC0)
    return stored.astype(np.uint16)


def decode_scales(stored: np.ndarray) -> np.ndarray:
    """Return bfloat16 bits, uint16, as float32."""
    return (stored.astype(np.uint32) << 16).view(np.float32)


def split_blocks(values: np.ndarray, block: int) -> np.ndarray:
    """Return values, shape (n,), as (blocks, block), the last block padded with zeros."""
    count = -(-len(values) // block)
    padded = np.zeros(count * block, np.float32)
    padded[: len(values)] = values
    return padded.reshape(count, block)


class Blockwise(Stage):
    """Base of the stages with one scale per block."""

    alphabet: ClassVar[int]
    role = "quantise"
    symbols = True
    needs = "scales of its own per message: cannot go under secure aggregation"
    block: int

    def problem(self) -> str:
        if 8 <= self.block <= 65_536:
            return ""
        return f"block is {self.block}; it must be from 8 to 65536, as each has a scale of its own"

    def slots(self, size: int) -> list[Slot]:
        return [Slot(size, alphabet=self.alphabet), Slot(-(-size // self.block), "<u2")]

    def compress(self, values: np.ndarray, context: Context) -> Arrays:
        blocks = split_blocks(values, self.block)
        stored = encode_scales(self.block_scales(blocks, len(values)))
        scales = decode_scales(stored)[:, None]
        # within -1 .. 1 where the scale is the largest magnitude
        share = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales > 0)
        return [self.quantise(share, context).astype(np.uint8).ravel()[: len(values)], stored]

    def decompress(self, arrays: Arrays, size: int) -> np.ndarray:
        symbols, stored = arrays
        blocks = split_blocks(self.levels()[symbols], self.block)
        return (blocks * decode_scales(stored)[:, None]).ravel()[:size]

    def block_scales(self, blocks: np.ndarray, size: int) -> np.ndarray:
        """Return the scale of each block, here its largest magnitude. size: values in all."""
        return np.abs(blocks).max(axis=1, initial=0)

    def quantise(self, share: np.ndarray, context: Context) -> np.ndarray:
        """Return the symbols of values divided by their scales."""
        raise NotImplementedError

    def levels(self) -> np.ndarray:
        """Return the value of each symbol, in units of the scale."""
        raise NotImplementedError


class UniformLevels(Blockwise):
    """Equidistant levels from -scale to scale with stochastic rounding, which is unbiased.

    QSGD (Alistarh et al., 2017) with the block's maximum as its scale: error below scale / steps.
    Under error feedback the nearest level: half that error, and a contraction, which stochastic
    rounding to few levels is not.
    """

    steps: ClassVar[int]
    unbiased = True

    def quantise(self, share: np.ndarray, context: Context) -> np.ndarray:
        chance: np.ndarray | np.float32 = np.float32(0.5)
        if not context.feedback:
            chance = context.rng(type(self).__name__).random(share.shape, np.float32)
        levels = np.floor(share * np.float32(self.steps) + chance)
        return np.clip(levels, -self.steps, self.steps) + self.steps

    def levels(self) -> np.ndarray:
        return np.arange(-self.steps, self.steps + 1, dtype=np.float32) / np.float32(self.steps)


@dataclass(frozen=True)
class Int8(UniformLevels):
    """255 levels per block, right on average (QSGD)."""

    block: int = 256
    steps, alphabet = 127, 255


@dataclass(frozen=True)
class Int4(UniformLevels):
    """15 levels per block, right on average (QSGD)."""

    block: int = 256
    steps, alphabet = 7, 15


@dataclass(frozen=True)
class Int2(UniformLevels):
    """3 levels per block, -1, 0 and 1, right on average (TernGrad, Wen et al., 2017)."""

    block: int = 256
    steps, alphabet = 1, 3


def normal_quantiles(offset: float = 0.9677083) -> np.ndarray:
    """Return the 16 levels of NormalFloat: normal quantiles scaled to -1 .. 1, one exactly 0."""
    inverse = NormalDist().inv_cdf
    above = [inverse(p) for p in np.linspace(offset, 0.5, 9)[:-1].tolist()]
    below = [-inverse(p) for p in np.linspace(offset, 0.5, 8)[:-1].tolist()]
    return (np.array(sorted([*below, 0.0, *above])) / max(above)).astype(np.float32)


NF4_LEVELS = normal_quantiles()


@dataclass(frozen=True)
class NF4(Blockwise):
    """16 levels where a normal distribution has its quantiles, the nearest one (QLoRA, Dettmers et
    al., 2023).
    """

    block: int = 64
    alphabet = 16

    def quantise(self, share: np.ndarray, context: Context) -> np.ndarray:
        return np.searchsorted((NF4_LEVELS[1:] + NF4_LEVELS[:-1]) / 2, share)

    def levels(self) -> np.ndarray:
        return NF4_LEVELS


@dataclass(frozen=True)
class Sign(Blockwise):
    """One bit per value, its sign, times the block's mean magnitude; 0.0 counts as positive.

    signSGD (Bernstein et al., 2018), scaled as error feedback needs it (Karimireddy et al., 2019).
    """

    block: int = 256
    alphabet = 2
    expands = False
    needs = "not linear: cannot go under secure aggregation; biased: best after ef or ef21"

    def block_scales(self, blocks: np.ndarray, size: int) -> np.ndarray:
        filled = np.minimum(self.block, size - self.block * np.arange(len(blocks)))
        return np.abs(blocks).sum(axis=1, dtype=np.float64) / filled

    def quantise(self, share: np.ndarray, context: Context) -> np.ndarray:
        return ~np.signbit(share)

    def levels(self) -> np.ndarray:
        return np.array([-1, 1], np.float32)
