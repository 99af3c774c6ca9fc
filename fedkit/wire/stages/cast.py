"""Stages that send each number as a 16-bit float.

compress: values, shape (n,) -> [int16 bit patterns, shape (n,)]; decompress: the inverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from fedkit.wire.layout import Slot, StageInfo


class Cast:
    """Base of bf16 and fp16: clamp to the largest finite number, then round to nearest."""

    kind: ClassVar[torch.dtype]
    role: ClassVar[str] = "quantise"
    linear: ClassVar[bool] = False
    unbiased: ClassVar[bool] = False
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = False
    needs: ClassVar[str] = "nothing; not linear: cannot go under secure aggregation"

    def problem(self) -> str:
        return ""

    def slots(self, size: int) -> list[Slot]:
        return [Slot(size, "<i2")]

    def compress(self, values: np.ndarray, info: StageInfo) -> list[np.ndarray]:
        most = torch.finfo(self.kind).max
        return [torch.from_numpy(values).clamp(-most, most).to(self.kind).view(torch.int16).numpy()]

    def decompress(self, arrays: list[np.ndarray], size: int) -> np.ndarray:
        return torch.from_numpy(arrays[0].astype(np.int16)).view(self.kind).float().numpy()


@dataclass(frozen=True)
class BFloat16(Cast):
    """16 bits with float32's range: relative error at most 2^-8."""

    kind: ClassVar[torch.dtype] = torch.bfloat16


@dataclass(frozen=True)
class Float16(Cast):
    """16 bits with more precision and less range: relative error at most 2^-11 between 6e-5 and
    65504.
    """

    kind: ClassVar[torch.dtype] = torch.float16
