"""What a run promises about privacy, in plain words: the number, its unit, who is trusted.

ASCII for the terminal; epsilon and delta as Greek letters for pages and figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fedkit.core import formatting
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import printable_line, round_up_epsilon
from fedkit.core.record import Run
from fedkit.results import measures

WORDS = read_packaged_words("fedkit.results", "privacy_promise.toml")
INCOMPARABLE = WORDS["incomparable"]
STRONG, FAIR = 0.75, 0.96  # largest guess_bound of a promise that is called strong, and fair


@dataclass(frozen=True)
class Promise:
    """What is promised about privacy.

    epsilon: infinite where nothing is promised. alone: every client adds all the noise itself, so
    that nobody else is trusted. sealed: the server reads sums only.
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
        """Return whether this promises at least what `other` does.

        Of two units neither covers the other.
        """
        if self.sealed < other.sealed:
            return False
        alike = self.unit == other.unit and self.alone >= other.alone
        as_strong = self.epsilon <= other.epsilon and self.delta <= other.delta
        return not other.given or (self.given and alike and as_strong)


def weakest_promise(runs: Iterable[Run]) -> Promise:
    """Return what all of these runs promise: nothing as soon as one of them promises nothing."""
    every = [_run_promise(run) for run in runs]
    if not every:
        return Promise()
    sealed, alone = all(p.sealed for p in every), all(p.alone for p in every)
    if not all(p.given for p in every) or len({p.unit for p in every}) > 1:
        return Promise(sealed=sealed)
    return Promise(
        max(p.epsilon for p in every), max(p.delta for p in every), every[0].unit, alone, sealed
    )


def _run_promise(run: Run) -> Promise:
    sealed = run.method == "federated" and str(run.config.get("secure", "none")) != "none"
    epsilon, delta = measures.result_number(run, "epsilon"), measures.result_number(run, "delta")
    if not epsilon < math.inf:  # NaN too
        return Promise(sealed=sealed)
    unit = printable_line(run.result.get("privacy_unit") or "?", 10)
    alone = unit == "example" and "trust=sum" not in str(run.config.get("privacy"))
    return Promise(epsilon, 0.0 if math.isnan(delta) else delta, unit, alone, sealed)


def short_promise(p: Promise) -> str:
    """Return the cell of a table: an epsilon with its unit and delta, or 'none'."""
    if not p.given:
        return "none; sums only" if p.sealed else "none"
    delta = f", \u03b4 {format_delta(p.delta)}" if p.delta else ""
    return f"\u03b5 {format_epsilon(p.epsilon)} per {p.unit}{delta}"


def ascii_promise(p: Promise) -> str:
    """Return `short_promise` in ASCII: 'epsilon 8 per example, delta 1e-5'."""
    return short_promise(p).replace("\u03b5", "epsilon").replace("\u03b4", "delta")


def format_epsilon(epsilon: float) -> str:
    """Return epsilon with three digits, never rounded down: 7.9994 -> '8', 0.9931 -> '0.994'."""
    return f"{round_up_epsilon(epsilon):,g}" if 0 < epsilon < math.inf else f"{epsilon:g}"


def format_delta(delta: float) -> str:
    """Return delta with two digits: 1e-05 -> '1e-5'."""
    return f"{delta:.2g}".replace("e-0", "e-")


def guess_bound(epsilon: float, delta: float = 0.0) -> float:
    """Return the largest share of right guesses on whether a unit was there.

    (e^eps + delta) / (1 + e^eps), from even odds. Without delta this is also the largest posterior
    from a prior of one half (Kairouz et al., 2015).
    """
    odds = math.exp(-epsilon) if epsilon < 700 else 0.0
    return min(1.0, (1 + delta * odds) / (1 + odds))


def format_chance(share: float) -> str:
    """Return a chance in words: 0.731 -> '73.1 %', 1 - 1e-9 -> 'more than 99.99 %'."""
    if share >= 0.99995:
        return "more than 99.99 %"
    return formatting.percent(share, 2 if share > 0.99 else 1)


def describe_attacker(epsilon: float, unit: str, delta: float = 0.0) -> str:
    """Return what this epsilon lets an attacker guess at most, and how strong that bound is."""
    most = guess_bound(epsilon, delta)
    what = {"example": "a certain text was trained on", "client": "a certain site took part"}
    there = what.get(unit, f"a certain {unit} was there")
    worth = "strong" if most <= STRONG else "fair" if most <= FAIR else "weak"
    return f"{WORDS['attacker'].format(what=there, chance=format_chance(most))} {WORDS[worth]}"


def privacy_block(run: Run) -> dict[str, Any]:
    """Return what the record tells of its privacy."""
    block = run.result.get("privacy")
    return block if isinstance(block, dict) else {}


def promise_lines(run: Run) -> list[str]:
    """Return the lines for the end of a run in a terminal: the promise with its caveats."""
    p, block = _run_promise(run), privacy_block(run)
    if not p.given:
        return [f"privacy: {WORDS['sums' if p.sealed else 'nothing']}"]
    spent, trust = measures.describe_rounds(run), block.get("trust", "not recorded")
    who = printable_line(trust, 300)
    out = [f"privacy: {ascii_promise(p)}, spent in {spent}; trusted: {who}"]
    out += [f"  stopped: {printable_line(block['stopped'], 200)}"] if block.get("stopped") else []
    return out + [f"  {note}" for note in promise_notes(run)]


def promise_notes(run: Run) -> list[str]:
    """Return the record's sentences that must stand next to its epsilon."""
    given = privacy_block(run).get("notes")
    kept = [printable_line(note, 400) for note in given] if isinstance(given, list) else []
    missed = [f"missed: {missed_wish(run)}"] if missed_wish(run) else []
    return missed + [note for note in kept if not note.startswith("trusted:")]


def missed_wish(run: Run) -> str:
    """Return by how much epsilon is above what was asked for, in words; '' if it is not."""
    return printable_line(privacy_block(run).get("missed") or "", 200)


def promise_paragraph(run: Run) -> list[str]:
    """Return the sentences for a page: the promise with its bound, then the notes.

    Empty without a promise.
    """
    p = _run_promise(run)
    if not p.given:
        return []
    trust = printable_line(privacy_block(run).get("trust", "not recorded"), 300)
    told = isinstance(run.result.get("privacy"), dict)
    epsilon, delta = format_epsilon(p.epsilon), format_delta(p.delta)
    first = WORDS["promise"].format(epsilon=epsilon, unit=p.unit, delta=delta)
    first += f" Trusted: {trust}." if told else ""
    return [f"{first} {describe_attacker(p.epsilon, p.unit, p.delta)}", *promise_notes(run)]


def unlike_promise_notes(promises: Sequence[Promise]) -> list[str]:
    """Return what has to be said where methods with unlike promises are compared."""
    given = {p for p in promises if p.given}
    out = [INCOMPARABLE] if len({p.unit for p in given}) > 1 else []
    return out + ([WORDS["gives_less"]] if given and len(given) < len(set(promises)) else [])
