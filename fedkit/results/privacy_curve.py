"""Accuracy by epsilon, next to the same run without privacy and to each client alone.

Every point is a real run of the same settings with another eps in --privacy. `Curve.from_runs`
reads any sweep that varied nothing else: `fedkit sweep --vary privacy=none --vary
privacy=example:eps=8,delta=1e-5 ... --baselines local`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from fedkit.core.config import MACHINE_SETTINGS, parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_json, write_json
from fedkit.core.formatting import one_line_error, round_up_epsilon
from fedkit.core.record import Run
from fedkit.results.difference import share_over_seeds
from fedkit.results.measures import data_key
from fedkit.results.methods import DEFAULTS
from fedkit.results.privacy_promise import privacy_block

SCHEMA, NAME = "fedkit.privacy-curve/1", "curve.json"
NOT_COMPARED = (*MACHINE_SETTINGS, "seed", "link", "devices", "privacy", "secure")
POINT_OPTIONS = ("eps", "noise")  # options of --privacy that differ along the curve


@dataclass(frozen=True)
class Point:
    """One run: the epsilon it spent (None: no promise), its seed, and shares of the test set.

    low, high: 95 % interval over test examples, or over clients.
    """

    epsilon: float | None
    seed: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Level:
    """The mean of the points of one epsilon over their seeds, with its 95 % interval.

    epsilon: infinite without a promise. over: what the interval is over.
    """

    epsilon: float
    mean: float
    low: float
    high: float
    over: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Curve:
    """Measured points with privacy, and the runs to compare them with.

    none: the same without privacy. local: each client alone, the mean over clients. Both one per
    seed. unit, delta: of every epsilon. trust: who must be trusted, in a sentence. settings: those
    that all points share, without the seed. notes: caveats of the curve.
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
        """Return the measured points by epsilon, the strongest promise first."""
        found = sorted({p.epsilon for p in self.points if p.epsilon is not None})
        return [mean_level([p for p in self.points if p.epsilon == e]) for e in found]

    def at(self, epsilon: float) -> tuple[float, bool]:
        """Return (mean accuracy, whether it was measured) at an epsilon.

        Between measured points the means are interpolated linearly in log epsilon. Raises
        FedkitError outside of what was measured.
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
        """Return the curve in parsed JSON. Raises FedkitError when it is not one."""
        try:
            if values["schema"] != SCHEMA:
                raise ValueError(
                    f"its schema is {str(values['schema'])[:40]!r}, expected {SCHEMA!r}"
                )
            names = ("points", "none", "local")
            read: dict[str, Any] = {k: tuple(map(_read_point, values[k])) for k in names}
            read |= {k: values[k] for k in ("unit", "delta", "trust", "settings")}
            curve = cls(**read, notes=tuple(str(n) for n in values["notes"]))
            if not curve.points or any(not (p.epsilon or 0) > 0 for p in curve.points):
                raise ValueError("it has no point with an epsilon above 0")
            words = isinstance(curve.unit, str) and isinstance(curve.trust, str)
            if not (words and 0 < curve.delta < 1):
                raise ValueError("unit and trust have to be words, delta above 0 and below 1")
            return curve
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FedkitError(
                f"not a privacy curve: {type(error).__name__}: {str(error)[:120]}"
            ) from None

    @classmethod
    def load(cls, folder: str | Path) -> Curve:
        """Return the curve in folder/curve.json, else of the run folders of a sweep below it.

        Raises FedkitError when there is neither.
        """
        path = Path(folder) / NAME
        if not path.exists():
            return cls.from_runs(_load_runs(Path(folder)))
        try:
            return cls.from_dict(read_json(path))
        except (OSError, ValueError) as error:
            raise FedkitError(f"cannot read {path}: {one_line_error(error)}") from None

    @classmethod
    def from_runs(cls, runs: Iterable[Run], notes: Sequence[str] = ()) -> Curve:
        """Return the curve of finished runs that differ in epsilon and seed alone.

        Runs of the same data without privacy and with local only are added. Raises FedkitError when
        the runs promise different things (unit, delta, who is trusted) or differ otherwise.
        """
        done = [run for run in runs if run.finished]
        federated = [run for run in done if run.method == "federated"]
        private = [run for run in federated if run.result.get("epsilon") is not None]
        if not private:
            raise FedkitError(
                "no finished run with privacy here; a curve needs one, such as --privacy"
                " example:eps=8"
            )
        _check_alike(private)
        first, task = private[0], {_task(run) for run in private}
        groups: dict[str, list[Run]] = {}
        for run in private:
            groups.setdefault(run.config.get("privacy", "none"), []).append(run)
        points = []
        for group in groups.values():
            epsilon = _largest_epsilon(group)
            points += [_point(run, epsilon) for run in _one_per_seed(group)]
        told = ((run.config, privacy_block(run).get("stopped")) for run in private)
        stopped = [f"{c.get('privacy')}, seed {c.get('seed')}: {why}" for c, why in told if why]
        unpromised = [run for run in federated if run.result.get("epsilon") is None]
        none = [r for r in unpromised if _task(r) in task and not _differing_setting(first, r)]
        several = [run for run in done if len(run.data.get("clients", [])) > 1]
        local = [run for run in several if run.method == "local" and _task(run) in task]
        return cls(
            _sorted(points),
            none=_sorted(_point(run, None) for run in _one_per_seed(none)),
            local=_sorted(_point(run, None) for run in _one_per_seed(local)),
            unit=str(first.result["privacy_unit"]),
            delta=float(first.result["delta"]),
            trust=str(privacy_block(first).get("trust", "")),
            settings=_settings(first),
            notes=(*notes, *stopped),
        )


def mean_level(points: Sequence[Point]) -> Level:
    """Return the mean of points over seeds with its interval; for one seed its own."""
    first = points[0]
    epsilon = math.inf if first.epsilon is None else first.epsilon
    if len(points) == 1:
        over = "test examples, one seed"
        return Level(epsilon, first.accuracy, first.low, first.high, over, (first,))
    singles = [(p.accuracy, p.low, p.high) for p in points]
    mean = share_over_seeds([p.accuracy for p in points], singles)
    return Level(epsilon, mean.value, mean.low, mean.high, mean.over, tuple(points))


# ---- what the runs have in common


def _check_alike(runs: Sequence[Run]) -> None:
    """Raise FedkitError unless all promise the same kind of thing and share all other settings."""
    first = runs[0]
    for run in runs[1:]:
        for what in ("privacy_unit", "delta"):
            if run.result.get(what) != first.result.get(what):
                raise FedkitError(
                    f"runs with {what} {first.result.get(what)} and {run.result.get(what)} given;"
                    " such epsilons are never compared: give runs of one kind"
                )
        unlike = _privacy_kind(first) != _privacy_kind(run)
        differ = _differing_setting(first, run) or ("privacy or secure" if unlike else "")
        if differ:
            raise FedkitError(
                f"these runs differ in {differ} too; a curve is of one method: vary privacy's eps"
                " alone"
            )


def _differing_setting(first: Run, other: Run) -> str:
    a, b = _settings(first), _settings(other)
    return next((k for k in a if a[k] != b[k]), "")


def _settings(run: Run) -> dict[str, Any]:
    return {k: run.config.get(k, v) for k, v in DEFAULTS.items() if k not in NOT_COMPARED}


def _privacy_kind(run: Run) -> tuple:
    name, options = parse_spec(run.config.get("privacy", "none"))
    kept = sorted((k, v) for k, v in options.items() if k not in POINT_OPTIONS)
    return name, kept, run.config.get("secure", "none")


def _task(run: Run) -> str:
    return repr([run.config.get("seed"), *data_key(run)])


def _largest_epsilon(group: Sequence[Run]) -> float:
    """Return the epsilon that holds for all seeds of one setting, rounded up to three digits."""
    known = (_check_number(run.result["epsilon"], "epsilon", 0, math.inf) for run in group)
    return round_up_epsilon(max(known))


def _one_per_seed(runs: Sequence[Run]) -> list[Run]:
    """Return the first run of each seed."""
    return list({run.config.get("seed"): run for run in reversed(runs)}.values())


def _sorted(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(sorted(points, key=lambda p: (p.epsilon or 0.0, p.seed)))


def _point(run: Run, epsilon: float | None) -> Point:
    accuracy = _check_number(run.result.get("accuracy"), "accuracy")
    span = run.result.get("accuracy_ci95")
    if not isinstance(span, (list, tuple)) or len(span) != 2:
        span = (accuracy, accuracy)
    low, high = (_check_number(bound, "interval") for bound in span)
    return Point(epsilon, int(run.config.get("seed", 0)), accuracy, low, high)


def _check_number(value: Any, what: str, least: float = 0.0, most: float = 1.0) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise FedkitError(
            f"damaged run record: {what} is {str(value)[:40]!r}, expected {least:g} to {most:g}"
        )
    return float(value)


def _read_point(values: dict[str, Any]) -> Point:
    given = {f.name: values[f.name] for f in fields(Point)}
    for name in ("accuracy", "low", "high"):
        _check_number(given[name], name)
    if given["epsilon"] is not None:
        _check_number(given["epsilon"], "epsilon", 0, math.inf)
    return Point(**{**given, "seed": int(given["seed"])})


def _load_runs(folder: Path) -> list[Run]:
    places = sorted(folder.glob("*/run.json")) + sorted(folder.glob("baselines-*/*/run.json"))
    if not places:
        raise FedkitError(
            f"no {NAME} and no run record in {folder}; give the folder of a curve or of a sweep"
        )
    return [Run.load(place) for place in places]
