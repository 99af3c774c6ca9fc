"""Who is masked with whom: everyone with everyone, or a few neighbours each (Bell et al., 2020).

With k neighbours a client's work grows with k in the place of n. But a secret is then held by k + 1
clients only, and small circles are unlucky more often than large ones: `risk` says how often,
`enough` finds the k that is safe.
"""

from __future__ import annotations

import math

import numpy as np

from fedkit.wire.secure_aggregation.masking_client import digest, philox


def needed(holders: int, threshold: float) -> int:
    """How many of the holders of a secret must answer: more than the share `threshold` of them."""
    return min(holders, int(threshold * holders + 1e-9) + 1)


def graph(count: int, neighbours: int, seed: int, round: int) -> list[list[int]]:
    """Each client's circle, itself included, sorted: all, or a ring in random order with k/2
    neighbours on each side.

    neighbours: k, rounded up to an even number; 0: everyone.
    """
    half = -(-neighbours // 2)
    if not neighbours or 2 * half >= count - 1:
        return [list(range(count))] * count
    order = np.random.Generator(philox(digest("graph", seed, round))).permutation(count).tolist()
    circles = [
        sorted(order[(i + step) % count] for step in range(-half, half + 1)) for i in range(count)
    ]
    return [circle for _, circle in sorted(zip(order, circles))]


def risk(
    count: int, neighbours: int, drop: float, hostile: float = 0.0, threshold: float = 0.5
) -> dict[str, float]:
    """Upper bounds on what can go wrong in a round, with `drop` and `hostile` the chances of each
    client, independent.

    fails: some secret lacks shares, and the sum stays noise. opened: hostile clients hold enough
    shares of someone's secrets to uncover its vector together with the server. parted: the ring
    falls apart, and the server sees the sums of its pieces. Union bounds over the clients, after
    sections 3 and 4 of the paper.
    """
    k = min(neighbours or count - 1, count - 1)
    least = needed(k + 1, threshold)
    if k == count - 1:  # one circle for all
        fails, opened, parted = (
            _between(0, least - 1, count, 1 - drop),
            _between(least, k, k, hostile),
            0.0,
        )
    else:
        fails = count * _between(0, least - 1, k, 1 - drop)
        opened, parted = (
            count * _between(least, k, k, hostile),
            count * (drop + hostile) ** (k // 2),
        )
    return {"fails": min(1.0, fails), "opened": min(1.0, opened), "parted": min(1.0, parted)}


def enough(
    count: int, drop: float, hostile: float = 0.0, threshold: float = 0.5, chance: float = 1e-6
) -> int:
    """The smallest even number of neighbours at which every `risk` is at most `chance`; 0
    (everyone) where none is.
    """
    for k in range(2, count - 1, 2):
        if max(risk(count, k, drop, hostile, threshold).values()) <= chance:
            return k
    return 0


def _between(least: int, most: int, count: int, p: float) -> float:
    """The chance of `least` to `most` successes in `count` tries (binomial)."""
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
