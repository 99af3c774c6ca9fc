"""The runs of a sweep: settings for all, lists to vary, further combinations, seeds, baselines."""

from __future__ import annotations

import math
import re
import tomllib
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

from fedkit.core.config import DATA_SETTINGS, MACHINE_SETTINGS, RunConfig, parse_cohort
from fedkit.core.errors import FedkitError
from fedkit.core.files import require_file
from fedkit.core.formatting import one_line_error

# baselines by default
BASELINES = ("majority", "frozen-pooled", "frozen-local", "local", "pooled")
TYPES = {f.name: f.type for f in fields(RunConfig)}
LONGEST = 48  # characters of a folder name, before the seed
MOST_BYTES = 1_000_000  # of a plan's file
MOST = 10_000  # most runs of a plan: more are a mistake


@dataclass(frozen=True)
class Entry:
    """One run of a sweep: its folder below the sweep's folder, and its settings.

    given: the settings that make this combination. baseline: its name; '' for a federated run.
    """

    folder: str
    given: dict[str, Any]
    config: RunConfig
    baseline: str = ""

    @property
    def key(self) -> str:
        """Return what identifies the run on any machine; of a baseline, its data and seed do."""
        values = self.config.to_dict()
        kept = [k for k in values if k not in MACHINE_SETTINGS]
        kept = [*DATA_SETTINGS, "seed"] if self.baseline else kept
        return repr((self.baseline, [(k, values[k]) for k in kept]))

    def __str__(self) -> str:
        named = self.baseline or ", ".join(map(_setting_words, self.given, self.given.values()))
        return ", ".join(filter(None, [named, f"seed {self.config.seed}"]))


@dataclass(frozen=True)
class Plan:
    """settings: for all runs. vary: {setting: values}, every combination is run.

    also: further single combinations. Each combination is run for every seed; baselines are made
    once for each seed and data. Raises FedkitError for what cannot be read as a setting.
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
            if not isinstance(values, list) or not values:
                raise FedkitError(
                    f"vary {name}: write a list of values, such as {name} = ['lora:r=8', 'head']"
                )
        if any("seed" in part for part in (self.settings, self.vary, *self.also)):
            raise FedkitError(
                "seed given as a setting; list the seeds: --seeds 0,1,2, in a file [vary] seed ="
                " [0, 1, 2], in Python seeds=(0, 1)"
            )
        size = len(self.seeds) * math.prod(map(len, self.vary.values())) + len(self.also)
        if size > MOST:
            most = f"at most {MOST:,} are made in one sweep"
            raise FedkitError(f"this plan has {size:,} runs; {most}")
        self.entries()

    def combinations(self) -> list[dict[str, Any]]:
        """Return the settings that make each method, in order, each once."""
        varied = product(*self.vary.values()) if self.vary else ()
        every = [dict(zip(self.vary, values)) for values in varied]
        found: dict[str, dict[str, Any]] = {}
        for given in [*every, *map(dict, self.also)] or [{}]:
            found.setdefault(repr(sorted((self.settings | given).items(), key=str)), given)
        return list(found.values())

    def entries(self, kept: dict[str, str] | None = None) -> list[Entry]:
        """Return every run, seed after seed, the baselines of a seed first.

        kept: {key: folder} of an earlier plan.
        """
        kept, taken, out = kept or {}, set((kept or {}).values()), []
        for seed in self.seeds:
            runs = [Entry("", given, self.config(given, seed)) for given in self.combinations()]
            for entry in [*self._baselines(runs), *runs]:
                folder = kept.get(entry.key) or _free_folder(entry, taken)
                taken.add(folder)
                out.append(Entry(folder, entry.given, entry.config, entry.baseline))
        return out

    def config(self, given: dict[str, Any], seed: int) -> RunConfig:
        """Return the settings of one run. Raises FedkitError."""
        values = {**self.settings, **given}
        if (cohort := values.get("clients_per_round")) is not None:
            values["clients_per_round"] = parse_cohort(str(cohort))
        return RunConfig.from_dict({**values, "seed": seed})

    def _baselines(self, runs: list[Entry]) -> Iterable[Entry]:
        """Yield the baselines of each kind of data, with the first combination that is valid."""
        groups: dict[str, list[Entry]] = {}
        for run in runs:
            groups.setdefault(repr([getattr(run.config, k) for k in DATA_SETTINGS]), []).append(run)
        for group in groups.values():
            if not self.baselines:
                continue
            first = next((run for run in group if _is_valid(run.config)), group[0])
            own = {k: v for k, v in first.given.items() if k in DATA_SETTINGS and len(groups) > 1}
            yield from (Entry("", own, first.config, name) for name in self.baselines)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """Return the plan in parsed TOML or JSON; [vary] may hold seeds. Raises FedkitError."""
        known = [f.name for f in fields(cls)]
        if unknown := [k for k in values if k not in known]:
            raise FedkitError(f"a plan has no part {unknown[0]!r}; its parts: {', '.join(known)}")
        for name, value in values.items():
            kind = {"settings": dict, "vary": dict, "name": object}.get(name, (list, tuple))
            if not isinstance(value, kind):
                what = "a table" if kind is dict else "a list"
                raise FedkitError(f"{name} of a plan has to be {what}")
        if not all(isinstance(extra, dict) for extra in values.get("also", [])):
            raise FedkitError(
                "also of a plan has to be a list of tables: write [[also]] above each"
            )
        vary = dict(values.get("vary", {}))
        seeds = vary.pop("seed", values.get("seeds", [0]))
        seeds = seeds if isinstance(seeds, (list, tuple)) else (seeds,)
        if not all(isinstance(s, (int, str)) for s in (*seeds, *values.get("baselines", ()))):
            raise FedkitError("seeds of a plan are whole numbers, and baselines are names")
        baselines = tuple(values.get("baselines", BASELINES))
        changed = {"vary": vary, "seeds": tuple(dict.fromkeys(seeds)), "baselines": baselines}
        return cls(**(values | changed))


def read_plan(path: Path) -> Plan:
    """Return the plan in a TOML file. Raises FedkitError with a message of one line."""
    try:
        values = tomllib.loads(require_file(path, MOST_BYTES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or one_line_error(error)
        raise FedkitError(f"cannot read the plan {path}: {why}") from None
    return Plan.from_dict({"name": path.stem, **values})


def parse_vary(texts: Iterable[str]) -> dict[str, list]:
    """Return {setting: values}, in the type of the field.

    ['tune=head', 'tune=full', 'rounds=5'] -> {'tune': ['head', 'full'], 'rounds': [5]}.
    """
    out: dict[str, list] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().removeprefix("--").replace("-", "_")
        if equals and name not in TYPES:
            why = f"{name!r} is no setting; such are tune, wire, aggregate, rounds"
            raise FedkitError(f"vary {text!r} given; {why}")
        if not equals or not value:
            how = "write SETTING=VALUE with a setting such as tune, wire or rounds"
            raise FedkitError(f"vary {text!r} given; {how}")
        out.setdefault(name, []).append(_value(name, value.strip()))
    return out


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return '0,1,2' as (0, 1, 2). Raises FedkitError."""
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise FedkitError(
            f"seeds {text!r} given; write whole numbers with commas between them, such as 0,1,2"
        ) from None


def describe_change(old: Plan, new: Plan) -> str:
    """Return in a few words what `new` lacks of `old`; '' when it only adds."""
    there = {entry.key for entry in new.entries()}
    gone = [entry for entry in old.entries() if entry.key not in there]
    if not gone:
        return ""
    for name in {**old.settings, **new.settings}:
        was, now = (plan.settings.get(name, getattr(RunConfig(), name)) for plan in (old, new))
        if was != now and name not in MACHINE_SETTINGS:
            return f"{name} was {was!r} and is now {now!r}"
    return f"it no longer has {gone[0]}"


def _value(name: str, text: str) -> Any:
    kind = TYPES[name].removesuffix(" | None")
    if kind not in (TYPES[name], "str") and text.lower() in ("none", "all"):
        return None
    try:
        return {"str": str, "int": int, "float": float}[kind](text)
    except ValueError:
        raise FedkitError(f"vary {name}={text!r} given; {TYPES[name]} is expected") from None


def _is_valid(config: RunConfig) -> bool:
    from fedkit.experiments.job import check_config

    with suppress(FedkitError):
        check_config(config)
        return True
    return False


def _setting_words(name: str, value: Any) -> str:
    """Return words for a setting; with its name where a value such as 'none' needs it."""
    alone = isinstance(value, str) and value not in ("none", "mean", "all", "auto", "zero", "plain")
    return value if alone else f"{name.replace('_', ' ')} {'as usual' if value is None else value}"


def _free_folder(entry: Entry, taken: set[str]) -> str:
    """Return a folder name from the varied settings, safe on any file system and not taken."""
    named = {k.replace("_", "-"): v for k, v in entry.given.items()}
    words = [v if isinstance(v, str) else f"{k}={v}" for k, v in named.items()]
    name = re.sub(r"[^A-Za-z0-9.+=_-]+", "-", "_".join(words)).strip("-.")[:LONGEST].rstrip("-.")
    mark = f"{zlib.crc32(repr(sorted(entry.given.items())).encode()):08x}"
    seed, lower = f"s{entry.config.seed}", {n.lower() for n in taken}  # where A is a
    if entry.baseline:
        names = (f"baselines-{name}".rstrip("-"), f"baselines-{name[:32]}-{mark}")
        choices = [f"{n}-{seed}/{entry.baseline}" for n in names]
    else:
        choices = [f"{n}-{seed}" for n in (name or "run", f"{name[:39]}-{mark}")]
    return next((c for c in choices if c.lower() not in lower), f"run-{len(taken):04d}-{seed}")
