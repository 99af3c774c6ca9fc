"""Stages that send fewer numbers as they are: the largest, or a random choice.

split: vector, shape (n,) -> [values, ...]; join: what arrived -> vector. slots: the sizes, which
the shapes decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedkit.core.errors import PayloadError
from fedkit.wire.layout import Form, Slot, StageInfo


def kept(share: float, size: int) -> int:
    """How many of `size` values a share is: at least one where there is one."""
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

    A contraction: ||x - C(x)||^2 <= (1 - k/n) ||x||^2. The largest are taken over all tensors
    together.
    """

    share: float = 0.05
    role: ClassVar[str] = "select"
    linear: ClassVar[bool] = False
    unbiased: ClassVar[bool] = False
    expands: ClassVar[bool] = False  # what is read is never longer than what was given
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = True
    needs: ClassVar[str] = (
        "not linear: cannot go under secure aggregation; biased: best after ef or ef21"
    )

    def problem(self) -> str:
        return share_problem(self.share)

    def slots(self, form: Form) -> list[Slot]:
        return [Slot(kept(self.share, form.size)), Slot(form.size, alphabet=2)]

    def split(self, flat: np.ndarray, form: Form, setting: StageInfo) -> list[np.ndarray]:
        k = kept(self.share, len(flat))
        mask = np.zeros(len(flat), np.uint8)
        if k:
            mask[np.argpartition(np.abs(flat), len(flat) - k)[-k:]] = 1
        return [flat[mask.view(bool)], mask]

    def join(self, arrays: list[np.ndarray], form: Form, setting: StageInfo) -> np.ndarray:
        values, mask = arrays
        if int(mask.sum()) != len(values):
            raise PayloadError(f"{int(mask.sum())} positions for {len(values)} values")
        flat = np.zeros(form.size, np.float32)
        flat[mask.view(bool)] = values
        return flat


@dataclass(frozen=True)
class RandK:
    """A random choice of values, the same for every sender of a round, so that no positions travel
    (Konecny et al., 2016).

    Scaled by n/k and so right on average; under error feedback not scaled, which makes it a
    contraction.
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

    def slots(self, form: Form) -> list[Slot]:
        return [Slot(kept(self.share, form.size))]

    def _places(self, size: int, setting: StageInfo) -> np.ndarray:
        rng = np.random.default_rng([setting.seed, setting.round])
        return (
            rng.choice(size, kept(self.share, size), replace=False, shuffle=False)
            if size
            else np.zeros(0, np.int64)
        )

    def split(self, flat: np.ndarray, form: Form, setting: StageInfo) -> list[np.ndarray]:
        values = flat[self._places(len(flat), setting)]
        return [
            (
                values
                if setting.feedback or not len(flat)
                else values * np.float32(len(flat) / len(values))
            )
        ]

    def join(self, arrays: list[np.ndarray], form: Form, setting: StageInfo) -> np.ndarray:
        flat = np.zeros(form.size, np.float32)
        flat[self._places(form.size, setting)] = arrays[0]
        return flat
