"""Runs that differ only in their seed are one method: its name, its mean over seeds, its difference
to another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from fedkit.core.config import RunConfig
from fedkit.core.formatting import count, tidy
from fedkit.core.record import Run
from fedkit.core.stats import t_interval
from fedkit.results import measures
from fedkit.results.difference import Difference, comparable, difference
from fedkit.results.measures import NOT_A_DIFFERENCE, Runs
from fedkit.results.method_style import look
from fedkit.results.privacy_promise import Promise, promise

# of the luck and of the world, not of the method
NOT_A_METHOD = (*NOT_A_DIFFERENCE, "seed", "link", "devices")
TASK = (
    "data",
    "text",
    "label",
    "client",
    "encoding",
    "clients",
    "examples_per_client",
    "partition",
)
TROUBLE = {
    "faults": "none",
    "attack": "none",
    "deadline": None,
    "late": "drop",
}  # what befalls a run, not a choice of method
SPEAK = (
    "tune",
    "wire",
    "aggregate",
    "head_start",
    "strategy",
    "privacy",
    "secure",
    "model",
    "partition",
    "data",
)  # for themselves
USUAL = {
    "wire": "none",
    "wire_down": None,
    "aggregate": "mean",
    "share": "all",
    "lr": None,
    "robust": "none",
    "weights": "examples",
    "optimizer": "adamw",
    "pace": None,
    "server_link": None,
    "privacy": "none",
    "secure": "none",
    **TROUBLE,
}
NAME = 44  # characters


@dataclass(frozen=True)
class MeanOverSeeds:
    """A mean with its 95 % interval, and what the interval is over: '3 seeds', or with one seed
    'test examples'.
    """

    value: float
    low: float
    high: float
    over: str


@dataclass(frozen=True)
class Method:
    """One method: its name among the others, its settings, and a run for each seed."""

    name: str
    settings: dict[str, Any]
    runs: tuple[Run, ...]

    @property
    def kind(self) -> str:
        """federated, or a baseline's name."""
        return self.runs[0].method

    @property
    def seeds(self) -> list[Any]:
        return sorted({run.config.get("seed") for run in self.runs}, key=str)

    @property
    def task(self) -> tuple:
        """The data and how they are dealt: accuracies are compared within one task only."""
        data = self.runs[0].data
        return (
            *(str(self.settings.get(k)) for k in TASK),
            data.get("test"),
            len(data.get("labels", [])),
        )

    @property
    def trouble(self) -> str:
        """What befell it, in words: faults, attacks, a deadline; '' if nothing."""
        met = {k: self.settings.get(k, usual) for k, usual in TROUBLE.items()}
        return ", ".join(f"{k} {v}" for k, v in met.items() if v != TROUBLE[k])

    @property
    def conditions(self) -> tuple:
        """The task and what befell it: which method is better is asked within one of these only."""
        return (*self.task, self.trouble)

    @property
    def promise(self) -> Promise:
        """What all of its runs promise about privacy."""
        return promise(self.runs)

    @property
    def finished(self) -> bool:
        return all(run.finished for run in self.runs)

    def accuracy(self) -> MeanOverSeeds:
        """Mean accuracy over seeds with a t interval; with one seed the run's own interval."""
        if len(self.seeds) == 1:
            return MeanOverSeeds(measures.accuracy(self.runs[0]), *measures.interval(self.runs[0]))
        values = self.by_seed(measures.accuracy)
        low, high = t_interval(values)
        return MeanOverSeeds(
            fmean(values), max(low, 0.0), min(high, 1.0), count(len(values), "seed")
        )

    def by_seed(self, of: Callable[[Run], float]) -> list[float]:
        """A number per seed, in the order of `seeds`; runs of the same seed are averaged."""
        return [
            fmean(of(r) for r in self.runs if r.config.get("seed") == seed) for seed in self.seeds
        ]

    def per_visit(self, name: str) -> float:
        """Mean of a ClientRecord field over all visits of a client in rounds 1, 2, ...; NaN without
        one.
        """
        values = [
            getattr(c, name)
            for run in self.runs
            for r in run.rounds
            for c in r.clients
            if c.status != "away"
        ]
        return fmean(values) if values else math.nan

    def peak_mb(self) -> float:
        """Highest memory of any of its runs in MB; NaN where no record says."""
        known = [
            v for run in self.runs if not math.isnan(v := measures.result(run, "peak_rss_bytes"))
        ]
        return max(known) / measures.MB if known else math.nan


def methods(runs: Runs) -> list[Method]:
    """The federated runs by method, in the order given; names say in what the methods differ."""
    return _grouped(measures.federated(runs))


def baselines(runs: Runs) -> list[Method]:
    """The other runs by baseline and task, in the order in which they are to be beaten."""
    others = [run for run in measures.ordered(runs) if run.method != "federated"]
    found: dict[str, list[Run]] = {}
    for run in others:
        found.setdefault(run.method, []).append(run)
    out = []
    for kind, same in found.items():
        groups = _grouped(same, TASK)
        for group in groups:
            more = f" ({group.name})" if len(groups) > 1 else ""
            out.append(Method(look(kind).name + more, group.settings, group.runs))
    return out


def complete(found: Sequence[Method]) -> list[Method]:
    """The finished methods with every seed that any finished one of their task has: splits are
    unlike, so means over other seeds say nothing.
    """
    done = [m for m in found if m.finished]
    most = {
        t: set().union(*(m.seeds for m in done if m.conditions == t))
        for t in {m.conditions for m in done}
    }
    return [m for m in done if set(m.seeds) == most[m.conditions]]


def several(runs: Runs) -> bool:
    """Whether there is more to compare than one federated run with its baselines: methods
    or seeds.
    """
    found = methods(runs)
    return len(found) > 1 or any(len(m.seeds) > 1 for m in found)


def against(method: Method, others: Sequence[Method], kind: str) -> Difference | None:
    """`method` minus the baseline `kind` on the same data, dealt alike."""
    runs = [run for other in others if other.kind == kind for run in other.runs]
    return over_seeds(method.runs, runs)


def over_seeds(first: Sequence[Run], second: Sequence[Run]) -> Difference | None:
    """first minus second, paired over the seeds that both have: a t interval over the differences.

    With one seed in common the two runs are compared over test examples; None without any pair to
    compare.
    """
    pairs = {}
    for run in first:
        for other in second:
            if run.config.get("seed") == other.config.get("seed") and comparable(run, other):
                pairs.setdefault(run.config.get("seed"), (run, other))
    if len(pairs) < 2:
        return difference(*next(iter(pairs.values()))) if pairs else None
    values = [measures.accuracy(a) - measures.accuracy(b) for a, b in pairs.values()]
    return Difference(
        fmean(values), *t_interval(values), f"paired over {count(len(values), 'seed')}"
    )


PLAIN = {
    "aggregate": "mean",
    "wire": "not compressed",
    "privacy": "no privacy",
    "secure": "updates seen",
}  # how the usual is called beside others


def family(spec: object) -> str:
    """'lora:r=8,alpha=16' -> 'lora'."""
    return str(spec).partition(":")[0]


def _grouped(runs: list[Run], keys: Sequence[str] | None = None) -> list[Method]:
    default = RunConfig().to_dict()
    found: dict[str, tuple[dict[str, Any], list[Run]]] = {}
    for run in runs:
        full = default | run.config
        settings = {
            k: v for k, v in full.items() if k not in NOT_A_METHOD and (keys is None or k in keys)
        }
        found.setdefault(repr(sorted(settings.items())), (settings, []))[1].append(run)
    every = [settings for settings, _ in found.values()]
    return [Method(name, s, tuple(same)) for name, (s, same) in zip(_names(every), found.values())]


def _names(every: list[dict[str, Any]]) -> list[str]:
    """What tells each from the others, in a few words; with nothing to tell apart, what is
    tuned.
    """
    differ = [k for k in every[0] if len({repr(s.get(k)) for s in every}) > 1] if every else []
    differ = sorted(differ, key=lambda k: SPEAK.index(k) if k in SPEAK else len(SPEAK))
    short = [
        _name(s, [k for k in differ if k not in USUAL or s.get(k) != USUAL[k]], differ)
        for s in every
    ]
    full = [_name(s, differ) for s in every]
    names = [a if short.count(a) == 1 else b for a, b in zip(short, full)]
    return [n if names.count(n) == 1 else f"{n} (no. {i + 1})" for i, n in enumerate(names)]


def _name(settings: dict[str, Any], keys: list[str], differ: Sequence[str] = ()) -> str:
    """differ: what the methods differ in; the one that has the usual in all of it is called by
    that.
    """
    said = [
        str(settings.get(k)) if k in SPEAK else f"{k.replace('_', ' ')} {settings.get(k)}"
        for k in keys
    ]
    said = said or [PLAIN[k] for k in differ if k in PLAIN]
    return tidy(", ".join(said) or settings.get("tune", "federated"), NAME)
