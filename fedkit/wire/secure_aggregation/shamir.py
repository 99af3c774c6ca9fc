"""Shamir's secret sharing: any t of n shares give the secret, t - 1 say nothing about it (Shamir,
1979).

The secret is the value at 0 of a random polynomial of degree t - 1 over the field of 2^127 - 1
elements; a share is its value elsewhere. Not secure, for teaching: the kit draws the coefficients
from a seed, and Python's whole numbers do not take the same time for every value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod

PRIME = 2**127 - 1  # of Mersenne: secrets and shares fit in 16 bytes
NBYTES = 16


def split(
    secret: int, places: Sequence[int], needed: int, draw: Callable[[int], int]
) -> dict[int, int]:
    """{place: share} of a secret below PRIME, of which any `needed` give it back.

    places: different whole numbers from 1 on. draw(limit): a random whole number below limit.
    """
    assert (
        0 <= secret < PRIME
        and 1 <= needed <= len(places)
        and len(set(places)) == len(places)
        and min(places) > 0
    )
    powers = [draw(PRIME) for _ in range(needed - 1)]  # the highest first
    return {x: _value(powers, secret, x) for x in places}


def join(shares: Mapping[int, int]) -> int:
    """The secret of {place: share}; any other number where there are fewer than were needed."""
    places = tuple(sorted(shares))
    return sum(weight * shares[x] for weight, x in zip(_weights(places), places)) % PRIME


def _value(powers: list[int], secret: int, x: int) -> int:
    """Horner's rule."""
    total = 0
    for power in powers:
        total = (total + power) * x % PRIME
    return (total + secret) % PRIME


@lru_cache(maxsize=8)
def _weights(places: tuple[int, ...]) -> tuple[int, ...]:
    """Lagrange's weights of the value at 0: they are the same for every secret that the same
    clients hold.
    """
    above = prod(places)  # times (-1)^(n-1), which the differences below take in
    weights = []
    for x in places:
        below = x
        for other in places:
            if other != x:
                below = below * (other - x) % PRIME
        weights.append(above * pow(below, -1, PRIME) % PRIME)
    return tuple(weights)
