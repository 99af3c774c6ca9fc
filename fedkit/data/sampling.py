"""Drawing rows for clients without replacement: at random, or with given label shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def power_law_sizes(total: int, clients: int, exponent: float, floor: int) -> np.ndarray:
    """Return sizes that sum to `total`: `floor` each, the rest in proportion to rank ** -exponent.

    Result: int64, shape (clients,), the largest first. Needs total >= clients * floor.
    """
    weights = np.arange(1, clients + 1, dtype=float) ** -exponent
    spare = total - clients * floor
    ideal = spare * weights / weights.sum()
    sizes = np.floor(ideal).astype(np.int64)
    largest_remainders = np.argsort(sizes - ideal, kind="stable")[: spare - sizes.sum()]
    sizes[largest_remainders] += 1
    return floor + np.sort(sizes)[::-1]


def draw_rows(num_examples: int, sizes: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw disjoint random rows out of 0 .. num_examples - 1, sizes[i] of them for client i."""
    order = rng.permutation(num_examples)[: sizes.sum()]
    return np.split(order, np.cumsum(sizes)[:-1])


def draw_by_label(
    labels: np.ndarray,
    num_labels: int,
    sizes: np.ndarray,
    shares: Iterable[np.ndarray],
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Draw disjoint rows, sizes[i] for client i, with labels in the proportions of shares[i].

    labels: int, shape (n,). sizes: int, shape (clients,), sum at most n. Each share: shape
    (num_labels,), sum 1. A label without examples left is dropped and the other shares are
    renormalised, as in Hsu et al. (2019, arXiv:1909.06335); they draw one example at a time, which
    has the same distribution as counts drawn at once.
    """
    left = np.bincount(labels, minlength=num_labels)  # examples not dealt yet, by label
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by label, at random within a label
    end = np.cumsum(left)
    parts = []
    for size, share in zip(sizes, shares):
        counts = _draw_counts(int(size), share, left, rng)
        taken = [order[end[k] - left[k] :][: counts[k]] for k in np.flatnonzero(counts)]
        parts.append(rng.permutation(np.concatenate([order[:0], *taken])))
        left = left - counts
    return parts


def group_rows(clients: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the rows of each client, in random order; clients in the order of their names."""
    names, client = np.unique(np.array(clients, dtype=object), return_inverse=True)
    order = rng.permutation(len(client))
    order = order[np.argsort(client[order], kind="stable")]
    return dict(zip(names, np.split(order, np.cumsum(np.bincount(client))[:-1])))


def _draw_counts(
    size: int, share: np.ndarray, left: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw how many of each label: multinomial, and again for draws beyond what is left.

    left: examples not dealt yet, shape (num_labels,), sum at least `size`.
    """
    counts = np.zeros_like(left)
    while (missing := size - counts.sum()) > 0:
        weights = np.where(counts < left, share, 0.0)
        if not weights.sum() > 0:  # none of the client's labels is left: it takes what there is
            weights = (left - counts).astype(float)
        counts = np.minimum(left, counts + rng.multinomial(missing, weights / weights.sum()))
    return counts
