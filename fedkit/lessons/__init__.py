"""Helpers of the notebooks: figures, small experiments, sizes for automatic tests.

One module per lesson that has figures of its own; `assertions` checks what a method guarantees.
Importing the package silences notes of transformers and opacus for developers. May import:
everything below. Only notebooks and tests import it.
"""

from __future__ import annotations

import os
import warnings
from typing import TypeVar

from fedkit.core.progress import Progress

T = TypeVar("T")

warnings.filterwarnings("ignore", module="transformers|opacus")


def by_mode(normal: T, fast: T) -> T:
    """Return `normal`, or `fast` (less data, same computation) where FEDKIT_FAST=1 is set."""
    return fast if os.environ.get("FEDKIT_FAST") == "1" else normal


def ticker(now: Progress) -> None:
    """Print progress on one line that the next call overwrites; pass it as `progress`."""
    print(f"\r{now!s:<110}", end="", flush=True)
