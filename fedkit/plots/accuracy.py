"""Figures of accuracy: by round, by simulated time, every method side by side; and the error of
averaging by round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from statistics import fmean

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.formatting import figure_text
from fedkit.core.record import RoundRecord, Run
from fedkit.network import profiles, replay
from fedkit.plots import charts
from fedkit.plots.labels import Label, label_lines
from fedkit.plots.theme import INK, ON_TEST, SERIES, above_bar, caption, key_above, layout
from fedkit.results import measures
from fedkit.results.measures import Runs
from fedkit.results.method_style import method_style

HEIGHT, AXIS_ROOM = 440, 70  # px of a line figure; of them for the x axis and its title
RIGHT = 132  # px for labels beside the lines
WORST = "worst client, own daily texts"
DASHES = ("solid", "dashdot", "longdash", "dot")


def accuracy_by_round(runs: Runs) -> go.Figure:
    """Draw the test accuracy after every round, with the baselines as horizontal lines.

    Round 0 is the state before training (the head start). The band: 95 % interval over test
    examples.
    """
    runs = measures.sort_runs(runs)
    fig, main = go.Figure(), measures.federated_runs(runs)
    longest = max((len(run.rounds) for run in main), default=1) or 1
    labels = _baseline_lines(fig, runs, longest)
    for place, (run, name) in enumerate(zip(main, measures.display_names(main, short=True))):
        shown = run.states
        at, dash = [r.round for r in shown], DASHES[place % len(DASHES)]
        labels.append(_curve(fig, run, at, shown, name, longest, dash))
    words, x = caption("accuracy_by_round"), "Round (0 = before training)"
    layout(fig, _finding(runs), words, x, ON_TEST, HEIGHT, right=RIGHT)
    fig.update_xaxes(range=[0, longest], dtick=max(1, math.ceil(longest / 6)), tickangle=0)
    return _finish(fig, labels)


def accuracy_by_time(
    run: Run,
    link: str | None = None,
    devices: str | None = None,
    against: Runs = (),
    longest: float | None = None,
) -> go.Figure:
    """Draw the test accuracy over simulated time: recorded bytes and training seconds, any link.

    Nothing is trained. link, devices: as in `network.replay`; the run's own by default. against:
    baselines drawn as horizontal lines. longest: end of the axis in seconds; keep it fixed while a
    slider moves, so that the curve visibly moves.
    """
    link, devices = replay_world(run, link, devices)
    clock = replay(run, link, devices).ends
    longest = longest or max(clock[-1], 1e-3)
    size, unit = formatting.time_unit(longest)
    fig, shown = go.Figure(), run.states
    labels = _baseline_lines(fig, measures.sort_runs(against), longest / size)
    at = [clock[r.round] / size for r in shown]
    name = measures.display_names([run], short=True)[0]
    labels.append(_curve(fig, run, at, shown, name, longest / size))
    took, over = formatting.seconds(clock[-1]), profiles.describe_link(link)
    on = "" if devices == "as-measured" else f", on {devices} devices"
    sentence = f"The run takes {took} of simulated time over {over}{on}."
    words = caption("accuracy_by_time", devices=profiles.describe_device(devices))
    layout(fig, sentence, words, f"Simulated time ({unit})", ON_TEST, HEIGHT, right=RIGHT)
    fig.update_xaxes(range=[0, longest / size], nticks=8, tickangle=0)
    return _finish(fig, labels)


def scoreboard_bars(runs: Runs) -> go.Figure:
    """Draw the accuracy of every method with its 95 % interval and its worst client's accuracy."""
    runs = measures.sort_runs(runs)
    rows, values = charts.rows_of(runs), [100 * measures.accuracy(run) for run in runs]
    names = [figure_text(name, 36) for name in measures.display_names(runs, short=True)]
    fig = go.Figure(_bars(runs, rows, values, names))
    worst = [100 * measures.lowest_client_accuracy(run) for run in runs]
    hover = "%{customdata}<br>worst client %{x:.1f} % on its own daily texts"
    diamond = {"symbol": "diamond", "line": {"color": INK, "width": 2}}
    named = {"name": WORST, "customdata": names}
    charts.draw_dots(fig, worst, rows, "#ffffff", 11, hover, diamond, **named)
    for run, name, row in zip(runs, names, rows):
        above_bar(fig, row, f"{name}  <b>{formatting.percent(measures.accuracy(run))}</b>")
    words, height = caption("scoreboard_bars"), 90 + 56 * len(runs)
    layout(fig, _rank_finding(runs), words, ON_TEST, None, height, top=44)
    fig.update_yaxes(visible=False, range=[-0.6, len(runs) - 0.25])
    fig.update_xaxes(range=list(charts.SHARES), dtick=20)
    return key_above(fig, {WORST: ("\u25c7", INK)})


def aggregation_error(runs: Runs) -> go.Figure:
    """Draw the error of the aggregated product of LoRA pairs by round.

    ||exact - achieved|| / ||exact||.
    """
    found = _errors(measures.check_runs(runs))
    fig, lines = go.Figure(), []
    longest = max((len(values) for values in found.values()), default=1)
    most = max((v for values in found.values() for v in values if v == v), default=0.0) or 1.0
    for place, (name, values) in enumerate(found.items()):
        shown, rounds = [100 * v for v in values], range(1, len(values) + 1)
        lines.append(charts.Line(name, rounds, shown, SERIES[place % len(SERIES)]))
        charts.draw_line(fig, lines[-1], f"{figure_text(name)}, round %{{x}}<br>error %{{y:.2f}} %")
    words, title = caption("aggregation_error"), "Aggregation error (% of the exact mean)"
    layout(fig, _error_finding(lines), words, "Round", title, HEIGHT, right=RIGHT)
    rounds_shown = [0.8, max(longest, 2)]
    fig.update_xaxes(range=rounds_shown, dtick=max(1, math.ceil(longest / 6)), tickangle=0)
    fig.update_yaxes(range=[-1, 108 * most])
    labels = [Label(line.last, f"{line.last:.1f} %", line.name, line.colour) for line in lines]
    label_lines(fig, labels, 370, -1, 108 * most)
    return fig


def has_aggregation_errors(runs: Runs) -> bool:
    """Return whether any run has recorded its aggregation error."""
    return bool(_errors(measures.sort_runs(runs)))


def replay_world(run: Run, link: str | None = None, devices: str | None = None) -> tuple[str, str]:
    """Return the link and devices to replay over: the given ones, else the run's, else defaults."""
    link = link or run.config.get("link", "10mbps/40ms")
    return str(link), str(devices or run.config.get("devices", "as-measured"))


def _bars(runs: list[Run], rows: list[int], values: list[float], names: list[str]) -> go.Bar:
    bounds = [measures.accuracy_interval(run) for run in runs]
    lows, highs = ([100 * bound[end] for bound in bounds] for end in (0, 1))
    hover = "%{customdata[0]}<br>accuracy %{x:.1f} %<br>%{customdata[1]}<extra></extra>"
    notes = [(name, _interval(run)) for name, run in zip(names, runs)]
    said = {"name": "accuracy", "customdata": notes, "hovertemplate": hover}
    whiskers = charts.error_bar(values, lows, highs, INK, 2, 7)
    colours = [method_style(run.method).colour for run in runs]
    return charts.h_bars(values, rows, colours, width=0.4, error_x=whiskers, **said)


def _interval(run: Run) -> str:
    low, high, over = measures.accuracy_interval(run)
    return f"95 % interval {formatting.percent_range(low, high)}, over {figure_text(over)}"


def _baseline_lines(fig: go.Figure, runs: Sequence[Run], longest: float) -> list[Label]:
    """Draw a horizontal line per baseline."""
    others = [run for run in runs if run.method != "federated"]
    hover = "%{customdata[0]}<br>accuracy %{y:.1f} %<br>%{customdata[1]}"
    labels = []
    for run, name in zip(others, measures.display_names(others, short=True)):
        style, level = method_style(run.method), 100 * measures.accuracy(run)
        notes = [(figure_text(name), _interval(run))] * 2
        ends = ([0, longest], [level, level])
        line = charts.Line(name, *ends, style.colour, style.dash, True, notes)
        charts.draw_line(fig, line, hover)
        labels.append(Label(level, formatting.percent(level / 100), name, style.colour))
    return labels


def _curve(
    fig: go.Figure,
    run: Run,
    at: list[float],
    shown: list[RoundRecord],
    name: str,
    longest: float,
    dash: str = "solid",
) -> Label:
    """Draw the federated curve over `at` with its interval as a band; return its label.

    A thin line joins the end of the curve to the label.
    """
    colour, text = method_style(run.method).colour, figure_text(name)
    values = [100 * measures.as_number(r.accuracy) for r in shown]
    bounds = [measures.share_interval(v / 100, measures.test_size(run)) for v in values]
    edge = [100 * low for low, _ in bounds] + [100 * high for _, high in bounds][::-1]
    look = {"fill": "toself", "fillcolor": colour, "opacity": 0.15, "mode": "none"}
    named = {"hoverinfo": "skip", "name": f"{text} band"}
    fig.add_scatter(x=at + at[::-1], y=edge, **look, **named)
    worst = [formatting.percent(measures.as_number(r.worst_client_accuracy)) for r in shown]
    notes = [
        (text, r.round, formatting.percent_range(*bound), lowest)
        for r, bound, lowest in zip(shown, bounds, worst)
    ]
    line = charts.Line(name, at, values, colour, dash, notes=notes)
    charts.draw_end(fig, line, longest)
    hover = (
        "%{customdata[0]}, round %{customdata[1]}<br>accuracy %{y:.1f} %<br>"
        "95 % interval %{customdata[2]}<br>worst client, own daily texts %{customdata[3]}"
    )
    charts.draw_line(fig, line, hover)
    return Label(values[-1], formatting.percent(values[-1] / 100), name, colour, strong=True)


def _finish(fig: go.Figure, labels: list[Label]) -> go.Figure:
    fig.update_yaxes(range=list(charts.SHARES), dtick=20)
    label_lines(fig, labels, HEIGHT - AXIS_ROOM - fig.layout.meta["top"], *charts.SHARES)
    return fig


def _finding(runs: list[Run]) -> str:
    """Return the accuracies of federated, local only and pooled in a sentence."""
    first = {run.method: run for run in reversed(runs)}
    named = {"local": "local only", "pooled": "pooled"}
    found = {name: measures.accuracy(first[m]) for m, name in named.items() if m in first}
    said = [f"{name} {formatting.percent(share)}" for name, share in found.items()]
    if "federated" not in first:
        return f"To be beaten: {', '.join(said) or 'these methods'}."
    main = first["federated"]
    # with the settings that differ only when there are several runs
    name = measures.display_names(measures.federated_runs(runs))[0]
    after, right = measures.describe_rounds(main), formatting.percent(measures.accuracy(main))
    start = f"After {after} {name[0].lower()}{name[1:]} reaches {right}"
    return start + ("; " + ", ".join(said) if said else "") + "."


def _rank_finding(runs: list[Run]) -> str:
    """Return the place of federated among the methods in a sentence."""
    main = measures.federated_runs(runs)
    shares = [measures.accuracy(run) for run in runs]
    top = max(range(len(runs)), key=lambda i: -1.0 if math.isnan(shares[i]) else shares[i])
    right = formatting.percent(shares[top])
    if not main:
        return f"{method_style(runs[top].method).name} is the most accurate, with {right}."
    place = 1 + sum(measures.accuracy(run) > measures.accuracy(main[0]) for run in runs)
    lowest = measures.lowest_client_accuracy(main[0])
    told = f", and its worst client has {formatting.percent(lowest)} on its own daily texts"
    worst = "" if math.isnan(lowest) else told
    name = measures.display_names(main)[0]
    if len(runs) == 1:
        return f"{name} is right on {right}{worst}."
    return f"{name} is number {place} of {len(runs)} by accuracy{worst}."


def _errors(runs: list) -> dict[str, list[float]]:
    """Return {aggregation: mean error by round, NaN where no run has it}."""
    found: dict[str, list[list[float]]] = {}
    for run in measures.federated_runs(runs):
        values = [measures.as_number(getattr(r, "aggregation_error", None)) for r in run.rounds]
        if any(v == v for v in values):
            found.setdefault(str(run.config.get("aggregate", "mean")), []).append(values)
    means: dict[str, list[float]] = {}
    for name, rows in found.items():
        columns = zip_longest(*rows, fillvalue=math.nan)
        known = [[v for v in column if v == v] for column in columns]
        means[name] = [fmean(values) if values else math.nan for values in known]
    return means


def _error_finding(lines: Sequence[charts.Line]) -> str:
    ends = {line.name: line.last / 100 for line in lines}
    if not ends:
        return "No aggregation error was recorded."
    worst, least = max(ends, key=ends.get), min(ends, key=ends.get)
    most = formatting.percent(ends[worst])
    start = f"In the last round {worst} misses {most} of the exact mean of the adapters"
    if worst == least:
        return start + "."
    little = formatting.percent(ends[least]) if ends[least] > 1e-4 else "practically nothing"
    return f"{start}, {least} {little}."
