"""The brief in a folder: a page, slides and JSON for each language, the assumptions to edit, and
the governance pack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.core.files import write_json
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
    pack; their paths.

    All languages are decided before the first file is written. Raises FedkitError as `decide` does.
    """
    out, assumed = Path(out), assumptions or Assumptions()
    briefs = [decide(records, lang, assumed) for lang in dict.fromkeys(langs)]
    return write_briefs(briefs, records, out, assumed)


def write_briefs(
    briefs: Sequence[Brief], records: Sequence[Run], out: Path, assumptions: Assumptions
) -> list[Path]:
    """As `write_brief`, for briefs that have been decided."""
    from fedkit.reports.governance.pack import write_pack

    try:
        out.mkdir(parents=True, exist_ok=True)
        written = [path for brief in briefs for path in _one(brief, out)]
        written.append(_assumptions(out / "assumptions.toml", assumptions))
        return [
            *written,
            *(path for brief in briefs for path in write_pack(records, out, brief.lang)),
        ]
    except OSError as error:
        raise FedkitError(
            f"cannot write to {out}: {error.strerror or error}; name another folder with --out"
        ) from None


def to_dict(brief: Brief) -> dict:
    """The brief as JSON: every string and number of its page."""
    return {"schema": SCHEMA, **asdict(brief)}


def _one(brief: Brief, out: Path) -> list[Path]:
    from fedkit.reports.brief.page import render
    from fedkit.reports.brief.slides.deck import write_slides

    page, slides, values = (out / f"brief.{brief.lang}.{end}" for end in ("html", "pptx", "json"))
    page.write_text(render(brief), encoding="utf-8", errors="replace")
    write_slides(brief, slides)
    return [page, slides, write_json(values, to_dict(brief))]


def _assumptions(path: Path, assumptions: Assumptions) -> Path:
    """The assumptions as a file to edit; one with other content is kept, and the new one stands
    beside it.
    """
    words = assumptions.to_toml()
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != words:
        path = path.with_name("assumptions.used.toml")
    path.write_text(words, encoding="utf-8")
    return path
