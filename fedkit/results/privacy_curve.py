"""What a promise costs: accuracy by epsilon, with what the same run reaches without privacy and
each site alone.

Every point is a real run of the same settings with another eps in --privacy. `Curve.from_runs`
reads any sweep that varied nothing else: `fedkit sweep --vary privacy=none --vary
privacy=example:eps=8,delta=1e-5 ... --baselines local`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from fedkit.core.config import MACHINE, RunConfig, parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.files import write_json
from fedkit.core.formatting import rounded_up
from fedkit.core.record import Run
from fedkit.core.stats import t_interval

SCHEMA, NAME = "fedkit.privacy-curve/1", "curve.json"
NOT_OF_THE_METHOD = (*MACHINE, "seed", "link", "devices", "privacy", "secure")
NEITHER = ("eps", "noise")  # of a privacy's parameters: those that make a point of the curve


@dataclass(frozen=True)
class Point:
    """One run: the epsilon it spent (None: no promise), its seed, and shares of the test set.

    worst: of the worst client, on examples like its own. low, high: 95 % interval over test
    examples, or over clients.
    """

    epsilon: float | None
    seed: int
    accuracy: float
    worst: float
    low: float
    high: float


@dataclass(frozen=True)
class Level:
    """The mean of some points over their seeds, its 95 % interval, and what the interval
    is over.
    """

    epsilon: float | None
    mean: float
    low: float
    high: float
    over: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Curve:
    """points: with privacy. none: the same without. local: each site alone, the mean over sites;
    all one per seed.

    unit, delta: of every epsilon here. trust: who must be trusted, in a sentence. settings: that
    all points share, but for the seed. notes: what must be said beside the curve.
    """

    points: tuple[Point, ...]
    none: tuple[Point, ...] = ()
    local: tuple[Point, ...] = ()
    unit: str = "example"
    delta: float = 1e-5
    trust: str = ""
    settings: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def levels(self) -> list[Level]:
        """The measured points by epsilon, the strongest promise first."""
        found = sorted({p.epsilon for p in self.points})
        return [level([p for p in self.points if p.epsilon == e]) for e in found]

    def at(self, epsilon: float) -> tuple[float, bool]:
        """(mean accuracy, whether it was measured) at an epsilon; in between, a line in log epsilon
        joins the means.

        Raises FedkitError outside of what was measured: there nothing is known.
        """
        levels = self.levels()
        for one in levels:
            if math.isclose(one.epsilon, epsilon, rel_tol=1e-6):
                return one.mean, True
        for a, b in pairwise(levels):
            if a.epsilon < epsilon < b.epsilon:
                share = math.log(epsilon / a.epsilon) / math.log(b.epsilon / a.epsilon)
                return a.mean + share * (b.mean - a.mean), False
        raise FedkitError(
            f"epsilon {epsilon:g} given; measured were {levels[0].epsilon:g} to"
            f" {levels[-1].epsilon:g}, and outside of that nothing is known; add it to eps and"
            " measure"
        )

    def to_dict(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    def save(self, folder: str | Path) -> Path:
        """Write folder/curve.json and return its path."""
        write_json(path := Path(folder) / NAME, self.to_dict())
        return path

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Curve:
        """A curve from parsed JSON. Raises FedkitError when it is none."""
        try:
            if values["schema"] != SCHEMA:
                raise ValueError(
                    f"its schema is {str(values['schema'])[:40]!r}, expected {SCHEMA!r}"
                )
            parts = {k: tuple(_read(p) for p in values[k]) for k in ("points", "none", "local")}
            rest = {k: values[k] for k in ("unit", "delta", "trust", "settings")}
            curve = cls(**parts, **rest, notes=tuple(str(n) for n in values["notes"]))
            if not curve.points or any(
                p.epsilon is None or not p.epsilon > 0 for p in curve.points
            ):
                raise ValueError("it has no point with an epsilon above 0")
            if not (
                isinstance(curve.unit, str) and isinstance(curve.trust, str) and 0 < curve.delta < 1
            ):
                raise ValueError("unit and trust have to be words, delta above 0 and below 1")
            return curve
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FedkitError(
                f"not a privacy curve: {type(error).__name__}: {str(error)[:120]}"
            ) from None

    @classmethod
    def load(cls, folder: str | Path) -> Curve:
        """The curve in folder/curve.json; without that file, from the run folders below, as a sweep
        leaves them.
        """
        path = Path(folder) / NAME
        if not path.exists():
            return cls.from_runs(_below(Path(folder)))
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError, FedkitError) as error:
            raise FedkitError(f"cannot read {path}: {str(error).splitlines()[0]}") from None

    @classmethod
    def from_runs(cls, runs: Iterable[Run], notes: Sequence[str] = ()) -> Curve:
        """The curve of finished runs that differ in their epsilon and seed alone, and those without
        privacy or alone.

        Raises FedkitError when they promise different things (unit, delta, who is trusted) or
        differ otherwise.
        """
        done = [run for run in runs if run.finished]
        private = [
            run
            for run in done
            if run.method == "federated" and run.result.get("epsilon") is not None
        ]
        if not private:
            raise FedkitError(
                "no finished run with privacy here; a curve needs one, such as --privacy"
                " example:eps=8"
            )
        _alike(private)
        first, task = private[0], {_task(run) for run in private}
        groups: dict[str, list[Run]] = {}
        for run in private:
            groups.setdefault(str(run.config["privacy"]), []).append(run)
        points = [_point(run, _spent(group)) for group in groups.values() for run in _once(group)]
        same = [run for run in done if _task(run) in task]
        none = [
            r
            for r in same
            if r.method == "federated" and r.result.get("epsilon") is None and not _differ(first, r)
        ]
        local = [r for r in same if r.method == "local" and len(r.data.get("clients", [])) > 1]
        return cls(
            _sorted(points),
            *(_sorted(_point(run, None) for run in _once(rest)) for rest in (none, local)),
            unit=str(first.result["privacy_unit"]),
            delta=float(first.result["delta"]),
            trust=_trust(first),
            settings=_settings(first),
            notes=(*notes, *_stopped(private)),
        )


def level(points: Sequence[Point]) -> Level:
    """Their mean, with a t interval over seeds; with one seed the run's own interval."""
    values = [p.accuracy for p in points]
    if len(values) == 1:
        one = points[0]
        return Level(
            one.epsilon, one.accuracy, one.low, one.high, "test examples, one seed", tuple(points)
        )
    low, high = t_interval(values)
    return Level(
        points[0].epsilon,
        fmean(values),
        max(low, 0.0),
        min(high, 1.0),
        f"{len(values)} seeds",
        tuple(points),
    )


# ---- what the runs have in common


def _alike(runs: Sequence[Run]) -> None:
    """Raises FedkitError unless all promise the same kind of thing and share all other settings."""
    first = runs[0]
    for run in runs[1:]:
        for what in ("privacy_unit", "delta"):
            if run.result.get(what) != first.result.get(what):
                raise FedkitError(
                    f"runs with {what} {first.result.get(what)} and {run.result.get(what)} given;"
                    " such epsilons are never compared: give runs of one kind"
                )
        kinds = [_privacy_kind(r) for r in (first, run)]
        differ = _differ(first, run) or ("privacy or secure" if kinds[0] != kinds[1] else "")
        if differ:
            raise FedkitError(
                f"these runs differ in {differ} too; a curve is of one method: vary privacy's eps"
                " alone"
            )


def _differ(first: Run, other: Run) -> str:
    a, b = _settings(first), _settings(other)
    return next((k for k in a if a[k] != b[k]), "")


def _settings(run: Run) -> dict[str, Any]:
    full = RunConfig().to_dict()
    return {k: run.config.get(k, v) for k, v in full.items() if k not in NOT_OF_THE_METHOD}


def _privacy_kind(run: Run) -> tuple:
    name, options = parse_spec(str(run.config["privacy"]))
    return (
        name,
        sorted((k, v) for k, v in options.items() if k not in NEITHER),
        run.config.get("secure", "none"),
    )


def _task(run: Run) -> str:
    return repr(
        [
            run.config.get("seed"),
            *(run.data.get(k) for k in ("sha256", "labels", "test", "clients")),
        ]
    )


def _trust(run: Run) -> str:
    told = run.result.get("privacy")
    return str(told.get("trust", "")) if isinstance(told, dict) else ""


def _stopped(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        told = run.result.get("privacy")
        if isinstance(told, dict) and told.get("stopped"):
            yield f"{run.config['privacy']}, seed {run.config.get('seed')}: {told['stopped']}"


def _spent(group: Sequence[Run]) -> float:
    """The epsilon that holds for all seeds of one setting: the largest, to three digits."""
    return rounded_up(max(_number(run.result["epsilon"], "epsilon", 0, math.inf) for run in group))


def _once(runs: Sequence[Run]) -> list[Run]:
    """The first run of each seed."""
    found: dict[Any, Run] = {}
    for run in runs:
        found.setdefault(run.config.get("seed"), run)
    return list(found.values())


def _sorted(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(sorted(points, key=lambda p: (p.epsilon or 0.0, p.seed)))


def _point(run: Run, epsilon: float | None) -> Point:
    shares = [_number(run.result.get(k), k) for k in ("accuracy", "worst_client_accuracy")]
    span = run.result.get("accuracy_ci95")
    low, high = (
        span if isinstance(span, (list, tuple)) and len(span) == 2 else (shares[0], shares[0])
    )
    return Point(
        epsilon,
        int(run.config.get("seed", 0)),
        *shares,
        _number(low, "interval"),
        _number(high, "interval"),
    )


def _number(value: Any, what: str, least: float = 0.0, most: float = 1.0) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise FedkitError(
            f"damaged run record: {what} is {str(value)[:40]!r}, expected {least:g} to {most:g}"
        )
    return float(value)


def _read(values: dict[str, Any]) -> Point:
    given = {f.name: values[f.name] for f in fields(Point)}
    for name in ("accuracy", "worst", "low", "high"):
        _number(given[name], name)
    if given["epsilon"] is not None:
        _number(given["epsilon"], "epsilon", 0, math.inf)
    return Point(**{**given, "seed": int(given["seed"])})


def _below(folder: Path) -> list[Run]:
    places = sorted(folder.glob("*/run.json")) + sorted(folder.glob("baselines-*/*/run.json"))
    if not places:
        raise FedkitError(
            f"no {NAME} and no run record in {folder}; give the folder of a curve or of a sweep"
        )
    return [Run.load(place) for place in places]
