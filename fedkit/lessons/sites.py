"""Experiments and figures of the lesson on real sites: drift, accuracy curves, late clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from pandas import DataFrame

from fedkit.core.formatting import figure_text
from fedkit.core.record import Run
from fedkit.core.tensors import Params
from fedkit.experiments.job import Job
from fedkit.lessons.tuning import evenly_spaced
from fedkit.network import World, replay
from fedkit.plots import theme
from fedkit.plots.charts import Line, draw_dots, line_chart, name_rows, rows_of
from fedkit.results import measures

PALETTE = (theme.BLACK, *theme.SERIES)
MARKS = {  # of the figure of drift: symbol of plotly, sign in the key, colour
    "a site alone": ("circle-open", "○", theme.ORANGE),
    "the mean of all": ("diamond", "◆", theme.BLUE),
    "start": ("line-ns-open", "|", theme.INK),
}


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
    test = evenly_spaced(job.test, most)

    def right(delta: Params) -> float:
        job.model.load_params({n: t + delta.get(n, 0.0) for n, t in shared.items()})
        return float((job.model.predict(test).argmax(1) == test.labels).mean())

    mean = {n: sum(delta[n] for delta in deltas) / len(deltas) for n in deltas[0]}
    return DriftAccuracy(right({}), tuple(right(delta) for delta in deltas), right(mean))


def accuracy_drift(found: Mapping[str, DriftAccuracy], sentence: str) -> go.Figure:
    """Draw per partition each client's model (circle), their mean (diamond), the start (bar)."""
    fig = go.Figure()
    for one, row in zip(found.values(), rows_of(found)):
        every = (one.alone, (one.together,), (one.start,))
        for (who, (symbol, _, colour)), values in zip(MARKS.items(), every):
            marker = {"symbol": symbol, "line": {"width": 2.5, "color": colour}}
            xs, hover = [100 * v for v in values], who + ": %{x:.1f} %"
            draw_dots(fig, xs, [row] * len(xs), colour, 15, hover, marker, cliponaxis=False)
    theme.layout(fig, sentence, "", theme.ON_TEST, None, 120 + 60 * len(found), top=44)
    name_rows(fig, [f"<b>{figure_text(name)}</b>" for name in found], grid=True)
    fig.update_xaxes(range=[0, 100], dtick=20)
    return theme.key_above(fig, {who: (sign, colour) for who, (_, sign, colour) in MARKS.items()})


def curves_by_round(runs: Mapping[str, Run], sentence: str) -> go.Figure:
    """Draw accuracy after every round; round 0 is the start before any training."""
    rounds = {name: range(len(run.rounds) + 1) for name, run in runs.items()}
    title = "Round (0: before any training)"
    return _accuracy_curves(runs, rounds, sentence, title).update_xaxes(dtick=1)


def curves_by_time(runs: Mapping[str, Run], sentence: str) -> go.Figure:
    """Draw accuracy over simulated seconds, each run with its own devices and links."""
    clocks = {name: replay(run).ends for name, run in runs.items()}
    return _accuracy_curves(runs, clocks, sentence, "Simulated time (s)")


def _accuracy_curves(
    runs: Mapping[str, Run], at: Mapping[str, Sequence[float]], sentence: str, x: str
) -> go.Figure:
    """Draw the accuracy of the start and of every round over `at`. x: title of the axis."""
    lines = []
    for (name, run), colour in zip(runs.items(), PALETTE):
        values = [100 * state.accuracy for state in run.states]
        lines.append(Line(name, at[name], values, colour))
    return line_chart(lines, sentence, x, theme.ON_TEST, ends=True)


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
    order = sorted(after, key=lambda client: after[client])
    fig = go.Figure()
    for row, client in enumerate(order):
        colour = theme.ORANGE if client in late else theme.BLUE
        fills, outline = ["#ffffff", colour], {"color": colour, "width": 2}
        ends = [100 * before[client], 100 * after[client]]
        line = {"mode": "lines+markers", "line": {"color": colour, "width": 3}}
        marker = {"size": [11, 13], "color": fills, "line": outline, "opacity": 1}
        named = {"customdata": names, "cliponaxis": False}
        draw_dots(
            fig, ends, [row, row], colour, 13, "%{customdata}: %{x:.1f} %", marker, **line, **named
        )
    title = "Accuracy on test examples like the client's own (%)"
    theme.layout(fig, sentence, "", title, None, 100 + 30 * len(order), top=44)
    words = [f"{figure_text(c, 18)}{' (always late)' * (c in late)}" for c in order]
    name_rows(fig, words, range(len(order)), grid=True)
    key = f"○ {names[0]}   ● {names[1]}   <span style='color:{theme.ORANGE}'>━</span> always late"
    return theme.words_above(fig, key)
