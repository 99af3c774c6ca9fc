"""The facts of one run as text in one language, with which the documents are prefilled."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fedkit.core import locale
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.reports.brief.evidence import Evidence, gather_evidence
from fedkit.reports.governance.document import BLANK
from fedkit.results import measures
from fedkit.results.methods import spec_name

ROWS = 200  # of a table of clients or labels; the record has them all
SETTING_WORDS = {  # settings that have a word in the language
    "en": {"package": "Python package", "folder": "local folder", "hub": "model hub"},
    "ja": {
        "none": "なし",
        "package": "Pythonパッケージ",
        "folder": "ローカルフォルダー",
        "hub": "モデル公開サイト",
    },
}
NOT_TOLD = {"en": "not told", "ja": "非開示"}
# what a record counts by client: with and without its labels
COUNTS = {
    "en": ("examples and label counts", "numbers of examples"),
    "ja": ("学習データ件数およびラベル別件数", "学習データ件数"),
}
NAMELESS = {"en": "(no name)", "ja": "（名称なし）"}


@dataclass(frozen=True)
class ClientShare:
    """One client of the run: its data and its traffic. Bytes and measured seconds of the whole run.

    only: labels that no other client has. rounds: in which its update was counted. own: accuracy of
    the last shared model on test examples like its own; NaN: not recorded.
    """

    name: str
    train: int
    labels: tuple[str, ...]
    only: tuple[str, ...]
    rounds: int
    up: float
    down: float
    seconds: float
    own: float


@dataclass(frozen=True)
class Case:
    """A run in words of `lang`. evidence: the comparison with the other records; None if
    unfinished.
    """

    run: Run
    records: tuple[Run, ...]
    lang: str
    evidence: Evidence | None = None
    date: datetime.date | None = None

    @cached_property
    def clients(self) -> tuple[ClientShare, ...]:
        return tuple(_client_shares(self.run))

    @cached_property
    def values(self) -> Mapping[str, str]:
        """Values of the places in sentences, by the name in braces."""
        return _values(self)

    @property
    def lock(self) -> str:
        return spec_name(self.run.config.get("secure") or "none")

    def fill(self, sentence: str, **more: str) -> str:
        """Return a sentence with the run's facts filled in. Text from a record is never read as a
        template.
        """
        return sentence.format_map({**self.values, **more})

    def number(self, value: float) -> str:
        return locale.number(value, self.lang)

    def nbytes(self, value: float) -> str:
        return locale.data_size(value, self.lang)

    def percent(self, value: float) -> str:
        return locale.percent(value, self.lang)

    def seconds(self, value: float) -> str:
        return locale.seconds(value, self.lang)

    def about_labels(self, text: str) -> str:
        """Return `text` on labels that a client holds; where a promise covers them, 'not told'."""
        return text if measures.tells_labels(self.run) else NOT_TOLD[self.lang]

    def names(self, items: Sequence[str], limit: int = 6) -> str:
        """Return a list of names in words; a dash for none."""
        return locale.name_list(items, self.lang, limit) or "\u2013"


def make_case(records: Sequence[Run], lang: str, date: datetime.date | None = None) -> Case:
    """Return the facts of the run that a brief on the same records is about.

    If no federated run has finished, it is the first one. Raises FedkitError for an unknown
    language, without a federated run, or for a damaged record.
    """
    if lang not in BLANK:
        raise FedkitError(
            f"lang {printable_line(lang)!r} is not known; choose one of: {', '.join(BLANK)}"
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
    return printable_line(text, 60) or NAMELESS[lang]


def label_counts(run: Run) -> dict[str, tuple[int, int]]:
    """Return for each label (training examples, number of clients that have any)."""
    every = [_counts(client) for client in measures.clients(run)]
    labels = dict.fromkeys(str(label) for label in run.data.get("labels", []))
    counts = {label: [c.get(label, 0) for c in every] for label in labels}
    return {label: (sum(each), sum(n > 0 for n in each)) for label, each in counts.items()}


def last_state(run: Run) -> Any:
    """Return the last round, or the state before the first; None for an empty record."""
    return run.rounds[-1] if run.rounds else run.start


def _client_shares(run: Run) -> list[ClientShare]:
    counts, last = label_counts(run), last_state(run)
    out = []
    for client in measures.clients(run):
        mine = [
            c
            for r in (*([run.start] if run.start else []), *run.rounds)
            for c in r.clients
            if c.id == client["id"]
        ]
        has = tuple(label for label, count in _counts(client).items() if count and label in counts)
        own = last.client_accuracy.get(str(client["id"])) if last else None
        out.append(
            ClientShare(
                name=str(client["id"]),
                train=measures.as_count(measures.as_number(client.get("train"))),
                labels=has,
                only=tuple(label for label in has if counts[label][1] == 1),
                rounds=sum(
                    c.status == "ok" for r in run.rounds for c in r.clients if c.id == client["id"]
                ),
                up=_sum(mine, "uplink_bytes"),
                down=_sum(mine, "downlink_bytes"),
                seconds=_sum(mine, "train_seconds"),
                own=measures.as_number(own),
            )
        )
    return out


def _counts(client: Mapping[str, Any]) -> dict[str, int]:
    """Return a client's training examples by label."""
    given = client.get("labels", {})
    return {
        str(label): measures.as_count(measures.as_number(count)) for label, count in given.items()
    }


def _sum(records: Sequence[Any], name: str) -> float:
    return math.fsum(getattr(c, name) for c in records)


def _values(case: Case) -> dict[str, str]:
    run, lang = case.run, case.lang
    config = RunConfig().to_dict() | run.config  # a setting newer than the record had its default
    sizes = {
        name: measures.as_number(run.data.get(name)) for name in ("train", "validation", "test")
    }
    model = {name: measures.as_number(run.model.get(name)) for name in ("parameters", "trainable")}
    texts = {
        "data": run.data.get("name"),
        "data_sha": run.data.get("sha256"),
        "model": run.model.get("name"),
        "model_sha": run.model.get("sha256"),
        "model_source": run.model.get("source"),
        "tune": config.get("tune"),
        "seed": config.get("seed"),
        "version": run.environment.get("fedkit"),
        "privacy": config.get("privacy"),
        "secure": config.get("secure"),
        "wire": config.get("wire"),
        "robust": config.get("robust"),
        "strategy": config.get("strategy"),
        "share": config.get("share"),
        "faults": config.get("faults"),
        "attack": config.get("attack"),
    }
    up, down = (measures.mb_per_client(run, way) * measures.MB for way in ("uplink", "downlink"))
    return {
        "blank": BLANK[lang],
        "members": case.number(len(case.clients)),
        "counts": COUNTS[lang][not measures.tells_labels(run)],
        "rounds": case.number(len(run.rounds)),
        "wanted": case.number(measures.as_number(config.get("rounds"))),
        "labels": case.number(len(run.data.get("labels", []))),
        **{key: case.number(value) for key, value in (sizes | model).items()},
        **{key: _setting(text, lang) for key, text in texts.items()},
        "base": case.nbytes(measures.as_number(run.model.get("base_bytes"))),
        "up_site": case.nbytes(up),
        "down_site": case.nbytes(down),
        "up_all": case.nbytes(run.total("uplink_bytes")),
        "down_all": case.nbytes(run.total("downlink_bytes")),
        "seconds": case.seconds(run.total("train_seconds")),
        **_accuracies(case),
    }


def _setting(value: Any, lang: str) -> str:
    """Return a setting or name as recorded; 'none' and kinds of model sources in words of the
    language.
    """
    if value is None:
        return locale.UNKNOWN[lang]
    return SETTING_WORDS[lang].get(str(value)) or printable_line(value, 80) or NAMELESS[lang]


def _accuracies(case: Case) -> dict[str, str]:
    """Return the accuracies as shown; "not known" for a record without any round."""
    if last_state(case.run) is None:
        nothing = locale.UNKNOWN[case.lang]
        return dict.fromkeys(("accuracy", "between", "worst", "worst_name", "f1"), nothing)
    low, high, _ = measures.accuracy_interval(case.run)
    known = [client for client in case.clients if not math.isnan(client.own)]
    worst = min(known, key=lambda client: client.own).name if known else ""
    return {
        "accuracy": case.percent(measures.accuracy(case.run)),
        "between": locale.percent_range(low, high, case.lang),
        "worst": case.percent(measures.lowest_client_accuracy(case.run)),
        "worst_name": display_name(worst, case.lang) if worst else "\u2013",
        "f1": case.percent(measures.result_number(case.run, "macro_f1")),
    }
