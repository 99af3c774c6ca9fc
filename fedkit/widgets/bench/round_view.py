"""The bench panel's view of one round: its Gantt chart, hatched, as all its times are modelled."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fedkit.core import formatting
from fedkit.core.formatting import figure_text, printable_line
from fedkit.network import RoundTime, VisitSpan, replay
from fedkit.plots.theme import DOWNLOAD, INK, MUTED, SIZE, TRAIN, UPLOAD, font
from fedkit.plots.timeline import ENDED, is_asynchronous, phase_bar, round_name, visit_phases
from fedkit.results.method_style import method_style
from fedkit.widgets.bench.scene import MAX_TICKS, RIGHT, Scene, View, client_axis, new_run_badge
from fedkit.widgets.bench.settings import WORDS

LOST = "upload that did not count"
LOST_COLOUR = method_style("local").colour
COLOURS = {
    "download": DOWNLOAD,
    "training": TRAIN,
    "upload": UPLOAD,
    LOST: LOST_COLOUR,
    "waiting": "#ececec",
}
KEY = {"download": DOWNLOAD, "train": "#d9c900", "upload": UPLOAD, "not counted": LOST_COLOUR}
KEY |= {"wait": "#c9c9c9"}
MARK = {"cliponaxis": False, "hoverinfo": "skip", "textfont": font(INK, SIZE - 2)}
OUTCOMES = ENDED | {"away": "away"}
EMPTY = "Press Run: then this shows who downloads, trains, uploads and waits in a round."


def view_round(scene: Scene) -> View:
    """Return the chosen round of the latest result."""
    if scene.latest is None or not scene.latest.rounds:
        return View(EMPTY, x={"title": "Seconds", "domain": RIGHT}, y={"showticklabels": False})
    timeline = replay(scene.latest, *scene.world)
    now = next((r for r in timeline.rounds if r.number == scene.round), timeline.rounds[-1])
    visits, why = now.visits, timeline.needs_new_run
    n, took = len(visits), max(now.ended - now.began, 1e-9)
    reach = nice_limit(1.02 * max([took, *(v.uploaded - now.began for v in visits)]))
    # an asynchronous visit may begin before the round
    first = min([0.0, *(v.began - now.began for v in visits)])
    title = "<i>Modelled</i> seconds since the round began"
    x = {"title": title, "range": [first, reach * 1.001], "domain": [RIGHT[0], 1.0]}
    # room above the first client for the word "deadline", and below the last for the badge
    head = -0.6 if now.deadline is None else -0.6 - 0.09 * n - 0.2
    foot = n - 0.4 + (0.55 * n if why else 0.0)
    return View(
        _finding(now, took),
        [_outcomes(visits, now.began, reach), *_deadline(now, reach, head)],
        _phase_traces(now),
        x,
        client_axis([v.client for v in visits]) | {"range": [foot, head]},
        [new_run_badge(why, "this is what was recorded, at other times")] if why else [],
        _key(visits),
    )


def _phase_traces(now: RoundTime) -> list[dict]:
    """Return a trace each for download, training, counted and lost uploads, and waiting."""
    ended = None if is_asynchronous(now) else now.ended
    phases = []
    for visit in now.visits:
        spans, none = visit_phases(visit, ended), (visit.trained, visit.trained)
        counted, lost = (spans["upload"], none) if visit.status == "ok" else (none, spans["upload"])
        phases.append(spans | {"upload": counted, LOST: lost})
    who = [f"{figure_text(v.client)} ({figure_text(v.device)})" for v in now.visits]
    traces = []
    for name, colour in COLOURS.items():
        bar = phase_bar([spans[name] for spans in phases], range(len(phases)), now.began)
        marker = {"color": colour, "line": {"width": 0}}
        if name == "waiting":
            bar["width"] = 0.3
        elif len(phases) <= 2 * MAX_TICKS:
            ink = {"fgcolor": "#b3a400"} if name == "training" else {}
            marker["pattern"] = WORDS["hatch"] | ink
        hover = f"%{{customdata}}<br>{name}: %{{x:,.2f}} s (modelled)<extra></extra>"
        traces.append(bar | {"customdata": who, "marker": marker, "hovertemplate": hover})
    return traces


def _outcomes(visits: Sequence[VisitSpan], began: float, reach: float) -> dict:
    """Return a word at the end of the row of each client whose upload did not count."""
    odd = [(i, v) for i, v in enumerate(visits) if v.status != "ok"]
    at = [min(max(v.uploaded, v.trained) - began, 0.99 * reach) for _, v in odd]
    words = [OUTCOMES.get(v.status, printable_line(v.status, 12)) for _, v in odd]
    return MARK | {
        "x": at,
        "y": [i for i, _ in odd],
        "text": [f"<b> {word} </b>" for word in words],
        "mode": "markers+text",
        "textposition": ["middle left" if x > 0.8 * reach else "middle right" for x in at],
        "marker": {"symbol": "x", "size": 9, "color": LOST_COLOUR},
    }


def _deadline(now: RoundTime, reach: float, head: float) -> list[dict]:
    """Return a named line where the server stopped waiting."""
    if now.deadline is None:
        return []
    at = now.deadline - now.began
    line = {
        "x": [at, at],
        "y": [(head - 0.55) / 2, len(now.visits) - 0.45],
        "text": [" <b>deadline</b> ", ""],
        "textposition": "middle right" if at < 0.8 * reach else "middle left",
        "mode": "lines+text",
        "line": {"color": LOST_COLOUR, "width": 2, "dash": "dash"},
    }
    return [MARK | line]


def _key(visits: Sequence[VisitSpan]) -> str:
    lost = any(v.status != "ok" for v in visits)
    signs = "  ".join(
        f"<span style='color:{colour}'>■</span> {name}"
        for name, colour in KEY.items()
        if lost or name != "not counted"
    )
    return f"{signs}   <span style='color:{MUTED}'>▨ <i>modelled</i></span>"


def _finding(now: RoundTime, took: float) -> str:
    """Return how long the round takes, and which client and phase the others wait for."""
    what, visits, last = round_name(now), now.visits, now.last_visit
    if last is None:
        return f"{what}: nobody took part."
    if is_asynchronous(now):
        behind = max(v.staleness for v in visits)
        return (
            f"{what} ends {_format_seconds(took)} after the one before: nobody waits;"
            f" the oldest update was trained {formatting.count_noun(behind, 'round')} ago."
        )
    out = [v for v in visits if v.status != "ok"]
    lost = f" {len(out)} of {len(visits)} uploads do not count." if out else ""
    if now.deadline is not None and any(v.status == "late" for v in out):
        return f"{what} ends at its deadline, after {_format_seconds(took)}:{lost}"
    # it waits for nobody, so that waiting is never the longest
    spans = {name: end - begin for name, (begin, end) in visit_phases(last, None).items()}
    longest = max(spans, key=spans.__getitem__)
    share = 100 * spans[longest] / max(last.uploaded - last.began, 1e-9)
    busy = longest if longest == "training" else f"{longest}ing"
    return (
        f"{what} takes {_format_seconds(took)}: all wait for {printable_line(last.client, 24)},"
        f" {share:.0f} % of it {busy}.{lost}"
    )


def _format_seconds(value: float) -> str:
    """Return seconds as words, two decimals below one second: 0.153 -> '0.15 s'."""
    return f"{value:.2f} s" if value < 1 else formatting.seconds(value)


def nice_limit(value: float) -> float:
    """Return the next of 1, 2, 5, 10, ...: an axis of few steps, so that its bars move."""
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= value * (1 - 1e-9))
