"""One round as a Gantt chart: when each client downloads, trains, uploads and waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, figure_text
from fedkit.network import RoundTime, Timeline, VisitSpan
from fedkit.plots.charts import rows_of
from fedkit.plots.theme import (
    DOWNLOAD,
    INK,
    MUTED,
    SIZE,
    TRAIN,
    UPLOAD,
    caption,
    font,
    key_above,
    layout,
    note,
)

SLOWEST, QUICKEST = 20, 20  # number of clients drawn when there are many
WAIT, GONE = "#ffffff", "#d55e00"
PHASES = {"download": DOWNLOAD, "training": TRAIN, "upload": UPLOAD, "waiting": WAIT}
ENDED = {"late": "too late", "lost": "upload lost", "crashed": "crashed", "rejected": "rejected"}


def visit_phases(visit: VisitSpan, ended: float | None) -> dict[str, tuple[float, float]]:
    """Return {phase: (begin, end)} of a visit, in seconds of the run.

    ended: until when the client waits for the others; None: it does not wait.
    """
    there = visit.uploaded
    return {
        "download": (visit.began, visit.downloaded),
        "training": (visit.downloaded, visit.trained),
        "upload": (visit.trained, there),
        "waiting": (there, there if ended is None else max(there, ended)),
    }


def phase_bar(
    spans: Sequence[tuple[float, float]], rows: Sequence[int], origin: float, unit: float = 1.0
) -> dict[str, Any]:
    """Return a horizontal bar trace of one phase, a bar for each client.

    spans: (begin, end) of each, in seconds; origin: where the axis starts; unit: seconds of a unit
    of the axis.
    """
    return {
        "x": [(end - begin) / unit for begin, end in spans],
        "base": [(begin - origin) / unit for begin, _ in spans],
        "y": list(rows),
        "orientation": "h",
        "width": 0.72,
    }


def is_asynchronous(when: RoundTime) -> bool:
    """Return whether clients train asynchronously, so that none waits for another."""
    return any(client.began is not None for client in when.clients)


def round_name(when: RoundTime) -> str:
    """Return 'Round 2', or what stands before round 1."""
    return f"Round {when.number}" if when.number else "The exchange before round 1"


def draw_round(timeline: Timeline, number: int | None = None, devices: bool = True) -> go.Figure:
    """Draw what every client did in a round (None: the last), the last to arrive on top.

    Time counts from the start of the round. Of many clients the slowest and the quickest are drawn.
    devices: write each client's device below its name. Raises FedkitError for an unknown round.
    """
    when = _round(timeline, number)
    slow = sorted(when.visits, key=lambda bar: bar.uploaded, reverse=True)
    many = len(slow) > SLOWEST + QUICKEST
    shown = slow[:SLOWEST] + slow[-QUICKEST:] if many else slow
    origin = min([when.began, *(bar.began for bar in shown)])
    longest = max([when.ended, *(bar.uploaded for bar in shown)]) - origin or 1e-3
    size, unit = formatting.time_unit(longest)
    rows = rows_of(shown)
    fig = go.Figure(_phase_traces(shown, rows, when, origin, (size, unit)))
    words, height = caption("draw_round"), 120 + 26 * len(shown)
    if timeline.needs_new_run:
        words += f" Needs a new run: {'; '.join(timeline.needs_new_run)}."
    if many:
        drawn = {"slowest": SLOWEST, "quickest": QUICKEST, "there": len(slow)}
        words += caption("some_clients", **drawn)
    title = f"Simulated time since the round began ({unit})"
    layout(fig, _finding(when, slow), words, title, "Client", height, top=48, right=110)
    for bar, row in zip(shown, rows):
        if bar.status in ENDED:
            words, at = f"<b>\u2715</b> {ENDED[bar.status]}", (bar.uploaded - origin) / size
            _label(fig, words, at, row, "#a34700", xshift=3)
    if many:
        line = {"color": MUTED, "width": 1, "dash": "dot"}
        fig.add_hline(y=len(shown) - SLOWEST - 0.5, line=line)
    ends = "deadline: the round ends" if _at_deadline(when) else "the round ends"
    _vertical_line(fig, (when.ended - origin) / size, ends, INK, "dot")
    reach = longest
    # a deadline far beyond the end of the round is not drawn
    if when.deadline is not None and when.ended < when.deadline <= origin + 2 * longest:
        reach = max(longest, when.deadline - origin)
        _vertical_line(fig, (when.deadline - origin) / size, "deadline", GONE, "dash")
    _style_axes(fig, shown, rows, 1.02 * reach / size, devices)
    marks = {name: ("\u25a0", colour) for name, colour in PHASES.items()}
    return key_above(fig, marks | {"waiting": ("\u25a1", INK)})


def _round(timeline: Timeline, number: int | None) -> RoundTime:
    there = {r.number: r for r in timeline.rounds}
    if number is not None and number not in there:
        raise FedkitError(f"round {number} is not in this run; it has rounds up to {max(there)}")
    return there[max(there) if number is None else number]


def _phase_traces(
    shown: list[VisitSpan], rows: list[int], when: RoundTime, origin: float, unit: tuple[float, str]
) -> list[dict[str, Any]]:
    """Return a trace for each phase; a client that arrived waits, if all began together."""
    waits = [v.status in ("ok", "rejected") and v.began == when.began for v in shown]
    phases = [visit_phases(v, when.ended if wait else None) for v, wait in zip(shown, waits)]
    who = [(figure_text(v.client), figure_text(v.device)) for v in shown]
    traces = []
    for name, colour in PHASES.items():
        line = {"color": INK, "width": 0.8}
        if name == "waiting":
            line = {"color": "#a6a6a6", "width": 1}
        bar = phase_bar([phase[name] for phase in phases], rows, origin, unit[0])
        hover = f"%{{customdata[0]}} (%{{customdata[1]}})<br>{name} %{{x:,.2f}} {unit[1]}"
        bar |= {"name": name, "marker": {"color": colour, "line": line}, "customdata": who}
        traces.append({"type": "bar"} | bar | {"hovertemplate": f"{hover}<extra></extra>"})
    return traces


def _style_axes(
    fig: go.Figure, shown: list[VisitSpan], rows: list[int], reach: float, devices: bool
) -> None:
    names = [figure_text(bar.client, 18) for bar in shown]
    if devices:
        small = f"<span style='color:{MUTED};font-size:11px'>"
        pairs = [(figure_text(bar.client), figure_text(bar.device)) for bar in shown]
        names = [f"{client}<br>{small}{device}</span>" for client, device in pairs]
        fig.update_yaxes(title=None)
        fig.update_layout(height=fig.layout.height + 10 * len(names))
    fig.update_layout(barmode="overlay", bargap=0.25)
    fig.update_yaxes(tickvals=rows, ticktext=names, range=[-0.6, len(shown) - 0.3], showgrid=False)
    fig.update_xaxes(rangemode="tozero", range=[0, reach], nticks=8)


def _label(fig: go.Figure, text: str, x: float, y: float, colour: str, **place: Any) -> None:
    white = {"xanchor": "left", "bgcolor": "rgba(255,255,255,0.75)"}
    note(fig, text, x, y, font=font(colour, SIZE - 1), **white, **place)


def _vertical_line(fig: go.Figure, at: float, words: str, colour: str, dash: str) -> None:
    fig.add_vline(x=at, line={"color": colour, "width": 2, "dash": dash})
    _label(fig, words, at, 0, colour, yref="paper", yanchor="bottom", xshift=4)


def _finding(when: RoundTime, slow: list[VisitSpan]) -> str:
    """Return who waits for whom, in a sentence."""
    title = round_name(when)
    came = [bar for bar in slow if bar.status in ("ok", "rejected")]
    came.sort(key=lambda bar: bar.uploaded)
    gone, took = len(slow) - len(came), formatting.seconds(when.ended - when.began)
    if not slow:
        return f"{title}: nobody took part."
    if gone and _at_deadline(when):
        clients = count_noun(len(slow), "client")
        return f"{title}: {gone} of {clients} missed the deadline of {took}."
    if not came:
        clients = count_noun(len(slow), "client")
        return f"{title}: none of {clients} arrived; the server knew after {took}."
    *others, last = came
    if any(bar.began != when.began for bar in slow):
        then = f"the server steps when {last.client}'s update is there"
        return f"{title}: {then}; nobody waits for anybody."
    if not others:
        own = formatting.seconds(last.uploaded - last.began)
        return f"{title}: {last.client} alone takes {own}."
    gap = last.uploaded - others[-1].uploaded
    if gap >= 0.1 * (last.uploaded - last.began):
        return f"{title}: {last.client} keeps the others waiting {formatting.seconds(gap)}."
    wait = last.uploaded - others[len(others) // 2].uploaded
    if wait < 0.01 * (last.uploaded - last.began):
        return f"{title}: all arrive at almost the same time, after {took}."
    half = formatting.seconds(wait)
    return f"{title}: half of the others wait {half} or longer for {last.client}, the last."


def _at_deadline(when: RoundTime) -> bool:
    return when.deadline is not None and abs(when.ended - when.deadline) < 1e-9
