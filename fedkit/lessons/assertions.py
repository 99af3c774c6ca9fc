"""Assertions that fail with a sentence where a method breaks its guarantee."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fedkit.core.tensors import Params
from fedkit.federated.aggregation.aggregators import Combined
from fedkit.federated.aggregation.lora_pairs import lora_pairs
from fedkit.federated.local.train import ClientUpdate


def assert_nothing_lost(
    given: Sequence[Params],
    received: Sequence[Params],
    memory: Params | None = None,
    tolerance: float = 1e-3,
) -> None:
    """Check that a client's updates all arrive: sum given = sum received + memory.

    given, received: a client's deltas, round by round. memory: its error feedback after the last
    round. tolerance: allowed share of the norm. Raises AssertionError with the share that was lost.
    """
    missing, whole = 0.0, 0.0
    for name in given[0]:
        total = sum(delta[name].double() for delta in given)
        left = total - sum(delta[name].double() for delta in received)
        if memory:
            left = left - memory[name].double()
        missing += left.square().sum().item()
        whole += total.square().sum().item()
    share = (missing / whole) ** 0.5 if whole else 0.0
    assert share <= tolerance, (
        f"{100 * share:.0f} % of what the client learned is neither sent nor remembered: it is lost"
    )


def assert_exact_mean(
    begin: Params,
    updates: Sequence[ClientUpdate],
    done: Combined,
    scale: float = 1.0,
    tolerance: float = 1e-3,
) -> None:
    """Check that the aggregated LoRA pairs equal the mean product: B A + added = sum_i p_i B_i A_i.

    begin: the shared tensors that all clients started from. done: the server's result. p_i: by
    examples. scale: of the adapter. tolerance: allowed share of the norm. Raises AssertionError
    that states the error.
    """
    weight = sum(u.num_examples for u in updates)
    error = whole = 0.0
    for pair in lora_pairs(begin):
        exact = sum(
            u.num_examples
            / weight
            * (begin[pair.b] + u.delta.get(pair.b, 0))
            @ (begin[pair.a] + u.delta.get(pair.a, 0))
            for u in updates
        )
        b, a = (begin[n] + done.delta.get(n, torch.zeros(())) for n in (pair.b, pair.a))
        found = b @ a + done.merged.get(pair.merged, torch.zeros(())) / scale
        error += (exact - found).square().sum().item()
        whole += exact.square().sum().item()
    share = (error / whole) ** 0.5 if whole else 0.0
    assert share <= tolerance, (
        f"the averaged adapter is {100 * share:.0f} % off the average of the adapters"
    )
