"""The difference of the accuracies of two runs, with a 95 % interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedkit.core import formatting
from fedkit.core.record import Run
from fedkit.results.measures import (
    accuracy,
    accuracy_interval,
    clients,
    data_key,
    tells_labels,
    test_size,
)

Z = 1.959964  # 95 % of a normal distribution, both sides


@dataclass(frozen=True)
class Difference:
    """The difference `first - second` of two shares (0.05: five points) with its 95 % interval.

    over: what the interval is over, for example '1,000 test examples'.
    """

    value: float
    low: float
    high: float
    over: str

    @property
    def above(self) -> bool:
        return self.low > 0

    @property
    def below(self) -> bool:
        return self.high < 0

    def interval_text(self) -> str:
        """Return '95 % interval -1.4 to -0.2, paired over 3 seeds', in points."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "95 % interval not known"
        return (
            f"95 % interval {formatting.points(self.low)} to {formatting.points(self.high)},"
            f" {self.over}"
        )


def accuracy_difference(first: Run, second: Run) -> Difference:
    """Return the difference of accuracies of two runs, which have to be `comparable`.

    Paired over test examples when the seeds agree and both records hold `correct`, else computed
    from the two intervals.
    """
    ours, theirs = _correct(first), _correct(second)
    if ours and theirs and first.config.get("seed") == second.config.get("seed"):
        return paired_difference(ours, theirs)
    return unpaired_difference(first, second)


def paired_difference(first: str, second: str) -> Difference:
    """Return the difference of two strings of 0 and 1 about the same n test examples.

    Wald interval for paired proportions with Laplace adjustment (Bonett and Price, 2012): close to
    95 % also for small n, and its width is above zero when no example differs.
    """
    n = len(first)
    gained = sum(a > b for a, b in zip(first, second, strict=True))
    lost = sum(a < b for a, b in zip(first, second, strict=True))
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = Z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Difference(
        (gained - lost) / n, up - down - half, up - down + half, f"paired over {n:,} test examples"
    )


def unpaired_difference(first: Run, second: Run) -> Difference:
    """Return the difference from the intervals of the runs, as if these were independent.

    MOVER (Zou and Donner, 2008); wider than a paired interval. The bounds are NaN when an interval
    is not known: such a difference is neither above nor below zero.
    """
    (low1, high1, over1), (low2, high2, over2) = accuracy_interval(first), accuracy_interval(second)
    one, two = accuracy(first), accuracy(second)
    over = over1 if over1 == over2 else f"{over1} and {over2}"
    return Difference(
        one - two,
        one - two - math.hypot(one - low1, high2 - two),
        one - two + math.hypot(high1 - one, two - low2),
        f"unpaired, over {over}",
    )


def comparable(first: Run, second: Run) -> bool:
    """Return whether two runs have the same data, clients, labels and number of test examples."""
    both_told = tells_labels(first) and tells_labels(second)  # a private record counts no labels
    return data_key(first) == data_key(second) and (
        clients(first) == clients(second) or not both_told
    )


def find_comparable(run: Run, others: list[Run], method: str) -> Run | None:
    """Return the run of `method` to compare `run` with, or None.

    It is comparable, and has the same seed where there is such a run.
    """
    fit = [other for other in others if other.method == method and comparable(run, other)]
    same_seed = [other for other in fit if other.config.get("seed") == run.config.get("seed")]
    return next(iter(same_seed or fit), None)


def _correct(run: Run) -> str:
    """Return a 0 or 1 per test example; empty when the record has none of the right form."""
    given = run.result.get("correct")
    if not isinstance(given, str) or len(given) != test_size(run) or set(given) - {"0", "1"}:
        return ""
    return given
