"""Write the brief: page, slides and JSON for each language, assumptions to edit, the governance
pack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fedkit.core.files import write_file, write_json
from fedkit.core.record import Run
from fedkit.reports.brief.brief import Brief
from fedkit.reports.brief.decide import decide
from fedkit.reports.brief.returns import Assumptions

SCHEMA = "fedkit.brief/1"


def write_brief(
    records: Sequence[Run],
    out: Path,
    langs: Sequence[str] = ("en",),
    assumptions: Assumptions | None = None,
) -> list[Path]:
    """Write brief.LANG.html, .pptx and .json for each language, assumptions.toml and the governance
    pack.

    Returns their paths. All languages are decided before the first file is written. Raises
    FedkitError as `decide` does, or if a file cannot be written.
    """
    out, assumed = Path(out), assumptions or Assumptions()
    briefs = [decide(records, lang, assumed) for lang in dict.fromkeys(langs)]
    return write_briefs(briefs, records, out, assumed)


def write_briefs(
    briefs: Sequence[Brief], records: Sequence[Run], out: Path, assumptions: Assumptions
) -> list[Path]:
    """Write the files of `write_brief` for briefs that have been decided; return their paths."""
    from fedkit.reports.governance.pack import write_pack

    written = [path for brief in briefs for path in _write_one(brief, out)]
    written.append(_write_assumptions(out / "assumptions.toml", assumptions))
    return [*written, *(path for brief in briefs for path in write_pack(records, out, brief.lang))]


def brief_to_dict(brief: Brief) -> dict:
    """Return the brief as JSON values: every string and number of its page."""
    return {"schema": SCHEMA, **asdict(brief)}


def _write_one(brief: Brief, out: Path) -> list[Path]:
    from fedkit.reports.brief.page import render_brief
    from fedkit.reports.brief.slides.deck import write_slides

    page, slides, values = (out / f"brief.{brief.lang}.{end}" for end in ("html", "pptx", "json"))
    write_file(page, render_brief(brief))
    write_slides(brief, slides)
    return [page, slides, write_json(values, brief_to_dict(brief))]


def _write_assumptions(path: Path, assumptions: Assumptions) -> Path:
    """Write the assumptions as a file to edit; if one with other content exists, under another
    name.
    """
    words = assumptions.to_toml()
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != words:
        path = path.with_name("assumptions.used.toml")
    return write_file(path, words)
