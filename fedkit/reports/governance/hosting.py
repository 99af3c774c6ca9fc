"""Document 2: hosting of the base model, how it is identified, and how a new one is accepted."""

from __future__ import annotations

from fedkit.reports.governance import sections
from fedkit.reports.governance.case import Case
from fedkit.reports.governance.document import Document
from fedkit.reports.text.hosting import WORDS


def hosting_document(case: Case) -> Document:
    """Return the hosting and update policy of the base model."""

    def part(key: str, *more):
        return sections.make_section(case, WORDS, key, *more)

    parts = [
        part("model", sections.make_table(case, WORDS, "model_table")),
        part("pinned" if isinstance(case.run.model.get("sha256"), str) else "unpinned"),
        *(part(key) for key in ("licence", "host", "triggers")),
        part("accept", sections.make_table(case, WORDS, "steps")),
        part("bar", sections.make_table(case, WORDS, "today")),
        *(part(key) for key in ("rollback", "end")),
    ]
    return sections.make_document(case, "02_base_model", WORDS, parts)
