"""How updates become one: a weighted mean, taken as they arrive so that memory does not grow with clients."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from fedkit.client.train import ClientUpdate
from fedkit.model.classifier import Params


def weighted_mean(updates: Iterable[ClientUpdate]) -> Params | None:
    """sum_i n_i delta_i / sum_i n_i with n_i = num_examples; None when no update arrived.

    Accumulated in float64, so the order of arrival changes nothing that float32 could see.
    """
    total, weight = {}, 0
    for update in updates:
        for name, tensor in update.delta.items():
            term = tensor.double() * update.num_examples
            total[name] = total[name].add_(term) if name in total else term
        weight += update.num_examples
    return {name: (t / weight).to(torch.float32) for name, t in total.items()} if weight else None
