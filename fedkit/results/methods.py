"""Group runs that differ only in their seed into methods, and compare methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from fedkit.core.config import MACHINE_SETTINGS, PARTITION_SETTINGS, RunConfig
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.difference import (
    Difference,
    MeanOverSeeds,
    comparable,
    difference_between,
    share_over_seeds,
)
from fedkit.results.measures import NEW, Measure, Runs
from fedkit.results.method_style import method_style
from fedkit.results.privacy_promise import Promise, weakest_promise

# settings that do not make another method: the seed, the network and the machine
IGNORED_SETTINGS = (*MACHINE_SETTINGS, "seed", "link", "devices")
DEFAULTS = RunConfig().to_dict()
# settings that disturb a run and are not a choice of method
TROUBLE = ("faults", "attack", "deadline", "late")
# settings whose values are understood without the name of the setting, in this order
SELF_EXPLAINING = (
    *("tune", "wire", "aggregate", "head_start", "strategy"),
    *("privacy", "secure", "model", "partition", "data"),
)
# settings that are not named where they have their default
UNNAMED = (
    *("wire", "wire_down", "aggregate", "share", "lr", "robust", "weights", "optimizer", "pace"),
    *("server_link", "privacy", "secure", *TROUBLE),
)
USUAL_WORDS = {  # names of usual values, where other methods differ in the setting
    "aggregate": "mean",
    "wire": "not compressed",
    "privacy": "no privacy",
    "secure": "updates seen",
}
# settings that have to be equal for a fair comparison; UNTUNED: not where no encoder is trained
ALIKE = ("model", "tune", "rounds", "local_epochs", "examples_per_client", "max_tokens")
UNTUNED = ("tune", "rounds", "local_epochs")
NEARLY = 0.01  # accuracy: one point
NAME_CHARS = 44  # longest name of a method


@dataclass(frozen=True)
class Method:
    """One method: its display name, its settings, and the runs of all seeds."""

    name: str
    settings: dict[str, Any]
    runs: tuple[Run, ...]

    @property
    def kind(self) -> str:
        """Return 'federated' or the name of a baseline."""
        return self.runs[0].method

    @property
    def seeds(self) -> list[Any]:
        return sorted({run.config.get("seed") for run in self.runs}, key=str)

    @property
    def task(self) -> tuple:
        """Return the data and their partition: accuracies are compared within one task only."""
        data = self.runs[0].data
        dealt = (str(self.settings.get(k)) for k in PARTITION_SETTINGS)
        return (*dealt, data.get("test"), len(data.get("labels", [])))

    @property
    def trouble(self) -> str:
        """Return the faults, attacks and deadline of its runs in words; '' without any."""
        met = {k: self.settings.get(k, DEFAULTS[k]) for k in TROUBLE}
        return ", ".join(f"{k} {v}" for k, v in met.items() if v != DEFAULTS[k])

    @property
    def conditions(self) -> tuple:
        """Return the task and the trouble: methods are ranked within equal conditions only."""
        return (*self.task, self.trouble)

    @property
    def promise(self) -> Promise:
        """Return the privacy that all of its runs promise."""
        return weakest_promise(self.runs)

    @property
    def finished(self) -> bool:
        return all(run.finished for run in self.runs)

    def mean(self, measure: Measure = NEW) -> MeanOverSeeds:
        """Return the mean of a measure over seeds; for one seed the run's own."""
        if len(self.seeds) == 1:
            return MeanOverSeeds(measure.of(self.runs[0]), *measure.interval(self.runs[0]))
        singles = [(measure.of(run), *measure.interval(run)[:2]) for run in self.runs]
        return share_over_seeds(self.by_seed(measure.of), singles)

    def accuracy(self) -> MeanOverSeeds:
        """Return the mean accuracy on the shared test set."""
        return self.mean(NEW)

    def by_seed(self, of: Callable[[Run], float]) -> list[float]:
        """Return a number per seed, in the order of `seeds`; runs of the same seed are averaged."""
        return [
            fmean(of(r) for r in self.runs if r.config.get("seed") == seed) for seed in self.seeds
        ]

    def per_visit(self, name: str) -> float:
        """Return the mean of a ClientRecord field over all client visits from round 1, or NaN."""
        visits = (c for run in self.runs for r in run.rounds for c in r.clients)
        values = [getattr(c, name) for c in visits if c.status != "away"]
        return fmean(values) if values else math.nan

    def peak_mb(self) -> float:
        """Return the peak memory of all its runs in MB; NaN when no record has it."""
        peaks = [measures.result_number(run, "peak_rss_bytes") for run in self.runs]
        known = [peak for peak in peaks if not math.isnan(peak)]
        return max(known) / measures.MB if known else math.nan


def group_methods(runs: Runs) -> list[Method]:
    """Return the federated runs by method, in the given order, named by what differs."""
    return _group_by_settings(measures.federated_runs(runs))


def group_baselines(runs: Runs) -> list[Method]:
    """Return the other runs by baseline and task, in the order of METHODS."""
    others = [run for run in measures.sort_runs(runs) if run.method != "federated"]
    found: dict[str, list[Run]] = {}
    for run in others:
        found.setdefault(run.method, []).append(run)
    out = []
    for kind, same in found.items():
        groups = _group_by_settings(same, PARTITION_SETTINGS)
        for group in groups:
            more = f" ({group.name})" if len(groups) > 1 else ""
            out.append(Method(method_style(kind).name + more, group.settings, group.runs))
    return out


def fully_seeded(found: Sequence[Method]) -> list[Method]:
    """Return the finished methods with every seed that a finished one of their conditions has.

    Splits differ between seeds, so means over different seeds are not comparable.
    """
    done = [m for m in found if m.finished]
    most: dict[tuple, set] = {}
    for method in done:
        most.setdefault(method.conditions, set()).update(method.seeds)
    return [m for m in done if set(m.seeds) == most[m.conditions]]


def best_method(found: Sequence[Method]) -> Method | None:
    """Return the most accurate finished method with all seeds; None without one.

    Methods without faults, attacks and deadlines come first, if there are any.
    """
    done = [m for m in fully_seeded(found) if not math.isnan(m.accuracy().value)]
    done = [m for m in done if not m.trouble] or done
    return max(done, key=lambda m: m.accuracy().value) if done else None


def leanest_method(found: Sequence[Method], top: Method) -> Method | None:
    """Return the method that sends least per visit, and less than `top`; None without one.

    It is within one point of the accuracy of `top`, has the same conditions and promises as much.
    """
    level = top.accuracy().value - NEARLY
    alike = [m for m in fully_seeded(found) if m.conditions == top.conditions]
    fit = [m for m in alike if m.accuracy().value >= level and m.promise.covers(top.promise)]
    fit = [m for m in fit if m.per_visit("uplink_bytes") < top.per_visit("uplink_bytes")]
    return min(fit, key=lambda m: m.per_visit("uplink_bytes")) if fit else None


def has_several_methods(runs: Runs) -> bool:
    """Return whether there are several federated methods, or several seeds of one."""
    found = group_methods(runs)
    return len(found) > 1 or any(len(m.seeds) > 1 for m in found)


def has_other_settings(run: Run, other: Run) -> bool:
    """Return whether two runs differ in a setting that has to be equal for a fair comparison."""
    keys = [k for k in ALIKE if other.method in ("local", "pooled") or k not in UNTUNED]
    return any(run.config.get(k) != other.config.get(k) for k in keys)


def find_partners(own: Sequence[Run], runs: Sequence[Run], kind: str) -> tuple[Run, ...]:
    """Return the finished runs of the baseline `kind` on the same data and partition, one a seed.

    Runs with the method's own seeds and settings are preferred.
    """
    done = (r for r in runs if r.method == kind and r.finished)
    fit = [r for r in done if any(comparable(mine, r) for mine in own)]
    seeds = {run.config.get("seed") for run in own}
    fit = [r for r in fit if r.config.get("seed") in seeds] or fit
    fit = [r for r in fit if not has_other_settings(own[0], r)] or fit
    return tuple({r.config.get("seed"): r for r in reversed(fit)}.values())


def difference_to_baseline(
    method: Method, others: Sequence[Method], kind: str, measure: Measure = NEW
) -> Difference | None:
    """Return `method` minus the baseline `kind` on the same data and partition."""
    partners = find_partners(method.runs, [run for m in others for run in m.runs], kind)
    return difference_between(method.runs, partners, measure)


def spec_name(spec: object) -> str:
    """Return the name of a spec: 'lora:r=8,alpha=16' -> 'lora'."""
    return str(spec).partition(":")[0]


def _group_by_settings(runs: list[Run], keys: Sequence[str] | None = None) -> list[Method]:
    found: dict[str, tuple[dict[str, Any], list[Run]]] = {}
    for run in runs:
        full = {k: v for k, v in (DEFAULTS | run.config).items() if k not in IGNORED_SETTINGS}
        settings = full if keys is None else {k: v for k, v in full.items() if k in keys}
        found.setdefault(repr(sorted(settings.items())), (settings, []))[1].append(run)
    every = [settings for settings, _ in found.values()]
    return [Method(name, s, tuple(same)) for name, (s, same) in zip(_names(every), found.values())]


def _names(every: list[dict[str, Any]]) -> list[str]:
    """Return a few words per method: the settings that differ, else what is tuned."""
    differ = [k for k in every[0] if len({repr(s.get(k)) for s in every}) > 1] if every else []
    order = {setting: place for place, setting in enumerate(SELF_EXPLAINING)}
    differ = sorted(differ, key=lambda k: order.get(k, len(order)))
    unusual = [[k for k in differ if k not in UNNAMED or s.get(k) != DEFAULTS[k]] for s in every]
    short = [_name(s, keys, differ) for s, keys in zip(every, unusual)]
    full = [_name(s, differ) for s in every]
    names = [a if short.count(a) == 1 else b for a, b in zip(short, full)]
    return [n if names.count(n) == 1 else f"{n} (no. {i + 1})" for i, n in enumerate(names)]


def _name(settings: dict[str, Any], keys: list[str], differ: Sequence[str] = ()) -> str:
    """Name a method by the settings `keys`; where all are usual, by those that differ."""
    said = [
        str(settings.get(k)) if k in SELF_EXPLAINING else f"{k.replace('_', ' ')} {settings.get(k)}"
        for k in keys
    ]
    said = said or [USUAL_WORDS[k] for k in differ if k in USUAL_WORDS]
    return printable_line(", ".join(said) or settings.get("tune", "federated"), NAME_CHARS)
