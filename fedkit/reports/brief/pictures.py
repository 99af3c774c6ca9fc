"""The brief's pictures as inline SVG: traffic light, accuracies, tornado and break-even curve.

Places and labels are computed here and drawn by `templates/brief_pictures.svg.j2`. Nothing runs,
links or loads anything. Every text is cleaned and escaped; a sign or a word accompanies every
colour. Sizes are in px of the picture's own box, which a page scales to its column.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from fedkit.core import locale
from fedkit.core.templates import ENGINE
from fedkit.plots.theme import GRID, INK, MUTED
from fedkit.reports.brief.brief import CONDITIONS, GO, NO_GO, Bar, Brief, Returns, Swing
from fedkit.reports.brief.text_metrics import (
    cut_lines,
    first_items,
    more_mark,
    slide_text,
    text_width,
)
from fedkit.results.method_style import method_style

LAMPS = {NO_GO: "#d55e00", CONDITIONS: "#f0b400", GO: "#00a878"}  # top to bottom, as on a street
# the same, for text: contrast above 4.5 on white and on PALE
DARK = {NO_GO: "#a83a00", CONDITIONS: "#7a5200", GO: "#00694c"}
PALE = {NO_GO: "#fdeee6", CONDITIONS: "#fff5dc", GO: "#e6f6f0"}
LABEL = 76  # px: the longest label at a bar's end
SIGNS = {NO_GO: "M-6,-6L6,6M6,-6L-6,6", CONDITIONS: "M0,-8L0,2M0,6.5L0,8", GO: "M-7,0L-2,6L7,-6"}
LOW, HIGH = "#56b4e9", "#0072b2"  # of the tornado: an assumption at its low and at its high value
WIDE, SLIM = 420, 300  # px: width of a wide and of a slim picture
MOST_BARS, MOST_SWINGS = 8, 7  # that are drawn


def traffic_light(verdict: str) -> str:
    """Return a traffic light with one lamp lit, which carries a sign (cross, exclamation mark,
    tick).
    """
    return _draw("light", 40, 108, css="light", lamps=LAMPS, signs=SIGNS, lit=verdict)


def accuracy_bars(brief: Brief) -> str:
    """Return a horizontal bar for each method from 0 to 100 %, with its 95 % interval and value."""
    shown, left = first_items(brief.bars, MOST_BARS)
    x0, x1, bottom, bars, lang = 150, WIDE - 88, 4, [], brief.lang
    for bar in shown:
        pitch = 8 + 11 * max(2, len(_bar_name(bar)))
        bars.append({"middle": bottom + pitch / 2, **_bar(bar, x0, x1, lang)})
        bottom += pitch
    said = "; ".join(f"{bar.name} {_share(bar.value, lang)}" for bar in brief.bars)
    values = {
        "grid": [
            (share, "" if share in (0.25, 0.75) else locale.percent(share, lang, 0))
            for share in (0, 0.25, 0.5, 0.75, 1)
        ],
        "left": more_mark(left) if left else "",
    }
    named = f"{brief.ui.get('accuracies', '')}: {said}"
    places = {"x0": x0, "x1": x1, "bottom": bottom}
    return _draw("accuracies", WIDE, bottom + 16, named, bars=bars, **places, **values)


def tornado(brief: Brief) -> str:
    """Return a bar of yearly net for each assumption, from its low to its high value."""
    returns, lang = brief.returns, brief.lang
    shown, left = first_items(widest_first(returns.swings), MOST_SWINGS)
    if not shown:
        return ""
    x0, pitch, top = 104, 26, 15
    at = _tornado_scale(shown, returns.net, x0, SLIM)
    bottom = top + pitch * len(shown)
    swings = [
        {"y": top + pitch * row, **_swing(swing, x0, at, returns.net)}
        for row, swing in enumerate(shown)
    ]
    said = "; ".join(
        f"{s.name}: {s.low_label} {_money(s.at_low, returns, lang)}, {s.high_label} "
        f"{_money(s.at_high, returns, lang)}"
        for s in returns.swings
    )
    values = {
        "zero": at(0),
        "net": at(returns.net),
        "net_said": f"{brief.ui.get('net_per_year', '')} {_money(returns.net, returns, lang)}",
        "zero_said": _money(0, returns, lang),
        "left": more_mark(left) if left else "",
    }
    named = f"{brief.ui.get('tornado', '')}: {said}"
    places = {"x0": x0, "top": top, "bottom": bottom}
    return _draw("tornado", SLIM, bottom + 15, named, swings=swings, **places, **values)


def break_even_curve(brief: Brief, tall: int = 170) -> str:
    """Return cumulative money by month; the month in which it returns to zero is marked."""
    returns, lang = brief.returns, brief.lang
    points = [(m, v) for m, v in returns.curve if math.isfinite(m) and math.isfinite(v)]
    if len(points) < 2:
        return ""
    x0, x1, (first, begin), (last, end) = 6, SLIM - 6, points[0], points[-1]
    across = _scale([m for m, _ in points], x0, x1)
    up = _scale([*(v for _, v in points), 0.0], tall - 42, 20)
    rising, word, month = end >= begin, brief.ui.get("month", ""), returns.months
    values = {
        "points": [(across(m), up(v)) for m, v in points],
        "zero": up(0),
        "zero_said": _money(0, returns, lang),
        "ticks": [(across(at), at) for at in month_ticks(first, last)],
        "month_word": word,
        "rising": rising,
        "ends": [
            (across(m), up(v), above, _money(v, returns, lang))
            for m, v, above in ((first, begin, not rising), (last, end, rising))
        ],
        "line": HIGH,
        "paid": None,
    }
    if month is not None and first <= month <= last:  # where set-up is paid back
        values["paid"] = (across(month), f"{word} {locale.number(month, lang, 1)}")
    named = f"{brief.ui.get('break_even', '')}: {returns.sentence}"
    return _draw("break_even", SLIM, tall, named, x0=x0, x1=x1, **values)


def widest_first(swings: Sequence[Swing]) -> list[Swing]:
    """Return the finite swings, the widest first."""
    sound = [s for s in swings if math.isfinite(s.at_low) and math.isfinite(s.at_high)]
    return sorted(sound, key=lambda s: -abs(s.at_high - s.at_low))


def known_interval(bar: Bar) -> tuple[float, float] | None:
    """Return (low, high) where both are known."""
    return (bar.low, bar.high) if math.isfinite(bar.low) and math.isfinite(bar.high) else None


def _bar_name(bar: Bar) -> list[tuple[str, str]]:
    """Return lines of a bar's name, then of its note, with their colours; three lines at most."""
    name = cut_lines(slide_text(bar.name), 146, 10.5, lines=2)
    note = (
        cut_lines(slide_text(bar.note), 146, 9.5, lines=3 - len(name))
        if slide_text(bar.note)
        else []
    )
    return [*((line, INK) for line in name), *((line, MUTED) for line in note)]


def _bar(bar: Bar, x0: float, x1: float, lang: str) -> dict[str, Any]:
    spread = known_interval(bar)

    def at(share: float) -> float:
        return x0 + min(max(share, 0.0), 1.0) * (x1 - x0)

    return {
        "lines": _bar_name(bar),
        "long": at(bar.value) - x0 if math.isfinite(bar.value) else None,
        "colour": method_style(bar.method).colour,
        "value": _share(bar.value, lang),
        "ends": [at(end) for end in spread or ()],
        "interval": locale.percent_range(*spread, lang) if spread else "",
    }


def _swing(swing: Swing, x0: float, at: Callable[[float], float], net: float) -> dict[str, Any]:
    """Return one assumption: its name, the bars at its low and high value, and these values."""
    sides = ((swing.at_low, swing.low_label, LOW), (swing.at_high, swing.high_label, HIGH))
    outer = max(swing.at_low, swing.at_high)
    bars, labels = [], []
    for value, label, colour in sides:
        start, end = sorted((at(net), at(value)))
        bars.append((start, max(end - start, 0.5), colour))
        right = value == outer if swing.at_low != swing.at_high else label is swing.high_label
        words = cut_lines(slide_text(label), LABEL, 9.5)[0]
        labels.append((end + 4, words, "start") if right else (start - 4, words, "end"))
    name = cut_lines(slide_text(swing.name), x0 - 4, 10.5, lines=2)
    return {"lines": name, "bars": bars, "labels": labels}


def _tornado_scale(
    swings: Sequence[Swing], net: float, x0: float, x1: float
) -> Callable[[float], float]:
    """Return the widest scale at which every bar's labels stay between x0 and x1."""
    values = [*(v for s in swings for v in (s.at_low, s.at_high)), net, 0.0]
    before = after = 8.0
    for _ in range(12):
        at = _scale(values, x0 + before, max(x1 - after, x0 + before + 1))
        sides = [
            sorted(((s.at_low, s.low_label), (s.at_high, s.high_label)), key=lambda side: side[0])
            for s in swings
        ]
        before += max(0.0, *(x0 + _label_width(low) - min(at(v), at(net)) for (v, low), _ in sides))
        after += max(
            0.0, *(max(at(v), at(net)) + _label_width(high) - x1 for _, (v, high) in sides)
        )
    return at


def _label_width(text: str) -> float:
    """Return the px that the label at a bar's end takes, with its distance from it."""
    return min(text_width(slide_text(text), 9.5), LABEL) + 6


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    """Return the linear map from the range of `values` onto start to end."""
    low, high = min(values), max(values)
    over = (high - low) or 1.0
    return lambda value: start + (value - low) / over * (end - start)


def month_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Return whole months, at most `most`, at a usual distance."""
    step = next(
        (s for s in (1, 2, 3, 6, 12, 24, 60, 120) if (high - low) / s < most),
        (high - low) / (most - 1),
    )
    return [low + step * i for i in range(int((high - low) / step + 1e-9) + 1)]


def _share(value: float, lang: str) -> str:
    return locale.percent(value, lang, 1) if math.isfinite(value) else "–"


def _money(value: float, returns: Returns, lang: str) -> str:
    return locale.money(value, returns.currency, lang)


def _move_inwards(x: float, text: str, size: float, low: float, high: float, bold: bool) -> float:
    """Return the middle next to x at which centred text does not leave low to high."""
    half = text_width(slide_text(text), size, bold) / 2
    return min(max(x, low + half), max(high - half, low + half))


def _draw(
    picture: str, wide: float, tall: float, said: str = "", css: str = "plot", **values: Any
) -> str:
    """Return an SVG element.

    said: the same in words, for readers who cannot see it; "" for a picture that only decorates.
    """
    drawn = ENGINE.get_template("reports/brief_pictures.svg.j2").render(
        picture=picture,
        wide=wide,
        tall=tall,
        said=said,
        css=css,
        ink=INK,
        muted=MUTED,
        pale=GRID,
        clean=lambda text: Markup(html.escape(slide_text(text))),
        move_inwards=_move_inwards,
        **values,
    )
    return "".join(line.strip() for line in drawn.splitlines())
