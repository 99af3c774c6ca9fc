"""What the notebooks need beside the kit itself: pictures, sizes for automatic tests.

One module for each lesson that has figures of its own; `assertions` states what a method promises.
Importing it silences the notes that transformers and opacus print for developers.
May import: everything below. Nothing imports it but notebooks and tests.
"""

from __future__ import annotations

import warnings

from fedkit.lessons.fast_mode import by_mode, ticker

__all__ = ["by_mode", "ticker"]

warnings.filterwarnings("ignore", module="transformers|opacus")
