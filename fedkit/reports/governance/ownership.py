"""Document 3: who has which rights in what a training makes: updates, the shared adapter and head,
models made from them.
"""

from __future__ import annotations

from fedkit.reports.governance import sections as sections_module
from fedkit.reports.governance.case import Case
from fedkit.reports.governance.document import Document
from fedkit.reports.text.ownership import WORDS


def ownership(case: Case) -> Document:
    """Rights in adapters and heads."""
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
    sections = [
        sections_module.section(
            case,
            WORDS,
            "objects",
            sections_module.table(case, WORDS, "objects_table"),
            *sections_module.hashes(case),
        ),
        *(sections_module.section(case, WORDS, key) for key in keys),
    ]
    return sections_module.document(case, "03_adapters", WORDS, sections)
