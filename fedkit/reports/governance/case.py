"""The run that the documents are about: its clients and labels, as recorded."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import printable_line
from fedkit.core.locale import LANGS
from fedkit.core.record import Run
from fedkit.reports.brief.evidence import Evidence, gather_evidence
from fedkit.results import measures
from fedkit.results.methods import spec_name

WORDS = {
    lang: read_packaged_words("fedkit.reports.text", f"governance_{lang}.toml") for lang in LANGS
}


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
    """A run, to be told in `lang`. evidence: how it compares; None for an unfinished run."""

    run: Run
    records: tuple[Run, ...]
    lang: str
    evidence: Evidence | None = None
    date: datetime.date | None = None

    @cached_property
    def clients(self) -> tuple[ClientShare, ...]:
        return tuple(_client_shares(self.run, self.labels))

    @cached_property
    def labels(self) -> dict[str, tuple[int, int]]:
        """For each label (training examples, number of clients that have any)."""
        counts = measures.client_labels(self.run)
        both = zip(counts.sum(), (counts > 0).sum())
        return {label: (int(n), int(m)) for label, (n, m) in zip(counts.columns, both)}

    @property
    def lock(self) -> str:
        return spec_name(self.run.config.get("secure") or "none")


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
    evidence = gather_evidence(runs) if any(run.finished for run in federated) else None
    return Case(evidence.run if evidence else federated[0], runs, lang, evidence, date)


def display_name(text: object, lang: str) -> str:
    """Return a name from a record on one line of at most 60 characters."""
    return printable_line(text, 60) or WORDS[lang]["nameless"]


def _client_shares(run: Run, known: Mapping[str, tuple[int, int]]) -> Iterator[ClientShare]:
    states = run.states
    own = states[-1].client_accuracy if states else {}
    for client in measures.clients(run):
        mine = [c for state in states for c in state.clients if c.id == client["id"]]
        counted = (c for r in run.rounds for c in r.clients if c.id == client["id"])
        given = {str(label): measures.as_number(n) for label, n in client.get("labels", {}).items()}
        has = tuple(label for label, n in given.items() if label in known and measures.as_count(n))
        yield ClientShare(
            name=str(client["id"]),
            train=measures.as_count(measures.as_number(client.get("train"))),
            labels=has,
            only=tuple(label for label in has if known[label][1] == 1),
            rounds=sum(c.status == "ok" for c in counted),
            up=math.fsum(c.uplink_bytes for c in mine),
            down=math.fsum(c.downlink_bytes for c in mine),
            seconds=math.fsum(c.train_seconds for c in mine),
            own=measures.as_number(own.get(str(client["id"]))),
        )
