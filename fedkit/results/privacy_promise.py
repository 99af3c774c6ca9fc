"""What a run promises about privacy, in plain words: the number, its unit, who is trusted, what it
allows at worst.

ASCII where it goes to a terminal; epsilon and delta as letters where it goes to a page or a figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedkit.core import formatting
from fedkit.core.formatting import rounded_up, tidy
from fedkit.core.record import Run
from fedkit.results import measures

NOTHING = "nothing is promised: no noise is added, so what a site sends can tell what its texts are"
SUMS = "no epsilon is promised: the server reads sums only, and a sum is not differential privacy"
INCOMPARABLE = (
    "Epsilon per example and epsilon per client protect different things: they are not compared"
    " with each other here."
)
WEAK = (
    "That is a weak bound for the worst case: by itself it rules out next to nothing. Attacks made"
    " in practice get far less, but no attack's failure is a proof."
)
# chance of guessing right up to which a promise is called strong, and fair
STRONG, FAIR = 0.75, 0.96


@dataclass(frozen=True)
class Promise:
    """epsilon: infinite where nothing is promised. alone: every site adds all the noise itself, so
    nobody else is trusted. sealed: the server reads sums only.
    """

    epsilon: float = math.inf
    delta: float = 0.0
    unit: str = ""
    alone: bool = False
    sealed: bool = False

    @property
    def given(self) -> bool:
        return self.epsilon < math.inf

    def covers(self, other: Promise) -> bool:
        """Whether this promises at least what `other` does. Of two units neither covers
        the other.
        """
        if self.sealed < other.sealed:
            return False
        alike = (
            self.unit == other.unit and self.epsilon <= other.epsilon and self.delta <= other.delta
        )
        return not other.given or (self.given and alike and self.alone >= other.alone)


def promise(runs: Iterable[Run]) -> Promise:
    """What all of these runs keep, so the weakest: nothing as soon as one of them promises
    nothing.
    """
    every = [_of(run) for run in runs]
    if not every:
        return Promise()
    sealed, alone = all(p.sealed for p in every), all(p.alone for p in every)
    if not all(p.given for p in every) or len({p.unit for p in every}) > 1:
        return Promise(sealed=sealed)
    return Promise(
        max(p.epsilon for p in every), max(p.delta for p in every), every[0].unit, alone, sealed
    )


def _of(run: Run) -> Promise:
    sealed = run.method == "federated" and str(run.config.get("secure", "none")) != "none"
    epsilon, delta = measures.result(run, "epsilon"), measures.result(run, "delta")
    if not epsilon < math.inf:  # NaN too
        return Promise(sealed=sealed)
    unit = tidy(run.result.get("privacy_unit") or "?", 10)
    alone = unit == "example" and "trust=sum" not in str(run.config.get("privacy"))
    return Promise(epsilon, 0.0 if math.isnan(delta) else delta, unit, alone, sealed)


def short(p: Promise) -> str:
    """Of a table's cell: an epsilon with its unit and delta, or 'none'."""
    if not p.given:
        return "none; sums only" if p.sealed else "none"
    return f"\u03b5 {number(p.epsilon)} per {p.unit}" + (
        f", \u03b4 {tiny(p.delta)}" if p.delta else ""
    )


def plainly(p: Promise) -> str:
    """As `short`, in ASCII: 'epsilon 8 per example, delta 1e-5'."""
    return short(p).replace("\u03b5", "epsilon").replace("\u03b4", "delta")


def number(epsilon: float) -> str:
    """7.9994 -> '8', 0.9931 -> '0.994': three digits, never rounded down."""
    return f"{rounded_up(epsilon):,g}" if 0 < epsilon < math.inf else f"{epsilon:g}"


def tiny(delta: float) -> str:
    """1e-05 -> '1e-5'."""
    return f"{delta:.2g}".replace("e-0", "e-")


def right(epsilon: float, delta: float = 0.0) -> float:
    """How often somebody who guesses at even odds whether a unit was there can be right at most:
    (e^eps + delta) / (1 + e^eps).

    Without delta this is also the largest posterior from a prior of one half (Kairouz et al.,
    2015).
    """
    odds = math.exp(-epsilon) if epsilon < 700 else 0.0
    return min(1.0, (1 + delta * odds) / (1 + odds))


def chance(share: float) -> str:
    """0.731 -> '73.1 %', 0.99966 -> '99.97 %', 1 - 1e-9 -> 'more than 99.99 %'."""
    return (
        "more than 99.99 %"
        if share >= 0.99995
        else formatting.percent(share, 2 if share > 0.99 else 1)
    )


def attacker(epsilon: float, unit: str, delta: float = 0.0) -> str:
    """What this epsilon lets an attacker tell at most, and how much that is worth."""
    most, what = (
        right(epsilon, delta),
        {"example": "a certain text was trained on", "client": "a certain site took part"},
    )
    start = (
        "Somebody who sees all that is sent, knows everything else and begins by tossing a coin on"
        f" whether {what.get(unit, 'a certain ' + unit + ' was there')}, can be right at most"
        f" {chance(most)} of the time."
    )
    worth = (
        "That is a strong promise."
        if most <= STRONG
        else "That leaves real doubt."
        if most <= FAIR
        else WEAK
    )
    return f"{start} {worth}"


def lines(run: Run) -> list[str]:
    """For the end of a run in a terminal: what is promised, to whom, and all that must stand beside
    the number.
    """
    p = _of(run)
    if not p.given:
        return [f"privacy: {SUMS if p.sealed else NOTHING}"]
    told = run.result.get("privacy")
    told = told if isinstance(told, dict) else {}
    out = [
        f"privacy: {plainly(p)}, spent in {measures.rounds(run)}; trusted:"
        f" {tidy(told.get('trust', 'not recorded'), 300)}"
    ]
    out += [f"  stopped: {tidy(told['stopped'], 200)}"] if told.get("stopped") else []
    return out + [f"  {note}" for note in notes(run)]


def notes(run: Run) -> list[str]:
    """The record's sentences that must stand beside its epsilon."""
    told = run.result.get("privacy")
    given = told.get("notes") if isinstance(told, dict) else None
    kept = [tidy(note, 400) for note in given] if isinstance(given, list) else []
    return [note for note in kept if not note.startswith("trusted:")]


def paragraph(run: Run) -> list[str]:
    """For a page: the promise in a sentence with its bound, then the notes; without a promise,
    none.
    """
    p = _of(run)
    if not p.given:
        return []
    told = run.result.get("privacy")
    who = (
        f" Trusted: {tidy(told.get('trust', 'not recorded'), 300)}."
        if isinstance(told, dict)
        else ""
    )
    first = (
        f"Differential privacy: epsilon {number(p.epsilon)}, unit {p.unit}, delta"
        f" {tiny(p.delta)}.{who}"
    )
    return [f"{first} {attacker(p.epsilon, p.unit, p.delta)}", *notes(run)]


def differing(promises: Sequence[Promise]) -> list[str]:
    """What has to be said where methods with unlike promises stand side by side."""
    given = {p for p in promises if p.given}
    out = [INCOMPARABLE] if len({p.unit for p in given}) > 1 else []
    if given and len(given) < len(set(promises)):
        out.append(
            "A method without a promise is not better than one with it for being more accurate: it"
            " gives less."
        )
    return out
