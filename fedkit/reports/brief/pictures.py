"""The brief's pictures as inline SVG: traffic light, accuracies, tornado and break-even curve.

Nothing here runs, links or loads anything. Every text is cleaned and escaped; a sign or a word
accompanies every colour. Sizes are in px of the picture's own box, which a page scales to its
column.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

from fedkit.core import locale
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
# keeps a label off the lines behind it
HALO = 'stroke="#fff" stroke-width="2.5" stroke-linejoin="round" paint-order="stroke"'
LABEL = 76  # px: the longest label at a bar's end
SIGNS = {NO_GO: "M-6,-6L6,6M6,-6L-6,6", CONDITIONS: "M0,-8L0,2M0,6.5L0,8", GO: "M-7,0L-2,6L7,-6"}
LOW, HIGH = "#56b4e9", "#0072b2"  # of the tornado: an assumption at its low and at its high value
WIDE, SLIM = 420, 300  # px: width of a wide and of a slim picture
MOST_BARS, MOST_SWINGS = 8, 7  # that are drawn


def traffic_light(verdict: str) -> str:
    """Return a traffic light with one lamp lit, which carries a sign (cross, exclamation mark,
    tick).
    """
    parts = ['<rect x="1" y="1" width="38" height="106" rx="10" fill="#2b2b2b"/>']
    for row, (name, colour) in enumerate(LAMPS.items()):
        y, lit = 20 + 34 * row, name == verdict
        parts.append(f'<circle cx="20" cy="{y}" r="14" fill="{colour if lit else "#555"}"/>')
        if lit:
            parts.append(
                f'<path d="{SIGNS[name]}" transform="translate(20 {y})" stroke="#111"'
                ' stroke-width="3.4" fill="none" stroke-linecap="round"/>'
            )
    return _svg(40, 108, "".join(parts), "", css="light")


def accuracy_bars(brief: Brief) -> str:
    """Return a horizontal bar for each method from 0 to 100 %, with its 95 % interval and value."""
    shown, left = first_items(brief.bars, MOST_BARS)
    x0, x1, y, parts = 150, WIDE - 88, 4, []
    bottom = 4 + sum(_bar_pitch(bar) for bar in shown)
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = x0 + share * (x1 - x0)
        parts.append(f'<line x1="{x:g}" x2="{x:g}" y1="2" y2="{bottom}" stroke="{GRID}"/>')
        if share in (0, 0.5, 1):
            parts.append(
                _text(x, bottom + 12, locale.percent(share, brief.lang, 0), 10, MUTED, "middle")
            )
    for bar in shown:
        parts.append(_bar(bar, y, x0, x1, brief.lang))
        y += _bar_pitch(bar)
    parts.append(_text(0, bottom + 12, more_mark(left), 10, MUTED) if left else "")
    said = "; ".join(f"{bar.name} {_share(bar.value, brief.lang)}" for bar in brief.bars)
    return _svg(WIDE, bottom + 16, "".join(parts), f"{brief.ui.get('accuracies', '')}: {said}")


def tornado(brief: Brief) -> str:
    """Return a bar of yearly net for each assumption, from its low to its high value."""
    returns = brief.returns
    shown, left = first_items(widest_first(returns.swings), MOST_SWINGS)
    if not shown:
        return ""
    x0, x1, pitch, top = 104, SLIM, 26, 15
    at = _tornado_scale(shown, returns.net, x0, x1)
    bottom = top + pitch * len(shown)
    parts = [_rule(at(0), top, bottom, MUTED, "3 3"), _rule(at(returns.net), top, bottom, INK)]
    parts += [
        _swing(swing, top + pitch * row, x0, at, returns.net) for row, swing in enumerate(shown)
    ]
    net = f"{brief.ui.get('net_per_year', '')} {_money(returns.net, returns, brief.lang)}"
    parts.append(_text_within(at(returns.net), 10, net, 10.5, 0, x1, bold=True))
    parts.append(
        _text_within(at(0), bottom + 11, _money(0, returns, brief.lang), 10, x0, x1, MUTED)
    )
    parts.append(_text(0, bottom + 11, more_mark(left), 10, MUTED) if left else "")
    said = "; ".join(
        f"{s.name}: {s.low_label} {_money(s.at_low, returns, brief.lang)}, {s.high_label} "
        f"{_money(s.at_high, returns, brief.lang)}"
        for s in returns.swings
    )
    return _svg(SLIM, bottom + 15, "".join(parts), f"{brief.ui.get('tornado', '')}: {said}")


def break_even_curve(brief: Brief, tall: int = 170) -> str:
    """Return cumulative money by month; the month in which it returns to zero is marked."""
    returns = brief.returns
    points = [(m, v) for m, v in returns.curve if math.isfinite(m) and math.isfinite(v)]
    if len(points) < 2:
        return ""
    x0, x1, top, bottom = 6, SLIM - 6, 20, tall - 42
    across = _scale([m for m, _ in points], x0, x1)
    up = _scale([*(v for _, v in points), 0.0], bottom, top)
    path = " ".join(f"{across(m):.1f},{up(v):.1f}" for m, v in points)
    rising = points[-1][1] >= points[0][1]
    parts = [
        (
            f'<line x1="{x0}" x2="{x1}" y1="{up(0):.1f}" y2="{up(0):.1f}" stroke="{MUTED}"'
            ' stroke-dasharray="3 3"/>'
        ),
        f'<polyline points="{path}" fill="none" stroke="{HIGH}" stroke-width="2.5"/>',
    ]
    parts.append(
        _text(x1, up(0) + (13 if rising else -5), _money(0, returns, brief.lang), 10, MUTED, "end")
    )
    for at in month_ticks(points[0][0], points[-1][0]):
        parts.append(_text_within(across(at), tall - 14, f"{at:g}", 10, 0, SLIM, MUTED))
    parts.append(
        _text_within((x0 + x1) / 2, tall - 2, brief.ui.get("month", ""), 10, x0, x1, MUTED)
    )
    for (m, v), above in ((points[0], not rising), (points[-1], rising)):
        parts.append(f'<circle cx="{across(m):.1f}" cy="{up(v):.1f}" r="3" fill="{HIGH}"/>')
        parts.append(
            _text_within(
                across(m),
                up(v) + (-7 if above else 15),
                _money(v, returns, brief.lang),
                10.5,
                x0,
                x1,
                bold=True,
            )
        )
    parts.append(_paid_back(brief, across, up, points))
    return _svg(SLIM, tall, "".join(parts), f"{brief.ui.get('break_even', '')}: {returns.sentence}")


def widest_first(swings: Sequence[Swing]) -> list[Swing]:
    """Return the finite swings, the widest first."""
    sound = [s for s in swings if math.isfinite(s.at_low) and math.isfinite(s.at_high)]
    return sorted(sound, key=lambda s: -abs(s.at_high - s.at_low))


def known_interval(bar: Bar) -> tuple[float, float] | None:
    """Return (low, high) where both are known."""
    return (bar.low, bar.high) if math.isfinite(bar.low) and math.isfinite(bar.high) else None


def _bar_pitch(bar: Bar) -> int:
    return 8 + 11 * max(2, len(_bar_name(bar)))


def _bar_name(bar: Bar) -> list[tuple[str, str]]:
    """Return lines of a bar's name, then of its note, with their colours; three lines at most."""
    name = cut_lines(slide_text(bar.name), 146, 10.5, lines=2)
    note = (
        cut_lines(slide_text(bar.note), 146, 9.5, lines=3 - len(name))
        if slide_text(bar.note)
        else []
    )
    return [*((line, INK) for line in name), *((line, MUTED) for line in note)]


def _bar(bar: Bar, y: float, x0: float, x1: float, lang: str) -> str:
    middle, lines = y + _bar_pitch(bar) / 2, _bar_name(bar)

    def at(share: float) -> float:
        return x0 + min(max(share, 0.0), 1.0) * (x1 - x0)

    start = middle - 5.5 * len(lines) + 9
    parts = [
        _text(0, start + 11 * i, line, 10.5 if c == INK else 9.5, c)
        for i, (line, c) in enumerate(lines)
    ]
    if math.isfinite(bar.value):
        parts.append(
            f'<rect x="{x0}" y="{middle - 7:g}" width="{at(bar.value) - x0:.1f}" height="14" '
            f'fill="{method_style(bar.method).colour}"/>'
        )
    spread = known_interval(bar)
    if spread:
        low, high = at(spread[0]), at(spread[1])
        ends = f"M{low:.1f},{middle - 4:g}v8M{high:.1f},{middle - 4:g}v8"
        path = f"M{low:.1f},{middle:g}H{high:.1f}{ends}"
        parts += [
            f'<path d="{path}" stroke="#fff" stroke-width="4"/>',
            f'<path d="{path}" stroke="{INK}" stroke-width="1.6"/>',
        ]
        parts.append(
            _text(WIDE, middle + 11, locale.percent_range(*spread, lang), 9.5, MUTED, "end")
        )
    parts.append(
        _text(
            WIDE,
            middle + (0 if spread else 4),
            _share(bar.value, lang),
            11.5,
            INK,
            "end",
            bold=True,
        )
    )
    return "".join(parts)


def _swing(swing: Swing, y: float, x0: float, at: Callable[[float], float], net: float) -> str:
    """Return one assumption: its name, the bars at its low and high value, and these values."""
    name = cut_lines(slide_text(swing.name), x0 - 4, 10.5, lines=2)
    parts = [
        _text(0, y + 17 - 5.5 * (len(name) - 1) + 11 * i, line, 10.5) for i, line in enumerate(name)
    ]
    sides = ((swing.at_low, swing.low_label, LOW), (swing.at_high, swing.high_label, HIGH))
    for value, _, colour in sides:
        left, right = sorted((at(net), at(value)))
        parts.append(
            f'<rect x="{left:.1f}" y="{y + 5:g}" width="{max(right - left, 0.5):.1f}" height="16"'
            f' fill="{colour}"/>'
        )
    outer = max(swing.at_low, swing.at_high)
    for value, label, _ in sides:
        right = value == outer if swing.at_low != swing.at_high else label is swing.high_label
        end = max(at(value), at(net)) if right else min(at(value), at(net))
        parts.append(
            _text(
                end + (4 if right else -4),
                y + 17,
                cut_lines(slide_text(label), LABEL, 9.5)[0],
                9.5,
                INK,
                "start" if right else "end",
            )
        )
    return "".join(parts)


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


def _paid_back(
    brief: Brief, across: Callable[[float], float], up: Callable[[float], float], points: Sequence
) -> str:
    """Return a mark where set-up is paid back, with its month; "" where that is outside the
    picture.
    """
    month = brief.returns.months
    if month is None or not points[0][0] <= month <= points[-1][0]:
        return ""
    x, y = across(month), up(0)
    label = f"{brief.ui.get('month', '')} {locale.number(month, brief.lang, 1)}"
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#fff" stroke="{INK}" stroke-width="2"/>'
    return ring + _text_within(x - 4, y - 10, label, 10.5, 0, x + 4, bold=True)


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


def _rule(x: float, top: float, bottom: float, colour: str, dash: str = "") -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{colour}"'
        f' stroke-dasharray="{dash}"/>'
    )


def _text_within(
    x: float,
    y: float,
    text: str,
    size: float,
    low: float,
    high: float,
    colour: str = INK,
    bold: bool = False,
) -> str:
    """Return text centred at x, moved inwards where it would leave low to high."""
    half = text_width(slide_text(text), size, bold) / 2
    return _text(
        min(max(x, low + half), max(high - half, low + half)), y, text, size, colour, "middle", bold
    )


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str = INK,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"'
        f' text-anchor="{anchor}"{weight} {HALO}>{html.escape(slide_text(text))}</text>'
    )


def _svg(width: float, tall: float, inside: str, said: str, css: str = "plot") -> str:
    """Return an SVG element.

    said: the same in words, for readers who cannot see it; "" for a picture that only decorates.
    """
    role = (
        f'role="img" aria-label="{html.escape(slide_text(said))}"' if said else 'aria-hidden="true"'
    )
    return (
        f'<svg class="{css}" viewBox="0 0 {width:g} {tall:g}" {role}'
        f' xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )
