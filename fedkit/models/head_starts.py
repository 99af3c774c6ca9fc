"""Starting values of the shared head: zero, label means, or solved in closed form.

They are computed from sums over all clients, which equal those of pooled data, so the head does not
depend on how the data are split. To add a method: a small frozen dataclass with `sums` and `solve`,
and a line in `HEAD_STARTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.spec import build_entry
from fedkit.core.tensors import Params

SCALE = 16.0  # length of a class-mean row of the head: logits are 16 x cosine similarity


@dataclass(frozen=True)
class Zero:
    """Nothing is exchanged, every logit starts at zero."""

    sums: ClassVar[tuple[str, ...]] = ()
    needs = ""

    def solve(self, total: Params) -> Params:
        """Return {head.weight (labels, d), head.bias (labels,)} from the sums; {}: keep it."""
        return {}


@dataclass(frozen=True)
class ClassMeans:
    """Each label's row points to the mean sentence vector of its texts (nearest class mean, in one
    exchange).
    """

    sums: ClassVar[tuple[str, ...]] = ("feature_sums",)
    needs = ""

    def solve(self, total: Params) -> Params:
        return class_mean_head(total["feature_sums"])


class Ridge:
    """Base of the starts that are solved from sums of products, too, with a positive ridge."""

    sums: ClassVar[tuple[str, ...]] = ("feature_sums", "feature_products")
    needs = "sends d (d + 1) / 2 more numbers once, never compressed"

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if not 1e-6 <= value <= 1e6:
                raise FedkitError(
                    f"head-start '{type(self).__name__.lower()}:{key}={value:g}' given; {key} must"
                    " be from 1e-6 to 1e6, usually 0.1"
                )


@dataclass(frozen=True)
class Analytic(Ridge):
    """Ridge regression of the labels on the sentence vectors, exact in one exchange (AFL: He et
    al., 2025).

    strength: of the penalty, on unit-length vectors.
    """

    strength: float = 0.1

    def solve(self, total: Params) -> Params:
        """Return argmin_W sum_i ||W z_i - onehot(y_i)||^2 + strength ||W||^2, times SCALE."""
        sums = total["feature_sums"].double()
        products = symmetric_matrix(total["feature_products"]).double()
        penalty = self.strength * torch.eye(len(products), dtype=torch.float64)
        rows = SCALE * torch.linalg.solve(products + penalty, sums.T).T
        return {"head.weight": rows.float(), "head.bias": torch.zeros(len(rows))}


@dataclass(frozen=True)
class Discriminant(Ridge):
    """Linear discriminant with a ridge on the spread within labels, exact in one exchange
    (Friedman, 1989).

    It takes every label as equally common. shrink: the ridge, as a share of the mean variance.
    """

    shrink: float = 0.1

    def solve(self, total: Params) -> Params:
        """Return rows (S + shrink tr(S)/d I)^-1 mean_y and biases -1/2 row.mean_y, scaled for a
        softmax. S: covariance within labels.
        """
        sums = total["feature_sums"].double()
        products = symmetric_matrix(total["feature_products"]).double()
        counts = total["label_counts"].double()
        means, there = sums / counts.clamp_min(1)[:, None], counts > 0
        spread = (products - (counts[:, None] * means).T @ means) / counts.sum()
        ridge = self.shrink * spread.trace() / len(spread) + 1e-9
        spread = spread + ridge * torch.eye(len(spread), dtype=torch.float64)
        rows = torch.linalg.solve(spread, means.T).T
        bias = -0.5 * (rows * means).sum(1)
        rows, bias = rows - rows[there].mean(0), bias - bias[there].mean()
        scale = 2 * SCALE / rows[there].norm(dim=1).mean().clamp_min(1e-9)
        rows, bias = scale * rows, scale * bias
        rows[~there], bias[~there] = 0.0, bias[there].min()
        return {"head.weight": rows.float(), "head.bias": bias.float()}


def class_mean_head(feature_sums: Tensor) -> Params:
    """Return a head whose rows point to each label's mean vector; without texts they are zero."""
    rows = SCALE * torch.nn.functional.normalize(feature_sums, dim=-1)
    return {"head.weight": rows, "head.bias": torch.zeros(len(rows))}


def upper_triangle(vectors: Tensor) -> Tensor:
    """Return the upper triangle, row by row, (d (d + 1) / 2,), of sum_i z_i z_i' of (n, d)."""
    d = vectors.shape[1]
    return (vectors.T @ vectors)[tuple(torch.triu_indices(d, d))]


def symmetric_matrix(upper: Tensor) -> Tensor:
    """Return the symmetric matrix (d, d) of an `upper_triangle`."""
    d = round(((8 * len(upper) + 1) ** 0.5 - 1) / 2)
    out = upper.new_zeros(d, d)
    out[tuple(torch.triu_indices(d, d))] = upper
    return out + out.T - torch.diag(out.diagonal())


def make_head_start(spec: str) -> Zero | ClassMeans | Analytic | Discriminant:
    """Return the head start that 'name:key=value' describes.

    Raises FedkitError, with the allowed names, for anything else.
    """
    return build_entry("head-start", HEAD_STARTS, spec)


HEAD_STARTS: dict[str, type] = {
    "zero": Zero,
    "class-means": ClassMeans,
    "analytic": Analytic,
    "discriminant": Discriminant,
}
