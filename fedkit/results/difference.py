"""Is one run better than another? The difference of two accuracies with a 95 % interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedkit.core import formatting
from fedkit.core.record import Run
from fedkit.results.measures import accuracy, interval, test_size

Z = 1.959964  # 95 % of a normal distribution, both sides


@dataclass(frozen=True)
class Difference:
    """first minus second, as shares (0.05 is five points), its 95 % interval, and what the interval
    is over.
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

    def interval(self) -> str:
        """'95 % interval -1.4 to -0.2, paired over 3 seeds', in points."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "95 % interval not known"
        return (
            f"95 % interval {formatting.points(self.low)} to {formatting.points(self.high)},"
            f" {self.over}"
        )


def difference(first: Run, second: Run) -> Difference:
    """Paired over test examples when both records say which they got right, else from the two
    intervals.

    The runs have to be `comparable`.
    """
    ours, theirs = _correct(first), _correct(second)
    if ours and theirs and first.config.get("seed") == second.config.get("seed"):
        return paired(ours, theirs)
    return unpaired(first, second)


def paired(first: str, second: str) -> Difference:
    """From two strings of 0 and 1 about the same n test examples.

    Wald interval for paired proportions with Laplace adjustment (Bonett and Price, 2012): close to
    95 % also for small n, and it has a width when no example differs.
    """
    n = len(first)
    gained = sum(a > b for a, b in zip(first, second, strict=True))
    lost = sum(a < b for a, b in zip(first, second, strict=True))
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = Z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Difference(
        (gained - lost) / n, up - down - half, up - down + half, f"paired over {n:,} test examples"
    )


def unpaired(first: Run, second: Run) -> Difference:
    """From the runs' own intervals, as if independent (MOVER: Zou and Donner, 2008); wider than a
    paired one.

    NaN bounds when an interval is not known: such a difference is neither above nor below.
    """
    (low1, high1, over1), (low2, high2, over2) = interval(first), interval(second)
    one, two = accuracy(first), accuracy(second)
    over = over1 if over1 == over2 else f"{over1} and {over2}"
    return Difference(
        one - two,
        one - two - math.hypot(one - low1, high2 - two),
        one - two + math.hypot(high1 - one, two - low2),
        f"unpaired, over {over}",
    )


def comparable(first: Run, second: Run) -> bool:
    """Same data, dealt to the same clients, judged on as many test examples with the same
    labels.
    """
    keys = ("sha256", "labels", "test", "clients")
    return all(first.data.get(k) == second.data.get(k) for k in keys)


def partner(run: Run, others: list[Run], method: str) -> Run | None:
    """The run of `method` to compare `run` with: comparable, and with its seed if there is one."""
    fit = [other for other in others if other.method == method and comparable(run, other)]
    same_seed = [other for other in fit if other.config.get("seed") == run.config.get("seed")]
    return (same_seed or fit or [None])[0]


def _correct(run: Run) -> str:
    """A 0 or 1 per test example; empty when the record has none that fits."""
    given = run.result.get("correct")
    whole = isinstance(given, str) and len(given) == test_size(run) and not set(given) - {"0", "1"}
    return given if whole else ""
