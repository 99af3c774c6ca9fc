"""Document 1: what companies that train together may agree on, as an outline of terms."""

from __future__ import annotations

from fedkit.reports.governance import sections as sections_module
from fedkit.reports.governance.case import Case
from fedkit.reports.governance.document import Document
from fedkit.reports.text.terms import WORDS

FORM = {"en": "{n}. {title}", "ja": "第{n}条（{title}）"}
SEES = {"none": "sees_open"}  # any lock: only sums


def terms(case: Case) -> Document:
    """Data use and cooperation, clause by clause."""

    def part(key: str, *more):
        return sections_module.section(case, WORDS, key, *more)

    sections = [
        part("purpose"),
        part("parties", *sections_module.members(case)),
        part("data", *sections_module.labels(case)),
        part(
            "leaves",
            *sections_module.lines(case, "left"),
            *sections_module.lines(case, "stayed"),
            *sections_module.traffic(case),
        ),
        part("privacy", *sections_module.lines(case, "privacy")),
        part("sees", sections_module.table(case, WORDS, SEES.get(case.lock, "sees_sums"))),
        *(
            part(key)
            for key in (
                "use",
                "security",
                "results",
                "cost",
                "liability",
                "secrets",
                "term",
                "exit",
                "general",
            )
        ),
        part(
            "sign",
            sections_module.table(case, WORDS, "signatures", [[case.values["blank"]] * 4] * 2),
        ),
    ]
    return sections_module.document(case, "01_terms", WORDS, sections, FORM[case.lang])
