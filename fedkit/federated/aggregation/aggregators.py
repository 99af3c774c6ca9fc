"""Aggregation rules: which tensors are trained and sent, and how the server combines them.

Averaging the two matrices of a LoRA pair separately is not averaging their product (see
`lora_pairs`). The rules handle that in different ways, and the error of each round is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from fedkit.core.spec import build_entry
from fedkit.core.tensors import Params
from fedkit.federated.aggregation.flexlora_hetlora import Flexlora, Hetlora
from fedkit.federated.aggregation.lora_pairs import (
    LORA_A,
    LORA_B,
    NEEDS_LORA,
    RoundSums,
    lora_pairs,
)
from fedkit.federated.interfaces import Aggregator
from fedkit.federated.local.train import ClientUpdate


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
        return delta, merged, sums.stacked(merged, lambda pair, b, a: (scale * b, a))


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
        message = sums.stacked(merged, lambda p, b, a: (scale * (b - mean[p.b]), a - mean[p.a]))
        return delta, merged, message


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
        a, b = pair.moved(begin, delta)
        exact, achieved = sums.exact(pair), b @ a
        if pair.merged in merged:
            achieved = achieved + merged[pair.merged] / scale
        missed += (exact - achieved).square().sum().item()
        whole += exact.square().sum().item()
    return math.sqrt(missed / whole) if whole > 0 else None


def make_aggregator(spec: str) -> Aggregator:
    """Return the rule of 'name:key=value,...'. Raises FedkitError naming what is allowed."""
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
