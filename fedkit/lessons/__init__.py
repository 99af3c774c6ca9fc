"""Helpers of the notebooks: figures, small experiments, sizes for automatic tests.

One module per lesson that has figures of its own; `assertions` checks what a method guarantees.
Importing the package silences notes of transformers and opacus for developers. May import:
everything below. Only notebooks and tests import it.
"""

from __future__ import annotations

import warnings

from fedkit.lessons.fast_mode import by_mode, ticker

__all__ = ["by_mode", "ticker"]

warnings.filterwarnings("ignore", module="transformers|opacus")
