"""Experiments and figures of the lesson on differential privacy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from fedkit.core import formatting
from fedkit.core.config import parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import figure_text
from fedkit.core.progress import Listener
from fedkit.core.record import Run
from fedkit.data.corpus import ClientData, Corpus
from fedkit.data.partition import deal
from fedkit.experiments.job import Job, check_config
from fedkit.experiments.runner import run
from fedkit.federated.rounds.head_start import compute_head_start
from fedkit.lessons.tuning import evenly_spaced
from fedkit.plots import charts
from fedkit.plots.charts import Line, name_rows, rows_of
from fedkit.plots.labels import Label, draw_levels, label_lines
from fedkit.plots.panel import WIDTH, sync_figure
from fedkit.plots.theme import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MUTED,
    ON_TEST,
    ORANGE,
    PINK,
    SERIES,
    font,
    key_above,
    layout,
    note,
)
from fedkit.privacy.accounting import Releases, noise_for_epsilon

NONE = GREEN  # without privacy, as in `plots.privacy`
# one colour per epsilon, the same in every figure
COLOURS = {"without privacy": NONE, "ε = 8": BLUE, "ε = 1": PINK}
PALETTE = (MUTED, *SERIES[:4])
TALL, WIDE = 340, 640  # px of a plot, about


def redeal(job: Job, **changes) -> Job:
    """Return the job with changed settings and newly dealt data, on the same model.

    Cached sentence vectors of the model are kept. Raises FedkitError for refused settings.
    """
    config = replace(job.config, **changes)
    check_config(config)
    how = (config.partition, config.clients, config.examples_per_client, config.seed)
    read = []
    for client in deal(job.corpus, *how):
        parts = (client.train, client.validation)
        texts = [job.model.tokenize(part, config.max_tokens) for part in parts]
        read.append(ClientData(client.client_id, *texts))
    return replace(job, config=config, clients=read)


def rerun(job: Job, progress: Listener | None = None, **changes) -> Run:
    """Return the run of `redeal(job, **changes)`."""
    other = redeal(job, **changes)
    return run(other.config, job=other, progress=progress)


def thin_training(corpus: Corpus, rows: int | None) -> Corpus:
    """Return the corpus with about `rows` training examples, evenly spaced; None: unchanged."""
    return corpus if rows is None else replace(corpus, train=evenly_spaced(corpus.train, rows))


def start_vectors(job: Job) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return sentence vectors (n, d), labels (n,), weight (labels, d) and bias (labels,).

    Weight and bias are of the head that training starts from. Of all training examples and without
    privacy: to look at, not to send.
    """
    train = job.pooled().train
    shared, *_ = compute_head_start(job.model, job.clients, job.config)
    vectors = job.model.fast_encoder.features(list(train.tokens), {}).float().cpu()
    return vectors, torch.from_numpy(train.labels), shared["head.weight"], shared["head.bias"]


def simulate_clients(job: Job, clients: int, rows: int, **changes) -> Job:
    """Return the job with simulated clients of `rows` reports each, drawn from all its reports.

    No client has a report twice; two clients may share one.
    """
    config, pool = replace(job.config, clients=clients, **changes), job.pooled()
    rng = np.random.default_rng(config.seed)
    known = pool.validation.take(range(min(4, len(pool.validation))))
    simulated = []
    for number in range(clients):
        drawn = rng.choice(len(pool.train), rows, replace=False)
        simulated.append(ClientData(f"site {number}", pool.train.take(drawn), known))
    return replace(job, config=config, clients=simulated)


def final_accuracy(run: Run) -> float:
    """Return the accuracy after the last round, a share."""
    return run.rounds[-1].accuracy


def best_guess_accuracy(epsilon: float, delta: float) -> float:
    """Return how often the best guess 'was this one there?' is right under Gaussian noise.

    N(0, z^2) against N(1, z^2) with the z of `epsilon`, equally likely: Phi(1 / 2z); 0.5 is a coin.
    The attacker knows everything else.
    """
    return NormalDist().cdf(0.5 / noise_for_epsilon(epsilon, delta, lambda z: [Releases(z)]))


def refusal_of_changes(job: Job, **changes) -> str:
    """Return the reason why a run with these settings is refused; '' if it is not."""
    try:
        redeal(job, **changes)
    except FedkitError as error:
        return str(error)
    return ""


def clipped_vectors(before: Tensor, after: Tensor, clip: float, sentence: str) -> go.Figure:
    """Draw vectors (n, 2) before (grey) and after (blue) clipping, and the circle of the clip."""
    fig = go.Figure()
    ends = {"x0": -clip, "x1": clip, "y0": -clip, "y1": clip}
    fig.add_shape(type="circle", line={"color": ORANGE, "width": 2, "dash": "dot"}, **ends)
    arrow = {"showarrow": True, "arrowhead": 2, "arrowsize": 1, "ax": 0, "ay": 0}
    arrow |= {"xref": "x", "yref": "y", "axref": "x", "ayref": "y"}
    for vectors, colour, width in ((before, GREY, 2), (after, BLUE, 4)):
        for x, y in vectors.tolist():
            note(fig, "", x, y, arrowwidth=width, arrowcolor=colour, **arrow)
    low = [min(-1.2 * clip, float(before[:, i].min())) for i in (0, 1)]
    high = before.max(0).values.tolist()
    room = [1.2 * max(clip, h) - lo for lo, h in zip(low, high)]
    height = int(90 + WIDE * room[1] / room[0])
    layout(fig, sentence, "", "First number of a gradient", "Second number", height, top=44)
    fig.update_xaxes(range=[low[0], low[0] + room[0]], dtick=1)
    fig.update_yaxes(range=[low[1], low[1] + room[1]], dtick=1, scaleanchor="x", constrain="domain")
    fig.update_layout(width=WIDE + 100)
    charts.draw_dots(fig, [0], [0], INK, 7)
    signs = {"as it is": ("→", GREY), "clipped": ("→", BLUE), "the clip": ("○", ORANGE)}
    return key_above(fig, signs)


def norm_histogram(norms: Tensor, clip: float, sentence: str) -> go.Figure:
    """Draw the histogram of gradient norms (n,); those above the clip stand out."""
    lengths, width, fig = norms.tolist(), clip / 4, go.Figure()
    top = max(lengths)
    for low, high, colour in ((0, clip, BLUE), (clip, top * 1.01, ORANGE)):
        part = [n for n in lengths if low < n <= high]
        bins, hover = {"start": 0, "end": top + width, "size": width}, "length %{x}<br>%{y} reports"
        style = {"marker": {"color": colour}, "hovertemplate": f"{hover}<extra></extra>"}
        fig.add_histogram(x=part, xbins=bins, **style)
    fig.add_vline(x=clip, line={"color": INK, "width": 2})
    layout(fig, sentence, "", "Length of one report's gradient", "Reports", TALL, top=44)
    fig.update_layout(barmode="stack", bargap=0.05)
    fig.update_xaxes(range=[0, 1.05 * top])
    return key_above(fig, {"kept": ("■", BLUE), "shortened": ("■", ORANGE), "the clip": ("┃", INK)})


def output_densities(epsilons: Sequence[float], delta: float, sentence: str) -> go.Figure:
    """Draw for each epsilon the density of what is seen with and without one report.

    Above each panel: how often the best guess is right.
    """
    fig = make_subplots(1, len(epsilons), shared_yaxes=False, horizontal_spacing=0.06)
    for k, epsilon in enumerate(epsilons, 1):
        z = noise_for_epsilon(epsilon, delta, lambda z: [Releases(z)])
        x = np.linspace(-3.2 * z, 1 + 3.2 * z, 200)
        for at, colour, who in ((0, GREY, "without it"), (1, BLUE, "with it")):
            y = np.exp(-(((x - at) / z) ** 2) / 2)
            place = {"row": 1, "col": k, "fill": "tozeroy", "opacity": 0.6}
            charts.draw_curve(fig, x, y, colour, 2.5, who, **place)
        right = formatting.percent(best_guess_accuracy(epsilon, delta), 0)
        words = f"<b>ε = {epsilon:g}</b><br>best guess right: {right}"
        place = {"xref": f"x{'' if k == 1 else k} domain", "yref": "paper", "yanchor": "bottom"}
        note(fig, words, 0.5, 1.02, **place)
    layout(fig, sentence, "", "What is seen (in lengths of the clip)", None, 300, top=84)
    fig.update_yaxes(visible=False, range=[0, 1.05])
    key_above(fig, {"the report was there": ("■", BLUE), "it was not": ("■", GREY)})
    fig.layout.annotations[-1].update(yshift=52)
    return fig


def budget_by_round(record: Run, sentence: str) -> go.Figure:
    """Draw the epsilon spent before round 1 and after each round, and the budget."""
    states = record.states
    budget = float(parse_spec(record.config["privacy"])[1]["eps"])
    words = {"text": [f"{s.epsilon:.1f}" for s in states], "textfont": font("#ffffff")}
    words |= {"textposition": "inside", "insidetextanchor": "end", "textangle": 0}
    words |= {"customdata": [formatting.percent(s.accuracy) for s in states]}
    hover = "round %{x}<br>ε %{y:.2f} spent<br>%{customdata} right<extra></extra>"
    look = {"marker": {"color": BLUE}, "cliponaxis": False, "hovertemplate": hover}
    fig = go.Figure()
    fig.add_bar(x=[s.round for s in states], y=[s.epsilon for s in states], **look, **words)
    level = [Label(budget, f"ε = {budget:g}", "the budget", ORANGE)]
    draw_levels(fig, level)
    title = "Round (0: the private head start)"
    layout(fig, sentence, "", title, "ε spent so far", TALL, right=110)
    fig.update_xaxes(range=[-0.6, record.config["rounds"] + 0.6], dtick=1)
    fig.update_yaxes(range=[0, 1.15 * budget])
    label_lines(fig, level, TALL - 90, 0, 1.15 * budget)
    return fig


def live_budget(sentence: str) -> Callable[[Run], None]:
    """Return a function that shows `budget_by_round` of a run in one figure, updated by each call.

    Where widgets cannot run, only the figure of the finished run is shown.
    """
    from IPython.display import display

    shown: list[go.FigureWidget] = []

    def show(record: Run) -> None:
        fig = budget_by_round(record, sentence).update_layout(width=WIDTH)
        try:
            if shown:
                sync_figure(shown[0], fig)
            else:
                shown.append(go.FigureWidget(fig))
                display(shown[0])
        except ImportError:
            if record.finished:
                display(fig)

    return show


def line_chart(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    sentence: str,
    x: str,
    y: str = ON_TEST,
    log_x: bool = False,
    colours: Mapping[str, str] | None = None,
    words: str = "{:.0f} %",
    level: float | None = None,
) -> go.Figure:
    """Draw named lines: {name: (values of x, values of y)}.

    words: format of the number at a line's end. level: value without privacy, a horizontal line.
    """
    lines = []
    for (name, (at, values)), colour in zip(series.items(), PALETTE):
        colour = (colours or {}).get(name, colour)
        dash = "dash" if colour == NONE else "solid"
        lines.append(Line(name, at, values, colour, dash))
    levels = [] if level is None else [Label(level, words.format(level), "without privacy", NONE)]
    high = 1.08 * max([level or 0.0, *(v for line in lines for v in line.y)])
    hover = "%{x:,.3~g}: %{y:,.3~g}"
    return charts.line_chart(lines, sentence, x, y, (0.0, high), words, hover, log_x, levels=levels)


def accuracy_by_trust(
    table: Mapping[str, Mapping[float, float]], without: float, sentence: str
) -> go.Figure:
    """Draw a row per trust model with a dot per epsilon at its accuracy (%).

    table: {row: {epsilon: %}}. without: accuracy (%) without privacy, drawn as a vertical line.
    """
    fig = go.Figure()
    for found, row in zip(table.values(), rows_of(table)):
        for epsilon, value in found.items():
            colour, hover = COLOURS.get(f"ε = {epsilon:g}", MUTED), f"ε = {epsilon:g}: %{{x:.1f}} %"
            words = {"text": [f"{value:.0f} %"], "textposition": "top left", "textfont": font()}
            look = words | {"mode": "markers+text", "cliponaxis": False}
            charts.draw_dots(fig, [value], [row], colour, 16, hover, **look)
    fig.add_vline(x=without, line={"color": NONE, "width": 2, "dash": "dash"})
    layout(fig, sentence, "", ON_TEST, None, 120 + 70 * len(table), top=44)
    name_rows(fig, [figure_text(n, 60).replace(" | ", "<br>") for n in table], grid=True)
    fig.update_xaxes(range=[0, 100], dtick=20)
    epsilons = next(iter(table.values()))
    marks = {f"ε = {e:g}": ("●", COLOURS.get(f"ε = {e:g}", MUTED)) for e in epsilons}
    return key_above(fig, marks | {"without privacy": ("┆", NONE)})
