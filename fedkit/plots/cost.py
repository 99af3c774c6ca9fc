"""Figures of cost: megabytes per client and direction, and the seconds of a round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import figure_text
from fedkit.core.record import RoundRecord, Run
from fedkit.network import VisitSpan, profiles, replay
from fedkit.plots.accuracy import replay_world
from fedkit.plots.theme import DOWNLOAD, INK, TRAIN, UPLOAD, above_bar, key_above, layout
from fedkit.results import measures
from fedkit.results.measures import MB, Runs

MOST = 20  # largest number of clients that are drawn
PHASES = {"download": DOWNLOAD, "training": TRAIN, "upload": UPLOAD}


@dataclass(frozen=True)
class Load:
    """Megabytes to and from a client over a whole run.

    Calculated ones are hatched, so that they are not taken for measured ones.
    """

    name: str
    down: float
    up: float
    calculated: bool = False

    def __str__(self) -> str:
        square = "<span style='color:{}'>\u25a0</span> {} {}"
        parts = ((DOWNLOAD, self.down, "received"), (UPLOAD, self.up, "sent"))
        said = "   ".join(
            square.format(colour, formatting.megabytes(mb), way) for colour, mb, way in parts
        )
        return f"<b>{figure_text(self.name, 38)}</b><br>{said}"


def traffic(runs: Runs) -> go.Figure:
    """Draw the measured megabytes per client and direction, next to calculated full tuning.

    Full tuning sends the base model's bytes, each way, as often as the mean client took part. A
    record without `model.base_bytes` is drawn without it.
    """
    runs = measures.federated_runs(runs)
    loads = [
        Load(
            f"Measured: {name}",
            measures.mb_per_client(run, "downlink"),
            measures.mb_per_client(run, "uplink"),
        )
        for run, name in zip(runs, measures.display_names(runs))
    ]
    base = measures.base_mb(runs[0]) if runs else math.nan
    full = [] if math.isnan(base) else [_full_tuning(base * _visits(runs[0]))]
    fig, rows = go.Figure(), [*loads, *full]
    for name, colour, values in (
        ("received", DOWNLOAD, [r.down for r in rows]),
        ("sent", UPLOAD, [r.up for r in rows]),
    ):
        fig.add_trace(_direction(rows, name, colour, values))
    for place, load in enumerate(reversed(rows)):
        above_bar(fig, place, str(load))
    once = "" if math.isnan(base) else f" ({formatting.megabytes(base)} per client, once)"
    caption = (
        "Mean over clients of what was serialised, headers and head start included; full tuning is"
        f" the whole model each way in every round; the first download of the base model{once} is"
        " in neither."
    )
    sentence = _traffic_finding(loads, full)
    layout(fig, sentence, caption, "Traffic per client (MB)", None, 90 + 84 * len(rows))
    fig.update_layout(barmode="stack")
    fig.update_yaxes(visible=False, range=[-0.4, len(rows) - 0.1])
    fig.update_xaxes(nticks=5, tickformat=",", rangemode="tozero")
    return fig


def _direction(rows: list[Load], name: str, colour: str, values: list[float]) -> go.Bar:
    shapes = ["/" if row.calculated else "" for row in rows]
    return go.Bar(
        x=values,
        y=list(range(len(rows)))[::-1],
        orientation="h",
        width=0.34,
        name=name,
        marker={
            "color": colour,
            "line": {"color": colour, "width": 1.5},
            "pattern": {"shape": shapes},
        },
        customdata=[
            (figure_text(row.name, 60), formatting.megabytes(mb)) for row, mb in zip(rows, values)
        ],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} " + name + "<extra></extra>",
    )


def _full_tuning(each_way: float) -> Load:
    return Load("Calculated, not measured: full tuning", each_way, each_way, calculated=True)


def _visits(run: Run) -> float:
    """Return how often the mean client took part."""
    return sum(len(r.clients) for r in run.rounds) / max(len(measures.clients(run)), 1)


def _traffic_finding(loads: list[Load], full: list[Load]) -> str:
    if not loads:
        return "No federated run here, so nothing travelled."
    total = loads[0].down + loads[0].up
    start = f"A client sends and receives {formatting.megabytes(total)} in the whole run"
    if not full or not total:
        return start + "."
    times = (full[0].down + full[0].up) / total
    return f"{start}; full tuning would take {times:,.{0 if times >= 10 else 1}f} times as much."


def traffic_by_client(run: Run) -> go.Figure:
    """Draw the measured megabytes of every client over the whole run; of many, the largest."""
    totals = {str(c["id"]): [0.0, 0.0] for c in measures.clients(run)}
    for c in (c for r in run.states for c in r.clients):
        one = totals.setdefault(c.id, [0.0, 0.0])
        one[0], one[1] = one[0] + c.downlink_bytes / MB, one[1] + c.uplink_bytes / MB
    shown = sorted(totals, key=lambda i: sum(totals[i]), reverse=True)[:MOST]
    down, up = ([totals[i][way] for i in shown] for way in (0, 1))
    ways = (("received", DOWNLOAD, down), ("sent", UPLOAD, up))
    fig = go.Figure([_part(shown, values, name, colour, "MB") for name, colour, values in ways])
    sums = [sum(both) for both in totals.values()] or [0.0]
    even = max(sums) - min(sums) <= 0.05 * max(sums)
    span = (
        formatting.megabytes(max(sums))
        if even
        else f"between {formatting.megabytes(min(sums))} and {formatting.megabytes(max(sums))}"
    )
    caption = "Measured: the length of what was serialised, both directions." + _cut_note(
        len(totals)
    )
    return _by_client(
        fig,
        shown,
        f"A client moves {span} in the whole run.",
        caption,
        "Traffic in the whole run (MB)",
    )


def round_seconds(
    run: Run, link: str | None = None, devices: str | None = None, number: int | None = None
) -> go.Figure:
    """Draw the simulated seconds of every client in a round: download, training, upload.

    number: of the round, by default the last. Raises FedkitError when the run has no such round.
    """
    link, devices = replay_world(run, link, devices)
    record = _round(run, number)
    when = next(r for r in replay(run, link, devices).rounds if r.number == record.round)
    split = {bar: phase_seconds(bar) for bar in when.visits}
    slow = sorted(split, key=lambda bar: sum(split[bar]), reverse=True)
    size, unit = formatting.time_unit(sum(split[slow[0]]) if slow else 0.0)
    ids = [
        bar.client if bar.status == "ok" else f"{bar.client} ({bar.status})" for bar in slow[:MOST]
    ]
    values = zip(*([s / size for s in split[c]] for c in slow[:MOST]))
    fig = go.Figure(
        [_part(ids, list(v), p, PHASES[p], f"{unit}, simulated") for p, v in zip(PHASES, values)]
    )
    caption = (
        f"Simulated, not measured, over {profiles.describe_link(link)}: latency and recorded bytes;"
        f" training is the measured time on devices {profiles.describe_device(devices)}."
        + _cut_note(len(slow))
    )
    found = (
        _round_finding(slow[0].client, split[slow[0]], record.round)
        if slow
        else "No client took part in this round."
    )
    return _by_client(fig, ids, found, caption, f"Simulated time ({unit})")


def phase_seconds(bar: VisitSpan) -> tuple[float, float, float]:
    """Return the simulated seconds of a client's download, training and upload."""
    return bar.downloaded - bar.began, bar.trained - bar.downloaded, bar.uploaded - bar.trained


def _round(run: Run, number: int | None) -> RoundRecord:
    there = {r.round: r for r in run.rounds}
    if not there or (number is not None and number not in there):
        raise FedkitError(
            f"round {number or 1} is not in this run; it has {measures.describe_rounds(run)}"
        )
    return there[max(there) if number is None else number]


def _round_finding(slowest: str, split: Sequence[float], number: int) -> str:
    phase, longest = max(zip(PHASES, split), key=lambda pair: pair[1])
    share = formatting.percent(longest / sum(split) if sum(split) else 0.0, 0)
    return (
        f"In round {number} the server waits {formatting.seconds(sum(split))} for {slowest};"
        f" {phase} is {share} of it."
    )


def _cut_note(there: int) -> str:
    return f" The {MOST} largest of {there:,} clients are shown." if there > MOST else ""


def _part(ids: list[str], values: list[float], name: str, colour: str, unit: str) -> go.Bar:
    """Draw one segment of every client's bar."""
    return go.Bar(
        x=values,
        y=list(range(len(ids)))[::-1],
        orientation="h",
        width=0.6,
        name=name,
        marker={"color": colour, "line": {"color": INK, "width": 1}},
        customdata=[figure_text(i) for i in ids],
        hovertemplate="%{customdata}<br>" + name + " %{x:,.2f} " + unit + "<extra></extra>",
    )


def _by_client(fig: go.Figure, ids: list[str], sentence: str, caption: str, x: str) -> go.Figure:
    """Lay out stacked bars, a client per row; the parts are named above, in their order."""
    layout(fig, sentence, caption, x, "Client", 110 + 34 * len(ids), top=44)
    fig.update_layout(barmode="stack")
    fig.update_yaxes(
        tickvals=list(range(len(ids)))[::-1],
        ticktext=[figure_text(i, 18) for i in ids],
        range=[-0.6, len(ids) - 0.4],
    )
    fig.update_xaxes(rangemode="tozero", nticks=8)
    return key_above(fig, {part.name: ("\u25a0", part.marker.color) for part in fig.data})
