"""The run that the documents are about: its clients and labels as recorded, and its risks.

templates/risks names the risks in words.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import printable_line
from fedkit.core.locale import LANGS
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.methods import spec_name
from fedkit.results.privacy_promise import weakest_promise
from fedkit.results.verdict import BETTER, Verdict, judge_best

WORDS = {
    lang: read_packaged_words("fedkit.reports.text", f"governance_{lang}.toml") for lang in LANGS
}
WIDE = 0.05  # width of the 95 % interval from which on the test set is called small
TWICE = 2  # how many times the examples of the smallest member the largest may have
UNEVEN = 0.05  # how far the worst member lies below the mean where it is a risk of its own
# risks for the people whom the texts are about
TO_PEOPLE = {"no_noise", "noise_limits", "seeded_noise", "open_updates", "masks", "key_holder"}
TO_PEOPLE |= {"statistics", "counts", "personal", "worst", "harmful", "leaving"}


@dataclass(frozen=True)
class ClientShare:
    """One client of the run: its data and its traffic. Bytes and measured seconds of the whole run.

    only: labels that no other client has. rounds: in which its update was counted. own: accuracy of
    the last shared model on test examples like its own; NaN: not recorded.
    """

    name: str
    train: int
    labels: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    rounds: int = 0
    up: float = 0.0
    down: float = 0.0
    seconds: float = 0.0
    own: float = math.nan


@dataclass(frozen=True)
class Case:
    """A run, to be told in `lang`. verdict: how it compares; None for an unfinished run."""

    run: Run
    records: tuple[Run, ...]
    lang: str
    verdict: Verdict | None = None
    date: datetime.date | None = None

    @cached_property
    def clients(self) -> tuple[ClientShare, ...]:
        return tuple(_client_shares(self.run, set(self.labels)))

    @cached_property
    def labels(self) -> dict[str, tuple[int, int]]:
        """For each label (training examples, number of clients that have any)."""
        counts = measures.client_labels(self.run)
        both = zip(counts.sum(), (counts > 0).sum())
        return {label: (int(n), int(m)) for label, (n, m) in zip(counts.columns, both)}

    @property
    def lock(self) -> str:
        return spec_name(self.run.config.get("secure") or "none")

    @property
    def failed(self) -> int:
        """How many updates that were asked for did not count."""
        return sum(c.status not in ("ok", "away") for r in self.run.rounds for c in r.clients)


def make_case(records: Sequence[Run], lang: str, date: datetime.date | None = None) -> Case:
    """Return the facts of the run that a brief on the same records is about.

    If no federated run has finished, it is the first one. Raises FedkitError for an unknown
    language, without a federated run, or for a damaged record.
    """
    if lang not in LANGS:
        raise FedkitError(
            f"lang {printable_line(lang)!r} is not known; choose one of: {', '.join(LANGS)}"
        )
    runs = tuple(measures.check_runs(records))
    federated = measures.federated_runs(runs)
    if not federated:
        raise FedkitError(
            "no federated run among the records;"
            " start one with `fedkit run`, and give its folder too"
        )
    verdict = judge_best(runs) if any(run.finished for run in federated) else None
    return Case(verdict.run if verdict else federated[0], runs, lang, verdict, date)


def display_name(text: object, lang: str) -> str:
    """Return a name from a record on one line of at most 60 characters."""
    return printable_line(text, 60) or WORDS[lang]["nameless"]


def _client_shares(run: Run, known: Collection[str]) -> Iterator[ClientShare]:
    own, only = measures.own_by_client(run), measures.only_holders(run)
    for client in measures.clients(run):
        name = str(client["id"])
        mine = [c for state in run.states for c in state.clients if c.id == client["id"]]
        counted = (c for r in run.rounds for c in r.clients if c.id == client["id"])
        given = {str(label): measures.as_number(n) for label, n in client.get("labels", {}).items()}
        yield ClientShare(
            name=name,
            train=measures.as_count(measures.as_number(client.get("train"))),
            labels=tuple(k for k, n in given.items() if k in known and measures.as_count(n)),
            only=tuple(label for label in given if only.get(label) == name),
            rounds=sum(c.status == "ok" for c in counted),
            up=math.fsum(c.uplink_bytes for c in mine),
            down=math.fsum(c.downlink_bytes for c in mine),
            seconds=math.fsum(c.train_seconds for c in mine),
            own=own.get(name, math.nan),
        )


def applicable_risks(case: Case) -> list[str]:
    """Return the keys of the risks that the record shows, in the order of `check_risks`."""
    return [key for key, applies in check_risks(case).items() if applies]


def check_risks(case: Case) -> dict[str, bool]:
    """Return for each risk whether the record shows it."""
    run, verdict = case.run, case.verdict
    promised = weakest_promise([run]).given
    low, high, _ = measures.accuracy_interval(run) if run.rounds else (0.0, 1.0, "")
    sizes = [client.train for client in case.clients] or [0]
    robust, attack = (run.config.get(key) not in (None, "none") for key in ("robust", "attack"))
    statistics = run.start is not None and any(c.uplink_bytes for c in run.start.clients)
    return {
        "unfinished": not run.finished,
        "no_noise": not promised,
        "noise_limits": promised,
        "seeded_noise": promised and "noise_from=system" not in str(run.config.get("privacy")),
        "open_updates": case.lock == "none",
        "masks": case.lock == "masks",
        "key_holder": case.lock not in ("none", "masks"),
        "statistics": statistics and not promised,  # a promise covers them too
        "counts": True,
        "personal": True,
        # a gain over training alone is not shown in both measures
        "unproved": not (verdict and verdict.kind == BETTER),
        "worst": bool(run.rounds)
        and measures.accuracy(run) - measures.lowest_client_accuracy(run) > UNEVEN,
        "small_test": not high - low <= WIDE,
        "one_seed": verdict is None or verdict.seeds < 2,
        "single_label": bool(measures.only_holders(run)),
        "uneven_sizes": max(sizes) > TWICE * min(sizes),
        "failed": case.failed > 0,
        "harmful": not robust,
        "attacked": attack,
        "no_hash": not isinstance(run.model.get("sha256"), str),
        "licence": True,
        "simulated": True,
        "leaving": True,
        "data_notes": bool(run.data.get("notes")),
    }
