"""Stages that send fewer numbers: the largest, or a random choice.

compress: vector, shape (n,) -> [values, ...]; decompress: the inverse; slots: the arrays' sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedkit.core.errors import PayloadError
from fedkit.wire.layout import Slot, StageInfo, TensorLayout


def count_kept(share: float, size: int) -> int:
    """Return how many of `size` values are sent: their share, at least one if there are any."""
    return min(size, max(1, round(share * size)))


def share_problem(share: float) -> str:
    return (
        ""
        if 1e-4 <= share <= 1
        else f"share is {share:g}; it must be from 0.0001 to 1, for example 0.05"
    )


@dataclass(frozen=True)
class TopK:
    """The largest values by magnitude, and a 0/1 mask of where they are (Aji & Heafield, 2017).

    Over all tensors together. A contraction: ||x - C(x)||^2 <= (1 - k/n) ||x||^2.
    """

    share: float = 0.05
    role: ClassVar[str] = "select"
    linear: ClassVar[bool] = False
    unbiased: ClassVar[bool] = False
    expands: ClassVar[bool] = False  # ||C(x)|| <= ||x||
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = True
    needs: ClassVar[str] = (
        "not linear: cannot go under secure aggregation; biased: best after ef or ef21"
    )

    def problem(self) -> str:
        return share_problem(self.share)

    def slots(self, layout: TensorLayout) -> list[Slot]:
        return [Slot(count_kept(self.share, layout.size)), Slot(layout.size, alphabet=2)]

    def compress(self, flat: np.ndarray, layout: TensorLayout, info: StageInfo) -> list[np.ndarray]:
        k = count_kept(self.share, len(flat))
        mask = np.zeros(len(flat), np.uint8)
        if k:
            mask[np.argpartition(np.abs(flat), len(flat) - k)[-k:]] = 1
        return [flat[mask.view(bool)], mask]

    def decompress(
        self, arrays: list[np.ndarray], layout: TensorLayout, info: StageInfo
    ) -> np.ndarray:
        values, mask = arrays
        if int(mask.sum()) != len(values):
            raise PayloadError(f"{int(mask.sum())} positions for {len(values)} values")
        flat = np.zeros(layout.size, np.float32)
        flat[mask.view(bool)] = values
        return flat


@dataclass(frozen=True)
class RandK:
    """A random choice of values, the same for every sender of a round, so that no positions travel
    (Konecny et al., 2016).

    Scaled by n/k, which makes it unbiased; under error feedback not, which makes it a contraction.
    """

    share: float = 0.05
    role: ClassVar[str] = "select"
    linear: ClassVar[bool] = True
    unbiased: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = False
    needs: ClassVar[str] = (
        "linear: messages of one round can be summed, under secure aggregation too"
    )

    def problem(self) -> str:
        return share_problem(self.share)

    def slots(self, layout: TensorLayout) -> list[Slot]:
        return [Slot(count_kept(self.share, layout.size))]

    def _positions(self, size: int, info: StageInfo) -> np.ndarray:
        rng = np.random.default_rng([info.seed, info.round])
        return (
            rng.choice(size, count_kept(self.share, size), replace=False, shuffle=False)
            if size
            else np.zeros(0, np.int64)
        )

    def compress(self, flat: np.ndarray, layout: TensorLayout, info: StageInfo) -> list[np.ndarray]:
        values = flat[self._positions(len(flat), info)]
        return [
            (
                values
                if info.feedback or not len(flat)
                else values * np.float32(len(flat) / len(values))
            )
        ]

    def decompress(
        self, arrays: list[np.ndarray], layout: TensorLayout, info: StageInfo
    ) -> np.ndarray:
        flat = np.zeros(layout.size, np.float32)
        flat[self._positions(len(flat), info)] = arrays[0]
        return flat
