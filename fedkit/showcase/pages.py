"""The words of the showcase and its steps as HTML; the template engine escapes every value.

Words stand in `text_en.toml` and `text_ja.toml`, pages in `templates/`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from fedkit.core import locale
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.plots.panel import render, templates
from fedkit.results import measures
from fedkit.results.method_style import method_style
from fedkit.results.privacy_promise import format_delta, format_epsilon
from fedkit.showcase import settings
from fedkit.showcase.numbers import ComparedRun, Gain

PACKAGE = "fedkit.showcase"
TOGETHER, ALONE = method_style("federated").colour, method_style("local").colour
PAGE_WIDTH = 1250  # px, of a step
STRINGS = {lang: read_packaged_words(PACKAGE, f"text_{lang}.toml") for lang in locale.LANGS}
NUMBERS = (locale.number, locale.percent, locale.points, locale.data_size, locale.seconds)


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
    numbers = {write.__name__: partial(write, lang=lang) for write in NUMBERS}
    return render(
        PACKAGE,
        template,
        lang=lang,
        t=partial(text, lang=lang),
        named=partial(name_in_language, lang=lang),
        signed=signed_points,
        gain_range=partial(gain_range, lang=lang),
        **numbers,
        **values,
    )


def question_page(shown: ComparedRun, lang: str) -> str:
    """Return step 1: the question, two pairs of bars, the answer."""
    return page("question", lang, shown=shown, tested=measures.test_size(shown.run))


def data_page(run: Run, lang: str) -> str:
    """Return step 2: a table of counts by client and label, shaded by size."""
    frame = measures.client_labels(run)
    counts = frame.to_numpy()
    most = int(counts.max(initial=1))
    tiles = {
        "companies": len(frame),
        "reports": int(counts.sum()),
        "labels": frame.shape[1],
        "rarest": int(counts.min(initial=most)),
    }
    rows = list(zip(frame.index, counts.tolist()))
    return page(
        "who", lang, labels=list(frame.columns), rows=rows, most=most, tiles=list(tiles.items())
    )


def status_line(words: str, bad: bool = False) -> str:
    """Return a line that a screen reader announces when it changes."""
    return page("status", "en", words=words, bad=bad)


def what_if_caveat(shown: ComparedRun, lang: str) -> str:
    """Return the caveat of step 4: what privacy promises, whom it trusts, what was trained."""
    key, values = "what.caveat_none", {}
    if not math.isnan(shown.epsilon):
        key = "what.caveat_private"
        values = {"epsilon": format_epsilon(shown.epsilon), "delta": format_delta(shown.delta)}
    words = text(key, lang, **values) + text("what.caveat", lang, rounds=settings.ROUNDS)
    return page("caveat", lang, words=words)


def gain_range(gain: Gain, lang: str) -> str:
    """Return the interval of a gain in words."""
    return text("gain.range", lang, low=signed_points(gain.low), high=signed_points(gain.high))


def signed_points(difference: float) -> str:
    """Return a share in percentage points with a sign: -0.2141 -> '−21.4'."""
    return f"{100 * difference:+.1f}".replace("-", locale.MINUS)
