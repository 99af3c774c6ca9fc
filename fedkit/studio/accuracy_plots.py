"""How good: accuracy by round, by simulated time, and of every method side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from fedkit.network import replay
from fedkit.record import RoundRecord, Run
from fedkit.studio import facts, say
from fedkit.studio.direct import Label, label_lines
from fedkit.studio.facts import Runs
from fedkit.studio.theme import INK, above_bar, layout, look, plain

RANGE = [0, 100]  # %: the same in every figure, so that two of them can be compared by eye
HEIGHT, AXIS_ROOM = 440, 70  # px of a line figure; of them for the x axis and its title
RIGHT = 164  # px for labels beside the lines
ON_TEST = "Accuracy on the test set (%)"
DASHES = ("solid", "dashdot", "longdash", "dot")


def accuracy_by_round(runs: Runs) -> go.Figure:
    """Test accuracy after every round, with the baselines as horizontal lines.

    Round 0 is the state before training (the head start). The band is the 95 % interval over test examples.
    """
    runs = facts.ordered(runs)
    fig, main = go.Figure(), facts.federated(runs)
    longest = max([len(run.rounds) for run in main], default=1) or 1
    labels = _levels(fig, runs, longest)
    for place, (run, name) in enumerate(zip(main, facts.names(main, short=True))):
        shown = _states(run)
        labels.append(_curve(fig, run, [r.round for r in shown], shown, "round", place, name))
    caption = (
        "Band: 95 % interval of federated over test examples. Dashed lines: the final accuracy of each baseline. "
        "Round 0 is the shared start, before any training."
    )
    layout(fig, _finding(runs), caption, "Round (0 = before training)", ON_TEST, HEIGHT, right=RIGHT)
    fig.update_xaxes(range=[0, longest * 1.02], dtick=max(1, math.ceil(longest / 10)))
    return _finish(fig, labels)


def accuracy_by_time(
    run: Run, link: str | None = None, devices: str | None = None, against: Runs = (), longest: float | None = None
) -> go.Figure:
    """Test accuracy over simulated time: the recorded bytes and training seconds over any link, nothing is trained.

    link, devices: as in `network.replay`; the run's own by default. against: baselines drawn as horizontal lines.
    longest: seconds that the axis reaches to; keep it fixed while a slider moves, so that the curve is seen to move.
    """
    link, devices = world(run, link, devices)
    clock = replay(run, link, devices)
    longest = longest or max(clock[-1], 1e-3) * 1.05
    size, unit = say.time_unit(longest)
    fig, shown = go.Figure(), _states(run)
    labels = _levels(fig, facts.ordered(against), longest / size)
    at = [clock[r.round] / size for r in shown]
    labels.append(_curve(fig, run, at, shown, "round", 0, facts.names([run], short=True)[0]))
    sentence = (
        f"{len(run.rounds)} rounds take {say.seconds(clock[-1])} of simulated time over {say.link(link)}"
        f"{'' if devices == 'as-measured' else f', on {devices} devices'}."
    )
    caption = (
        "Simulated, not measured: every client works at the same time and the server waits for the last. "
        f"Bytes are the recorded ones; training seconds are those measured, on a device as fast as: {say.device(devices)}."
    )
    layout(fig, sentence, caption, f"Simulated time ({unit})", ON_TEST, HEIGHT, right=RIGHT)
    fig.update_xaxes(range=[0, longest / size])
    return _finish(fig, labels)


def scoreboard_bars(runs: Runs) -> go.Figure:
    """Accuracy of every method with its 95 % interval, and its worst client as a second mark."""
    runs = facts.ordered(runs)
    rows, values = list(range(len(runs)))[::-1], [100 * facts.accuracy(run) for run in runs]
    fig = go.Figure(_bars(runs, rows, values))
    fig.add_scatter(
        x=[100 * facts.worst(run) for run in runs], y=rows, mode="markers", name="worst client", showlegend=True,
        marker={"symbol": "diamond", "size": 11, "color": "#ffffff", "line": {"color": INK, "width": 2}},
        hovertemplate="worst client %{x:.1f} %<extra></extra>",
    )  # fmt: skip
    for run, name, row in zip(runs, facts.names(runs), rows):
        above_bar(fig, row, f"{plain(name, 60)}  <b>{say.percent(facts.accuracy(run))}</b>")
    caption = "Bar: accuracy on the test set. Whisker: its 95 % interval. Diamond: the worst client."
    layout(fig, _finding(runs), caption, ON_TEST, None, 90 + 56 * len(runs), top=48)
    fig.update_yaxes(visible=False, range=[-0.6, len(runs) - 0.25])
    fig.update_xaxes(range=RANGE, dtick=20)
    fig.update_layout(showlegend=True, legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"})
    return fig


def world(run: Run, link: str | None, devices: str | None) -> tuple[str, str]:
    """The link and devices to replay over: those given, else those of the run."""
    return link or str(run.config["link"]), devices or str(run.config["devices"])


def _bars(runs: list[Run], rows: list[int], values: list[float]) -> go.Bar:
    bounds = [facts.interval(run) for run in runs]
    whisker = {"type": "data", "symmetric": False, "thickness": 2, "width": 7, "color": INK,
               "array": [100 * high - v for (_, high, _), v in zip(bounds, values)],
               "arrayminus": [v - 100 * low for (low, _, _), v in zip(bounds, values)]}  # fmt: skip
    notes = [f"{say.percent(low)} to {say.percent(high)}, over {plain(over)}" for low, high, over in bounds]
    return go.Bar(x=values, y=rows, orientation="h", width=0.4, marker={"color": [look(r.method).colour for r in runs]},
                  error_x=whisker, customdata=list(zip(map(plain, facts.names(runs)), notes)),
                  hovertemplate="%{customdata[0]}<br>accuracy %{x:.1f} %<br>95 % interval %{customdata[1]}<extra></extra>",
                  showlegend=False, name="accuracy")  # fmt: skip


def _states(run: Run) -> list[RoundRecord]:
    return ([run.start] if run.start else []) + list(run.rounds)


def _levels(fig: go.Figure, runs: Sequence[Run], longest: float) -> list[Label]:
    """A horizontal line per baseline."""
    others = [run for run in runs if run.method != "federated"]
    labels = []
    for run, name in zip(others, facts.names(others, short=True)):
        style, level, text = look(run.method), 100 * facts.accuracy(run), plain(name)
        low, high, over = facts.interval(run)
        fig.add_scatter(x=[0, longest * 1.05], y=[level, level], mode="lines", name=text, cliponaxis=True,
                        line={"color": style.colour, "dash": style.dash, "width": 2},
                        hovertemplate=f"{text}<br>accuracy %{{y:.1f}} %<br>95 % interval {say.percent(low)} to "
                                      f"{say.percent(high)}, over {plain(over)}<extra></extra>")  # fmt: skip
        labels.append(Label(level, f"{say.percent(level / 100)}  {text}", style.colour))
    return labels


def _curve(
    fig: go.Figure, run: Run, at: list[float], shown: list[RoundRecord], unit: str, place: int, name: str
) -> Label:
    """The federated curve over `at`, with its interval as a band."""
    style, text = look(run.method), plain(name)
    bounds = [facts.of_examples(r.accuracy, facts.test_size(run)) for r in shown]
    fig.add_scatter(
        x=at + at[::-1],
        y=[100 * low for low, _ in bounds] + [100 * high for _, high in bounds][::-1],
        fill="toself",
        fillcolor=style.colour,
        opacity=0.15,
        mode="none",
        hoverinfo="skip",
        name=f"{text} band",
    )
    notes = [(r.round, say.percent(low), say.percent(high), say.percent(r.worst_client_accuracy))
             for r, (low, high) in zip(shown, bounds)]  # fmt: skip
    fig.add_scatter(x=at, y=[100 * r.accuracy for r in shown], mode="lines+markers", name=text, customdata=notes,
                    line={"color": style.colour, "width": 3, "dash": DASHES[place % len(DASHES)]}, marker={"size": 7},
                    hovertemplate=text + "<br>" + unit + " %{customdata[0]}<br>accuracy %{y:.1f} %<br>95 % interval "
                    "%{customdata[1]} to %{customdata[2]}<br>worst client %{customdata[3]}<extra></extra>")  # fmt: skip
    return Label(100 * shown[-1].accuracy, f"{say.percent(shown[-1].accuracy)}  {text}", style.colour, strong=True)


def _finish(fig: go.Figure, labels: list[Label]) -> go.Figure:
    fig.update_yaxes(range=RANGE, dtick=20)
    label_lines(fig, labels, HEIGHT - AXIS_ROOM - fig.layout.meta["top"], *RANGE)
    return fig


def _finding(runs: list[Run]) -> str:
    """The three numbers that matter, in a sentence."""
    first = {run.method: run for run in reversed(runs)}
    main = first.get("federated")
    said = [
        f"{look(m).name} reaches {say.percent(facts.accuracy(first[m]))}" for m in ("local", "pooled") if m in first
    ]
    if main is None:
        return (" and ".join(said) or "These are the methods to beat").replace("Pooled", "pooled") + "."
    rounds = len(main.rounds)
    start = f"After {rounds} round{'s' * (rounds != 1)} federated reaches {say.percent(facts.accuracy(main))}"
    others = [("local", "local only"), ("pooled", "pooled")]
    said = [f"{name} {say.percent(facts.accuracy(first[m]))}" for m, name in others if m in first]
    return start + ("; " + ", ".join(said) if said else "") + "."
