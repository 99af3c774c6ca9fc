"""Document 1: what companies that train together may agree on, as an outline of terms."""

from __future__ import annotations

from fedkit.studio.governance import parts
from fedkit.studio.governance.case import Case
from fedkit.studio.governance.document import Document
from fedkit.studio.governance.terms_words import WORDS

FORM = {"en": "{n}. {title}", "ja": "第{n}条（{title}）"}
SEES = {"none": "sees_open"}  # any lock: only sums


def terms(case: Case) -> Document:
    """Data use and cooperation, clause by clause."""

    def part(key: str, *more):
        return parts.section(case, WORDS, key, *more)

    sections = [
        part("purpose"),
        part("parties", *parts.members(case)),
        part("data", *parts.labels(case)),
        part("leaves", *parts.lines(case, "left"), *parts.lines(case, "stayed"), *parts.traffic(case)),
        part("privacy", *parts.lines(case, "privacy")),
        part("sees", parts.table(case, WORDS, SEES.get(case.lock, "sees_sums"))),
        *(
            part(key)
            for key in ("use", "security", "results", "cost", "liability", "secrets", "term", "exit", "general")
        ),
        part("sign", parts.table(case, WORDS, "signatures", [[case.values["blank"]] * 4] * 2)),
    ]
    return parts.document(case, "01_terms", WORDS, sections, FORM[case.lang])
