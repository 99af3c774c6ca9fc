"""Results of the leakage attacks as text and tables for the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

THREAT_MODEL = (
    (
        "The attacker is the server, honest but curious: it keeps to the protocol and reckons with"
        " what it receives."
    ),
    (
        "It knew: the base model, the shared parameters, the learning rate, how many texts stand"
        " behind an update, and a public list of labelled texts (for `lookup` the list also holds"
        " the site's own texts: the worst case)."
    ),
    (
        "It did not know: the site's texts, which of the list are the site's, their labels, or"
        " anything of the other sites."
    ),
    (
        "Not attacked: what a server could do that breaks the protocol, several rounds together, or"
        " the statistics that are sent before round 1 for the head's start."
    ),
)
FAILURE_NOTE = (
    "An attack's failure is not a proof: a better attack may succeed where these did not. Only"
    " accounting promises."
)
COLUMN_TITLES = (
    "attack",
    "tokens found",
    "tokens right",
    "texts exact",
    "labels",
    "what stood in the way",
)


def report_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the report: threat model, a table per defence, an example, and a note on failures."""
    out = [*THREAT_MODEL, ""]
    for name in dict.fromkeys(r["defence"] for r in rows):
        own = [r for r in rows if r["defence"] == name]
        out += [f"{name}: {own[0]['about']} ({own[0]['batches']} batches)", *table_lines(own), ""]
    return [*out, *example_lines(rows), "", FAILURE_NOTE]


def table_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return one line for each attack: shares in per cent, a dash where nothing was claimed."""
    figures = ("tokens_recall", "tokens_precision", "sentences", "labels")
    cells = [
        COLUMN_TITLES,
        *((r["attack"], *(_percent(r[f]) for f in figures), r["why"]) for r in rows),
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    return [
        "  "
        + "  ".join([c[0].ljust(widths[0]), *(c[i].rjust(widths[i]) for i in range(1, 5)), c[5]])
        for c in cells
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def example_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the original text and what the attacks recovered of it under each defence."""
    shown = [r for r in rows if r["attack"] in ("spans", "pursuit") and r["example_recovered"]]
    out = [f"A text as the site holds it: {rows[0]['example_original']}"] if rows else []
    return out + [f"  {r['defence']}, {r['attack']}: {r['example_recovered']}" for r in shown]
