"""One round as a Gantt chart: when each client downloads, trains, uploads and waits."""

from __future__ import annotations

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, figure_text
from fedkit.network import RoundTime, Timeline, VisitSpan
from fedkit.plots.theme import DOWNLOAD, INK, MUTED, SIZE, TRAIN, UPLOAD, key_above, layout

SLOWEST, QUICKEST = 20, 20  # number of clients drawn when there are many
WAIT, GONE = "#ffffff", "#d55e00"
PHASES = {"download": DOWNLOAD, "training": TRAIN, "upload": UPLOAD, "waiting": WAIT}
ENDED = {"late": "too late", "lost": "upload lost", "crashed": "crashed", "rejected": "rejected"}


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
    rows = list(range(len(shown)))[::-1]
    fig = go.Figure([_part(name, shown, rows, when, origin, size, unit) for name in PHASES])
    layout(
        fig,
        _finding(when, slow),
        _caption(timeline, when, len(slow), many),
        f"Simulated time since the round began ({unit})",
        "Client",
        120 + 26 * len(shown),
        top=48,
        right=110,
    )
    for bar, row in zip(shown, rows):
        if bar.status in ENDED:
            _ending(fig, bar, row, (bar.uploaded - origin) / size)
    if many:
        fig.add_hline(
            y=len(shown) - SLOWEST - 0.5, line={"color": MUTED, "width": 1, "dash": "dot"}
        )
    ends = "deadline: the round ends" if _at_deadline(when) else "the round ends"
    _line(fig, (when.ended - origin) / size, ends, INK, "dot")
    # a deadline far beyond the end of the round is not drawn
    early = when.deadline is not None and when.ended < when.deadline <= origin + 2 * longest
    if early:
        _line(fig, (when.deadline - origin) / size, "deadline", GONE, "dash")
    fig.update_layout(barmode="overlay", bargap=0.25)
    fig.update_yaxes(
        tickvals=rows,
        ticktext=[_name(bar) for bar in shown],
        range=[-0.6, len(shown) - 0.3],
        showgrid=False,
    )
    reach = max([longest, *([when.deadline - origin] if early else [])])
    fig.update_xaxes(rangemode="tozero", range=[0, 1.02 * reach / size], nticks=8)
    marks = {name: ("\u25a0", colour) for name, colour in PHASES.items()}
    key_above(fig, marks | {"waiting": ("\u25a1", INK)})
    return _name_devices(fig) if devices else fig


def _name_devices(fig: go.Figure) -> go.Figure:
    names = [
        f"{client}<br><span style='color:{MUTED};font-size:11px'>{device}</span>"
        for client, device in fig.data[0].customdata
    ]
    fig.update_yaxes(ticktext=names, title=None)
    return fig.update_layout(height=fig.layout.height + 10 * len(names))


def _round(timeline: Timeline, number: int | None) -> RoundTime:
    there = {r.number: r for r in timeline.rounds}
    if number is not None and number not in there:
        raise FedkitError(f"round {number} is not in this run; it has rounds up to {max(there)}")
    return there[max(there) if number is None else number]


def _spans(bar: VisitSpan, when: RoundTime) -> dict[str, float]:
    """Return the seconds of each phase.

    A client that has arrived waits for the end of the round, if all clients began together.
    """
    waits = (
        when.ended - bar.uploaded
        if bar.status in ("ok", "rejected") and bar.began == when.began
        else 0.0
    )
    return {
        "download": bar.downloaded - bar.began,
        "training": bar.trained - bar.downloaded,
        "upload": bar.uploaded - bar.trained,
        "waiting": max(0.0, waits),
    }


def _part(
    name: str,
    shown: list[VisitSpan],
    rows: list[int],
    when: RoundTime,
    origin: float,
    size: float,
    unit: str,
) -> go.Bar:
    """Draw one phase of every client's bar."""
    spans = [_spans(bar, when) for bar in shown]
    before = list(PHASES)[: list(PHASES).index(name)]
    base = [(bar.began - origin + sum(s[p] for p in before)) / size for bar, s in zip(shown, spans)]
    waits = name == "waiting"
    line = {"color": "#a6a6a6" if waits else INK, "width": 1 if waits else 0.8}
    return go.Bar(
        x=[s[name] / size for s in spans],
        base=base,
        y=rows,
        orientation="h",
        width=0.72,
        name=name,
        marker={"color": PHASES[name], "line": line},
        customdata=[(figure_text(b.client), figure_text(b.device)) for b in shown],
        hovertemplate="%{customdata[0]} (%{customdata[1]})<br>"
        + name
        + " %{x:,.2f} "
        + unit
        + "<extra></extra>",
    )


def _ending(fig: go.Figure, bar: VisitSpan, row: int, at: float) -> None:
    fig.add_annotation(
        x=at,
        y=row,
        text=f"<b>\u2715</b> {ENDED[bar.status]}",
        showarrow=False,
        xanchor="left",
        font={"size": SIZE - 1, "color": "#a34700"},
        xshift=3,
        bgcolor="rgba(255,255,255,0.75)",
    )


def _line(fig: go.Figure, at: float, words: str, colour: str, dash: str) -> None:
    fig.add_vline(x=at, line={"color": colour, "width": 2, "dash": dash})
    fig.add_annotation(
        x=at,
        y=0,
        yref="paper",
        yanchor="bottom",
        xanchor="left",
        text=words,
        showarrow=False,
        xshift=4,
        font={"size": SIZE - 1, "color": colour},
        bgcolor="rgba(255,255,255,0.75)",
    )


def _name(bar: VisitSpan) -> str:
    return figure_text(bar.client, 18)


def _finding(when: RoundTime, slow: list[VisitSpan]) -> str:
    """Return who waits for whom, in a sentence."""
    title = f"Round {when.number}" if when.number else "The exchange before round 1"
    came = sorted(
        (bar for bar in slow if bar.status in ("ok", "rejected")), key=lambda bar: bar.uploaded
    )
    gone, took = len(slow) - len(came), formatting.seconds(when.ended - when.began)
    if not slow:
        return f"{title}: nobody took part."
    if gone and _at_deadline(when):
        return (
            f"{title}: {gone} of {count_noun(len(slow), 'client')} missed the deadline of {took}."
        )
    if not came:
        clients = count_noun(len(slow), "client")
        return f"{title}: none of {clients} arrived; the server knew after {took}."
    *others, last = came
    if any(bar.began != when.began for bar in slow):
        return (
            f"{title}: the server steps when {last.client}'s update is there; nobody waits for"
            " anybody."
        )
    if not others:
        return (
            f"{title}: {last.client} alone takes {formatting.seconds(last.uploaded - last.began)}."
        )
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


def _caption(timeline: Timeline, when: RoundTime, there: int, many: bool) -> str:
    cut = (
        f" The {SLOWEST} slowest and the {QUICKEST} quickest of {there:,} clients are shown."
        if many
        else ""
    )
    anew = (
        f" Needs a new run: {'; '.join(timeline.needs_new_run)}." if timeline.needs_new_run else ""
    )
    return (
        "Simulated, not measured: latency, recorded bytes over each line, training seconds times"
        f" each computer's ratio.{anew}{cut}"
    )
