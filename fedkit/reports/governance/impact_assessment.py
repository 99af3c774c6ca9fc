"""Document 6: the outline of a data-protection assessment, and the questions that it leaves to the
lawyers.
"""

from __future__ import annotations

from fedkit.reports.governance import sections as sections_module
from fedkit.reports.governance.case import Case
from fedkit.reports.governance.document import Document
from fedkit.reports.governance.risks import found
from fedkit.reports.text.impact_assessment import WORDS
from fedkit.reports.text.risks import WORDS as RISKS

TO_PEOPLE = (
    "no_noise",
    "noise_limits",
    "seeded_noise",
    "open_updates",
    "masks",
    "key_holder",
    "statistics",
    "counts",
    # risks that reach the people whom texts are about
    "personal",
    "worst",
    "harmful",
    "leaving",
)


def assessment(case: Case) -> Document:
    """Data-protection assessment: what is known from the record, and what has to be answered."""

    def part(key: str, *more):
        return sections_module.section(case, WORDS, key, *more)

    blank, named = case.values["blank"], RISKS[case.lang]
    rows = [
        (named[f"risk_{k}"][0], blank, blank, named[f"risk_{k}"][2], blank)
        for k in found(case)
        if k in TO_PEOPLE
    ]
    sections = [
        part("about"),
        part("purposes"),
        part("categories", *sections_module.labels(case)),
        part("necessity"),
        part(
            "flows",
            sections_module.table(case, WORDS, "flows_table"),
            *sections_module.lines(case, "left"),
            *sections_module.lines(case, "stayed"),
        ),
        part("risks", sections_module.table(case, WORDS, "risks_table", rows)),
        part("measures", *sections_module.lines(case, "privacy")),
        part("residual"),
        *(part(key) for key in ("views", "gdpr", "appi")),
        part("signoff", sections_module.table(case, WORDS, "signoff_table", [[blank] * 4] * 3)),
    ]
    return sections_module.document(case, "06_data_protection", WORDS, sections)
