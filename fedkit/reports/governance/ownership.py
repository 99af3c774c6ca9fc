"""Document 3: rights in updates, in the shared adapter and head, and in models made from them."""

from __future__ import annotations

from fedkit.reports.governance import sections
from fedkit.reports.governance.case import Case
from fedkit.reports.governance.document import Document
from fedkit.reports.text.ownership import WORDS


def ownership_document(case: Case) -> Document:
    """Return the document on rights in adapters and heads."""
    kept = case.run.config.get("share") not in (None, "all")
    keys = (
        "updates",
        "shared",
        *(["kept"] if kept else []),
        "leavers",
        "derived",
        "outside",
        "disputes",
    )
    parts = [
        sections.make_section(
            case,
            WORDS,
            "objects",
            sections.make_table(case, WORDS, "objects_table"),
            *sections.hashes_table(case),
        ),
        *(sections.make_section(case, WORDS, key) for key in keys),
    ]
    return sections.make_document(case, "03_adapters", WORDS, parts)
