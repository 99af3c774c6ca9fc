"""One round as a Gantt chart: when each client downloads, trains, uploads and waits."""

from __future__ import annotations

import math

from fedkit.core import formatting
from fedkit.core.formatting import figure_text, printable_line
from fedkit.network import RoundTime, VisitSpan
from fedkit.plots.theme import DOWNLOAD, INK, MUTED, SIZE, TRAIN, UPLOAD
from fedkit.plots.timeline import ENDED
from fedkit.results.method_style import method_style
from fedkit.widgets.bench.clock import RoundEnds, ends_of_rounds
from fedkit.widgets.bench.scene import MAX_TICKS, RIGHT, Scene, View, client_axis, new_run_badge

WAIT_COLOUR, LOST_COLOUR = "#ececec", method_style("local").colour
HATCH = {"shape": "/", "size": 7, "solidity": 0.28, "fgcolor": "#ffffff", "fillmode": "overlay"}
WORDS = ENDED | {"away": "away"}
EMPTY_SENTENCE = "Press Run: then this shows who downloads, trains, uploads and waits in a round."


def view_round(scene: Scene) -> View:
    """Return the chosen round of the latest result, hatched, as all its times are modelled."""
    run = scene.runs[-1][1] if scene.runs else None
    if run is None or not run.rounds:
        return View(
            EMPTY_SENTENCE,
            "<b>One round</b>",
            x={"title": "Seconds", "domain": RIGHT},
            y={"showticklabels": False},
        )
    now = ends_of_rounds(run, scene.world)
    chosen = next(
        (r for r in now.timeline.rounds if r.number == scene.round), now.timeline.rounds[-1]
    )
    return _view_timed_round(chosen, now)


def _view_timed_round(now: RoundTime, times: RoundEnds) -> View:
    bars, took = now.visits, max(now.ended - now.began, 1e-9)
    names = [bar.client for bar in bars]
    n = len(names)
    reach = nice_limit(1.02 * max([took, *(bar.uploaded - now.began for bar in bars)]))
    # room below the last client, for the badge
    foot = n - 0.4 + (0.55 * n if times.reasons else 0.0)
    # an asynchronous visit may begin before the round
    first = min([0.0, *(bar.began - now.began for bar in bars)])
    x = {
        "title": "<i>Modelled</i> seconds since the round began",
        "range": [first, reach * 1.001],
        "domain": [RIGHT[0], 1.0],
    }
    # room above the first client for the word "deadline"
    head = -0.6 if now.deadline is None else -0.6 - 0.09 * n - 0.2
    y = client_axis(names) | {"range": [foot, head]}
    notes = []
    if times.reasons:
        notes = [new_run_badge(times.reasons, "this is what was recorded, at other times")]
    marks = [_outcomes(bars, now, reach), *_deadline(now, n, reach, head)]
    return View(_finding(now, took), _legend(bars), marks, _phases(bars, now), x, y, notes)


def _phases(bars: tuple[VisitSpan, ...], now: RoundTime) -> list[dict]:
    """Return a trace each for download, training, counted and lost uploads, and waiting."""
    fine = [bar.status == "ok" for bar in bars]
    parts = {
        "download": (DOWNLOAD, [(b.began, b.downloaded) for b in bars]),
        "training": (TRAIN, [(b.downloaded, b.trained) for b in bars]),
        "upload": (
            UPLOAD,
            [(b.trained, b.uploaded if ok else b.trained) for b, ok in zip(bars, fine)],
        ),
        "upload that did not count": (
            LOST_COLOUR,
            [(b.trained, b.trained if ok else b.uploaded) for b, ok in zip(bars, fine)],
        ),
        "waiting": (
            WAIT_COLOUR,
            [
                (b.uploaded, b.uploaded if is_asynchronous(now) else max(b.uploaded, now.ended))
                for b in bars
            ],
        ),
    }
    return [_trace(name, colour, spans, bars, now.began) for name, (colour, spans) in parts.items()]


def _trace(
    name: str,
    colour: str,
    spans: list[tuple[float, float]],
    bars: tuple[VisitSpan, ...],
    began: float,
) -> dict:
    many = len(bars) > 2 * MAX_TICKS
    marker = {"color": colour, "line": {"width": 0}}
    if name != "waiting" and not many:
        marker["pattern"] = HATCH | ({"fgcolor": "#b3a400"} if name == "training" else {})
    hover = f"%{{customdata}}<br>{name}: %{{x:,.2f}} s (modelled)<extra></extra>"
    return {
        "x": [end - start for start, end in spans],
        "base": [start - began for start, _ in spans],
        "y": list(range(len(bars))),
        "orientation": "h",
        "width": 0.3 if name == "waiting" else 0.72,
        "marker": marker,
        "customdata": [f"{figure_text(b.client)} ({figure_text(b.device)})" for b in bars],
        "hovertemplate": hover,
    }


def _outcomes(bars: tuple[VisitSpan, ...], now: RoundTime, reach: float) -> dict:
    """Return a word at the end of the row of each client whose upload did not count."""
    odd = [(i, b) for i, b in enumerate(bars) if b.status != "ok"]
    at = [min(max(b.uploaded - now.began, b.trained - now.began), 0.99 * reach) for _, b in odd]
    side = ["middle left" if x > 0.8 * reach else "middle right" for x in at]
    words = [f"<b> {WORDS.get(b.status, printable_line(b.status, 12))} </b>" for _, b in odd]
    return {
        "x": at,
        "y": [i for i, _ in odd],
        "text": words,
        "mode": "markers+text",
        "textposition": side,
        "marker": {"symbol": "x", "size": 9, "color": LOST_COLOUR},
        "cliponaxis": False,
        "hoverinfo": "skip",
        "textfont": {"size": SIZE - 2, "color": INK},
    }


def _deadline(now: RoundTime, n: int, reach: float, head: float) -> list[dict]:
    """Return a named line where the server stopped waiting."""
    if now.deadline is None:
        return []
    at = now.deadline - now.began
    side = "middle right" if at < 0.8 * reach else "middle left"
    return [
        {
            "x": [at, at],
            "y": [(head - 0.55) / 2, n - 0.45],
            "text": [" <b>deadline</b> ", ""],
            "textposition": side,
            "mode": "lines+text",
            "line": {"color": LOST_COLOUR, "width": 2, "dash": "dash"},
            "cliponaxis": False,
            "textfont": {"size": SIZE - 2, "color": INK},
            "hoverinfo": "skip",
        }
    ]


def is_asynchronous(now: RoundTime) -> bool:
    """Return whether clients train asynchronously, so that none waits for another."""
    return any(client.began is not None for client in now.clients)


def _legend(bars: tuple[VisitSpan, ...]) -> str:
    marks = {"download": DOWNLOAD, "train": "#d9c900", "upload": UPLOAD}
    marks |= {"not counted": LOST_COLOUR} if any(b.status != "ok" for b in bars) else {}
    marks |= {"wait": "#c9c9c9"}
    legend = "  ".join(
        f"<span style='color:{colour}'>■</span> {name}" for name, colour in marks.items()
    )
    return f"{legend}   <span style='color:{MUTED}'>▨ <i>modelled</i></span>"


def _finding(now: RoundTime, took: float) -> str:
    """Return how long the round takes, and which client and phase the others wait for."""
    what = f"Round {now.number}" if now.number else "The exchange before round 1"
    last, out = now.last_visit, [bar for bar in now.visits if bar.status != "ok"]
    if last is None:
        return f"{what}: nobody took part."
    if is_asynchronous(now):
        behind = max(bar.staleness for bar in now.visits)
        return (
            f"{what} ends {_format_seconds(took)} after the one before: nobody waits;"
            f" the oldest update was trained {behind} round{'s' * (behind != 1)} ago."
        )
    spans = {
        "downloading": last.downloaded - last.began,
        "training": last.trained - last.downloaded,
        "uploading": last.uploaded - last.trained,
    }
    busy = max(spans, key=spans.__getitem__)
    share = 100 * spans[busy] / max(last.uploaded - last.began, 1e-9)
    if now.deadline is not None and any(bar.status == "late" for bar in out):
        return (
            f"{what} ends at its deadline, after {_format_seconds(took)}:"
            f" {len(out)} of {len(now.visits)} uploads do not count."
        )
    lost = f" {len(out)} of {len(now.visits)} uploads do not count." if out else ""
    words = (
        f"{what} takes {_format_seconds(took)}: all wait for {printable_line(last.client, 24)},"
        f" {share:.0f} % of it {busy}."
    )
    return words + lost


def _format_seconds(value: float) -> str:
    """Return seconds as words, two decimals below one second: 0.153 -> '0.15 s'."""
    return f"{value:.2f} s" if value < 1 else formatting.seconds(value)


def nice_limit(value: float) -> float:
    """Return the next of 1, 2, 5, 10, ...: an axis of few steps, so that its bars move."""
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= value * (1 - 1e-9))
