"""Experiments and figures of the lesson on real sites: drift, accuracy curves, late clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.core.formatting import figure_text
from fedkit.core.record import Run
from fedkit.core.tensors import Params
from fedkit.experiments.job import Job
from fedkit.network import World, replay
from fedkit.plots.labels import Label, label_lines
from fedkit.plots.theme import INK, SIZE, key_above, layout, words_above
from fedkit.results import measures

PALETTE = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
ON_TEST = "Accuracy on the test set (%)"
TALL = 360  # px of a plot, about


@dataclass(frozen=True)
class DriftAccuracy:
    """Accuracies (shares) on the same test examples: start, each client's model, their mean."""

    start: float
    alone: tuple[float, ...]
    together: float


def measure_drift(
    job: Job, shared: Params, deltas: Sequence[Params], most: int = 200
) -> DriftAccuracy:
    """Evaluate the start, each start + delta and their plain mean on about `most` test examples."""
    test = job.test.take(np.unique(np.linspace(0, len(job.test) - 1, most).astype(int)))

    def right(delta: Params) -> float:
        job.model.load_params({n: t + delta.get(n, 0.0) for n, t in shared.items()})
        return float((job.model.predict(test).argmax(1) == test.labels).mean())

    mean = {n: sum(delta[n] for delta in deltas) / len(deltas) for n in deltas[0]}
    return DriftAccuracy(right({}), tuple(right(delta) for delta in deltas), right(mean))


def accuracy_drift(found: Mapping[str, DriftAccuracy], sentence: str) -> go.Figure:
    """Draw per partition each client's model (circle), their mean (diamond), the start (bar)."""
    rows, fig = list(range(len(found)))[::-1], go.Figure()
    marks = {
        "a site alone": ("circle-open", PALETTE[2]),
        "the mean of all": ("diamond", PALETTE[1]),
        "start": ("line-ns-open", INK),
    }
    for one, row in zip(found.values(), rows):
        for (who, (symbol, colour)), values in zip(
            marks.items(), (one.alone, (one.together,), (one.start,))
        ):
            fig.add_scatter(
                x=[100 * v for v in values],
                y=[row] * len(values),
                mode="markers",
                cliponaxis=False,
                marker={
                    "symbol": symbol,
                    "color": colour,
                    "size": 15,
                    "line": {"width": 2.5, "color": colour},
                },
                hovertemplate=who + ": %{x:.1f} %<extra></extra>",
            )
    layout(fig, sentence, "", ON_TEST, None, 120 + 60 * len(rows), top=44)
    fig.update_yaxes(
        tickvals=rows,
        ticktext=[f"<b>{figure_text(n)}</b>" for n in found],
        range=[-0.6, len(rows) - 0.4],
    )
    fig.update_xaxes(range=[0, 100], dtick=20)
    return key_above(
        fig,
        {
            "a site alone": ("○", PALETTE[2]),
            "the mean of all": ("◆", PALETTE[1]),
            "start": ("|", INK),
        },
    )


def accuracy_curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], sentence: str, x: str
) -> go.Figure:
    """Draw accuracy over any x. lines: {name: (values of x, accuracies as shares)}.

    x: title of the axis, with its unit.
    """
    fig, labels = go.Figure(), []
    reach = max(max(at) for at, _ in lines.values()) or 1
    for (name, (at, shares)), colour in zip(lines.items(), PALETTE):
        values = [100 * share for share in shares]
        fig.add_scatter(
            x=[at[-1], reach],
            y=values[-1:] * 2,
            mode="lines",
            hoverinfo="skip",
            line={"color": colour, "width": 1, "dash": "dot"},
        )
        fig.add_scatter(
            x=list(at),
            y=values,
            mode="lines+markers",
            cliponaxis=False,
            marker={"size": 8},
            line={"color": colour, "width": 3},
            hovertemplate=figure_text(name) + "<br>%{x:,.1f}: %{y:.1f} %<extra></extra>",
        )
        labels.append(Label(values[-1], f"{values[-1]:.1f} %", name, colour))
    every = [100 * share for _, shares in lines.values() for share in shares]
    room = max(2.0, 0.12 * (max(every) - min(every)))
    low, high = max(0.0, min(every) - room), min(100.0, max(every) + room)
    layout(fig, sentence, "", x, ON_TEST, TALL + 60, right=160)
    fig.update_xaxes(range=[-0.02 * reach, reach], nticks=8)
    fig.update_yaxes(range=[low, high])
    label_lines(fig, labels, TALL, low, high)
    return fig


def curves_by_round(runs: Mapping[str, Run], sentence: str) -> go.Figure:
    """Draw accuracy after every round; round 0 is the start before any training."""
    lines = {
        n: ([r.round for r in run.states], [r.accuracy for r in run.states])
        for n, run in runs.items()
    }
    return accuracy_curves(lines, sentence, "Round (0: before any training)").update_xaxes(dtick=1)


def curves_by_time(runs: Mapping[str, Run], sentence: str) -> go.Figure:
    """Draw accuracy over simulated seconds, each run with its own devices and links."""
    lines = {n: (replay(run).ends, [r.accuracy for r in run.states]) for n, run in runs.items()}
    return accuracy_curves(lines, sentence, "Simulated time (s)")


def interval_half_width(run: Run) -> float:
    """Return half of the 95 % interval of the run's accuracy over its test examples, a share."""
    low, high, _ = measures.accuracy_interval(run)
    return (high - low) / 2


def contribution_table(run: Run) -> DataFrame:
    """Return a row per client of an asynchronous run: accepted updates, staleness, accuracy (%).

    Most updates first.
    """
    visits = [c for r in run.rounds for c in r.clients if c.status == "ok"]
    clients, rows = [str(c["id"]) for c in run.data["clients"]], {}
    computers = dict(zip(clients, World.from_config(run.config, clients).devices))
    for client, own in run.rounds[-1].client_accuracy.items():
        stale = [c.staleness for c in visits if c.id == client]
        mean = f"{sum(stale) / len(stale):.1f}" if stale else "-"
        rows[client] = [computers[client], len(stale), mean, f"{100 * own:.1f}"]
    names = ["computer", "updates", "mean staleness (rounds)", "own accuracy (%)"]
    return DataFrame.from_dict(rows, orient="index", columns=names).sort_values(
        "updates", ascending=False, kind="stable"
    )


def always_late(run: Run) -> set[str]:
    """Return the clients whose update came after the deadline in every round."""
    rounds = [{c.id for c in r.clients if c.status == "late"} for r in run.rounds]
    return set.intersection(*rounds) if rounds else set()


def accuracy_changes(
    before: Mapping[str, float],
    after: Mapping[str, float],
    late: set[str],
    sentence: str,
    names: tuple[str, str] = ("everyone waited for", "deadline"),
) -> go.Figure:
    """Draw each client's accuracy (share) in two runs, joined, worst at the bottom.

    Clients in `late` stand out.
    """
    order = sorted(after, key=lambda c: after[c])
    fig = go.Figure()
    for row, client in enumerate(order):
        colour = PALETTE[2] if client in late else PALETTE[1]
        ends = [100 * before[client], 100 * after[client]]
        fig.add_scatter(
            x=ends,
            y=[row, row],
            mode="lines+markers",
            line={"color": colour, "width": 3},
            cliponaxis=False,
            marker={
                "size": [11, 13],
                "color": ["#ffffff", colour],
                "line": {"color": colour, "width": 2},
                "opacity": 1,
            },
            customdata=names,
            hovertemplate="%{customdata}: %{x:.1f} %<extra></extra>",
        )
    words = [f"{figure_text(c, 18)}{' (always late)' if c in late else ''}" for c in order]
    layout(
        fig,
        sentence,
        "",
        "Accuracy on test examples like the client's own (%)",
        None,
        100 + 30 * len(order),
        top=44,
    )
    fig.update_yaxes(
        tickvals=list(range(len(order))),
        ticktext=words,
        range=[-0.6, len(order) - 0.4],
        tickfont={"size": SIZE, "color": INK},
    )
    key = f"○ {names[0]}   ● {names[1]}   <span style='color:{PALETTE[2]}'>━</span> always late"
    return words_above(fig, key)
