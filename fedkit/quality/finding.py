"""What a check of data says, and what it looks at: one table whatever file it came from, and
findings about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# nothing to do | usable, but look | cannot be used before it is mended
LEVELS = ("note", "care", "stop")
MOST_ROWS = 1_000  # row numbers that a finding keeps
MOST_EXAMPLES = 5
WIDTH = 80  # characters of an example


@dataclass(frozen=True)
class CheckOptions:
    """What the checks need to know beside the rows. model: the base model the data is meant for.
    max_tokens: its limit in a run.

    slow: also what needs a model and takes minutes (suspicious labels). tell: called with a
    sentence now and then.
    """

    model: str = "minilm"
    max_tokens: int = 64
    seed: int = 0
    slow: bool = True
    tell: Any = None


@dataclass(frozen=True)
class Finding:
    """One thing that was found. kind: its check in `quality.CHECKS`. level: one of LEVELS.

    count: rows concerned, of `of` rows looked at (fewer than all where a sample was enough: then
    `sampled` is True). rows: their line numbers, at most MOST_ROWS of them. what, why, mend: a
    sentence each: what was found, why it matters, how to mend it. examples: at most MOST_EXAMPLES,
    cut to WIDTH characters, personal data masked. numbers: figures for programs and pictures.
    mended: True where the cleaned copy no longer has it.
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
