"""Document 1: an outline of terms for companies that train together."""

from __future__ import annotations

from fedkit.reports.governance import sections
from fedkit.reports.governance.case import Case
from fedkit.reports.governance.document import Document
from fedkit.reports.text.terms import WORDS

FORM = {"en": "{n}. {title}", "ja": "第{n}条（{title}）"}
SEES = {"none": "sees_open"}  # any lock: only sums


def terms_document(case: Case) -> Document:
    """Return the document on data use and cooperation, clause by clause."""

    def part(key: str, *more):
        return sections.make_section(case, WORDS, key, *more)

    parts = [
        part("purpose"),
        part("parties", *sections.clients_table(case)),
        part("data", *sections.labels_table(case)),
        part(
            "leaves",
            *sections.section_lines(case, "left"),
            *sections.section_lines(case, "stayed"),
            *sections.traffic_table(case),
        ),
        part("privacy", *sections.section_lines(case, "privacy")),
        part("sees", sections.make_table(case, WORDS, SEES.get(case.lock, "sees_sums"))),
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
            "sign", sections.make_table(case, WORDS, "signatures", [[case.values["blank"]] * 4] * 2)
        ),
    ]
    return sections.make_document(case, "01_terms", WORDS, parts, FORM[case.lang])
