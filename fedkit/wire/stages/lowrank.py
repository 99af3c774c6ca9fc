"""The stage that sends each matrix as two thin ones. split, join and slots: as in select.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedkit.wire.layout import Form, Slot, StageInfo


@dataclass(frozen=True)
class LowRank:
    """Each matrix as two thin ones, its best approximation of rank r (truncated SVD); other tensors
    as they are.

    Matrix (m, n) -> (m, r) and (r, n), where these have fewer values. PowerSGD (Vogels et al.,
    2019) approaches the same by iteration. The left factor holds the eigenvectors of A A^T, so left
    @ right is a projection of A.
    """

    r: int = 4
    role: ClassVar[str] = "select"
    linear: ClassVar[bool] = False
    unbiased: ClassVar[bool] = False
    expands: ClassVar[bool] = False  # what is read is never longer than what was given
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = False
    needs: ClassVar[str] = (
        "not linear: cannot go under secure aggregation; biased: best after ef or ef21"
    )

    def problem(self) -> str:
        return "" if self.r >= 1 else f"r is {self.r}; it must be at least 1"

    def _thin(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and self.r * (shape[0] + shape[1]) < shape[0] * shape[1]

    def _factors(self, form: Form) -> Form:
        """The shapes that travel: left factors, right factors, the rest; alike together, so that
        they share scales.
        """
        thin = [shape for _, shape in form.shapes if self._thin(shape)]
        rest = [shape for _, shape in form.shapes if not self._thin(shape)]
        return Form(
            tuple(
                ("", s)
                for s in [*((m, self.r) for m, _ in thin), *((self.r, n) for _, n in thin), *rest]
            )
        )

    def slots(self, form: Form) -> list[Slot]:
        return [Slot(self._factors(form).size)]

    def split(self, flat: np.ndarray, form: Form, setting: StageInfo) -> list[np.ndarray]:
        left, right, rest = [], [], []
        for matrix in form.arrays(flat):
            if self._thin(matrix.shape):
                a, b = truncated(matrix, self.r)
                left.append(a.ravel())
                right.append(b.ravel())
            else:
                rest.append(matrix.ravel())
        return [np.concatenate([np.zeros(0, np.float32), *left, *right, *rest])]

    def join(self, arrays: list[np.ndarray], form: Form, setting: StageInfo) -> np.ndarray:
        pieces = list(self._factors(form).arrays(arrays[0]))
        count = sum(self._thin(shape) for _, shape in form.shapes)
        products, rest = (
            iter([a @ b for a, b in zip(pieces[:count], pieces[count:])]),
            iter(pieces[2 * count :]),
        )
        rows = [next(products if self._thin(shape) else rest).ravel() for _, shape in form.shapes]
        return np.concatenate([np.zeros(0, np.float32), *rows])


def truncated(matrix: np.ndarray, r: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors (m, r) and (r, n) whose product is the best approximation of rank r, by the
    eigenvectors of the short side.
    """
    if len(matrix) > matrix.shape[1]:
        right, left = truncated(matrix.T, r)
        return left.T, right.T
    wide = matrix.astype(np.float64)
    basis = np.linalg.eigh(wide @ wide.T)[1][:, : -r - 1 : -1]
    return basis.astype(np.float32), (basis.T @ wide).astype(np.float32)
