"""Document 2: who hosts the base model, how everybody knows that it is the same one, and how another is let in."""

from __future__ import annotations

from fedkit.studio.governance import parts
from fedkit.studio.governance.case import Case
from fedkit.studio.governance.document import Document
from fedkit.studio.governance.hosting_words import WORDS


def hosting(case: Case) -> Document:
    """Base-model hosting and update policy."""

    def part(key: str, *more):
        return parts.section(case, WORDS, key, *more)

    sections = [
        part("model", parts.table(case, WORDS, "model_table")),
        part("pinned" if isinstance(case.run.model.get("sha256"), str) else "unpinned"),
        *(part(key) for key in ("licence", "host", "triggers")),
        part("accept", parts.table(case, WORDS, "steps")),
        part("bar", parts.table(case, WORDS, "today")),
        *(part(key) for key in ("rollback", "end")),
    ]
    return parts.document(case, "02_base_model", WORDS, sections)
