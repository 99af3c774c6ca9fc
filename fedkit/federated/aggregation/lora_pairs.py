"""LoRA pairs on the server: their names, products summed over clients, and slices by rank.

A pair is A (r, in) and B (out, r); what the model computes with is scale * B A, so the mean of the
products and the product of the means are two things: sum_i p_i B_i A_i - B' A' = sum_i p_i (B_i -
B')(A_i - A'), with A', B' the means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fedkit.core.tensors import Params
from fedkit.federated.local.train import ClientUpdate
from fedkit.models.classifier import MERGED

LORA_A, LORA_B = ".lora_A.weight", ".lora_B.weight"
STACKED_RANKS = 256  # ranks stacked before they are multiplied
# values of all products together; of larger models no products are formed
MAX_PRODUCT_VALUES = 50_000_000
NEEDS_LORA = "LoRA pairs (--tune lora or rslora)"


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

    def moved(self, start: Params, delta: Params) -> tuple[Tensor, Tensor]:
        """Return A and B after a change; a tensor without one stays."""
        a, b = (start[n] + delta[n] if n in delta else start[n] for n in (self.a, self.b))
        return a, b


def lora_pairs(names: Iterable[str]) -> list[Pair]:
    """Return the LoRA pairs among tensor names, in order; pairs of DoRA do not count."""
    there = set(names)
    layers = [n.removesuffix(LORA_A) for n in names if n.endswith(LORA_A)]
    scaled = {
        n.partition(".lora_magnitude_vector")[0] for n in there if ".lora_magnitude_vector" in n
    }
    return [Pair(n) for n in layers if n + LORA_B in there and n not in scaled]


def max_rank(params: Mapping[str, Tensor]) -> int:
    """Return the rank of the LoRA pairs; 0 where there are none."""
    return max((len(params[p.a]) for p in lora_pairs(params)), default=0)


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


class RoundSums:
    """Running sums over a round's updates; memory does not grow with the number of clients.

    Accumulated in float64 (products in float32), so the order of arrival changes nothing within
    float32.
    """

    def __init__(self, found: list[Pair], begin: Params, own_means: bool = False):
        self.own_means, self.pairs = own_means, found
        self.weight = self.pair_weight = 0.0
        self.deltas: Params = {}  # sum of weight * delta
        self.values: Params = {}  # sum of pair weight * tensor, of the pairs
        self.products: dict[Pair, PairProducts] = {}
        shapes = {p: (len(begin[p.b]), begin[p.a].shape[1]) for p in found}
        if sum(rows * columns for rows, columns in shapes.values()) <= MAX_PRODUCT_VALUES:
            self.products = {p: PairProducts(torch.zeros(s)) for p, s in shapes.items()}

    def add(self, update: ClientUpdate, start: Params, pair_weight: float) -> None:
        """Add an update. start: what the client began with, of full rank."""
        for name, tensor in update.delta.items():
            _grow(self.deltas, name, tensor, update.mean_weight)
        self.weight += update.mean_weight
        self.pair_weight += pair_weight
        for pair in self.pairs:
            a, b = pair.moved(start, update.delta)
            if self.own_means:
                for name, value in ((pair.a, a), (pair.b, b)):
                    _grow(self.values, name, value, pair_weight)
            if self.products:
                self.products[pair].add(pair_weight, b, a)

    def mean_delta(self) -> Params:
        """Return sum_i w_i delta_i / sum_i w_i."""
        return {n: (t / self.weight).to(torch.float32) for n, t in self.deltas.items()}

    def mean_value(self, name: str) -> Tensor:
        """Return the mean of a pair's tensor by the rule's own weights."""
        return (self.values[name] / self.pair_weight).to(torch.float32)

    def exact(self, pair: Pair) -> Tensor:
        """Return sum_i p_i B_i A_i, float32 (out, in)."""
        return self.products[pair].sum() / self.pair_weight

    def stacked(
        self, merged: Params, factors: Callable[[Pair, Tensor, Tensor], tuple[Tensor, Tensor]]
    ) -> Params:
        """Return the change of the frozen matrices as sent: stacked factors, or whole if shorter.

        merged: the change. factors: (pair, B, A) -> the two whose products sum up to it.
        """
        out = {}
        for pair in self.pairs:
            kept = self.products[pair].kept
            if kept is None:
                out[pair.merged] = merged[pair.merged]
                continue
            both = [(w, *factors(pair, b, a)) for w, b, a in kept]
            out[pair.layer + ".stack_B"] = torch.cat(
                [w / self.pair_weight * b for w, b, _ in both], 1
            )
            out[pair.layer + ".stack_A"] = torch.cat([a for *_, a in both])
        return out


def _grow(total: Params, name: str, tensor: Tensor, weight: float) -> None:
    term = tensor.double() * weight
    total[name] = total[name].add_(term) if name in total else term
