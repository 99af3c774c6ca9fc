"""Intervals: of a mean over seeds, and of the difference of two methods in either measure.

The only place where an interval of finished runs is computed, so that one difference has one
interval everywhere. Half-widths over seeds and over test examples add as squares, as if
independent: seeds that share a test set say nothing about its sampling error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from fedkit.core import formatting
from fedkit.core.formatting import count_noun
from fedkit.core.record import Run
from fedkit.core.stats import t_interval
from fedkit.results import measures
from fedkit.results.measures import NEW, Measure

Z = 1.959964  # 95 % of a normal distribution, both sides
GAIN, LOSS, UNCLEAR = "gain", "loss", "unclear"
Single = tuple[float, float, float]  # a value with its interval over test examples


@dataclass(frozen=True)
class MeanOverSeeds:
    """A mean over seeds with its 95 % interval. over: '3 seeds'; with one seed 'test examples'."""

    value: float
    low: float
    high: float
    over: str


@dataclass(frozen=True)
class Difference(MeanOverSeeds):
    """The difference `first - second` of two shares (0.05: five points) with its 95 % interval.

    over: what the interval is over, for example 'paired over 1,000 test examples'.
    """

    @property
    def above(self) -> bool:
        return self.low > 0

    @property
    def below(self) -> bool:
        return self.high < 0

    @property
    def verdict(self) -> str:
        """Return GAIN, LOSS, or UNCLEAR where the interval holds zero or is not known."""
        return GAIN if self.above else LOSS if self.below else UNCLEAR

    def interval_text(self) -> str:
        """Return '95 % interval -1.4 to -0.2, paired over 3 seeds', in points."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "95 % interval not known"
        low, high = formatting.points(self.low), formatting.points(self.high)
        return f"95 % interval {low} to {high}, {self.over}"


# ---- over seeds


def seeds_interval(values: Sequence[float], singles: Sequence[Single]) -> tuple[float, float]:
    """Return the 95 % interval of a mean over seeds, which covers the test examples too.

    singles: each value, or each pair, with its interval over test examples; unknown ones are left
    out.
    """
    mean, (low, high) = fmean(values), t_interval(values)
    known = [single for single in singles if not any(map(math.isnan, single))]
    under = fmean(value - bound for value, bound, _ in known) if known else 0.0
    over = fmean(bound - value for value, _, bound in known) if known else 0.0
    return mean - math.hypot(mean - low, under), mean + math.hypot(high - mean, over)


def share_over_seeds(values: Sequence[float], singles: Sequence[Single]) -> MeanOverSeeds:
    """Return the mean of shares, one per seed, with its interval clipped to 0 to 1."""
    low, high = seeds_interval(values, singles)
    seeds = count_noun(len(values), "seed")
    return MeanOverSeeds(fmean(values), max(low, 0.0), min(high, 1.0), seeds)


def difference_over_seeds(
    first: Sequence[Run], second: Sequence[Run], measure: Measure = NEW
) -> Difference | None:
    """Return first minus second in a measure, paired over the seeds that both have.

    With one common seed the two runs are compared over test examples; None without comparable runs.
    """
    pairs: dict[Any, tuple[Run, Run]] = {}
    for run in first:
        for other in second:
            if run.config.get("seed") == other.config.get("seed") and comparable(run, other):
                pairs.setdefault(run.config.get("seed"), (run, other))
    singles = [_single_difference(*pair, measure) for pair in pairs.values()]
    if len(singles) < 2:
        return singles[0] if singles else None
    values = [single.value for single in singles]
    bounds = seeds_interval(values, [(s.value, s.low, s.high) for s in singles])
    return Difference(fmean(values), *bounds, f"paired over {count_noun(len(values), 'seed')}")


def difference_between(
    first: Sequence[Run], second: Sequence[Run], measure: Measure = NEW
) -> Difference | None:
    """Return `difference_over_seeds`, or that of one comparable pair where no seed is shared."""
    paired = difference_over_seeds(first, second, measure)
    others = [(run, other) for run in first for other in second if comparable(run, other)]
    found = paired or (_single_difference(*others[0], measure) if others else None)
    return None if found is None or math.isnan(found.value) else found


# ---- of two runs


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


def unpaired_difference(first: Run, second: Run, measure: Measure = NEW) -> Difference:
    """Return the difference from the intervals of the runs, as if these were independent.

    MOVER (Zou and Donner, 2008); wider than a paired interval. The bounds are NaN when an interval
    is not known: such a difference is neither above nor below zero.
    """
    one, two = measure.of(first), measure.of(second)
    (low1, high1, over1), (low2, high2, over2) = measure.interval(first), measure.interval(second)
    over = over1 if over1 == over2 else f"{over1} and {over2}"
    low, high = math.hypot(one - low1, high2 - two), math.hypot(high1 - one, two - low2)
    return Difference(one - two, one - two - low, one - two + high, f"unpaired, over {over}")


def comparable(first: Run, second: Run) -> bool:
    """Return whether two runs have the same data, clients, labels and number of test examples."""
    both_told = measures.tells_labels(first) and measures.tells_labels(second)
    same = measures.clients(first) == measures.clients(second)
    # a private record counts no labels
    return measures.data_key(first) == measures.data_key(second) and (same or not both_told)


def find_comparable(run: Run, others: list[Run], method: str) -> Run | None:
    """Return the run of `method` to compare `run` with, or None.

    It is comparable, and has the same seed where there is such a run.
    """
    fit = [other for other in others if other.method == method and comparable(run, other)]
    same_seed = [other for other in fit if other.config.get("seed") == run.config.get("seed")]
    return next(iter(same_seed or fit), None)


def _single_difference(first: Run, second: Run, measure: Measure) -> Difference:
    if measure is NEW:
        return accuracy_difference(first, second)
    return unpaired_difference(first, second, measure)


def _correct(run: Run) -> str:
    """Return a 0 or 1 per test example; empty when the record has none of the right form."""
    given = run.result.get("correct")
    if not isinstance(given, str) or set(given) - {"0", "1"}:
        return ""
    return given if len(given) == measures.test_size(run) else ""
