"""A panel on epsilon: what it promises, what it costs, and who must be trusted; nothing is trained.

At a measured epsilon the panel shows measurements; between two it interpolates, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.formatting import printable_line
from fedkit.core.stats import t_interval
from fedkit.plots import panel
from fedkit.plots.charts import draw_curve, draw_dots
from fedkit.plots.privacy import PRIVATE, accuracy_range, epsilon_range, privacy_cost
from fedkit.plots.theme import font, note
from fedkit.results.privacy_curve import Curve, Level, mean_level
from fedkit.results.privacy_promise import describe_attacker, format_delta, format_epsilon

STOPS_BETWEEN = 6  # of the slider, between two measured points
INTERPOLATED = "#b26a00"  # the colour of all that is not measured
ALONE_IS_BETTER = "At this epsilon training together does not pay: a site does better alone."


def privacy_panel(curve: Curve) -> PrivacyPanel | panel.StaticPanel:
    """Return the panel for a notebook, or without widgets figure and words on each epsilon."""

    def static(reason: str) -> panel.StaticPanel:
        figure = privacy_cost(curve).to_html(full_html=False, include_plotlyjs="require")
        words = "".join(promise_html(curve, one.epsilon) for one in curve.levels())
        return panel.StaticPanel(reason, figure + words)

    return panel.or_static(lambda: PrivacyPanel(curve), static, PrivacyPanel.missing)


class PrivacyPanel(panel.LivePanel):
    """A slider over epsilon, with one live figure and sentences that follow it."""

    missing = "slider"

    def __init__(self, curve: Curve):
        self.curve = curve
        measured = {one.epsilon for one in curve.levels()}
        options = {}
        for epsilon in slider_epsilons(curve):
            how = "measured" if epsilon in measured else "between"
            options[f"{format_epsilon(epsilon)} {how}"] = epsilon
        look = {"help": "Smaller is a stronger promise", "width": "98%"}
        look |= {"max_width": f"{panel.WIDTH}px"}
        self.slider = panel.step_control("Epsilon", options, max(measured), 70, **look)
        self.lay_out([self.slider], self.slider)

    @property
    def epsilon(self) -> float:
        return self.slider.value

    def sentences(self) -> str:
        return promise_html(self.curve, self.epsilon)

    def picture(self) -> go.Figure:
        return privacy_cost_at(self.curve, self.epsilon)


def slider_epsilons(curve: Curve) -> list[float]:
    """Return measured epsilons, and STOPS_BETWEEN rounded ones between each two, evenly in log."""
    measured = [one.epsilon for one in curve.levels()]
    out = set(measured)
    for a, b in pairwise(measured):
        steps = (a * (b / a) ** (k / (STOPS_BETWEEN + 1)) for k in range(1, STOPS_BETWEEN + 1))
        out |= {v for s in steps if a < (v := float(f"{s:.2g}")) < b}
    return sorted(out)


def privacy_cost_at(curve: Curve, epsilon: float) -> go.Figure:
    """Return the figure with a mark at epsilon: a circle if measured, a diamond if interpolated."""
    value, measured = curve.at(epsilon)
    fig, (low, high) = privacy_cost(curve), accuracy_range(curve)
    ends = epsilon_range(curve.levels())
    colour = PRIVATE if measured else INTERPOLATED
    dash, symbol = ("solid", "circle-open") if measured else ("dot", "diamond-open")
    draw_curve(fig, [epsilon, epsilon], [low, high], colour, dash=dash)
    marker = {"symbol": symbol, "line": {"width": 3, "color": colour}}
    draw_dots(fig, [epsilon], [100 * value], colour, 21, marker=marker)
    how = "measured" if measured else "interpolated,<br>not measured"
    words = f"<b>\u03b5 {format_epsilon(epsilon)}</b> {how}"
    # near the right end the words stand at the left of the line
    late = math.log(epsilon / ends[0]) > 0.75 * math.log(ends[1] / ends[0])
    side, shift = ("right", -6) if late else ("left", 6)
    style = {"font": font(colour), "bgcolor": "rgba(255,255,255,0.85)", "yanchor": "top"}
    place = {"xanchor": side, "align": side, "xshift": shift}
    note(fig, words, math.log10(epsilon), high, **style, **place)
    return fig.update_layout(width=panel.WIDTH)


# ---- words


def promise_html(curve: Curve, epsilon: float) -> str:
    """Return HTML on accuracy, cost, promise and trust, marked as measured or interpolated."""
    value, measured = curve.at(epsilon)
    share = formatting.percent(value, 1 if measured else 0)
    return panel.render(
        "fedkit.widgets",
        "promise",
        accuracy=share if measured else f"about {share}",
        epsilon=format_epsilon(epsilon),
        unit=curve.unit,
        delta=format_delta(curve.delta),
        how="measured" if measured else "interpolated, not measured",
        rows={name: " ".join(said) for name, said in promise_sentences(curve, epsilon).items()},
        colour=PRIVATE if measured else INTERPOLATED,
    )


def promise_sentences(curve: Curve, epsilon: float) -> dict[str, list[str]]:
    """Return {subject: sentences} on the promise at an epsilon."""
    out = {
        "Accuracy": [_describe_accuracy(curve, epsilon)],
        "Price": [],
        "Against alone": [],
        "Promise": [describe_attacker(epsilon, curve.unit, curve.delta)],
        "Trust": [printable_line(curve.trust or "not recorded", 300) + "."],
        "Beside it": [printable_line(n, 200) + "." for n in curve.notes],
    }
    value, here = curve.at(epsilon)[0], level_at(curve, epsilon)
    if curve.none:
        out["Price"].append(_describe_gap(value, here, mean_level(curve.none), "without privacy"))
    if curve.local:
        alone, name = mean_level(curve.local), "each site alone without privacy"
        out["Against alone"].append(_describe_gap(value, here, alone, name))
        out["Against alone"] += [ALONE_IS_BETTER] * (value < alone.mean)
    return {name: sentences for name, sentences in out.items() if sentences}


def level_at(curve: Curve, epsilon: float) -> Level | None:
    """Return the measured level at this epsilon; None between two."""
    return next((x for x in curve.levels() if math.isclose(x.epsilon, epsilon, rel_tol=1e-6)), None)


def _describe_accuracy(curve: Curve, epsilon: float) -> str:
    here, levels = level_at(curve, epsilon), curve.levels()
    if here is None:
        low = [x for x in levels if x.epsilon < epsilon][-1]
        high = next(x for x in levels if x.epsilon > epsilon)
        return (
            f"Nobody ran this epsilon. It lies between {formatting.percent(low.mean)} measured at"
            f" {format_epsilon(low.epsilon)} and {formatting.percent(high.mean)} measured at"
            f" {format_epsilon(high.epsilon)}; the value is read off a line in log epsilon."
        )
    shares = [formatting.percent(p.accuracy) for p in here.points]
    each = f"; by seed {', '.join(shares)}" if len(shares) > 1 else ""
    return f"95 % interval {formatting.percent_range(here.low, here.high)}, over {here.over}{each}."


def _describe_gap(value: float, here: Level | None, other: Level, than: str) -> str:
    gap = value - other.mean
    if here is None and abs(gap) < 0.005:
        return f"About as many as {than} ({formatting.percent(other.mean)})."
    points = f"{abs(100 * gap):.1f}" if here else f"about {abs(100 * gap):.0f}"
    sign, share = "more" if gap > 0 else "less", formatting.percent(other.mean)
    words = f"{points} points {sign} than {than} ({share})"
    both = paired_interval(here.points, other.points) if here else None
    if both is None:
        return words[0].upper() + words[1:] + "."
    low, high = formatting.points(both[0]), formatting.points(both[1])
    interval = f"95 % interval of the difference {low} to {high}"
    return f"{words}; {interval}, paired over {both[2]} seeds."


def paired_interval(ours: Sequence, theirs: Sequence) -> tuple[float, float, int] | None:
    """Return the 95 % t interval of ours minus theirs over common seeds, and the number of these.

    None with fewer than two common seeds.
    """
    other = {p.seed: p.accuracy for p in theirs}
    gaps = [p.accuracy - other[p.seed] for p in ours if p.seed in other]
    return (*t_interval(gaps), len(gaps)) if len(gaps) > 1 else None
