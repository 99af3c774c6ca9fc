"""Sizes that automatic tests may shrink, and a line of progress under a cell."""

from __future__ import annotations

import os
from typing import TypeVar

from fedkit.core.progress import Progress

T = TypeVar("T")


def by_mode(normal: T, fast: T) -> T:
    """Return `normal`, or `fast` (less data, same computation) where FEDKIT_FAST=1 is set."""
    return fast if os.environ.get("FEDKIT_FAST") == "1" else normal


def ticker(now: Progress) -> None:
    """Print progress on one line that the next call overwrites; pass it as `progress`."""
    print(f"\r{now!s:<110}", end="", flush=True)
