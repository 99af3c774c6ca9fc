"""A choice among measured methods by stated needs: the rule, and a panel with three drop-downs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedkit.core import formatting
from fedkit.core.commands import command_line
from fedkit.core.config import RunConfig
from fedkit.lessons.compare import MeasuredMethod, measured_methods, promise_label
from fedkit.plots import panel
from fedkit.results.difference import UNCLEAR, Difference
from fedkit.results.measures import MEASURES, NEW, Measure, Runs, check_runs
from fedkit.results.methods import NEARLY
from fedkit.results.privacy_promise import Promise
from fedkit.results.verdict import judge_method, measure_name

# kB that a client sends in a round
TRAFFIC = {"any": math.inf, "100 kB": 100.0, "20 kB": 20.0, "5 kB": 5.0, "1 kB": 1.0}
PROMISES = {
    "nothing": Promise(),
    "the server reads sums only": Promise(sealed=True),
    "ε 8 for each text": Promise(8.0, 1e-5, "example"),
    "ε 8, and nobody is trusted": Promise(8.0, 1e-5, "example", alone=True),
    "ε 1 for each text": Promise(1.0, 1e-5, "example"),
}
MEMORY = {"any": math.inf, "4 GB": 4000.0, "1 GB": 1000.0, "0.5 GB": 500.0}  # MB at a client
OFFERED = {"Most bytes": TRAFFIC, "Privacy": PROMISES, "Memory": MEMORY}
RULE = (
    "Of those that fit, the most accurate;"
    " but the one that sends least, if it is within one point of that."
)


@dataclass(frozen=True)
class Limits:
    """What is needed: kB sent per client and round, a promise, MB at a client."""

    kb: float = math.inf
    promise: Promise = PROMISES["nothing"]
    memory: float = math.inf


@dataclass(frozen=True)
class Choice:
    """The outcome of `choose`. picked: None if nothing fits. top: the most accurate that fits.

    refused: {name: why it does not fit}.
    """

    picked: MeasuredMethod | None
    top: MeasuredMethod | None
    refused: dict[str, str]


def choose(found: Sequence[MeasuredMethod], needs: Limits) -> Choice:
    """Return the choice by RULE among the methods that meet all three needs."""
    refused = {w.name: why for w in found if (why := unmet_need(w, needs))}
    fit = [w for w in found if w.name not in refused]
    if not fit:
        return Choice(None, None, refused)
    top = max(fit, key=lambda w: w.accuracy.value)
    near = [w for w in fit if w.accuracy.value >= top.accuracy.value - NEARLY]
    return Choice(min(near, key=lambda w: w.kb), top, refused)


def unmet_need(measured: MeasuredMethod, needs: Limits) -> str:
    """Return in a few words which need a method does not meet; '' if it meets all.

    A value that is not known does not meet a limit.
    """
    if not measured.promise.covers(needs.promise):
        return f"promises {promise_label(measured.promise) or 'nothing'}"
    if not measured.kb <= needs.kb:
        return f"sends {format_kilobytes(measured.kb)}"
    if measured.memory <= needs.memory or needs.memory == math.inf:
        return ""
    return f"needs {measured.memory:,.0f} MB"


def format_kilobytes(kb: float) -> str:
    return formatting.megabytes(kb / 1e3)


def choice_html(runs: Runs, found: Sequence[MeasuredMethod], needs: Limits) -> str:
    """Return the choice as HTML: the pick, why, its command, and what each method lacks."""
    made = choose(found, needs)
    rows = [_row(w, made) for w in sorted(found, key=lambda w: -w.accuracy.value)]
    picked = _picked(runs, made, made.picked) if made.picked else None
    return panel.render("fedkit.lessons", "choice", rule=RULE, rows=rows, picked=picked)


def _picked(runs: Runs, made: Choice, measured: MeasuredMethod) -> dict[str, str]:
    top, why = made.top or measured, ["It is the most accurate that fits."]
    if measured is not top:
        gap = 100 * (top.accuracy.value - measured.accuracy.value)
        more = f"{gap:.1f} points more" if gap >= 0.05 else "just as"
        times = f"{top.kb / measured.kb:.1f} times"
        why = [f"{top.name} is {more} accurate, and sends {times} as much."]
    found = judge_method(measured.method, check_runs(runs))
    why += [_baseline_sentence(found.gaps[m.key], "each alone", m) for m in MEASURES]
    why.append(_baseline_sentence(found.difference("pooled"), "all in one place", NEW))
    return {
        "name": measured.name,
        "right": formatting.percent(measured.accuracy.value),
        "sent": format_kilobytes(measured.kb),
        "why": " ".join(filter(None, why)),
        "command": command_line("run", RunConfig.from_dict(measured.method.runs[0].config)),
    }


def _baseline_sentence(gap: Difference | None, name: str, measure: Measure) -> str:
    if gap is None:
        return ""
    sure = " (not told apart)" if gap.verdict == UNCLEAR else ""
    points, on = formatting.points(gap.value), measure_name(measure, "en")
    return f"Against {name}: {points} points{sure} on {on}."


def _row(measured: MeasuredMethod, made: Choice) -> dict[str, Any]:
    """Return the cells of a method, and whether it is the pick, fits, or does not."""
    why, chosen = made.refused.get(measured.name, ""), measured is made.picked
    memory = "not known" if math.isnan(measured.memory) else f"{measured.memory:,.0f} MB"
    right, sent = formatting.percent(measured.accuracy.value), format_kilobytes(measured.kb)
    sign = "➤" if chosen else "✗" if why else "✓"
    return {"cells": (sign, measured.name, right, sent, memory, why), "sign": sign}


def choice_panel(runs: Runs, needs: Limits | None = None) -> ChoicePanel | panel.StaticPanel:
    """Return the panel; where widgets cannot run, the static choice for `needs` with the reason."""

    def static(reason: str) -> panel.StaticPanel:
        page = choice_html(runs, measured_methods(runs), needs or Limits())
        return panel.StaticPanel(reason, page)

    return panel.or_static(lambda: ChoicePanel(runs, needs), static, ChoicePanel.missing)


class ChoicePanel(panel.Panel):
    """Three drop-downs and the page that follows them."""

    missing = "drop-downs"

    def __init__(self, runs: Runs, needs: Limits | None = None):
        import ipywidgets as w

        start = needs or Limits()
        self.runs, self.found = runs, measured_methods(runs)
        values, self.controls = (start.kb, start.promise, start.memory), []
        for (name, options), value in zip(OFFERED.items(), values):
            if value not in options.values():
                options = {**options, "as given": value}
            menu = panel.step_control(name, options, value, menu=True, width="310px")
            self.controls.append(menu)
        self.words = w.HTML()
        panel.on_change(self.controls, self.draw)
        self.draw()
        self.view = w.VBox([panel.wrapped_row(self.controls), self.words])

    @property
    def needs(self) -> Limits:
        """The needs that the drop-downs are set to."""
        return Limits(*(control.value for control in self.controls))

    def draw(self) -> None:
        self.words.value = self.static_html()

    def static_html(self) -> str:
        return choice_html(self.runs, self.found, self.needs)
