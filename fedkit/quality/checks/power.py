"""Check whether a test set is large enough to show a difference in accuracy.

Two models are compared on the same n test examples. With psi the share of examples on which just
one of them is right and d the difference of their accuracies, McNemar's test (1947) at level alpha,
two-sided, finds d with the power wanted if
    n >= (z[1 - alpha/2] * sqrt(psi) + z[power] * sqrt(psi - d**2))**2 / d**2
(Miettinen, Biometrics 24, 1968; Connor, Biometrics 43, 1987, equation 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from fedkit.core.formatting import count_noun
from fedkit.core.stats import ALPHA, DISCORDANCE, POWER, examples_needed, smallest_difference
from fedkit.data.cleaning import MIN_TRAIN
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import make_finding, view_of

WANTED = 0.05  # difference in accuracy that a test set should show


def smallest_points(table: RawTable) -> float | None:
    """Return the smallest difference that the test set can show, in points, rounded up to 0.1."""
    found = smallest_difference(view_of(table).num_test)
    return None if found is None else math.ceil(1000 * found - 1e-3) / 10


def check_few_examples(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find too few usable rows to train on, or too few test rows for a difference of 5 points."""
    yield from _too_few_to_train(table)
    num_test, needed, smallest = (
        view_of(table).num_test,
        examples_needed(WANTED),
        smallest_points(table),
    )
    if num_test >= needed:
        return
    shows = (
        f"can show differences of {smallest} points of accuracy or more"
        if smallest
        else "can show no difference"
    )
    more = needed - num_test
    besides = (
        f"; with a file that the kit splits 80/20 that means {5 * more:,} more rows in all"
        if table.single
        else ""
    )
    yield make_finding(
        table,
        "few-examples",
        "care" if smallest else "stop",
        np.zeros(0, np.int64),
        f"{count_noun(num_test, 'test example')} {shows} between two models,"
        " and smaller ones stay hidden in chance",
        "a comparison of local with federated training would then end in 'cannot tell',"
        " however good the training is",
        f"{more:,} more test examples would show a difference of 5 points{besides}",
        examples=(),
        count=num_test,
        of=num_test,
        numbers={
            "num_test": num_test,
            "smallest_points": smallest,
            "needed_for_5_points": needed,
            "more": more,
            "discordance": DISCORDANCE,
            "power": POWER,
            "alpha": ALPHA,
        },
    )


def _too_few_to_train(table: RawTable) -> Iterator[Finding]:
    usable = view_of(table).usable & view_of(table).train
    once = len(np.unique(view_of(table).texts[usable]))
    if once < MIN_TRAIN:
        yield make_finding(
            table,
            "few-examples",
            "stop",
            usable,
            f"{count_noun(once, 'different training text')} with a label can be used",
            f"below {MIN_TRAIN} nothing can be learned, and the kit refuses to start",
            "add examples, or see whether the right columns were chosen (--text, --label)",
            count=once,
            numbers={"usable": once, "minimum": MIN_TRAIN},
        )
