"""Figures with a client per row or column: its examples, its megabytes, its seconds in a round."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import figure_text, printable_line
from fedkit.core.record import RoundRecord, Run
from fedkit.network import VisitSpan, profiles, replay
from fedkit.plots import theme
from fedkit.plots.accuracy import replay_world
from fedkit.plots.charts import h_bars, heat_map, rows_of
from fedkit.results import measures
from fedkit.results.measures import Runs

MOST = 20  # largest number of clients that are drawn
FEW = 30  # most labels that are all named
NUMBERED = 12  # most clients that are all named and whose cells show numbers
ALIKE = 0.15  # clients have a similar mix when no share of a label differs by more
FULL_TUNING = "Calculated, not measured: full tuning"  # hatched, not to be taken for measured
WAYS = {"received": theme.DOWNLOAD, "sent": theme.UPLOAD}
PHASES = {"download": theme.DOWNLOAD, "training": theme.TRAIN, "upload": theme.UPLOAD}


def traffic(runs: Runs) -> go.Figure:
    """Draw the measured megabytes per client and direction, next to calculated full tuning.

    Full tuning sends the base model's bytes, each way, as often as the mean client took part. A
    record without `model.base_bytes` is drawn without it.
    """
    runs = measures.federated_runs(runs)
    down, up = ([measures.mb_per_client(r, d) for r in runs] for d in ("downlink", "uplink"))
    rows = [f"Measured: {name}" for name in measures.display_names(runs)]
    sentence, base = _traffic_finding(down, up), math.nan
    if runs and not math.isnan(base := measures.base_mb(runs[0])):
        visits = sum(len(r.clients) for r in runs[0].rounds)
        each_way = base * (visits / max(len(measures.clients(runs[0])), 1))
        sentence = _traffic_finding(down, up, each_way)
        rows, down, up = [*rows, FULL_TUNING], [*down, each_way], [*up, each_way]
    fig = go.Figure([_direction(rows, *part) for part in zip(WAYS.items(), (down, up))])
    for row, *sizes in reversed(list(zip(rows_of(rows), rows, down, up))):
        theme.above_bar(fig, row, _row_words(*sizes))
    once = "" if math.isnan(base) else f" ({formatting.megabytes(base)} per client, once)"
    words, height = theme.caption("traffic", once=once), 90 + 84 * len(rows)
    theme.layout(fig, sentence, words, "Traffic per client (MB)", None, height)
    fig.update_layout(barmode="stack")
    fig.update_yaxes(visible=False, range=[-0.4, len(rows) - 0.1])
    fig.update_xaxes(nticks=5, tickformat=",", rangemode="tozero")
    return fig


def _row_words(name: str, down: float, up: float) -> str:
    said = []
    for (way, colour), mb in zip(WAYS.items(), (down, up)):
        square = f"<span style='color:{colour}'>\u25a0</span>"
        said.append(f"{square} {formatting.megabytes(mb)} {way}")
    return f"<b>{figure_text(name, 38)}</b><br>{'   '.join(said)}"


def _direction(rows: list[str], way: tuple[str, str], values: list[float]) -> go.Bar:
    (name, colour), sizes = way, [formatting.megabytes(mb) for mb in values]
    pattern = {"shape": ["/" if row == FULL_TUNING else "" for row in rows]}
    marker = {"line": {"color": colour, "width": 1.5}, "pattern": pattern}
    hover = f"%{{customdata[0]}}<br>%{{customdata[1]}} {name}<extra></extra>"
    style = {"width": 0.34, "name": name, "marker": marker, "hovertemplate": hover}
    style |= {"customdata": [(figure_text(row, 60), size) for row, size in zip(rows, sizes)]}
    return h_bars(values, rows_of(rows), colour, **style)


def _traffic_finding(down: list[float], up: list[float], full: float | None = None) -> str:
    """Return the traffic of the first run in a sentence. full: MB each way of full tuning."""
    if not down:
        return "No federated run here, so nothing travelled."
    total = down[0] + up[0]
    start = f"A client sends and receives {formatting.megabytes(total)} in the whole run"
    if full is None or not total:
        return start + "."
    times = 2 * full / total
    return f"{start}; full tuning would take {times:,.{0 if times >= 10 else 1}f} times as much."


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
    shown = slow[:MOST]
    ids = [v.client if v.status == "ok" else f"{v.client} ({v.status})" for v in shown]
    values = zip(*([s / size for s in split[v]] for v in shown))
    fig = go.Figure([_part(ids, list(v), p, PHASES[p], unit) for p, v in zip(PHASES, values)])
    world = {"link": profiles.describe_link(link), "devices": profiles.describe_device(devices)}
    caption = theme.caption("round_seconds", **world)
    if len(slow) > MOST:
        caption += theme.caption("most_clients", most=MOST, there=len(slow))
    found = "No client took part in this round."
    if slow:
        found = _round_finding(slow[0].client, split[slow[0]], record.round)
    title = f"Simulated time ({unit})"
    theme.layout(fig, found, caption, title, "Client", 110 + 34 * len(ids), top=44)
    fig.update_layout(barmode="stack")
    words = [figure_text(i, 18) for i in ids]
    fig.update_yaxes(tickvals=rows_of(ids), ticktext=words, range=[-0.6, len(ids) - 0.4])
    fig.update_xaxes(rangemode="tozero", nticks=8)
    return theme.key_above(fig, {part.name: ("\u25a0", part.marker.color) for part in fig.data})


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
    waits = f"the server waits {formatting.seconds(sum(split))} for {slowest}"
    return f"In round {number} {waits}; {phase} is {share} of it."


def _part(ids: list[str], values: list[float], name: str, colour: str, unit: str) -> go.Bar:
    """Return one segment of every client's bar."""
    hover = f"%{{customdata}}<br>{name} %{{x:,.2f}} {unit}, simulated<extra></extra>"
    style = {"width": 0.6, "marker": {"line": {"color": theme.INK, "width": 1}}}
    style |= {"customdata": [figure_text(i) for i in ids], "hovertemplate": hover}
    return h_bars(values, rows_of(ids), colour, name=name, **style)


def who_has_what(frame: DataFrame | Run) -> go.Figure:
    """Draw clients x labels as a heat map of training examples, a client per column.

    frame: from `count_client_labels` (a row per client, a column per label), or a record.
    """
    if isinstance(frame, Run):
        if not measures.tells_labels(frame):
            raise FedkitError(
                "the record tells no labels of clients, as its privacy promise covers them; draw"
                " the data that you hold instead: who_has_what(count_client_labels(...))"
            )
        frame = measures.client_labels(frame)
    (n, m), numbered = frame.shape, len(frame) <= NUMBERED and frame.shape[1] <= FEW
    most = int(frame.to_numpy().max(initial=0))
    hover = []
    for label in frame.columns:
        hover.append([f"{figure_text(c)}<br>{figure_text(label)}" for c in frame.index])
    style = {"xgap": 1, "ygap": 1, "zmin": 0, "zmax": max(most, 1), "text": hover}
    style |= {"hovertemplate": "%{text}<br>%{z:,} training examples<extra></extra>"}
    style |= {"texttemplate": "%{z}" if numbered else None}
    style |= {"textfont": {"size": theme.SIZE - 2}}
    counts = frame.to_numpy().T.tolist()
    fig = go.Figure(heat_map(counts, list(range(n)), range(m), theme.COUNTS, **style))
    caption = theme.caption("who_has_what", most=most)
    sized = [f"{printable_line(c, 16)} ({k:,})" for c, k in zip(frame.index, frame.sum(axis=1))]
    height = 180 + m * max(10, min(30, 760 // max(m, 1)))
    theme.layout(fig, _labels_finding(frame), caption, "Client (examples)", "Label", height)
    turned = {"tickfont": {"color": theme.INK}, "autotickangles": [0, -35, -90]}
    fig.update_xaxes(showgrid=False, **turned, **_ticks(sized, NUMBERED))
    labels = [printable_line(c, 22) for c in frame.columns]
    fig.update_yaxes(showgrid=False, autorange="reversed", **_ticks(labels, FEW))
    return fig


def _ticks(names: list[str], few: int) -> dict:
    """Return all names when there are few, else evenly spaced ones."""
    at = list(range(0, len(names), max(1, -(-len(names) // few))))
    return {"tickmode": "array", "tickvals": at, "ticktext": [figure_text(names[i]) for i in at]}


def _labels_finding(frame: DataFrame) -> str:
    """Return the label that is spread most unevenly, in a sentence."""
    if not len(frame) or not frame.shape[1]:
        return "No client holds any example."
    if len(frame) == 1:
        name = printable_line(frame.index[0])
        return f"All {int(frame.to_numpy().sum()):,} examples are at one client, {name}."
    counts = frame.to_numpy(dtype=float)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)  # (clients, labels)
    spread = shares.max(axis=0) - shares.min(axis=0)
    if spread.max() < ALIKE:
        most = f"no label's share differs by more than {100 * spread.max():.0f} points"
        return f"The {len(frame)} clients have a similar mix of labels: {most}."
    label, share = frame.columns[spread.argmax()], shares[:, spread.argmax()]
    most, least = (printable_line(frame.index[i]) for i in (share.argmax(), share.argmin()))
    high, low = formatting.percent(share.max(), 0), formatting.percent(share.min(), 0)
    return (
        f"The clients see unlike text: {printable_line(label)} is {high} of the examples at {most}"
        f" and {low} at {least}."
    )
