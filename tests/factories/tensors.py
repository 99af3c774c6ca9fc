"""Comparisons of named tensors."""

from __future__ import annotations


def distance(a, b) -> float:
    """The largest absolute difference of any value."""
    return max((a[n] - b[n]).abs().max().item() for n in a)
