"""The style sheet of the showcase, from `templates/`."""

from __future__ import annotations

from fedkit.core.files import read_packaged_text
from fedkit.plots.theme import FONT, INK, MUTED
from fedkit.results.method_style import method_style

TOGETHER, ALONE = method_style("federated").colour, method_style("local").colour
WIDTH = 1250  # px, of a step


def stylesheet() -> str:
    """Return the style sheet as a `<style>` element, with the colours of the figures."""
    text = read_packaged_text("fedkit.showcase", "templates/showcase.css")
    values = {
        "FONT": FONT,
        "INK": INK,
        "MUTED": MUTED,
        "TOGETHER": TOGETHER,
        "ALONE": ALONE,
        "WIDTH": str(WIDTH),
    }
    for name, value in values.items():
        text = text.replace(f"__{name}__", value)
    return f"<style>\n{text}</style>"
