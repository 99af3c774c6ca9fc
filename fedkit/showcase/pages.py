"""Words and still pictures of the five steps as HTML; the template engine escapes every value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedkit.core import locale
from fedkit.core.record import Run
from fedkit.reports.pages import render
from fedkit.results import measures
from fedkit.results.privacy_promise import format_delta
from fedkit.results.privacy_promise import format_epsilon as epsilon_number
from fedkit.showcase import settings
from fedkit.showcase.numbers import ComparedRun, Gain, SliderValues
from fedkit.showcase.text import name_in_language, text


@dataclass(frozen=True)
class Tile:
    """A big number, its caption, a note below, and its tone: together | alone | plain."""

    value: str
    name: str
    note: str = ""
    tone: str = "plain"


def question_page(shown: ComparedRun, lang: str) -> str:
    """Return step 1: the question, two pairs of bars, the answer."""
    pairs = [
        (text("question.own", lang), shown.alone, shown.together),
        (text("question.any", lang), shown.alone_all, shown.together_all),
    ]
    groups = [
        {
            "name": name,
            "bars": [
                (text("bar.alone", lang), "alone", alone, locale.percent(alone, lang)),
                (text("bar.together", lang), "together", ours, locale.percent(ours, lang)),
            ],
        }
        for name, alone, ours in pairs
    ]
    tiles = [
        Tile(
            locale.points(shown.gain.value, lang),
            text("tile.own_gain", lang),
            _range(shown.gain, lang),
            "together",
        ),
        Tile(
            locale.points(shown.any_gain.value, lang),
            text("tile.any_gain", lang),
            _range(shown.any_gain, lang),
            "together",
        ),
        Tile(
            "0",
            text("tile.left", lang),
            text("question.pooled_note", lang, pooled=locale.percent(shown.pooled, lang)),
        ),
    ]
    finding = text(
        f"question.{shown.gain.verdict}", lang, points=locale.points(shown.any_gain.value, lang)
    )
    return _render(
        "question",
        lang,
        groups=groups,
        tiles=tiles,
        finding=finding,
        test=locale.number(measures.test_size(shown.run), lang),
    )


def data_page(run: Run, lang: str) -> str:
    """Return step 2: a table of counts by client and label, shaded by size."""
    frame = measures.client_labels(run)
    most = int(frame.to_numpy().max(initial=1))
    rows = [
        {
            "name": name_in_language("company", name, lang),
            "total": locale.number(int(counts.sum()), lang),
            "cells": [
                (locale.number(int(n), lang), round(0.05 + 0.95 * n / most, 3), n > 0.5 * most)
                for n in counts
            ],
        }
        for name, counts in zip(frame.index, frame.to_numpy())
    ]
    tiles = [
        Tile(locale.number(len(frame), lang), text("who.companies", lang)),
        Tile(locale.number(int(frame.to_numpy().sum()), lang), text("who.reports", lang)),
        Tile(locale.number(frame.shape[1], lang), text("who.labels", lang)),
        Tile(
            locale.number(int(frame.to_numpy().min(initial=most)), lang), text("who.rarest", lang)
        ),
    ]
    return _render(
        "who",
        lang,
        head=[name_in_language("label", name, lang) for name in frame.columns],
        rows=rows,
        tiles=tiles,
    )


def run_heading(lang: str) -> str:
    """Return the title and introduction of step 3."""
    return _render("head", lang, step="run", rounds=settings.LIVE_ROUNDS)


def live_run_tiles(accuracy: float | None, nbytes: float | None, lang: str) -> str:
    """Return the numbers of step 3 while it runs. None: not known yet."""
    dash = "\u2013"
    return _tiles(
        [
            Tile(
                dash if accuracy is None else locale.percent(accuracy, lang),
                text("run.accuracy", lang),
                "",
                "together",
            ),
            Tile(
                dash if nbytes is None else locale.data_size(nbytes, lang), text("run.sent", lang)
            ),
            Tile("0", text("run.texts", lang)),
        ],
        lang,
    )


def status_line(words: str, bad: bool = False) -> str:
    """Return a line that a screen reader announces when it changes."""
    return _render("status", "en", words=words, bad=bad)


def what_if_page(shown: ComparedRun, setting: SliderValues, lang: str) -> str:
    """Return step 4: its title, the finding, and five big numbers."""
    tiles = [
        Tile(
            locale.percent(shown.together, lang),
            text("what.together", lang),
            _any_client_note(shown.together_all, lang),
            "together",
        ),
        Tile(
            locale.percent(shown.alone, lang),
            text("what.alone", lang),
            _any_client_note(shown.alone_all, lang),
            "alone",
        ),
        Tile(_signed(shown.gain.value), text("what.difference", lang), _range(shown.gain, lang)),
        Tile(locale.data_size(shown.traffic, lang), text("what.traffic", lang)),
        Tile(
            locale.seconds(shown.seconds, lang),
            text("what.time", lang),
            text(
                "what.base",
                lang,
                size=locale.data_size(shown.base, lang),
                seconds=locale.seconds(shown.base_seconds, lang),
            ),
        ),
    ]
    verdict = shown.gain.verdict
    return _render(
        "what", lang, tiles=tiles, finding=text(f"what.{verdict}", lang), verdict=verdict
    )


def slider_label(name: str, value: str, lang: str) -> str:
    """Return the label above a slider."""
    return _render("slider", lang, name=text(f"what.{name}", lang), value=value)


def what_if_caveat(shown: ComparedRun, lang: str) -> str:
    """Return the caveat of step 4: what privacy promises, whom it trusts, what was trained."""
    if shown.epsilon == shown.epsilon:
        first = text(
            "what.caveat_private",
            lang,
            epsilon=epsilon_number(shown.epsilon),
            delta=format_delta(shown.delta),
        )
    else:
        first = text("what.caveat_none", lang)
    return caveat_line(first + text("what.caveat", lang, rounds=settings.ROUNDS), lang)


def brief_heading(lang: str) -> str:
    """Return the title and introduction of step 5."""
    return _render("head", lang, step="brief", rounds=0)


def lead_line(words: str, lang: str) -> str:
    """Return a line that introduces what follows."""
    return _render("lead", lang, words=words)


def download_links(files: Sequence[tuple[str, str, str]], folder: str, lang: str) -> str:
    """Return the links of step 5. files: (words, file name, data URI)."""
    return _render("links", lang, files=files, folder=text("brief.folder", lang, folder=folder))


def caveat_line(words: str, lang: str) -> str:
    """Return the line at the foot of a step."""
    return _render("caveat", lang, words=words)


def level_name(level: str, lang: str) -> str:
    return text(f"level.{level}", lang)


def _tiles(tiles: Sequence[Tile], lang: str) -> str:
    return _render("tiles", lang, tiles=tiles)


def _any_client_note(share: float, lang: str) -> str:
    return text("what.any", lang, share=locale.percent(share, lang))


def _range(gain: Gain, lang: str) -> str:
    return text("gain.range", lang, low=_signed(gain.low), high=_signed(gain.high))


def _signed(difference: float) -> str:
    """Format a share in percentage points with a sign: -0.2141 -> '−21.4'."""
    return f"{100 * difference:+.1f}".replace("-", locale.MINUS)


def _render(piece: str, lang: str, **values: Any) -> str:
    return render(
        f"showcase/{piece}.html.j2",
        t=lambda key, **places: text(key, lang, **places),
        lang=lang,
        **values,
    )
