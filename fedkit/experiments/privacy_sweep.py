"""Measure a privacy curve: a sweep over epsilon and seeds, with the runs to compare it with."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fedkit.core.config import RunConfig, parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.progress import Listener
from fedkit.experiments.plan import Plan
from fedkit.results.privacy_curve import POINT_OPTIONS, Curve

EPS, SEEDS = (1.0, 3.0, 8.0), (0, 1, 2)


def measure_privacy_curve(
    config: RunConfig,
    eps: Sequence[float] = EPS,
    seeds: Sequence[int] = SEEDS,
    out: str | Path | None = None,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
) -> Curve:
    """Run `config` at every epsilon and seed; per seed also without privacy and each client alone.

    config.privacy: an example, client or ftrl spec whose eps is replaced; 'none' stands for
    'example'. out: a folder for all runs and curve.json, and to resume from; None keeps nothing.
    progress, cancel: as for a sweep. Raises FedkitError for a promise that cannot be kept,
    Cancelled when stopped.
    """
    from fedkit.experiments.sweep import sweep

    refused: list[str] = []
    with _folder(out) as folder:
        runs = sweep(curve_plan(config, eps, seeds), folder, progress, cancel, tell=refused.append)
        if refused and not any(run.result.get("epsilon") for run in runs):
            raise FedkitError(refused[0].removeprefix("refused: "))
        curve = Curve.from_runs(runs, refused)
        if out is not None:
            curve.save(folder)
    return curve


def curve_plan(config: RunConfig, eps: Sequence[float] = EPS, seeds: Sequence[int] = SEEDS) -> Plan:
    """Return the sweep of the curve; the runs without privacy are first, for the baselines."""
    usual = RunConfig().to_dict()
    kept = {
        k: v for k, v in config.to_dict().items() if k not in ("seed", "privacy") and v != usual[k]
    }
    specs = [with_epsilon(config.privacy, e) for e in eps]
    if not specs:
        raise FedkitError("no eps given; write some, such as eps=(1, 3, 8)")
    return Plan(
        kept,
        {"privacy": ["none", *dict.fromkeys(specs)]},
        seeds=tuple(seeds),
        baselines=("local",),
        name="privacy-curve",
    )


def with_epsilon(spec: str, epsilon: float) -> str:
    """Return a privacy spec with another epsilon; 'none' becomes 'example'. Raises FedkitError.

    'example:eps=8,clip=1', 3 -> 'example:eps=3,clip=1'.
    """
    from fedkit.privacy.mechanisms import make_privacy

    name, options = parse_spec("example" if spec == "none" else spec)
    if make_privacy(spec).unit and float(options.get("noise", 0)):
        raise FedkitError(
            f"privacy {spec!r} given; the curve finds the noise for each epsilon: leave noise out"
        )
    if not epsilon > 0:
        raise FedkitError(f"eps {epsilon:g} given; write numbers above 0, such as 1, 3, 8")
    options = {"eps": f"{epsilon:g}"} | {k: v for k, v in options.items() if k not in POINT_OPTIONS}
    return f"{name}:" + ",".join(f"{k}={v}" for k, v in options.items())


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="fedkit-curve-") as folder:
        yield Path(folder)
