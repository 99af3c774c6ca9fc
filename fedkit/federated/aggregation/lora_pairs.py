"""LoRA pairs on the server: their names, products summed over clients, and slices by rank.

A pair is A (r, in) and B (out, r); what the model computes with is scale * B A, so the mean of the
products and the product of the means are two things: sum_i p_i B_i A_i - B' A' = sum_i p_i (B_i -
B')(A_i - A'), with A', B' the means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fedkit.core.tensors import Params
from fedkit.models.classifier import MERGED

LORA_A, LORA_B = ".lora_A.weight", ".lora_B.weight"
STACKED_RANKS = 256  # ranks stacked before they are multiplied
MAX_PRODUCT_VALUES = (
    50_000_000  # values of all products together; of larger models no products are formed
)


@dataclass(frozen=True)
class Pair:
    """Tensor names of one adapted layer: A, B, and the change of its frozen matrix (`merged`)."""

    layer: str

    @property
    def a(self) -> str:
        return self.layer + LORA_A

    @property
    def b(self) -> str:
        return self.layer + LORA_B

    @property
    def merged(self) -> str:
        return self.layer + MERGED


def lora_pairs(names: Iterable[str]) -> list[Pair]:
    """Return the LoRA pairs among tensor names, in order; pairs of DoRA do not count."""
    there = set(names)
    layers = [n.removesuffix(LORA_A) for n in names if n.endswith(LORA_A)]
    scaled = {
        n.partition(".lora_magnitude_vector")[0] for n in there if ".lora_magnitude_vector" in n
    }
    return [Pair(n) for n in layers if n + LORA_B in there and n not in scaled]


def cut_rank(params: Params, rank: int) -> Params:
    """Return the first `rank` rows of every A and columns of every B, other tensors unchanged."""
    return {
        n: t[:rank] if n.endswith(LORA_A) else t[:, :rank] if n.endswith(LORA_B) else t
        for n, t in params.items()
    }


def pad_rank(params: Params, like: Mapping[str, Tensor]) -> Params:
    """Undo `cut_rank`: pad with zeros to the shapes of `like`."""
    out = {}
    for name, tensor in params.items():
        if tensor.shape == like[name].shape:
            out[name] = tensor
        else:
            out[name] = torch.zeros_like(like[name])
            out[name][: tensor.shape[0], : tensor.shape[1]] = tensor
    return out


@dataclass
class PairProducts:
    """Running sum_i w_i B_i A_i of one pair, and its factors while they are shorter to send.

    total: (out, in), float32. kept: a list of (w_i, B_i, A_i), or None once they have more values
    than one (out, in).
    """

    total: Tensor
    waiting: list[tuple[float, Tensor, Tensor]] = field(default_factory=list)
    kept: list[tuple[float, Tensor, Tensor]] | None = field(default_factory=list)

    def add(self, weight: float, b: Tensor, a: Tensor) -> None:
        self.waiting.append((weight, b, a))
        if self.kept is not None:
            self.kept.append((weight, b, a))
            if sum(x.numel() + y.numel() for _, x, y in self.kept) >= self.total.numel():
                self.kept = None
        if sum(len(y) for _, _, y in self.waiting) >= STACKED_RANKS:
            self.sum()

    def sum(self) -> Tensor:
        """Return the sum so far."""
        if self.waiting:
            b = torch.cat([w * b for w, b, _ in self.waiting], 1)
            self.total.addmm_(b, torch.cat([a for *_, a in self.waiting]))
            self.waiting.clear()
        return self.total
