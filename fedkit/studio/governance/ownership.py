"""Document 3: who has which rights in what a training makes: updates, the shared adapter and head, models made from them."""

from __future__ import annotations

from fedkit.studio.governance import parts
from fedkit.studio.governance.case import Case
from fedkit.studio.governance.document import Document
from fedkit.studio.governance.ownership_words import WORDS


def ownership(case: Case) -> Document:
    """Rights in adapters and heads."""
    kept = case.run.config.get("share") not in (None, "all")
    keys = ("updates", "shared", *(["kept"] if kept else []), "leavers", "derived", "outside", "disputes")
    sections = [
        parts.section(case, WORDS, "objects", parts.table(case, WORDS, "objects_table"), *parts.hashes(case)),
        *(parts.section(case, WORDS, key) for key in keys),
    ]
    return parts.document(case, "03_adapters", WORDS, sections)
