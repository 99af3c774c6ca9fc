"""Stages that send each number as one of a few symbols: uniform levels, quantiles, signs.

split: values, shape (n,) -> arrays of symbols and scales; join: back. A scale is 16 bits
(bfloat16), rounded up, per block.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from fedkit.wire.layout import Slot, StageInfo

LARGEST = 0x7F7F  # the largest finite bfloat16


def scales_up(values: np.ndarray) -> np.ndarray:
    """Values from 0 on as bfloat16 bits, uint16, never below the value; NaN stays NaN."""
    raised = (values.astype(np.float32).view(np.uint32).astype(np.uint64) + 0xFFFF) >> 16
    return np.where(np.isfinite(values), np.minimum(raised, LARGEST), 0x7FC0).astype(np.uint16)


def scales_of(stored: np.ndarray) -> np.ndarray:
    """bfloat16 bits as float32."""
    return (stored.astype(np.uint32) << 16).view(np.float32)


def blocks_of(values: np.ndarray, block: int) -> np.ndarray:
    """Shape (n,) -> (blocks, block), the last filled up with zeros."""
    count = -(-len(values) // block)
    padded = np.zeros(count * block, np.float32)
    padded[: len(values)] = values
    return padded.reshape(count, block)


def block_problem(block: int) -> str:
    return (
        ""
        if 8 <= block <= 65_536
        else f"block is {block}; it must be from 8 to 65536, as each has a scale of its own"
    )


class Blockwise:
    """What the stages with one scale per block share. A subclass says how a block becomes symbols
    and back.
    """

    alphabet: ClassVar[int]
    role: ClassVar[str] = "quantise"
    linear: ClassVar[bool] = False
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = True
    block: int

    def problem(self) -> str:
        return block_problem(self.block)

    def slots(self, size: int) -> list[Slot]:
        return [Slot(size, alphabet=self.alphabet), Slot(-(-size // self.block), "<u2")]

    def split(self, values: np.ndarray, setting: StageInfo) -> list[np.ndarray]:
        blocks = blocks_of(values, self.block)
        stored = scales_up(self.scale(blocks, len(values)))
        scales = scales_of(stored)[:, None]
        # from -1 to 1, for a maximum
        share = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales > 0)
        return [self.code(share, setting).astype(np.uint8).ravel()[: len(values)], stored]

    def join(self, arrays: list[np.ndarray], size: int) -> np.ndarray:
        symbols, stored = arrays
        return (blocks_of(self.levels()[symbols], self.block) * scales_of(stored)[:, None]).ravel()[
            :size
        ]

    def scale(self, blocks: np.ndarray, size: int) -> np.ndarray:
        """The largest magnitude of each block."""
        return np.abs(blocks).max(axis=1, initial=0)


class Uniform(Blockwise):
    """Levels at equal distances from -scale to scale, the next one up or down by chance, so right
    on average.

    QSGD (Alistarh et al., 2017) with the block's maximum as its scale: error below scale / steps.
    Under error feedback the nearest level: half that error, and a contraction, which chance with
    few levels is not.
    """

    steps: ClassVar[int]
    unbiased: ClassVar[bool] = True
    needs: ClassVar[str] = "scales of its own per message: cannot go under secure aggregation"

    def code(self, share: np.ndarray, setting: StageInfo) -> np.ndarray:
        chance = np.float32(0.5)
        if not setting.feedback:
            chance = setting.rng(type(self).__name__).random(share.shape, np.float32)
        return (
            np.clip(np.floor(share * np.float32(self.steps) + chance), -self.steps, self.steps)
            + self.steps
        )

    def levels(self) -> np.ndarray:
        return np.arange(-self.steps, self.steps + 1, dtype=np.float32) / np.float32(self.steps)


@dataclass(frozen=True)
class Int8(Uniform):
    """255 levels per block, right on average (QSGD)."""

    block: int = 256
    steps: ClassVar[int] = 127
    alphabet: ClassVar[int] = 255


@dataclass(frozen=True)
class Int4(Uniform):
    """15 levels per block, right on average (QSGD)."""

    block: int = 256
    steps: ClassVar[int] = 7
    alphabet: ClassVar[int] = 15


@dataclass(frozen=True)
class Int2(Uniform):
    """3 levels per block, -1, 0 and 1, right on average (TernGrad, Wen et al., 2017)."""

    block: int = 256
    steps: ClassVar[int] = 1
    alphabet: ClassVar[int] = 3


def normal_quantiles(offset: float = 0.9677083) -> np.ndarray:
    """The 16 levels of NormalFloat: quantiles of a normal distribution, scaled to -1 .. 1, one of
    them exactly 0.
    """
    inverse = NormalDist().inv_cdf
    above = [inverse(p) for p in np.linspace(offset, 0.5, 9)[:-1].tolist()]
    below = [-inverse(p) for p in np.linspace(offset, 0.5, 8)[:-1].tolist()]
    return (np.array(sorted([*below, 0.0, *above])) / max(above)).astype(np.float32)


NORMAL = normal_quantiles()


@dataclass(frozen=True)
class NF4(Blockwise):
    """16 levels where a normal distribution has its quantiles, the nearest one (QLoRA, Dettmers et
    al., 2023).
    """

    block: int = 64
    alphabet: ClassVar[int] = 16
    unbiased: ClassVar[bool] = False
    needs: ClassVar[str] = "scales of its own per message: cannot go under secure aggregation"

    def code(self, share: np.ndarray, setting: StageInfo) -> np.ndarray:
        return np.searchsorted((NORMAL[1:] + NORMAL[:-1]) / 2, share)

    def levels(self) -> np.ndarray:
        return NORMAL


@dataclass(frozen=True)
class Sign(Blockwise):
    """One bit per value, its sign, times the block's mean magnitude; 0.0 counts as positive.

    signSGD (Bernstein et al., 2018), scaled as error feedback needs it (Karimireddy et al., 2019).
    """

    block: int = 256
    alphabet: ClassVar[int] = 2
    unbiased: ClassVar[bool] = False
    expands: ClassVar[bool] = False
    needs: ClassVar[str] = (
        "not linear: cannot go under secure aggregation; biased: best after ef or ef21"
    )

    def scale(self, blocks: np.ndarray, size: int) -> np.ndarray:
        filled = np.minimum(self.block, size - self.block * np.arange(len(blocks)))
        return np.abs(blocks).sum(axis=1, dtype=np.float64) / filled

    def code(self, share: np.ndarray, setting: StageInfo) -> np.ndarray:
        return ~np.signbit(share)

    def levels(self) -> np.ndarray:
        return np.array([-1, 1], np.float32)
