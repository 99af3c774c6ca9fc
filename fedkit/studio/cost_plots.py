"""What it costs: megabytes per client and direction, and where the seconds of a round go."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from fedkit.errors import FedkitError
from fedkit.network import client_seconds, parse_device, parse_link
from fedkit.record import ClientRecord, Run
from fedkit.studio import facts, say
from fedkit.studio.accuracy_plots import world
from fedkit.studio.facts import MB, Runs
from fedkit.studio.theme import DOWNLOAD, INK, METHODS, TRAIN, UPLOAD, above_bar, axis, layout, plain

MOST = 20  # clients drawn one by one


def traffic(runs: Runs) -> go.Figure:
    """Megabytes per client and direction over the whole run: measured, beside what full tuning would have taken.

    That is calculated: the base model's bytes, each way, as often as the mean client took part. A record without
    `model.base_bytes` is drawn without it.
    """
    runs = facts.federated(runs)
    rows = [(f"{name}, measured", *(facts.mb_per_client(r, d) for d in ("downlink", "uplink")), "")
            for r, name in zip(runs, facts.names(runs))]  # fmt: skip
    once = facts.number(runs[0].model.get("base_bytes"), "model.base_bytes") / MB if runs else float("nan")
    if once == once:
        rows.append(("Full tuning, calculated, not measured", *(2 * [once * _visits(runs[0])]), "/"))
    fig = go.Figure([_direction(rows, 1, "to the client", DOWNLOAD), _direction(rows, 2, "from the client", UPLOAD)])
    for place, (name, down, up, _) in enumerate(rows[::-1]):
        above_bar(
            fig, place, f"<b>{plain(name, 70)}</b><br>{say.megabytes(down)} to the client, {say.megabytes(up)} from it"
        )
    caption = (
        "Mean over clients, whole run: the length of what was serialised, with headers and the head start. "
        "Full tuning would send the whole model each way in every round. The first download of the base model"
        f"{f', {say.megabytes(once)} per client, once,' if once == once else ''} is not counted in either."
    )
    layout(
        fig, _traffic_finding(rows), caption, "Traffic per client over the whole run (MB)", None, 100 + 84 * len(rows)
    )
    fig.update_layout(barmode="stack")
    fig.update_yaxes(visible=False, range=[-0.5, len(rows) - 0.1])
    return fig


def _direction(rows: list[tuple], column: int, name: str, colour: str) -> go.Bar:
    return go.Bar(x=[row[column] for row in rows], y=list(range(len(rows)))[::-1], orientation="h", width=0.34, name=name,
                  marker={"color": colour, "line": {"color": INK, "width": 1}, "pattern": {"shape": [row[3] for row in rows]}},
                  customdata=[plain(row[0], 70) for row in rows],
                  hovertemplate="%{customdata}<br>" + name + " %{x:,.2f} MB<extra></extra>")  # fmt: skip


def _visits(run: Run) -> float:
    """How often the mean client took part."""
    return sum(len(r.clients) for r in run.rounds) / max(len(facts.clients(run)), 1)


def _traffic_finding(rows: list[tuple]) -> str:
    if not rows:
        return "No federated run here, so nothing travelled."
    total = rows[0][1] + rows[0][2]
    start = f"A client sends and receives {say.megabytes(total)} in the whole run"
    if len(rows) == 1 or rows[-1][3] == "" or not total:
        return start + "."
    return f"{start}; tuning the full model would take {(rows[-1][1] + rows[-1][2]) / total:,.0f} times as much."


def traffic_by_client(run: Run) -> go.Figure:
    """Measured megabytes of every client and direction over the whole run; of many clients, those with the most."""
    totals = {c["id"]: [0.0, 0.0] for c in facts.clients(run)}
    for r in ((run.start,) if run.start else ()) + run.rounds:
        for c in r.clients:
            one = totals.setdefault(c.id, [0.0, 0.0])
            one[0], one[1] = one[0] + c.downlink_bytes / MB, one[1] + c.uplink_bytes / MB
    shown = sorted(totals, key=lambda i: sum(totals[i]), reverse=True)[:MOST]
    fig = go.Figure(
        [
            _parts(shown, [totals[i][0] for i in shown], "to the client", DOWNLOAD, "MB"),
            _parts(shown, [totals[i][1] for i in shown], "from the client", UPLOAD, "MB"),
        ]
    )
    sums = [sum(totals[i]) for i in totals] or [0.0]
    sentence = (
        f"Every client moves {say.megabytes(max(sums))} in the whole run."
        if max(sums) - min(sums) <= 0.05 * max(sums)
        else f"Traffic is uneven: from {say.megabytes(min(sums))} to {say.megabytes(max(sums))} per client."
    )
    caption = "Measured: the length of what was serialised, both directions." + _cut(len(totals))
    return _by_client(fig, shown, sentence, caption, "Traffic over the whole run (MB)")


def round_seconds(
    run: Run, link: str | None = None, devices: str | None = None, number: int | None = None
) -> go.Figure:
    """Where the time of one round goes at every client: download, training, upload. number: the last round by default.

    Raises FedkitError when the run has no such round.
    """
    link, devices = world(run, link, devices)
    way, device = parse_link(link), parse_device(devices)
    there = {r.round: r for r in run.rounds}
    if not there or (number is not None and number not in there):
        raise FedkitError(
            f"round {number} is not in this run; it has rounds 1 to {len(there)}" if there else "no round yet"
        )
    record = there[max(there) if number is None else number]
    slow = sorted(record.clients, key=lambda c: client_seconds(c, way, device), reverse=True)
    shown = slow[:MOST]
    size, unit = say.time_unit(client_seconds(slow[0], way, device) if slow else 0.0)
    split = [[s / size for s in _split(c, way, device)] for c in shown]
    ids = [c.id if c.status == "ok" else f"{c.id} ({c.status})" for c in shown]
    phases = zip(("download", "training", "upload"), (DOWNLOAD, TRAIN, UPLOAD), zip(*split))
    fig = go.Figure([_parts(ids, list(values), name, colour, f"simulated {unit}") for name, colour, values in phases])
    caption = (
        f"Simulated, not measured, for {say.link(link)}, devices: {say.device(devices)}. "
        "Training is the measured time times the slowdown; the rest is latency and recorded bytes." + _cut(len(slow))
    )
    return _by_client(
        fig, ids, _round_finding(slow, split, record.round, size), caption, f"Simulated time in the round ({unit})"
    )


def _split(record: ClientRecord, way, device) -> list[float]:
    """Seconds of download, training and upload; their sum is `network.client_seconds`."""
    down = way.latency + 8 * record.downlink_bytes / way.down
    up = way.latency + 8 * record.uplink_bytes / way.up
    return [down, record.train_seconds * device.slowdown, up]


def _round_finding(slow: list[ClientRecord], split: list[list[float]], number: int, size: float) -> str:
    if not slow:
        return f"No client took part in round {number}."
    phase = ("download", "training", "upload")[int(np.argmax(split[0]))]
    share = max(split[0]) / sum(split[0]) if sum(split[0]) else 0.0
    took = say.seconds(sum(split[0]) * size)
    return f"In round {number} the server waits {took} for {slow[0].id}; {phase} is {say.percent(share, 0)} of it."


def _cut(there: int) -> str:
    return f" The {MOST} largest of {there:,} clients are shown." if there > MOST else ""


def _parts(ids: list[str], values: list[float], name: str, colour: str, unit: str) -> go.Bar:
    return go.Bar(x=values, y=list(range(len(ids)))[::-1], orientation="h", width=0.6, name=name, customdata=[plain(i) for i in ids],
                  marker={"color": colour, "line": {"color": INK, "width": 1}}, showlegend=True,
                  hovertemplate="%{customdata}<br>" + name + " %{x:,.2f} " + unit + "<extra></extra>")  # fmt: skip


def _by_client(fig: go.Figure, ids: list[str], sentence: str, caption: str, x: str) -> go.Figure:
    """Stacked bars, a client a row, named at the left; the parts are named above, in their order."""
    layout(fig, sentence, caption, x, "Client", 110 + 34 * len(ids), top=48)
    fig.update_layout(
        barmode="stack",
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
    )
    fig.update_yaxes(**axis("Client"), tickvals=list(range(len(ids)))[::-1], ticktext=[plain(i, 20) for i in ids],
                     range=[-0.6, len(ids) - 0.4])  # fmt: skip
    fig.update_xaxes(rangemode="tozero")
    return fig
