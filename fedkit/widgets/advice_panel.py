"""The adviser as a panel: which methods fit the limits of the clients; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.experiments.advise import (
    BOARD,
    PRIVACY,
    TUNES,
    WIRES,
    Advice,
    Needs,
    advise,
    best_command,
    refusal_lines,
)
from fedkit.network import DEVICES, LINKS, parse_device

if TYPE_CHECKING:
    import ipywidgets as w

WIDTH = 960  # px
GB = 10**9
MEMORIES = {"as the device has": None, "0.5 GB": GB // 2} | {
    f"{n} GB": n * GB for n in (1, 2, 3, 4, 6, 8, 16, 32, 64)
}
PRIVACY_CHOICES = {
    "no wish": "none",
    "text stays": "text-stays",
    "sums only": "sums-only",
    "differential": "differential",
}
HEADINGS = (
    "",
    "Method",
    "Wire",
    "Seconds per round",
    "MB per night",
    "Nights",
    "Memory MB",
    "Training s a night",
    "Accuracy elsewhere",
)
MAX_ROWS = 10


def adviser_panel(needs: Needs | None = None) -> w.VBox | StaticTable:
    """Return the panel for a notebook, or without widgets the table for `needs` and the reason."""
    try:
        return AdviserPanel(needs).view()
    except ImportError as error:  # no ipywidgets
        first = str(error).strip().splitlines()[0]
        reason = f"No sliders here: {first} To mend it, see `fedkit doctor`."
        return StaticTable(needs or Needs(), reason)


@dataclass(frozen=True)
class StaticTable:
    """The table for `needs` without widgets, and the reason why there are none."""

    needs: Needs
    reason: str

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.reason[:300])}</b></p>" + advice_table(
            self.needs, advise(self.needs)
        )


class AdviserPanel:
    """Controls and a table that follows them. advices: the methods for the current `needs`."""

    def __init__(self, needs: Needs | None = None):
        import ipywidgets as w

        self.start = needs or Needs()
        start = self.start
        self.memory = _dropdown(
            "Memory", MEMORIES, start.memory, formatting.megabytes((start.memory or 0) / 1e6)
        )
        self.devices = _dropdown(
            "Computer", {n.replace("-", " "): n for n in DEVICES}, start.devices
        )
        self.link = _dropdown("Line", {n: n for n in LINKS}, start.link)
        self.hours = w.FloatSlider(
            start.hours, min=0.5, max=24, step=0.5, description="Hours a night", **_control_style(w)
        )
        self.examples = _dropdown(
            "Examples",
            {f"{n:,}": n for n in (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)},
            start.examples,
        )
        self.clients = w.IntSlider(
            start.sites, min=2, max=100, description="Sites", **_control_style(w)
        )
        self.privacy = _dropdown("Privacy", PRIVACY_CHOICES, start.privacy)
        self.table = w.HTML()
        self.advices: list[Advice] = []
        for control in self.controls():
            control.observe(lambda _: self.draw(), names="value")
        self.draw()

    def controls(self) -> tuple[w.Widget, ...]:
        """Return the controls in the order of the page."""
        return (
            self.memory,
            self.devices,
            self.link,
            self.hours,
            self.examples,
            self.clients,
            self.privacy,
        )

    @property
    def needs(self) -> Needs:
        """The needs that the controls describe now."""
        return replace(
            self.start,
            memory=self.memory.value,
            devices=self.devices.value,
            link=self.link.value,
            hours=self.hours.value,
            examples=self.examples.value,
            sites=self.clients.value,
            privacy=self.privacy.value,
        )

    def draw(self) -> None:
        """Update the table; it takes under 100 ms, as messages are encoded only once."""
        try:
            needs = self.needs
            self.advices = advise(needs)
            self.table.value = advice_table(needs, self.advices)
        except FedkitError as reason:
            self.table.value = f"<p style='color:#a40000'>{escape(str(reason))}</p>"

    def view(self) -> w.VBox:
        """Return the controls, each with a line of help, and the table below."""
        import ipywidgets as w

        rows = []
        for control, words in zip(self.controls(), _help_lines()):
            style = "color:#595959;font-size:12px;line-height:1.3;margin:-4px 0 4px 94px"
            line = w.HTML(f"<div style='{style}'>{words}</div>")
            rows.append(
                w.VBox([control, line], layout=w.Layout(flex="1 1 400px", padding="0 12px"))
            )
        return w.VBox(
            [
                w.HBox(rows, layout=w.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px")),
                self.table,
            ]
        )


def advice_table(needs: Needs, advices: Sequence[Advice]) -> str:
    """Return HTML: ranked methods, why others do not fit, and the command for the best.

    Modelled numbers are in italics.
    """
    good, best = [a for a in advices if a.fits], best_command(needs, advices)
    cell = "<td style='padding:2px 10px;text-align:{}'>{}</td>"
    head = "".join(f"<th style='padding:2px 10px;text-align:left'>{h}</th>" for h in HEADINGS)
    body = "".join(
        f"<tr style='background:{'#eef4fb' if place == 1 else 'none'}'>"
        + "".join(
            cell.format("left" if i in (1, 2) else "right", c)
            for i, c in enumerate(_cells(place, a))
        )
        + "</tr>"
        for place, a in enumerate(good[:MAX_ROWS], 1)
    )
    more = f"<p>{len(good) - MAX_ROWS} more fit.</p>" if len(good) > MAX_ROWS else ""
    top = (
        f"<table style='border-collapse:collapse'><tr>{head}</tr>{body}</table>{more}"
        if good
        else "<p><b>Nothing fits.</b></p>"
    )
    wish = f"<p>{escape(PRIVACY[needs.privacy])}</p>" if PRIVACY[needs.privacy] else ""
    refused = "".join(f"<li>{escape(line)}</li>" for line in refusal_lines(advices))
    others = f"<details open><summary>Do not fit</summary><ul>{refused}</ul></details>"
    others = others if refused else ""
    command = f"<p>Try the best: <code>{escape(best)}</code></p>" if best else ""
    return (
        f"<div style='font-size:13px;max-width:{WIDTH}px'>"
        f"{wish}{top}{_footnote(len(good))}{others}{command}</div>"
    )


def _cells(place: int, a: Advice) -> tuple[str, ...]:
    modelled = (
        f"{a.round_seconds:,.1f}",
        f"{a.night_bytes / 1e6:,.3g}",
        str(a.nights),
        f"{a.memory_bytes / 1e6:,.0f}",
        f"{a.night_train_seconds:,.1f}",
    )
    return (
        f"{place}",
        escape(a.tune),
        escape(a.wire),
        *(f"<i>{m}</i>" for m in modelled),
        f"{a.accuracy:.1f} %{'' if a.known else ' *'}",
    )


def _footnote(good: int) -> str:
    return (
        f"<p style='color:#595959;font-size:12px'>{good} of {len(TUNES) * len(WIRES)} methods fit."
        f" <i>Italic</i>: modelled, for the slowest site. Accuracy elsewhere: measured on {BOARD};"
        " * not measured there, counted as LoRA r=8. Differences of a point or less are not told"
        " apart; among those, least traffic comes first.</p>"
    )


def _dropdown(name: str, options: dict[str, Any], wanted: Any, label: str = "") -> w.Dropdown:
    """Return a drop-down; a value that is not among its options becomes one."""
    import ipywidgets as w

    if wanted not in options.values():
        options = {
            **options,
            label or (f"{wanted:,}" if isinstance(wanted, int) else str(wanted)): wanted,
        }
    return w.Dropdown(
        options=list(options.items()), value=wanted, description=name, **_control_style(w)
    )


def _control_style(w: Any) -> dict[str, Any]:
    return {"style": {"description_width": "90px"}, "layout": w.Layout(width="98%")}


def _help_lines() -> tuple[str, ...]:
    """Return one line of help for each control, in their order."""
    old = parse_device("old-pc")
    room = f" (an old PC: {formatting.megabytes((old.memory or 0) / 1e6)})" if old.memory else ""
    return (
        f"Free to train in at a site, in GB; never more than its computer has{room}.",
        "A site's computer, which says how fast it trains against this machine.",
        "A site's line, bits per second down and up, with its latency.",
        "Hours that a site may compute and send each night.",
        "Texts with labels that each site has.",
        "How many sites take part; the server waits for the slowest.",
        "What is promised: that text stays, that only sums are read, or an epsilon.",
    )
