"""How small a difference in accuracy a test set can show.

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

from fedkit.core.formatting import count
from fedkit.core.stats import ALPHA, DISCORDANCE, POWER, examples_needed, smallest_difference
from fedkit.data.cleaning import MIN_TRAIN
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import facts, finding

WANTED = 0.05  # the difference, in accuracy, that one would like to see


def points(table: RawTable) -> float | None:
    """`smallest_difference` of the table's test set in percentage points, rounded up to a tenth."""
    found = smallest_difference(facts(table).num_test)
    return None if found is None else math.ceil(1000 * found - 1e-3) / 10


def check_few_examples(table: RawTable, setting: CheckOptions) -> Iterator[Finding]:
    """Too few usable rows to train on, or too few test rows to show a difference of 5 points."""
    yield from _too_few_to_train(table)
    num_test, needed, smallest = facts(table).num_test, examples_needed(WANTED), points(table)
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
    yield finding(
        table,
        "few-examples",
        "care" if smallest else "stop",
        np.zeros(0, np.int64),
        f"{count(num_test, 'test example')} {shows} between two models, and smaller ones stay"
        " hidden in chance",
        "a comparison of local with federated training would then end in 'cannot tell', however"
        " good the training is",
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
    usable = facts(table).usable & facts(table).train
    once = len(np.unique(facts(table).texts[usable]))
    if once < MIN_TRAIN:
        yield finding(
            table,
            "few-examples",
            "stop",
            usable,
            f"{count(once, 'different training text')} with a label can be used",
            f"below {MIN_TRAIN} nothing can be learned, and the kit refuses to start",
            "add examples, or see whether the right columns were chosen (--text, --label)",
            count=once,
            numbers={"usable": once, "minimum": MIN_TRAIN},
        )
