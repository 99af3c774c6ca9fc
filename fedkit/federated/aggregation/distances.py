"""Distances between updates, which the rules that compare clients work on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fedkit.federated.local.train import ClientUpdate

BLOCK_VALUES = 2**22  # float64 values of all clients together that are held at a time: 32 MiB


def value_blocks(updates: Sequence[ClientUpdate], name: str) -> Iterator[Tensor]:
    """Yield one tensor of every client, as float64 pieces of shape (clients, values)."""
    rows = [u.delta[name].detach().reshape(-1) for u in updates]
    size = max(1, BLOCK_VALUES // len(rows))
    for start in range(0, len(rows[0]), size):
        yield torch.stack([row[start : start + size].double() for row in rows])


def gram_matrix(updates: Sequence[ClientUpdate]) -> Tensor:
    """Return the inner products of every two updates, float64 (clients, clients)."""
    total = torch.zeros(len(updates), len(updates), dtype=torch.float64)
    for name in updates[0].delta if updates else ():
        for values in value_blocks(updates, name):
            total += (values @ values.T).cpu()
    return total


def pairwise_distances(products: Tensor) -> Tensor:
    """Return the Euclidean distances of every two updates, from their inner products."""
    own = products.diagonal()
    distances = (own[:, None] + own[None] - 2 * products).clamp_min(0).sqrt()
    return distances.fill_diagonal_(0)
