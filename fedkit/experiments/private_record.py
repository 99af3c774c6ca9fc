"""What of a run's numbers may stand in its record where privacy is promised.

Each is public by statement (`privacy_report.PUBLIC`), charged to the budget, computed
from what was released with noise, or left out here. Names, settings and what the test set says of
the released model stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fedkit.core.record import RoundRecord
from fedkit.data.corpus import Examples
from fedkit.models.metrics import Score
from fedkit.privacy.mechanisms import Budget

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def public_data(data: dict[str, Any], from_texts: Iterable[str]) -> dict[str, Any]:
    """Return the record's `data` block without counts of labels and without notes that count rows.

    from_texts: the notes that depend on the clients' texts and labels.
    """
    counting = {note for note in from_texts if re.search(r"\d", QUOTED.sub("", note))}
    return data | {
        "clients": [{"id": c["id"], "train": c["train"]} for c in data["clients"]],
        "notes": [note for note in data["notes"] if note not in counting],
    }


def public_score(score: Score, test: Examples) -> Score:
    """Return the score with clients' accuracies only where the test set names rows of their own.

    Test examples weighted by a client's label mix would tell that mix.
    """
    named = set(test.clients or ())
    return replace(score, own={c: share for c, share in score.own.items() if c in named})


def public_round(latest: RoundRecord, budget: Budget) -> RoundRecord:
    """Return the round without accuracy on clients' data and without errors of bare updates."""
    error = None if budget.unit == "client" else latest.aggregation_error
    return replace(latest, validation_accuracy=None, aggregation_error=error)
