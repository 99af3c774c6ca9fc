"""Aggregation rules: which tensors are trained and sent, and how the server combines them.

Averaging the two matrices of a LoRA pair separately is not averaging their product (see
`lora_pairs`). The rules handle that in different ways, and the error of each round is measured. To
add one: a small frozen dataclass that overrides methods of `Aggregator`, and a line in
`AGGREGATORS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.spec import build_entry
from fedkit.core.tensors import Params
from fedkit.federated.aggregation.lora_pairs import (
    LORA_A,
    LORA_B,
    MAX_PRODUCT_VALUES,
    Pair,
    PairProducts,
    lora_pairs,
)
from fedkit.federated.local.train import ClientUpdate

NEEDS_LORA = "LoRA pairs (--tune lora or rslora)"


@dataclass(frozen=True)
class Combined:
    """The combined updates of a round.

    delta: change of the trained tensors, for the server's optimizer; None when no update arrived.
    merged: change of the frozen matrices. message: tensors sent to every client, so that it changes
    its own frozen matrices alike. error: ||exact - achieved|| / ||exact|| over all pairs, exact =
    sum_i p_i B_i A_i; None without pairs.
    """

    delta: Params | None
    merged: Params
    message: Params
    error: float | None


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
        if sum(len(begin[p.b]) * begin[p.a].shape[1] for p in found) <= MAX_PRODUCT_VALUES:
            self.products = {
                p: PairProducts(torch.zeros(len(begin[p.b]), begin[p.a].shape[1])) for p in found
            }

    def add(self, update: ClientUpdate, start: Params, pair_weight: float) -> None:
        """Add an update. start: what the client began with, of full rank."""
        for name, tensor in update.delta.items():
            _grow(self.deltas, name, tensor, update.mean_weight)
        self.weight += update.mean_weight
        self.pair_weight += pair_weight
        for pair in self.pairs:
            a, b = (
                start[n] + update.delta[n] if n in update.delta else start[n]
                for n in (pair.a, pair.b)
            )
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


class Aggregator:
    """Base of all aggregation rules; averages every tensor separately."""

    needs: ClassVar[str] = ""
    pairs_only: ClassVar[bool] = False  # works on LoRA pairs, refuses other tuners
    needs_both: ClassVar[bool] = False  # needs A and B of every client
    merges: ClassVar[bool] = False  # adds to the frozen matrices
    # averages pairs by its own weights, so that their mean is not that of the deltas
    own_means: ClassVar[bool] = False

    def frozen_names(self, names: Iterable[str], number: int) -> frozenset[str]:
        """Return the names of tensors that are neither trained nor sent in round `number`."""
        return frozenset()

    def local_names(self, names: Iterable[str]) -> frozenset[str]:
        """Return the names of tensors that are trained and never sent."""
        return frozenset()

    def listed_ranks(self) -> list[int]:
        """Return the ranks given to clients in turn, [] for one rank for all.

        Raises FedkitError if they cannot be read.
        """
        return []

    def client_rank(self, client: int, most: int) -> int:
        """Return the rank of a client's pairs. client: its place among all clients."""
        return most

    def round_start(self, shared: Params, number: int, seed: int) -> Params:
        """Return what clients start a round from, computed from what they hold."""
        return shared

    def pair_weight(self, update: ClientUpdate, start: Params, found: list[Pair]) -> float:
        """Return the weight of a client's pairs."""
        return update.mean_weight

    def finish(self, begin: Params, sums: RoundSums, scale: float) -> tuple[Params, Params, Params]:
        """Return (delta, merged, message), see `Combined`. scale: of the adapters, alpha / r."""
        return sums.mean_delta(), {}, {}


@dataclass(frozen=True)
class Mean(Aggregator):
    """Every tensor averaged apart, weighted by examples (FedAvg of adapters, FedIT: Zhang et al.,
    2024).
    """


@dataclass(frozen=True)
class Ffa(Aggregator):
    """A stays as drawn, only B is trained and sent: averaging is then exact (FFA-LoRA: Sun et al.,
    2024).
    """

    needs = NEEDS_LORA
    pairs_only = True

    def frozen_names(self, names: Iterable[str], number: int) -> frozenset[str]:
        return frozenset(n for n in names if n.endswith(LORA_A))


@dataclass(frozen=True)
class Rolora(Aggregator):
    """B in odd rounds, A in even ones; the other is frozen, so averaging is exact (RoLoRA: Chen et
    al., 2024).
    """

    needs = NEEDS_LORA
    pairs_only = True

    def frozen_names(self, names: Iterable[str], number: int) -> frozenset[str]:
        return frozenset(n for n in names if n.endswith(LORA_A if number % 2 else LORA_B))


@dataclass(frozen=True)
class Flora(Aggregator):
    """Every client's pair is stacked and added to the frozen matrices; the next round draws a new A
    (FLoRA: Wang et al., 2024).
    """

    needs = NEEDS_LORA + "; the download carries every client's pair, and is not compressed"
    pairs_only = needs_both = merges = True

    def round_start(self, shared: Params, number: int, seed: int) -> Params:
        """Return B zero, and A drawn as by PEFT (uniform, +-1/sqrt(in)) from seed and round."""
        draw = torch.Generator().manual_seed(seed * 100_003 + number)
        fresh = dict(shared)
        for pair in lora_pairs(shared):
            bound = shared[pair.a].shape[1] ** -0.5
            fresh[pair.a] = torch.empty_like(shared[pair.a]).uniform_(-bound, bound, generator=draw)
            fresh[pair.b] = torch.zeros_like(shared[pair.b])
        return fresh

    def finish(self, begin: Params, sums: RoundSums, scale: float) -> tuple[Params, Params, Params]:
        of_pairs = {n for p in sums.pairs for n in (p.a, p.b)}
        delta = {n: t for n, t in sums.mean_delta().items() if n not in of_pairs}
        merged = {p.merged: scale * sums.exact(p) for p in sums.pairs}
        return delta, merged, _message(merged, sums, lambda pair, b, a: (scale * b, a))


@dataclass(frozen=True)
class Fedex(Aggregator):
    """A and B averaged apart, and what that gets wrong added to the frozen matrices (FedEx-LoRA:
    Singhal et al., 2025).
    """

    needs = NEEDS_LORA + "; the download carries the correction, and is not compressed"
    pairs_only = needs_both = merges = True

    def finish(self, begin: Params, sums: RoundSums, scale: float) -> tuple[Params, Params, Params]:
        delta = sums.mean_delta()
        mean = {n: begin[n] + delta[n] for p in sums.pairs for n in (p.a, p.b)}
        merged = {p.merged: scale * (sums.exact(p) - mean[p.b] @ mean[p.a]) for p in sums.pairs}
        message = _message(merged, sums, lambda p, b, a: (scale * (b - mean[p.b]), a - mean[p.a]))
        return delta, merged, message


@dataclass(frozen=True)
class UnlikeRanks(Aggregator):
    """Base of the rules for clients of different ranks."""

    ranks: str = "2|4|8"
    needs = NEEDS_LORA + "; the download is not compressed"
    pairs_only = needs_both = True

    def listed_ranks(self) -> list[int]:
        try:
            ranks = [int(part) for part in self.ranks.split("|")]
        except ValueError:
            ranks = [0]
        if not all(1 <= rank <= 4096 for rank in ranks):
            raise FedkitError(
                f"aggregate 'ranks={self.ranks}' given; write whole numbers from 1 joined by '|',"
                " such as 2|4|8"
            )
        return ranks

    def client_rank(self, client: int, most: int) -> int:
        ranks = self.listed_ranks()
        return min(ranks[client % len(ranks)], most)


@dataclass(frozen=True)
class Flexlora(UnlikeRanks):
    """Clients of unlike rank: the products are averaged and split again by singular values
    (FlexLoRA: Bai et al., 2024).

    ranks: of the clients in turn, joined by '|'; those above the tuner's r count as r.
    """

    def finish(self, begin: Params, sums: RoundSums, scale: float) -> tuple[Params, Params, Params]:
        delta = sums.mean_delta()
        for pair in sums.pairs:
            u, s, v = torch.linalg.svd(sums.exact(pair), full_matrices=False)
            r = len(begin[pair.a])
            root = s[:r].sqrt()
            delta[pair.b] = u[:, :r] * root - begin[pair.b]
            delta[pair.a] = root[:, None] * v[:r] - begin[pair.a]
        return delta, {}, {}


@dataclass(frozen=True)
class Hetlora(UnlikeRanks):
    """Clients of unlike rank: pairs filled up with zeros, averaged by the size of what each changes
    (HetLoRA: Cho et al., 2024).

    ranks: of the clients in turn, joined by '|'; those above the tuner's r count as r. Weights are
    the Frobenius norms of the clients' products. The paper's pruning of ranks during training is
    left out.
    """

    own_means = True

    def pair_weight(self, update: ClientUpdate, start: Params, found: list[Pair]) -> float:
        squares = 0.0
        for pair in found:
            a, b = (start[n] + update.delta[n] for n in (pair.a, pair.b))
            squares += ((b.T @ b) * (a @ a.T)).sum().item()  # ||BA||^2 without forming BA
        return math.sqrt(max(squares, 0.0)) + 1e-12

    def finish(self, begin: Params, sums: RoundSums, scale: float) -> tuple[Params, Params, Params]:
        delta = sums.mean_delta()
        delta |= {n: sums.mean_value(n) - begin[n] for p in sums.pairs for n in (p.a, p.b)}
        return delta, {}, {}


@dataclass(frozen=True)
class Fedsa(Aggregator):
    """A is shared, every client keeps a B of its own: a model per client (FedSA-LoRA: Guo et al.,
    2025).
    """

    needs = NEEDS_LORA + "; scored per client"
    pairs_only = True

    def local_names(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(n for n in names if n.endswith(LORA_B))


def combine_updates(
    rule: Aggregator,
    begin: Params,
    updates: Iterable[ClientUpdate],
    scale: float = 1.0,
    start: Callable[[str], Params] | None = None,
    home: frozenset[str] = frozenset(),
    products: bool = True,
) -> Combined:
    """Return a round's updates, read one by one, combined by `rule`.

    begin: from `rule.round_start`. start: what a client began with, by its id, of full rank;
    `begin` for all if None. home: names of tensors that stay with the clients; the server cannot
    know the product of a pair with one of them. products: whether the updates are as the clients
    made them in this round, so that their products are meaningful.
    """
    found = [p for p in lora_pairs(begin) if products and not {p.a, p.b} & home]
    sums = RoundSums(found, begin, rule.own_means)
    for update in updates:
        own = begin if start is None or not products else start(update.client_id)
        sums.add(update, own, rule.pair_weight(update, own, found))
    if not sums.weight:
        return Combined(None, {}, {}, None)
    delta, merged, message = rule.finish(begin, sums, scale)
    return Combined(delta, merged, message, _error(begin, sums, delta, merged, scale))


def _error(
    begin: Params, sums: RoundSums, delta: Params, merged: Params, scale: float
) -> float | None:
    """Return the relative distance of the round's products from the clients' mean product."""
    missed = whole = 0.0
    for pair in sums.products:
        a, b = (begin[n] + delta[n] if n in delta else begin[n] for n in (pair.a, pair.b))
        exact, achieved = sums.exact(pair), b @ a
        if pair.merged in merged:
            achieved = achieved + merged[pair.merged] / scale
        missed += (exact - achieved).square().sum().item()
        whole += exact.square().sum().item()
    return math.sqrt(missed / whole) if whole > 0 else None


def _message(
    merged: Params,
    sums: RoundSums,
    factors: Callable[[Pair, Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Params:
    """Return the change of the frozen matrices as sent: stacked factors, or whole if shorter."""
    out = {}
    for pair in sums.pairs:
        kept = sums.products[pair].kept
        if kept is None:
            out[pair.merged] = merged[pair.merged]
            continue
        both = [(w, *factors(pair, b, a)) for w, b, a in kept]
        out[pair.layer + ".stack_B"] = torch.cat([w / sums.pair_weight * b for w, b, _ in both], 1)
        out[pair.layer + ".stack_A"] = torch.cat([a for *_, a in both])
    return out


def _grow(total: Params, name: str, tensor: Tensor, weight: float) -> None:
    term = tensor.double() * weight
    total[name] = total[name].add_(term) if name in total else term


def make_aggregator(spec: str) -> Aggregator:
    """Return the rule that 'name:key=value,...' describes.

    Raises FedkitError naming what is allowed.
    """
    rule = build_entry("aggregate", AGGREGATORS, spec)
    rule.listed_ranks()  # ranks that cannot be read are refused here
    return rule


AGGREGATORS: dict[str, type[Aggregator]] = {
    "mean": Mean,
    "ffa": Ffa,
    "rolora": Rolora,
    "flora": Flora,
    "fedex": Fedex,
    "flexlora": Flexlora,
    "hetlora": Hetlora,
    "fedsa": Fedsa,
}
