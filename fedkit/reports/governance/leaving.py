"""Document 4: what happens when a client leaves: its data, its part of the model, the cost of
retraining.
"""

from __future__ import annotations

import math

from fedkit.reports.governance import sections
from fedkit.reports.governance.case import ROWS, Case, ClientShare, display_name
from fedkit.reports.governance.document import Document, Paragraph
from fedkit.reports.text.leaving import WORDS
from fedkit.results.privacy_promise import weakest_promise

LOCKS = {"none": "keys_none", "masks": "keys_masks"}  # any other: keys of an encryption


def leaving_document(case: Case) -> Document:
    """Return the document on responsibilities when a client leaves."""

    def part(key: str, *more):
        return sections.make_section(case, WORDS, key, *more)

    bound = weakest_promise([case.run])
    promise_key = (
        f"promise_{bound.unit}"
        if bound.given and bound.unit in ("example", "client")
        else "promise_none"
    )
    cost = sections.make_table(
        case, WORDS, "retrain_table", [_row_without(case, client) for client in case.clients[:ROWS]]
    )
    parts = [
        part("remains"),
        part("limits", Paragraph(case.fill(WORDS[case.lang][promise_key][0]))),
        part("retrain", cost, *sections.more_rows(case, len(case.clients))),
        part("steps", sections.make_table(case, WORDS, "steps_table")),
        part(LOCKS.get(case.lock, "keys_encrypted")),
        part("certificate", sections.make_table(case, WORDS, "certificate_table")),
        part("choices"),
    ]
    return sections.make_document(case, "04_leaving", WORDS, parts)


def _row_without(case: Case, gone: ClientShare) -> tuple[str, ...]:
    """Return the table row for training without one client: what is lost, and the others' share of
    the cost.
    """
    others = [client for client in case.clients if client is not gone]
    seconds = math.fsum(client.seconds for client in others)
    moved = math.fsum(client.up + client.down for client in others)
    only = case.about_labels(case.names([display_name(label, case.lang) for label in gone.only]))
    return (
        display_name(gone.name, case.lang),
        case.number(gone.train),
        only,
        case.seconds(seconds),
        case.nbytes(moved),
    )
