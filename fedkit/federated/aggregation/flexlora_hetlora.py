"""FlexLoRA and HetLoRA: clients whose adapters have different ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.federated.aggregation.lora_pairs import NEEDS_LORA, Pair, RoundSums
from fedkit.federated.interfaces import Aggregator
from fedkit.federated.local.train import ClientUpdate


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
            a, b = pair.moved(start, update.delta)
            squares += ((b.T @ b) * (a @ a.T)).sum().item()  # ||BA||^2 without forming BA
        return math.sqrt(max(squares, 0.0)) + 1e-12

    def finish(self, begin: Params, sums: RoundSums, scale: float) -> tuple[Params, Params, Params]:
        delta = sums.mean_delta()
        delta |= {n: sums.mean_value(n) - begin[n] for p in sums.pairs for n in (p.a, p.b)}
        return delta, {}, {}
