"""Shamir's secret sharing: t of n shares give the secret, t - 1 give nothing (Shamir, 1979).

The secret is the value at 0 of a random polynomial of degree t - 1 over the field of 2^127 - 1
elements; a share is its value elsewhere. Not secure, for teaching: the running time of Python's
integers depends on their values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod

PRIME = 2**127 - 1  # a Mersenne prime: secrets and shares fit in 16 bytes
NBYTES = 16


def split_secret(
    secret: int, places: Sequence[int], needed: int, draw: Callable[[int], int]
) -> dict[int, int]:
    """Return {place: share} of a secret below PRIME; any `needed` of the shares recover it.

    places: different whole numbers >= 1. draw(limit): returns a random whole number below limit.
    """
    assert (
        0 <= secret < PRIME
        and 1 <= needed <= len(places)
        and len(set(places)) == len(places)
        and min(places) > 0
    )
    powers = [draw(PRIME) for _ in range(needed - 1)]  # the highest first
    return {x: _polynomial_value(powers, secret, x) for x in places}


def join_shares(shares: Mapping[int, int]) -> int:
    """Return the secret of {place: share}, or another number if there are too few shares."""
    places = tuple(sorted(shares))
    return sum(weight * shares[x] for weight, x in zip(lagrange_weights(places), places)) % PRIME


def _polynomial_value(powers: list[int], secret: int, x: int) -> int:
    """Return the polynomial's value at x, by Horner's rule."""
    total = 0
    for power in powers:
        total = (total + power) * x % PRIME
    return (total + secret) % PRIME


@lru_cache(maxsize=8)
def lagrange_weights(places: tuple[int, ...]) -> tuple[int, ...]:
    """Return Lagrange's weights of the value at 0, the same for all secrets at these places."""
    above = prod(places)  # times (-1)^(n-1), which the signs of the differences below contain
    weights = []
    for x in places:
        below = x
        for other in places:
            if other != x:
                below = below * (other - x) % PRIME
        weights.append(above * pow(below, -1, PRIME) % PRIME)
    return tuple(weights)
