"""The brief as data: all that its page, slides and JSON show, in one language.

Code that draws a brief computes nothing and reads no record: every number comes from a record or
from a stated assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GO, CONDITIONS, NO_GO = "go", "conditions", "no-go"


@dataclass(frozen=True)
class Bar:
    """One method in the chart of accuracies. Shares from 0 to 1; low, high: 95 % interval (may be
    NaN).

    method: a key of `method_style.METHODS` (its colour). name, note: as shown.
    """

    method: str
    name: str
    value: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """A number as shown, its name, a note and its source (a path in run.json or an assumption)."""

    name: str
    value: str
    note: str = ""
    source: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule of the recommendation and what it found.

    effect: go | conditions | no-go, the verdict it calls for when it is not met.
    """

    key: str
    text: str
    met: bool
    effect: str
    found: str = ""


@dataclass(frozen=True)
class Swing:
    """One bar of the tornado: the yearly net at the low and high value of one assumption."""

    name: str
    low_label: str
    high_label: str
    at_low: float
    at_high: float


@dataclass(frozen=True)
class Returns:
    """Return on investment of all companies together, per year, in `currency`.

    months: until set-up is paid back; None: never. curve: (month, cumulative net value) for the
    break-even chart. net is the value the tornado swings around. assumptions: name, value, unit and
    source of each, as shown. break_even: sentences on the value of an assumption at which the
    yearly net is zero.
    """

    currency: str
    gain: float  # value of right answers a year, federated beyond what each company has alone
    running: float  # running cost a year
    setup: float  # once
    net: float  # gain - running
    months: float | None
    swings: tuple[Swing, ...]
    curve: tuple[tuple[float, float], ...]
    assumptions: tuple[Fact, ...]
    break_even: tuple[str, ...] = ()
    sentence: str = ""


@dataclass(frozen=True)
class Brief:
    """A decision on one page. All strings are in `lang` ("en" or "ja") and plain text, not HTML.

    verdict: GO, CONDITIONS or NO_GO; verdict_name: as shown. headline: the recommendation in a
    sentence. tiles: four or five big numbers. bars: accuracies. hours: (rows: devices, columns:
    links) table of strings for the whole run. left, stayed: what left each client and what did not.
    leaving: what happens if a client leaves. ui: headings and labels of the page, by key (see
    `page.ui_words`). numbers: for JSON and for native charts.
    """

    lang: str
    title: str
    question: str
    date: str
    verdict: str
    verdict_name: str
    headline: str
    tiles: tuple[Fact, ...]
    tried: tuple[str, ...]
    bars: tuple[Bar, ...]
    bars_sentence: str
    costs: tuple[Fact, ...]
    hours_head: tuple[str, ...]  # first cell: what the rows are; then the links
    hours_rows: tuple[tuple[str, ...], ...]
    privacy: tuple[str, ...]
    left: tuple[str, ...]
    stayed: tuple[str, ...]
    leaving: tuple[str, ...]
    rules: tuple[Rule, ...]
    conditions: tuple[str, ...]
    returns: Returns
    next_steps: tuple[str, ...]
    phrases: tuple[str, ...]
    caveats: tuple[str, ...]
    sources: tuple[str, ...]
    ui: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
