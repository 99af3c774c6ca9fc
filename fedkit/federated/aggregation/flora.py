"""FLoRA: stacked adapters, for an exact mean of LoRA pairs (Wang et al., 2024)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedkit.core.tensors import Params
from fedkit.federated.aggregation.lora_pairs import NEEDS_LORA, RoundSums, lora_pairs
from fedkit.federated.interfaces import Aggregator


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
