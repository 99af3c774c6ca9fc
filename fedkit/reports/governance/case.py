"""The run that the documents are about: its clients, its risks, and every value of a template.

Values are facts of the run as text in one language, lists and conditions; templates/risks names
the risks in words.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from fedkit.core import locale
from fedkit.core.commands import command_line
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.reports.brief.promise import left_lines, privacy_lines, stayed_lines
from fedkit.reports.governance.markdown import (
    BLANK,
    WORDS,
    Table,
    display_name,
    fill_template,
    make_environment,
    read_markdown,
)
from fedkit.reports.text.brief import require_language
from fedkit.results import measures
from fedkit.results.methods import spec_name
from fedkit.results.privacy_promise import weakest_promise
from fedkit.results.verdict import BETTER, Verdict, finding, judge_best

WIDE = 0.05  # width of the 95 % interval from which on the test set is called small
TWICE = 2  # how many times the examples of the smallest member the largest may have
UNEVEN = 0.05  # how far the worst member lies below the mean where it is a risk of its own
# risks for the people whom the texts are about
TO_PEOPLE = {"no_noise", "noise_limits", "seeded_noise", "open_updates", "masks", "key_holder"}
TO_PEOPLE |= {"statistics", "counts", "personal", "worst", "harmful", "leaving"}
ROWS = 200  # of a table of clients or labels; the record has them all
UNTUNED = ("majority", "frozen-pooled", "frozen-local")  # train nothing of the base model
SETTINGS = ("tune", "seed", "privacy", "secure", "wire", "robust", "strategy", "share", "attack")


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
    require_language(lang)
    runs = tuple(measures.check_runs(records))
    federated = measures.federated_runs(runs)
    if not federated:
        raise FedkitError(
            "no federated run among the records;"
            " start one with `fedkit run`, and give its folder too"
        )
    verdict = judge_best(runs) if any(run.finished for run in federated) else None
    return Case(verdict.run if verdict else federated[0], runs, lang, verdict, date)


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


# ---- the values of templates


def document_values(case: Case) -> dict[str, Any]:
    """Return every value that a document of the pack may name, the risks of the case included."""
    values = {**_facts(case), **_conditions(case), **_lists(case)}
    named = name_risks(case.lang, values)
    risks = {key: named[key] for key in applicable_risks(case)}
    values["risks"] = list(risks.values())
    values["risks_to_people"] = [risk for key, risk in risks.items() if key in TO_PEOPLE]
    return values


def name_risks(lang: str, values: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the risks of the template by key: name, what the run shows, a measure."""
    template = make_environment(lang).get_template(f"risks.{lang}.md.j2")
    blocks = read_markdown(fill_template(template, values))
    (table,) = (block for block in blocks if isinstance(block, Table))
    return {row[0]: dict(zip(("name", "shows", "measure"), row[1:])) for row in table.rows}


def _facts(case: Case) -> dict[str, Any]:
    """Return names, settings, sizes and results of the run."""
    run, lang = case.run, case.lang
    config = RunConfig().to_dict() | run.config  # a setting newer than the record had its default
    names = {
        "data": run.data.get("name"),
        "data_sha": run.data.get("sha256"),
        "model": run.model.get("name"),
        "model_sha": run.model.get("sha256"),
        "model_source": run.model.get("source"),
        "version": run.environment.get("fedkit"),
        **{key: config.get(key) for key in SETTINGS},
    }
    blank = Markup(BLANK[lang])
    return {
        "blank": blank,
        "day": locale.date(case.date, lang) if case.date else blank,
        **{key: _setting(value, lang) for key, value in names.items()},
        **{key: measures.as_number(run.data.get(key)) for key in ("train", "validation", "test")},
        **{key: measures.as_number(run.model.get(key)) for key in ("parameters", "trainable")},
        "wanted": measures.as_number(config.get("rounds")),
        "rounds": len(run.rounds),
        "labels": len(run.data.get("labels", [])),
        "failed": case.failed,
        "base": measures.as_number(run.model.get("base_bytes")),
        "up_site": measures.mb_per_client(run, "uplink") * measures.MB,
        "down_site": measures.mb_per_client(run, "downlink") * measures.MB,
        "up_all": run.total("uplink_bytes"),
        "down_all": run.total("downlink_bytes"),
        "train_seconds": run.total("train_seconds"),
        **_results(case),
    }


def _setting(value: Any, lang: str) -> str | None:
    """Return a setting or name as recorded, or the word that the language has for it."""
    if value is None:
        return None
    return (
        WORDS[lang].get(f"setting.{value}") or printable_line(value, 80) or display_name("", lang)
    )


def _results(case: Case) -> dict[str, Any]:
    """Return the accuracies, nothing for a record without any round."""
    run = case.run
    if not run.states:
        return {"accuracy": None, "between": None, "worst": None, "worst_name": None, "f1": None}
    known = {client.name: client.own for client in case.clients if not math.isnan(client.own)}
    worst = min(known, key=lambda name: known[name], default="")
    return {
        **_accuracy(run, case.lang),
        "worst": measures.lowest_client_accuracy(run),
        "worst_name": display_name(worst, case.lang) if worst else "\u2013",
        "f1": measures.result_number(run, "macro_f1"),
    }


def _conditions(case: Case) -> dict[str, Any]:
    """Return what decides between parts of a document."""
    run, bound, lang = case.run, weakest_promise([case.run]), case.lang
    return {
        "finished": run.finished,
        "lock": case.lock,
        "promised": bound.unit if bound.given else "",
        "tells_labels": measures.tells_labels(run),
        "pinned": isinstance(run.model.get("sha256"), str),
        "shares_part": run.config.get("share") not in (None, "all"),
        "finding": finding(case.verdict.gaps if case.verdict else {}, lang),
        "has_baselines": len({other.method for other in case.records}) > 1,
        "command": _command(run),
    }


def _command(run: Run) -> str:
    """Return the command line that repeats the run; "" for settings of another version."""
    try:
        return command_line("run", RunConfig.from_dict(run.config))
    except FedkitError:
        return ""


def _lists(case: Case) -> dict[str, Any]:
    """Return what documents list or put into tables, of which each shows `most` rows."""
    run, lang, clients = case.run, case.lang, case.clients
    by_size = sorted(clients, key=lambda client: (client.train, client.name))
    by_size = by_size or [ClientShare("", 0)]
    return {
        "most": ROWS,
        "clients": clients,
        "smallest": by_size[0],
        "largest": by_size[-1],
        "leavers": [
            (gone, *_sum_traffic(c for c in clients if c is not gone)) for gone in clients[:ROWS]
        ],
        "label_rows": [(label, *counted) for label, counted in case.labels.items()],
        "single_labels": list(measures.only_holders(run)),
        "left_lines": left_lines(run, lang),
        "stayed_lines": stayed_lines(run, lang),
        "privacy_lines": privacy_lines(run, lang),
        "notes": [
            display_name(note, lang) if len(str(note)) <= 60 else printable_line(note, 300)
            for note in run.data.get("notes") or []
        ],
        "compared": [_compared(other, lang) for other in case.records],
        "environment": [
            (printable_line(key), printable_line(value, 60))
            for key, value in sorted(run.environment.items(), key=str)
        ],
    }


def _sum_traffic(given: Iterable[ClientShare]) -> tuple[float, float]:
    """Return the seconds and the bytes of clients."""
    each = [(client.seconds, client.up + client.down) for client in given]
    return math.fsum(one for one, _ in each), math.fsum(other for _, other in each)


def _compared(run: Run, lang: str) -> dict[str, str]:
    """Return the row of a record in the table of ways of learning."""
    # a dash where nothing of the base model is trained, despite the config
    tune = "\u2013" if run.method in UNTUNED else display_name(run.config.get("tune"), lang)
    return {"method": run.method, "tune": tune, **_accuracy(run, lang)}


def _accuracy(run: Run, lang: str) -> dict[str, Any]:
    if not run.states and not run.finished:
        return {"accuracy": None, "between": None}
    low, high, _ = measures.accuracy_interval(run)
    return {"accuracy": measures.accuracy(run), "between": locale.percent_range(low, high, lang)}
