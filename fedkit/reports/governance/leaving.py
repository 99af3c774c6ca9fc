"""Document 4: what a member that leaves takes along, what stays behind in the model, and what
training anew costs.
"""

from __future__ import annotations

import math

from fedkit.reports.governance import sections as sections_module
from fedkit.reports.governance.case import ROWS, Case, ClientShare, name_of
from fedkit.reports.governance.document import Document, Paragraph
from fedkit.reports.text.leaving import WORDS
from fedkit.results.privacy_promise import weakest_promise

LOCKS = {"none": "keys_none", "masks": "keys_masks"}  # any other: keys of an encryption


def leaving(case: Case) -> Document:
    """Responsibilities when a member leaves."""

    def part(key: str, *more):
        return sections_module.section(case, WORDS, key, *more)

    bound = weakest_promise([case.run])
    said = (
        f"promise_{bound.unit}"
        if bound.given and bound.unit in ("example", "client")
        else "promise_none"
    )
    cost = sections_module.table(
        case, WORDS, "retrain_table", [_without(case, m) for m in case.members[:ROWS]]
    )
    sections = [
        part("remains"),
        part("limits", Paragraph(case.say(WORDS[case.lang][said][0]))),
        part("retrain", cost, *sections_module._more(case, len(case.members))),
        part("steps", sections_module.table(case, WORDS, "steps_table")),
        part(LOCKS.get(case.lock, "keys_encrypted")),
        part("certificate", sections_module.table(case, WORDS, "certificate_table")),
        part("choices"),
    ]
    return sections_module.document(case, "04_leaving", WORDS, sections)


def _without(case: Case, gone: ClientShare) -> tuple[str, ...]:
    """The same training without one member: what is lost, and what the others' part took in the
    trial.
    """
    others = [m for m in case.members if m is not gone]
    seconds = math.fsum(m.seconds for m in others)
    moved = math.fsum(m.up + m.down for m in others)
    only = case.names([name_of(label, case.lang) for label in gone.only])
    return (
        name_of(gone.name, case.lang),
        case.number(gone.train),
        only,
        case.seconds(seconds),
        case.nbytes(moved),
    )
