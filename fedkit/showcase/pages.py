"""The words of the showcase, its steps as HTML, and its two live figures.

Words stand in `text_en.toml` and `text_ja.toml`, pages in `templates/`; every value is escaped. The
figures always have the same traces and fixed axes, so that `panel.sync_figure` can update
them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from fedkit.core import locale
from fedkit.core.files import read_packaged_table, read_packaged_words
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.plots.panel import note, render, templates
from fedkit.plots.theme import FONT, GRID, INK, MUTED, PAPER, font
from fedkit.results import measures
from fedkit.results.difference import Difference
from fedkit.results.method_style import method_style
from fedkit.results.privacy_promise import format_delta, format_epsilon
from fedkit.results.verdict import opening
from fedkit.showcase import numbers
from fedkit.showcase.records import CLIENT_COUNTS, ROUNDS, ShowcaseRecords

PACKAGE = "fedkit.showcase"
TOGETHER, ALONE = method_style("federated").colour, method_style("local").colour
PAGE_WIDTH = 1250  # px, of a step
STRINGS = {lang: read_packaged_words(PACKAGE, f"text_{lang}.toml") for lang in locale.LANGS}
NUMBERS = (locale.number, locale.percent, locale.points, locale.data_size, locale.seconds)
FIGURES = read_packaged_table(PACKAGE, "figures.toml")
LETTERS = 16  # px, in the live figures


def text(key: str, lang: str, **values: object) -> str:
    """Return the words of `key`, not escaped. values: for its placeholders, in local form."""
    return STRINGS[lang][key].format(**values)


def name_in_language(kind: str, name: object, lang: str) -> str:
    """Return the display name of a company or label; an unknown one stays as it is, on one line."""
    return STRINGS[lang].get(f"{kind}.{name}") or printable_line(name, 40)


def stylesheet() -> str:
    """Return the style sheet as a `<style>` element, with the colours of the figures."""
    page = templates(PACKAGE).get_template("style.html.j2")
    return page.render(together=TOGETHER, alone=ALONE, page_width=PAGE_WIDTH)


def page(template: str, lang: str, /, **values: Any) -> str:
    """Return a template with these values. It knows words (t), names and numbers of `lang`."""
    written = {write.__name__: partial(write, lang=lang) for write in NUMBERS}
    return render(
        PACKAGE,
        template,
        lang=lang,
        t=partial(text, lang=lang),
        named=partial(name_in_language, lang=lang),
        signed=signed_points,
        gain_range=partial(gain_range, lang=lang),
        finding=partial(finding, lang=lang),
        **written,
        **values,
    )


def question_page(shown: numbers.ComparedRun, lang: str) -> str:
    """Return step 1: the question, two pairs of bars, the answer."""
    return page("question", lang, shown=shown, tested=measures.test_size(shown.run))


def data_page(run: Run, lang: str) -> str:
    """Return step 2: a table of counts by client and label, shaded by size."""
    frame = measures.client_labels(run)
    counts = frame.to_numpy()
    most = int(counts.max(initial=1))
    tiles = [("companies", len(frame)), ("reports", int(counts.sum()))]
    tiles += [("labels", frame.shape[1]), ("rarest", int(counts.min(initial=most)))]
    rows = list(zip(frame.index, counts.tolist()))
    return page("who", lang, labels=list(frame.columns), rows=rows, most=most, tiles=tiles)


def status_line(words: str, bad: bool = False) -> str:
    """Return a line that a screen reader announces when it changes."""
    return page("status", "en", words=words, bad=bad)


def what_if_caveat(shown: numbers.ComparedRun, lang: str) -> str:
    """Return the caveat of step 4: what privacy promises, whom it trusts, what was trained."""
    key, values = "what.caveat_none", {}
    if not math.isnan(shown.epsilon):
        key = "what.caveat_private"
        values = {"epsilon": format_epsilon(shown.epsilon), "delta": format_delta(shown.delta)}
    words = text(key, lang, **values) + text("what.caveat", lang, rounds=ROUNDS)
    return page("caveat", lang, words=words)


def gain_range(gain: Difference, lang: str) -> str:
    """Return the interval of a gain in words."""
    return text("gain.range", lang, low=signed_points(gain.low), high=signed_points(gain.high))


def finding(shown: numbers.ComparedRun, lang: str) -> str:
    """Return the one verdict in a few words; the tiles beside it hold its numbers."""
    return opening(shown.verdict.gaps, lang) + ("." if lang == "en" else "。")


def signed_points(difference: float) -> str:
    """Return a share in percentage points with a sign: -0.2141 -> '−21.4'."""
    return f"{100 * difference:+.1f}".replace("-", locale.MINUS)


# ---- the live figures


def speed_name(kbps: int) -> str:
    """Format a speed, the same in both languages: 64 -> '64 kbit/s', 10_000 -> '10 Mbit/s'."""
    for size, unit in ((1_000_000, "Gbit/s"), (1_000, "Mbit/s")):
        if kbps >= size:
            return f"{kbps / size:g} {unit}"
    return f"{kbps} kbit/s"


def run_picture(
    states: Sequence[tuple[int, float]], rounds: int, alone: float, lang: str
) -> dict[str, Any]:
    """Return {data, layout} of accuracy by round so far. states: (round, share)."""
    x, y = [n for n, _ in states], [100 * share for _, share in states]
    last = f"<b>{locale.percent(states[-1][1], lang)}</b>" if states else ""
    together = _line(TOGETHER, x, y) | {
        "mode": "lines+markers+text",
        "marker": {"size": 13, "color": TOGETHER},
        "text": [""] * (len(y) - 1) + [last] * bool(y),
        "textposition": "top left" if x and x[-1] == rounds else "top right",
        "textfont": {"size": 24, "color": TOGETHER},
        "cliponaxis": False,
    }
    words = f"<b>{text('run.alone', lang)} {locale.percent(alone, lang)}</b>"
    place = {"yref": "y", "yanchor": "middle", "font": font(ALONE, LETTERS + 2)}
    notes = [_heading(text("run.heading", lang), 0.0), note(words, 0.02, 100 * alone - 9, **place)]
    frame = _frame("run", notes, lang, xaxis={"range": [-0.08, rounds + 0.25]})
    data = [_line(ALONE, [0, rounds], [100 * alone] * 2, "dash"), together]
    return {"data": data, "layout": frame}


def what_picture(
    records: ShowcaseRecords, setting: numbers.SliderValues, lang: str
) -> dict[str, Any]:
    """Return {data, layout} of step 4, with the slider values marked.

    Left: accuracy by number of clients; right: time by speed of the link.
    """
    clients, speeds = list(CLIENT_COUNTS), list(numbers.SPEEDS)
    values = [numbers.SliderValues(n, setting.level, setting.speed) for n in clients]
    every = [numbers.numbers_at(records, one) for one in values]
    here = every[clients.index(setting.clients)]
    seconds = [numbers.training_seconds(here.run, speed) for speed in speeds]
    base = [numbers.download_seconds(here.base, speed) for speed in speeds]
    whole = [training + once for training, once in zip(seconds, base)]
    lines = (
        (ALONE, [s.alone_all for s in every], "dot", 2.5),
        (TOGETHER, [s.together_all for s in every], "dot", 2.5),
        (ALONE, [s.alone for s in every], "solid", 4),
        (TOGETHER, [s.together for s in every], "solid", 4),
    )
    right = {"xaxis": "x2", "yaxis": "y2"}
    data = [
        *(_line(colour, clients, [100 * v for v in y], *look) for colour, y, *look in lines),
        _dot(ALONE, setting.clients, 100 * here.alone),
        _dot(TOGETHER, setting.clients, 100 * here.together),
        _line(INK, speeds, whole) | right,
        _dot(INK, setting.speed, here.seconds + here.base_seconds) | right,
    ]
    heads = {"what.heading_accuracy": 0.0, "what.heading_time": 0.53}
    notes = [*(_heading(text(key, lang), x) for key, x in heads.items()), _key(lang)]
    times = FIGURES["what"]["axes"]["yaxis2"]["tickvals"]
    named = {"ticktext": [text(f"axis.{seconds}", lang) for seconds in times]}
    return {"data": data, "layout": _frame("what", notes, lang, yaxis2=named)}


def _key(lang: str) -> dict[str, Any]:
    signs = "   ".join(
        f"<span style='color:{colour}'>\u25cf</span> {text(f'what.{kind}', lang)}"
        for kind, colour in (("together", TOGETHER), ("alone", ALONE))
    )
    lines = f"\u2501 {text('what.key_own', lang)}   \u2509 {text('what.key_any', lang)}"
    white = {"bgcolor": "rgba(255,255,255,0.8)", "font": font(INK, LETTERS - 2)}
    left = FIGURES["what"]["axes"]["xaxis"]["domain"][0] + 0.01
    return note(f"{signs}<br>{lines}", left, 0.02, align="left", **white)


def _line(
    colour: str, x: list[int], y: list[float], dash: str = "solid", width: float = 4
) -> dict[str, Any]:
    line = {"color": colour, "width": width, "dash": dash}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip"}


def _dot(colour: str, x: int, y: float) -> dict[str, Any]:
    marker = {"size": 18, "color": colour, "line": {"width": 3, "color": PAPER}}
    dot = {"type": "scatter", "mode": "markers", "hoverinfo": "skip"}
    return dot | {"x": [x], "y": [y], "marker": marker}


def _heading(words: str, x: float) -> dict[str, Any]:
    return note(f"<b>{words}</b>", x, 1, yshift=12, font=font(INK, LETTERS))


def _frame(name: str, notes: list[dict[str, Any]], lang: str, **more: dict[str, Any]) -> dict:
    """Return the layout of a figure of `figures.toml`. more: further settings of its axes."""
    given = FIGURES[name]
    width, height = given["size"]
    look = {"font": {"family": FONT} | font(INK, LETTERS), "width": width, "height": height}
    look |= {"paper_bgcolor": PAPER, "plot_bgcolor": PAPER, "margin": given["margin"]}
    axes = {axis: own | more.get(axis, {}) for axis, own in given["axes"].items()}
    drawn = {axis: _axis(own, lang) for axis, own in axes.items()}
    return FIGURES["frame"] | look | {"annotations": notes} | drawn


def _axis(own: dict[str, Any], lang: str) -> dict[str, Any]:
    words = text(own["title"], lang) if "title" in own else ""
    title = {"text": words, "standoff": 8, "font": font(MUTED, LETTERS)}
    style = {"gridcolor": GRID, "tickfont": font(MUTED, LETTERS - 1), "title": title}
    return FIGURES["axis"] | own | style
