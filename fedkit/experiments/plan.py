"""What a sweep is to run: settings for all, lists to vary, further combinations, seeds; from a
file, flags or Python.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

from fedkit.core.config import DATA, MACHINE, RunConfig, parse_cohort
from fedkit.core.errors import FedkitError

# unless others are asked for
BASELINES = ("majority", "frozen-pooled", "frozen-local", "local", "pooled")
TYPES = {f.name: f.type for f in fields(RunConfig)}
LONGEST = 48  # characters of a folder name, before the seed
MOST = 10_000  # runs of a plan: more is a slip of the pen


@dataclass(frozen=True)
class Entry:
    """One run of a sweep: its folder below the sweep's, its own settings, all settings, and its
    name as a baseline.

    baseline: '' for a federated run.
    """

    folder: str
    given: dict[str, Any]
    config: RunConfig
    baseline: str = ""

    @property
    def key(self) -> str:
        """What makes it this run: the same on any machine; a baseline is one for its data
        and seed.
        """
        values = self.config.to_dict()
        kept = (*DATA, "seed") if self.baseline else [k for k in values if k not in MACHINE]
        return repr((self.baseline, [(k, values[k]) for k in kept]))

    def __str__(self) -> str:
        named = self.baseline or ", ".join(map(_said, self.given, self.given.values()))
        return ", ".join(filter(None, [named, f"seed {self.config.seed}"]))


@dataclass(frozen=True)
class Plan:
    """settings: for all. vary: {setting: values}, every combination is run. also: further single
    combinations.

    Each combination is run for every seed; baselines are made once for each seed and data. Raises
    FedkitError for what cannot be read as a setting.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    vary: dict[str, list] = field(default_factory=dict)
    also: list[dict[str, Any]] = field(default_factory=list)
    seeds: tuple[int, ...] = (0,)
    baselines: tuple[str, ...] = BASELINES
    name: str = "sweep"

    def __post_init__(self) -> None:
        if not all(type(s) is int and s >= 0 for s in self.seeds) or not self.seeds:
            raise FedkitError(
                f"seeds {list(self.seeds)} given; write whole numbers from 0 on, such as 0, 1, 2"
            )
        for name, values in self.vary.items():
            if name == "seed" or not isinstance(values, list) or not values:
                raise FedkitError(
                    f"vary {name}: write a list of values, such as {name} = ['lora:r=8', 'head']"
                    if name != "seed"
                    else "vary seed: in Python, give seeds=(0, 1, 2) instead"
                )
        if any("seed" in part for part in (self.settings, *self.also)):
            raise FedkitError(
                "seed given as one setting; list the seeds: [vary] seed = [0, 1, 2], or --seeds"
                " 0,1,2"
            )
        size = len(self.seeds) * _size(self.vary) + len(self.also)
        if size > MOST:
            raise FedkitError(
                f"this plan has {size:,} runs; at most {MOST:,} are made in one sweep"
            )
        self.entries()

    def combinations(self) -> list[dict[str, Any]]:
        """The settings that make each method, in order, each once."""
        every = (
            [dict(zip(self.vary, values)) for values in product(*self.vary.values())]
            if self.vary
            else []
        )
        every += [dict(extra) for extra in self.also]
        found: dict[str, dict[str, Any]] = {}
        for given in every or [{}]:
            found.setdefault(repr(sorted((self.settings | given).items(), key=str)), given)
        return list(found.values())

    def entries(self, kept: dict[str, str] | None = None) -> list[Entry]:
        """Every run, seed after seed, the baselines of a seed first. kept: {key: folder} of an
        earlier plan.
        """
        kept, taken, out = kept or {}, set((kept or {}).values()), []
        for seed in self.seeds:
            runs = [Entry("", given, self.config(given, seed)) for given in self.combinations()]
            for entry in [*self._baselines(runs), *runs]:
                folder = kept.get(entry.key) or _free(entry, taken)
                taken.add(folder)
                out.append(Entry(folder, entry.given, entry.config, entry.baseline))
        return out

    def config(self, given: dict[str, Any], seed: int) -> RunConfig:
        """The settings of one run. Raises FedkitError."""
        values = {**self.settings, **given}
        if (cohort := values.get("clients_per_round")) is not None:
            values["clients_per_round"] = parse_cohort(str(cohort))
        return RunConfig.from_dict({**values, "seed": seed})

    def _baselines(self, runs: list[Entry]) -> Iterable[Entry]:
        """For each kind of data, by the settings of the first combination that can be right."""
        groups: dict[str, list[Entry]] = {}
        for run in runs:
            groups.setdefault(repr([getattr(run.config, k) for k in DATA]), []).append(run)
        for group in groups.values():
            first = (
                next((run for run in group if _fits(run.config)), group[0])
                if self.baselines
                else group[0]
            )
            own = {k: v for k, v in first.given.items() if k in DATA} if len(groups) > 1 else {}
            yield from (Entry("", own, first.config, name) for name in self.baselines)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """The plan in parsed TOML or JSON; seeds may stand in [vary], as any other list."""
        known = {f.name: f.type for f in fields(cls)}
        if unknown := [k for k in values if k not in known]:
            raise FedkitError(f"a plan has no part {unknown[0]!r}; its parts: {', '.join(known)}")
        values = dict(values)
        for name, kind in (
            ("settings", dict),
            ("vary", dict),
            ("also", list),
            ("seeds", list),
            ("baselines", list),
        ):
            if not isinstance(values.get(name, kind()), (kind, tuple) if kind is list else kind):
                raise FedkitError(
                    f"{name} of a plan has to be {'a table' if kind is dict else 'a list'}"
                )
        if not all(isinstance(extra, dict) for extra in values.get("also", [])):
            raise FedkitError(
                "also of a plan has to be a list of tables: write [[also]] above each"
            )
        vary = dict(values.get("vary", {}))
        seeds = vary.pop("seed", values.get("seeds", [0]))
        seeds = tuple(dict.fromkeys(seeds)) if isinstance(seeds, (list, tuple)) else (seeds,)
        return cls(
            **{
                **values,
                "vary": vary,
                "seeds": seeds,
                "baselines": tuple(values.get("baselines", BASELINES)),
            }
        )


def read_plan(path: Path) -> Plan:
    """The plan in a TOML file. Raises FedkitError in one line."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise FedkitError(f"cannot read the plan {path}: {why}") from None
    return Plan.from_dict({"name": path.stem, **values})


def parse_vary(texts: Iterable[str]) -> dict[str, list]:
    """['tune=head', 'tune=full', 'rounds=5'] -> {'tune': ['head', 'full'], 'rounds': [5]}; values
    of the field's type.
    """
    out: dict[str, list] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().removeprefix("--").replace("-", "_")
        if equals and name not in TYPES:
            raise FedkitError(
                f"vary {text!r} given; {name!r} is no setting; such are tune, wire, aggregate,"
                " rounds"
            )
        if not equals or not value:
            raise FedkitError(
                f"vary {text!r} given; write SETTING=VALUE with a setting such as tune, wire or"
                " rounds"
            )
        out.setdefault(name, []).append(_value(name, value.strip()))
    return out


def parse_seeds(text: str) -> tuple[int, ...]:
    """'0,1,2' -> (0, 1, 2)."""
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise FedkitError(
            f"seeds {text!r} given; write whole numbers with commas between them, such as 0,1,2"
        ) from None


def changed(old: Plan, new: Plan) -> str:
    """What `new` no longer has of `old`, in a few words; '' when it only adds."""
    there = {entry.key for entry in new.entries()}
    gone = [entry for entry in old.entries() if entry.key not in there]
    if not gone:
        return ""
    for name in {**old.settings, **new.settings}:
        was, now = (plan.settings.get(name, getattr(RunConfig(), name)) for plan in (old, new))
        if was != now and name not in MACHINE:
            return f"{name} was {was!r} and is now {now!r}"
    return f"it no longer has {gone[0]}"


def _value(name: str, text: str) -> Any:
    kind = TYPES[name].removesuffix(" | None")
    if kind != TYPES[name] and kind != "str" and text.lower() in ("none", "all"):
        return None
    try:
        return {"str": str, "int": int, "float": float}[kind](text)
    except ValueError:
        raise FedkitError(f"vary {name}={text!r} given; {TYPES[name]} is expected") from None


def _fits(config: RunConfig) -> bool:
    from fedkit.experiments.job import check_config

    try:
        check_config(config)
    except FedkitError:
        return False
    return True


def _size(vary: dict[str, list]) -> int:
    size = 1
    for values in vary.values():
        size *= len(values)
    return size


def _said(name: str, value: Any) -> str:
    """Words such as 'none' do not speak for themselves."""
    alone = isinstance(value, str) and value not in ("none", "mean", "all", "auto", "zero", "plain")
    return value if alone else f"{name.replace('_', ' ')} {'as usual' if value is None else value}"


def _free(entry: Entry, taken: set[str]) -> str:
    """A folder name made from what is varied, safe on any file system and not yet taken."""
    words = [
        v if isinstance(v, str) else f"{k.replace('_', '-')}={v}" for k, v in entry.given.items()
    ]
    name = re.sub(r"[^A-Za-z0-9.+=_-]+", "-", "_".join(words)).strip("-.")[:LONGEST].rstrip("-.")
    mark = f"{zlib.crc32(repr(sorted(entry.given.items())).encode()):08x}"
    if entry.baseline:
        choices = (
            f"{'-'.join(filter(None, ['baselines', n]))}-s{entry.config.seed}/{entry.baseline}"
            for n in (name, f"{name[:32]}-{mark}")
        )
    else:
        choices = (f"{n}-s{entry.config.seed}" for n in (name or "run", f"{name[:39]}-{mark}"))
    lower = {name.lower() for name in taken}  # file systems that do not tell A from a
    return next(
        (c for c in choices if c.lower() not in lower), f"run-{len(taken):04d}-s{entry.config.seed}"
    )
