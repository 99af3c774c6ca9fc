"""Which clients share pairwise masks: all of them, or k neighbours each (Bell et al., 2020).

With k neighbours a client's work grows with k instead of n. But only k + 1 clients then hold shares
of a secret, and a small neighbourhood fails more often than a large one: `failure_bounds` bounds
the chance, `safe_neighbours` finds a sufficient k.
"""

from __future__ import annotations

import math

import numpy as np

from fedkit.wire.secure_aggregation.masking_client import Seed, digest, philox


def shares_needed(holders: int, threshold: float) -> int:
    """Return how many holders of a secret must answer: more than the share `threshold` of them."""
    return min(holders, int(threshold * holders + 1e-9) + 1)


def neighbour_graph(count: int, neighbours: int, seed: Seed, round: int) -> list[list[int]]:
    """Return each client's neighbourhood: its neighbours and itself, by place, sorted.

    neighbours: k, rounded up to an even number: a ring in random order with k/2 neighbours on each
    side; 0: everyone.
    """
    half = -(-neighbours // 2)
    if not neighbours or 2 * half >= count - 1:
        return [list(range(count))] * count
    order = np.random.Generator(philox(digest("graph", seed, round))).permutation(count).tolist()
    neighbourhoods = [
        sorted(order[(i + step) % count] for step in range(-half, half + 1)) for i in range(count)
    ]
    return [found for _, found in sorted(zip(order, neighbourhoods))]


def failure_bounds(
    count: int, neighbours: int, drop: float, hostile: float = 0.0, threshold: float = 0.5
) -> dict[str, float]:
    """Return upper bounds on the chances of three failures of a round.

    drop, hostile: chance that a client drops out or is hostile, independently of the others.
    fails: some secret lacks shares, and the sum stays noise. opened: hostile clients hold enough
    shares of a client's secrets to uncover its vector together with the server. parted: the ring
    falls apart, and the server sees the sums of its pieces. Union bounds over the clients, after
    sections 3 and 4 of the paper.
    """
    k = min(neighbours or count - 1, count - 1)
    least = shares_needed(k + 1, threshold)
    if k == count - 1:  # one neighbourhood for all
        fails, opened, parted = (
            _binomial_probability(0, least - 1, count, 1 - drop),
            _binomial_probability(least, k, k, hostile),
            0.0,
        )
    else:
        fails = count * _binomial_probability(0, least - 1, k, 1 - drop)
        opened, parted = (
            count * _binomial_probability(least, k, k, hostile),
            count * (drop + hostile) ** (k // 2),
        )
    return {"fails": min(1.0, fails), "opened": min(1.0, opened), "parted": min(1.0, parted)}


def safe_neighbours(
    count: int, drop: float, hostile: float = 0.0, threshold: float = 0.5, chance: float = 1e-6
) -> int:
    """Return the smallest even number of neighbours with all failure bounds at most `chance`.

    0 (everyone) if there is no such number.
    """
    for k in range(2, count - 1, 2):
        if max(failure_bounds(count, k, drop, hostile, threshold).values()) <= chance:
            return k
    return 0


def _binomial_probability(least: int, most: int, count: int, p: float) -> float:
    """Return the chance of `least` to `most` successes in `count` tries."""
    if p in (0.0, 1.0):
        return float(least <= p * count <= most)
    logs = (
        math.lgamma(count + 1)
        - math.lgamma(i + 1)
        - math.lgamma(count - i + 1)
        + i * math.log(p)
        + (count - i) * math.log1p(-p)
        for i in range(least, most + 1)
    )
    return math.fsum(math.exp(value) for value in logs)
