"""A choice among measured methods by stated needs: the rule, and a panel with three drop-downs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from jinja2 import Environment, StrictUndefined

from fedkit.core import formatting
from fedkit.core.commands import command_line
from fedkit.core.config import RunConfig
from fedkit.core.files import read_packaged_text
from fedkit.lessons.compare import WIDTH, MeasuredMethod, measured_methods, promise_label
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
    engine = Environment(autoescape=True, undefined=StrictUndefined)
    template = engine.from_string(read_packaged_text("fedkit.lessons", "templates/choice.html.j2"))
    rows = [_row(w, made) for w in sorted(found, key=lambda w: -w.accuracy.value)]
    picked = _picked(runs, made, made.picked) if made.picked else None
    return template.render(width=WIDTH, rule=RULE, rows=rows, picked=picked)


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


def choice_panel(runs: Runs, needs: Limits | None = None) -> ChoicePanel | StaticChoice:
    """Return the panel; where widgets cannot run, the static choice for `needs` with the reason."""
    try:
        return ChoicePanel(runs, needs)
    except ImportError as error:
        reason = (
            f"No drop-downs here: {str(error).strip().splitlines()[0]}"
            " To mend it, see `fedkit doctor`."
        )
        return StaticChoice(runs, needs or Limits(), reason)


@dataclass(frozen=True)
class StaticChoice:
    """The choice as HTML, which a notebook shows where the panel cannot run."""

    runs: Sequence
    needs: Limits
    reason: str

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.reason[:300])}</b></p>" + choice_html(
            self.runs, measured_methods(self.runs), self.needs
        )


class ChoicePanel:
    """Three drop-downs and the page that follows them."""

    def __init__(self, runs: Runs, needs: Limits | None = None):
        import ipywidgets as w

        start = needs or Limits()
        self.runs, self.found = runs, measured_methods(runs)
        made = (
            ("Most bytes", TRAFFIC, start.kb),
            ("Privacy", PROMISES, start.promise),
            ("Memory", MEMORY, start.memory),
        )
        self.controls = [self._choice(w, *one) for one in made]
        self.words = w.HTML()
        for control in self.controls:
            control.observe(lambda _: self.draw(), names="value")
        self.draw()
        row = w.HBox(self.controls, layout=w.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px"))
        self.view = w.VBox([row, self.words])

    def _choice(self, w: Any, name: str, options: Mapping[str, Any], value: Any) -> Any:
        options = dict(options) if value in options.values() else {**options, "as given": value}
        return w.Dropdown(
            options=list(options.items()),
            value=value,
            description=name,
            layout=w.Layout(width="310px"),
            style={"description_width": "90px"},
        )

    @property
    def needs(self) -> Limits:
        """The needs that the drop-downs are set to."""
        return Limits(*(control.value for control in self.controls))

    def draw(self) -> None:
        self.words.value = choice_html(self.runs, self.found, self.needs)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        still = StaticChoice(
            self.runs, self.needs, "No drop-downs here: this page has no widget support."
        )
        return {**self.view._repr_mimebundle_(**kwargs), "text/html": still._repr_html_()}
