"""Every page of fedkit: one template engine, one base page, one content security policy.

A page extends `templates/base.html.j2`, adds to its style sheet, and loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from markupsafe import Markup

from fedkit.core.templates import ENGINE
from fedkit.plots.theme import FONT

INLINE = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)


def render(
    template: str,
    scripts: Sequence[str] = (),
    parts: Sequence[str] = (),
    finalize: Callable[[Any], Any] | None = None,
    **values: Any,
) -> str:
    """Return a page as text; every value is escaped, and the same values give the same text.

    scripts: run at the end of the page. parts: HTML that plotly wrote, whose scripts may run too.
    finalize: applied to every value that is shown.
    """
    engine = ENGINE.overlay(finalize=finalize) if finalize else ENGINE
    inline = [script for part in parts for script in INLINE.findall(part)]
    return engine.get_template(template).render(
        **values,
        font=Markup(FONT),
        policy=Markup(content_policy([*scripts, *inline])),
        scripts=[Markup(script) for script in scripts],
        parts=[Markup(part) for part in parts],
    )


def content_policy(scripts: Iterable[str] = ()) -> str:
    """Return a policy by which only these scripts run, and nothing is fetched."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    running = f"script-src {allowed}; img-src data: blob:; " if allowed else ""
    return (
        f"default-src 'none'; {running}style-src 'unsafe-inline'; base-uri 'none';"
        " form-action 'none'"
    )


def render_figures(
    title: str,
    figures: Sequence[Any],
    intro: str = "",
    words: str = "",
    config: dict[str, Any] | None = None,
) -> str:
    """Return a page of plotly figures, each with its caption, below words as typed.

    config: plotly's, for all of them.
    """
    parts = [
        figure.to_html(full_html=False, include_plotlyjs=number == 0, config=config)
        for number, figure in enumerate(figures)
    ]
    captions = [figure.layout.meta["caption"] for figure in figures]
    told = {"title": title, "intro": intro, "words": words, "captions": captions}
    return render("reports/figures.html.j2", parts=parts, **told)
