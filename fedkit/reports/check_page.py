"""The check of a data set as one HTML page: a traffic light with reasons, then every finding by
level.

No script, no network; personal data in examples is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fedkit.core.files import read_packaged_text
from fedkit.core.formatting import count_noun, printable_line
from fedkit.plots.theme import FONT
from fedkit.quality.finding import Finding
from fedkit.quality.personal import mask_personal_data

if TYPE_CHECKING:
    from fedkit.quality.report import Quality

LIGHTS = {
    "ready": ("#00724f", "Ready"),
    "care": ("#8a5a00", "Usable with care"),
    "not yet": ("#a33c00", "Not yet"),
}
GROUPS = {  # headings of the page's parts
    "stop": "What must be mended first",
    "care": "What someone should look at",
    "note": "Good to know",
}
LEVELS = {
    "stop": ("#a33c00", "must be mended"),
    "care": ("#8a5a00", "look at this"),
    "note": ("#595959", "good to know"),
}
ANSWERS = {
    "ready": "This file can be used as it is.",
    "care": "This file can be used; read the reasons below before you trust what comes of it.",
    "not yet": "This file cannot carry the question yet; what has to be mended stands below.",
}
ROWS, BARS = 12, 30  # row numbers of a finding, labels or clients in a picture


def render_check(
    quality: Quality, did: Sequence[str] = (), clean: str = "", review: str = ""
) -> str:
    """Return the page as text.

    did: changes of the cleaned copy, in sentences. clean, review: names of the files in its folder.
    """
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    light = LIGHTS[quality.verdict]
    columns = quality.columns
    roles = {"Text": columns.text, "label": columns.label, "site": columns.client}
    labels, labels_more = _bars(quality.labels)
    clients, clients_more = _bars(quality.clients)
    return engine.from_string(
        read_packaged_text("fedkit.reports", "templates/check.html.j2")
    ).render(
        css=Markup(
            read_packaged_text("fedkit.reports", "templates/check.css").replace("__FONT__", FONT)
        ),
        name=printable_line(quality.name, 80),
        size=count_noun(quality.rows, "row"),
        roles=", ".join(
            f"{role}: column {printable_line(name)}" for role, name in roles.items() if name
        ),
        light=light,
        lamps=[
            light[0] if word == quality.verdict else "" for word in ("not yet", "care", "ready")
        ],
        answer=ANSWERS[quality.verdict],
        reasons=quality.reasons,
        smallest=_smallest(quality),
        groups=_grouped_findings(quality.findings),
        labels=labels,
        labels_more=labels_more,
        sites=clients,
        sites_more=clients_more,
        labels_title=count_noun(len(quality.labels), "label"),
        sites_title=(
            count_noun(len(quality.clients), "site")
            if quality.clients
            else "No column says whose a row is"
        ),
        did=list(did),
        clean=clean,
        review=review,
        done="mended in the cleaned copy" if clean else "a cleaned copy mends this",
        notes=quality.notes,
        sha256=quality.sha256 or "not known",
    )


def _bars(counts: Mapping[str, int]) -> tuple[list[tuple[str, str, float]], int]:
    """Return (name, number, width in per cent) of the most frequent, and how many are not shown."""
    top = max(counts.values(), default=1) or 1
    shown = list(counts.items())[:BARS]
    bars = [(printable_line(name, 32), f"{n:,}", round(100 * n / top, 1)) for name, n in shown]
    return bars, len(counts) - len(shown)


def _smallest(quality: Quality) -> str:
    points = quality.smallest_difference
    is_finding = any(f.kind == "few-examples" for f in quality.findings)
    if points is None or is_finding or not points < 100:
        return ""
    return (
        f"differences in accuracy of about {points:.1f} points or more;"
        " smaller ones it cannot tell from chance."
    )


def _grouped_findings(findings: Sequence[Finding]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return (heading, findings) by level; those that the cleaned copy does not fix come first."""
    split = {title: [f for f in findings if f.level == level] for level, title in GROUPS.items()}
    return [
        (title, [_finding_values(f) for f in sorted(found, key=lambda f: f.mended)])
        for title, found in split.items()
        if found
    ]


def _finding_values(f: Finding) -> dict[str, Any]:
    colour, _ = LEVELS[f.level]
    rows = ", ".join(f"{row:,}" for row in f.rows[:ROWS])
    rows += f" and {f.count - ROWS:,} more" if f.count > ROWS else ""
    return {
        "colour": colour,
        "mended": f.mended,
        "what": f.what,
        "why": f.why,
        "mend": f.mend,
        "rows": rows if f.rows else "",
        "examples": [mask_personal_data(example) for example in f.examples],
    }
