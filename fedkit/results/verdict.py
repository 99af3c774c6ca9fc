"""The one verdict on a federated method, which every table, page, brief and panel reads.

Two measures, both always shown beside each other: accuracy on texts that are new to a client (the
shared test set), and on a client's own daily texts (test examples like its own, averaged over
clients). "Alone" is local training everywhere; the frozen encoder is named where it is meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from fedkit.core import formatting, locale
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.difference import Difference, MeanOverSeeds, difference_between
from fedkit.results.measures import MEASURES, NEW, OWN, Measure, Runs
from fedkit.results.methods import (
    Method,
    best_method,
    find_partners,
    group_methods,
    has_other_settings,
)
from fedkit.results.privacy_promise import Promise

# the baselines of a complete comparison
WANTED = ("majority", "frozen-pooled", "frozen-local", "local", "pooled")
ALONE = "local"
BETTER, PARTLY, MIXED, WORSE = "better", "partly", "mixed", "worse"
NOT_SHOWN, NOT_HELPED, UNKNOWN = "not_shown", "not_helped", "unknown"
HELPED = (BETTER, PARTLY, MIXED)  # a gain is shown in one measure at least
WORDS = {
    lang: read_packaged_words("fedkit.results", f"verdict_{lang}.toml") for lang in locale.LANGS
}
Gaps = Mapping[str, Difference | None]  # by the key of a measure


def judge(gaps: Gaps) -> str:
    """Return the verdict on differences to alone; one that is not known does not count."""
    known = [d for d in gaps.values() if d is not None]
    if not known:
        return UNKNOWN
    if any(d.above for d in known):
        rest = [d for d in known if not d.above]
        return MIXED if any(d.below for d in rest) else PARTLY if rest else BETTER
    if any(d.below for d in known):
        return WORSE
    return NOT_SHOWN if any(d.value > 0 for d in known) else NOT_HELPED


def measure_name(measure: Measure, lang: str) -> str:
    return WORDS[lang][f"measure.{measure.key}"]


def opening(gaps: Gaps, lang: str = "en") -> str:
    """Return the verdict in a few words, without numbers."""
    kind = judge(gaps)
    if kind in (PARTLY, MIXED):
        kind = f"{kind}.{next(key for key, d in gaps.items() if d and d.above)}"
    return WORDS[lang][kind]


def finding(gaps: Gaps, lang: str = "en", terminal: bool = False) -> str:
    """Return the verdict as a sentence with both differences and their intervals.

    terminal: in ASCII, and with what each interval is over.
    """
    if judge(gaps) == UNKNOWN:
        return WORDS[lang][UNKNOWN]
    clauses = [_clause(m, d, lang, terminal) for m in MEASURES if (d := gaps.get(m.key))]
    told = WORDS[lang]["and"].join(clauses)
    tail = WORDS[lang].get(f"tail.{judge(gaps)}", "")
    return WORDS[lang]["sentence"].format(opening=opening(gaps, lang), told=told, tail=tail)


def _clause(measure: Measure, d: Difference, lang: str, terminal: bool) -> str:
    words = WORDS[lang]
    if terminal:
        points, interval = f"{formatting.points(d.value)} points", d.interval_text()
    else:
        points, between = locale.points(d.value, lang), locale.points_range(d.low, d.high, lang)
        interval = words["interval"].format(range=between)
    way, name = words["over" if d.value > 0 else "against"], measure_name(measure, lang)
    return words["clause"].format(points=points, interval=interval, way=way, measure=name)


@dataclass(frozen=True)
class ClientVerdict:
    """One client: its data, and how right it is on its own daily texts, alone and together.

    only: labels that only this client holds (`only_holders`). NaN: not recorded.
    """

    id: str
    train: int
    share: float
    only: tuple[str, ...]
    alone: float
    together: float

    @property
    def gain(self) -> float:
        return self.together - self.alone


@dataclass(frozen=True)
class Verdict:
    """One federated method and what it is compared with, over the seeds that there are.

    partners: the runs of each baseline that are comparable. left_out: how many records of the set
    were not used.
    """

    method: Method
    partners: Mapping[str, tuple[Run, ...]]
    left_out: int = 0

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.method.runs

    @property
    def run(self) -> Run:
        return self.runs[0]

    @cached_property
    def gaps(self) -> dict[str, Difference | None]:
        """The differences to alone, by measure."""
        return {m.key: self.difference(ALONE, m) for m in MEASURES}

    @property
    def gain(self) -> Difference | None:
        """Together minus alone on a client's own daily texts."""
        return self.gaps[OWN.key]

    @property
    def kind(self) -> str:
        return judge(self.gaps)

    @cached_property
    def accuracies(self) -> dict[str, MeanOverSeeds]:
        """The accuracy on texts new to a client, by method."""
        return {kind: self.mean(kind, NEW) for kind in ("federated", *self.partners)}

    @cached_property
    def daily(self) -> dict[str, float]:
        """The accuracy on own daily texts, by method."""
        return {kind: self.mean(kind, OWN).value for kind in ("federated", *self.partners)}

    @property
    def best_alone(self) -> str:
        """The better of the two ways alone on own daily texts; '' where neither is known."""
        known = [k for k in (ALONE, "frozen-local") if not math.isnan(self.daily.get(k, math.nan))]
        return max(known, key=lambda kind: self.daily[kind], default="")

    @property
    def promise(self) -> Promise:
        return self.method.promise

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(kind for kind in WANTED if kind not in self.partners)

    @property
    def other_settings(self) -> tuple[str, ...]:
        """The baselines that were made with other settings."""
        return tuple(
            kind
            for kind, same in self.partners.items()
            if any(has_other_settings(self.run, run) for run in same)
        )

    @property
    def seeds(self) -> int:
        return len(self.method.seeds)

    @property
    def n_clients(self) -> int:
        return max(len(measures.clients(self.run)), 1)

    @property
    def test(self) -> int:
        return measures.test_size(self.run)

    @property
    def train(self) -> int:
        return measures.as_count(measures.as_number(self.run.data.get("train")))

    @property
    def labels(self) -> int:
        return len(self.run.data.get("labels", []))

    @property
    def train_seconds(self) -> float:
        return fmean(measures.result_number(run, "train_seconds") for run in self.runs)

    @property
    def up(self) -> float:
        """Bytes that a client sends in a whole training."""
        return self._bytes("uplink")

    @property
    def down(self) -> float:
        return self._bytes("downlink")

    @property
    def base(self) -> float:
        """Bytes of the base model, downloaded once."""
        return measures.base_mb(self.run) * measures.MB

    @property
    def traffic(self) -> float:
        """Bytes of all clients in both directions, without the base model."""
        return self.n_clients * (self.up + self.down)

    @cached_property
    def clients(self) -> tuple[ClientVerdict, ...]:
        sizes = {
            str(c["id"]): measures.as_count(measures.as_number(c.get("train")))
            for c in measures.clients(self.run)
        }
        only = measures.only_holders(self.run)
        together, alone = _own_by_client(self.runs), _own_by_client(self.partners.get(ALONE, ()))
        found = []
        for name, size in sizes.items():
            share = size / max(sum(sizes.values()), 1)
            own = tuple(printable_line(label) for label, holder in only.items() if holder == name)
            accuracies = (known.get(name, math.nan) for known in (alone, together))
            found.append(ClientVerdict(printable_line(name), size, share, own, *accuracies))
        return tuple(found)

    def mean(self, kind: str, measure: Measure) -> MeanOverSeeds:
        """Return the mean of a measure for this method ('federated') or one of its baselines."""
        same = self.runs if kind == "federated" else self.partners[kind]
        return Method(kind, {}, same).mean(measure)

    def difference(self, kind: str, measure: Measure = NEW) -> Difference | None:
        """Return this method minus a baseline in a measure; None where it is not known."""
        return difference_between(self.runs, self.partners.get(kind, ()), measure)

    def _bytes(self, direction: str) -> float:
        return fmean(measures.mb_per_client(run, direction) for run in self.runs) * measures.MB


def _own_by_client(runs: Sequence[Run]) -> dict[str, float]:
    """Return the accuracy of each client on its own daily texts, mean over the runs that tell."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for name, value in measures.own_by_client(run).items():
            found.setdefault(name, []).append(value)
    return {name: fmean(values) for name, values in found.items()}


def judge_method(method: Method, runs: Sequence[Run]) -> Verdict:
    """Return the verdict on one method; runs: where its baselines are looked for."""
    found = {kind: find_partners(method.runs, runs, kind) for kind in WANTED}
    partners = {kind: same for kind, same in found.items() if same}
    used = {id(run) for run in (*method.runs, *(r for same in partners.values() for r in same))}
    return Verdict(method, partners, sum(id(run) not in used for run in runs))


def judge_run(run: Run, runs: Runs) -> Verdict:
    """Return the verdict on a single run."""
    return judge_method(Method("", {}, (run,)), measures.sort_runs(runs))


def judge_best(records: Runs, fits: Callable[[Promise], bool | None] | None = None) -> Verdict:
    """Return the verdict on the best federated method, if possible of those whose promise `fits`.

    Raises FedkitError without a finished federated run, or for a damaged record.
    """
    runs = measures.check_runs(records)
    found = group_methods(runs)
    if not found:
        raise FedkitError(
            "no federated run among the records;"
            " start one with `fedkit run`, and give its folder too"
        )
    fit = [m for m in found if fits is None or fits(m.promise)] or found
    top = best_method(fit) or best_method(found)
    if top is None:
        raise FedkitError(
            "no federated run has finished;"
            " go on with `fedkit run --resume --out DIR`, then ask again"
        )
    return judge_method(top, runs)
