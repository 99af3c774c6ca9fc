"""Document 6: the outline of a data-protection impact assessment, with questions for lawyers."""

from __future__ import annotations

from fedkit.reports.governance import sections
from fedkit.reports.governance.case import Case
from fedkit.reports.governance.document import Document
from fedkit.reports.governance.risks import applicable_risks
from fedkit.reports.text.impact_assessment import WORDS
from fedkit.reports.text.risks import WORDS as RISKS

# risks for the people whom the texts are about
TO_PEOPLE = (
    "no_noise",
    "noise_limits",
    "seeded_noise",
    "open_updates",
    "masks",
    "key_holder",
    "statistics",
    "counts",
    "personal",
    "worst",
    "harmful",
    "leaving",
)


def impact_assessment(case: Case) -> Document:
    """Return the assessment: what the record answers, and what people have to answer."""

    def part(key: str, *more):
        return sections.make_section(case, WORDS, key, *more)

    blank, named = case.values["blank"], RISKS[case.lang]
    rows = [
        (named[f"risk_{k}"][0], blank, blank, named[f"risk_{k}"][2], blank)
        for k in applicable_risks(case)
        if k in TO_PEOPLE
    ]
    parts = [
        part("about"),
        part("purposes"),
        part("categories", *sections.labels_table(case)),
        part("necessity"),
        part(
            "flows",
            sections.make_table(case, WORDS, "flows_table"),
            *sections.section_lines(case, "left"),
            *sections.section_lines(case, "stayed"),
        ),
        part("risks", sections.make_table(case, WORDS, "risks_table", rows)),
        part("measures", *sections.section_lines(case, "privacy")),
        part("residual"),
        *(part(key) for key in ("views", "gdpr", "appi")),
        part("signoff", sections.make_table(case, WORDS, "signoff_table", [[blank] * 4] * 3)),
    ]
    return sections.make_document(case, "06_data_protection", WORDS, parts)
