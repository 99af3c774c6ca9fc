"""What the lessons share: sizes that automatic tests may shrink, and one line of progress under a
cell.
"""

from __future__ import annotations

import os
from typing import TypeVar

from fedkit.core.progress import Progress

T = TypeVar("T")


def by_mode(normal: T, fast: T) -> T:
    """`normal`, or `fast` where FEDKIT_FAST=1 is set: fewer examples and rounds, everything still
    computed.
    """
    return fast if os.environ.get("FEDKIT_FAST") == "1" else normal


def ticker(now: Progress) -> None:
    """One line under a notebook cell, written over at every call; give it as `progress`."""
    print(f"\r{now!s:<110}", end="", flush=True)
