"""The options and the result of a data check: `CheckOptions` and `Finding`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# nothing to do | usable, but look | cannot be used before it is fixed
LEVELS = ("note", "care", "stop")
MOST_ROWS = 1_000  # row numbers that a finding keeps
MOST_EXAMPLES = 5
WIDTH = 80  # characters of an example


@dataclass(frozen=True)
class CheckOptions:
    """What the checks need to know besides the rows.

    model: the base model that the data is meant for. max_tokens: its limit in a run. slow: also run
    the checks that need a model and take minutes (suspicious labels). tell: called with progress
    sentences, or None.
    """

    model: str = "minilm"
    max_tokens: int = 64
    seed: int = 0
    slow: bool = True
    tell: Any = None


@dataclass(frozen=True)
class Finding:
    """One problem or fact that a check found.

    kind: its check in `report.CHECKS`. level: one of LEVELS. count: rows concerned, of `of` rows
    looked at (`sampled` is True where a sample was looked at). rows: their line numbers, at most
    MOST_ROWS. what, why, mend: a sentence each on what was found, why it matters and how to fix it.
    examples: at most MOST_EXAMPLES, cut to WIDTH characters, personal data masked. numbers: values
    for programs and plots. mended: True where the cleaned copy no longer has it.
    """

    kind: str
    level: str
    count: int
    of: int
    what: str
    why: str
    mend: str
    rows: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    mended: bool = False
    sampled: bool = False

    def __post_init__(self) -> None:
        assert self.level in LEVELS, self.level
        assert len(self.rows) <= MOST_ROWS and len(self.examples) <= MOST_EXAMPLES, self.kind
