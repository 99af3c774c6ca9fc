"""Document 2: who hosts the base model, how everybody knows that it is the same one, and how
another is let in.
"""

from __future__ import annotations

from fedkit.reports.governance import sections as sections_module
from fedkit.reports.governance.case import Case
from fedkit.reports.governance.document import Document
from fedkit.reports.text.hosting import WORDS


def hosting(case: Case) -> Document:
    """Base-model hosting and update policy."""

    def part(key: str, *more):
        return sections_module.section(case, WORDS, key, *more)

    sections = [
        part("model", sections_module.table(case, WORDS, "model_table")),
        part("pinned" if isinstance(case.run.model.get("sha256"), str) else "unpinned"),
        *(part(key) for key in ("licence", "host", "triggers")),
        part("accept", sections_module.table(case, WORDS, "steps")),
        part("bar", sections_module.table(case, WORDS, "today")),
        *(part(key) for key in ("rollback", "end")),
    ]
    return sections_module.document(case, "02_base_model", WORDS, sections)
