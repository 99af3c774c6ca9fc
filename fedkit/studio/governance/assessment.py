"""Document 6: the outline of a data-protection assessment, and the questions that it leaves to the lawyers."""

from __future__ import annotations

from fedkit.studio.governance import parts
from fedkit.studio.governance.assessment_words import WORDS
from fedkit.studio.governance.case import Case
from fedkit.studio.governance.document import Document
from fedkit.studio.governance.risks import found
from fedkit.studio.governance.risks_words import WORDS as RISKS

TO_PEOPLE = ("no_noise", "noise_limits", "seeded_noise", "open_updates", "masks", "key_holder", "statistics", "counts",
             "personal", "worst", "harmful", "leaving")  # fmt: skip  # risks that reach the people whom texts are about


def assessment(case: Case) -> Document:
    """Data-protection assessment: what is known from the record, and what has to be answered."""

    def part(key: str, *more):
        return parts.section(case, WORDS, key, *more)

    blank, named = case.values["blank"], RISKS[case.lang]
    rows = [(named[f"risk_{k}"][0], blank, blank, named[f"risk_{k}"][2], blank) for k in found(case) if k in TO_PEOPLE]
    sections = [
        part("about"),
        part("purposes"),
        part("categories", *parts.labels(case)),
        part("necessity"),
        part(
            "flows", parts.table(case, WORDS, "flows_table"), *parts.lines(case, "left"), *parts.lines(case, "stayed")
        ),
        part("risks", parts.table(case, WORDS, "risks_table", rows)),
        part("measures", *parts.lines(case, "privacy")),
        part("residual"),
        *(part(key) for key in ("views", "gdpr", "appi")),
        part("signoff", parts.table(case, WORDS, "signoff_table", [[blank] * 4] * 3)),
    ]
    return parts.document(case, "06_data_protection", WORDS, sections)
