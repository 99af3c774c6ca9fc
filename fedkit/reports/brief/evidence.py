"""Numbers from the records, which are all that the brief's rules, pictures and sentences read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.core.stats import t_interval
from fedkit.network import replay
from fedkit.reports.brief.promise import meets_need
from fedkit.results import measures
from fedkit.results.difference import Difference, accuracy_difference, comparable
from fedkit.results.methods import MeanOverSeeds, Method, difference_over_seeds, group_methods
from fedkit.results.privacy_promise import Promise
from fedkit.results.recommendation import best_method

# the baselines of a complete comparison
WANTED = ("majority", "frozen-pooled", "frozen-local", "local", "pooled")
ALONE = ("local", "frozen-local")  # what a company can do by itself
# settings that have to be equal for a fair comparison
ALIKE = ("model", "tune", "rounds", "local_epochs", "examples_per_client", "max_tokens")
UNTUNED = ("tune", "rounds", "local_epochs")  # not used where no encoder is trained
HELD = 8  # training examples of a label that make a client its holder


@dataclass(frozen=True)
class ClientEvidence:
    """One client: its data, and its accuracy alone and together.

    alone: its best method alone, on the shared test set (NaN: not recorded). own: the federated
    model on test examples like its own. only: labels of which only this client has examples, and at
    least HELD: fewer may be a typo.
    """

    id: str
    train: int
    share: float
    only: tuple[str, ...]
    alone: float
    together: float
    own: float

    @property
    def gain(self) -> float:
        return self.together - self.alone


@dataclass(frozen=True)
class Evidence:
    """Numbers of one federated method and of its comparisons, over the seeds that there are.

    accuracies: by method. differences: federated minus each other method. daily: accuracy on test
    examples like each client's own, averaged over clients. gain: federated minus the best method
    alone (`alone`) in daily work; None without a record of one. up, down, base: bytes of a client
    over a whole training; base: the base model, once.
    """

    run: Run
    runs: tuple[Run, ...]
    name: str
    accuracies: dict[str, MeanOverSeeds]
    differences: dict[str, Difference]
    daily: dict[str, float]
    alone: str
    gain: Difference | None
    clients: tuple[ClientEvidence, ...]
    up: float
    down: float
    base: float
    train_seconds: float
    promise: Promise
    missing: tuple[str, ...]
    other_settings: tuple[str, ...]
    left_out: int

    @property
    def n_clients(self) -> int:
        return max(len(self.clients), 1)

    @property
    def seeds(self) -> int:
        return len({run.config.get("seed") for run in self.runs})

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
    def traffic(self) -> float:
        """Bytes of all clients in both directions, without the base model."""
        return self.n_clients * (self.up + self.down)


def gather_evidence(records: Sequence[Run], needed: str = "") -> Evidence:
    """Return the evidence on the best federated method, if possible of those that meet `needed`.

    needed: see `promise.parse_privacy_need`. Raises FedkitError without a finished federated run,
    or for a damaged record.
    """
    runs = measures.check_runs(records)
    found = group_methods(runs)
    if not found:
        raise FedkitError(
            "no federated run among the records;"
            " start one with `fedkit run`, and give its folder too"
        )
    top = best_method([m for m in found if meets_need(m.promise, needed)] or found) or best_method(
        found
    )
    if top is None:
        raise FedkitError(
            "no federated run has finished;"
            " go on with `fedkit run --resume --out DIR`, then ask again"
        )
    others = {kind: _partners(top, runs, kind) for kind in WANTED}
    others = {kind: same for kind, same in others.items() if same}
    daily = {
        kind: _daily_accuracy(same) for kind, same in {"federated": top.runs, **others}.items()
    }
    known = [k for k in ALONE if not math.isnan(daily["federated"] - daily.get(k, math.nan))]
    alone = max(known, key=lambda k: daily[k], default="")
    used = {id(r) for r in (*top.runs, *(r for same in others.values() for r in same))}
    return Evidence(
        run=top.runs[0],
        runs=top.runs,
        name=top.name,
        daily=daily,
        alone=alone,
        accuracies={
            k: _accuracy(Method(k, {}, tuple(same)))
            for k, same in {"federated": top.runs, **others}.items()
        },
        differences={
            k: d for k, same in others.items() if (d := _difference(top.runs, same)) is not None
        },
        gain=_daily_gain(top.runs, others[alone]) if alone else None,
        clients=_client_evidence(top.runs, [others[k] for k in ALONE if k in others]),
        up=_mean_bytes(top.runs, "uplink"),
        down=_mean_bytes(top.runs, "downlink"),
        base=measures.base_mb(top.runs[0]) * measures.MB,
        train_seconds=fmean(measures.result_number(r, "train_seconds") for r in top.runs),
        promise=top.promise,
        missing=tuple(k for k in WANTED if k not in others),
        other_settings=tuple(
            k
            for k, same in others.items()
            if any(_has_other_settings(top.runs[0], r) for r in same)
        ),
        left_out=sum(id(run) not in used for run in runs),
    )


def modelled_seconds(run: Run, links: Sequence[str], devices: Sequence[str]) -> list[list[float]]:
    """Return modelled seconds of the whole run, a row per device and a column per link.

    The download of the base model is not included.
    """
    try:
        return [[replay(run, link, device).seconds for link in links] for device in devices]
    except OverflowError:
        raise FedkitError(
            "damaged run record: a time in its rounds or its deadline is beyond all bounds"
        ) from None


def _partners(top: Method, runs: list[Run], kind: str) -> list[Run]:
    """Return the runs of `kind` on the same data and partition, one per seed.

    Runs with the method's own seeds and settings are preferred.
    """
    fit = [
        r
        for r in runs
        if r.method == kind and r.finished and any(comparable(own, r) for own in top.runs)
    ]
    fit = [r for r in fit if r.config.get("seed") in top.seeds] or fit
    fit = [r for r in fit if not _has_other_settings(top.runs[0], r)] or fit
    return list({r.config.get("seed"): r for r in reversed(fit)}.values())


def _has_other_settings(run: Run, other: Run) -> bool:
    keys = [k for k in ALIKE if other.method in ("local", "pooled") or k not in UNTUNED]
    return any(run.config.get(k) != other.config.get(k) for k in keys)


def _mean_bytes(runs: Sequence[Run], direction: str) -> float:
    return fmean(measures.mb_per_client(run, direction) for run in runs) * measures.MB


def _daily_accuracy(runs: Sequence[Run]) -> float:
    return fmean(measures.result_number(run, "own_mix_accuracy") for run in runs)


def _accuracy(method: Method) -> MeanOverSeeds:
    """Return the mean accuracy; over several seeds the interval covers the test examples too."""
    mean = method.accuracy()
    if len(method.seeds) < 2:
        return mean
    singles = [(measures.accuracy(r), *measures.accuracy_interval(r)[:2]) for r in method.runs]
    low, high = widen_interval(mean.value, mean.low, mean.high, singles)
    return MeanOverSeeds(mean.value, max(low, 0.0), min(high, 1.0), mean.over)


def _difference(ours: Sequence[Run], theirs: Sequence[Run]) -> Difference | None:
    """Return ours - theirs; over several seeds the interval covers the test examples too."""
    d = difference_over_seeds(ours, theirs)
    pairs = [
        (a, b)
        for a in ours
        for b in theirs
        if a.config.get("seed") == b.config.get("seed") and comparable(a, b)
    ]
    if d is None or len(pairs) < 2:
        return d
    single = [accuracy_difference(a, b) for a, b in pairs]
    return Difference(
        d.value,
        *widen_interval(d.value, d.low, d.high, [(s.value, s.low, s.high) for s in single]),
        d.over,
    )


def _daily_gain(ours: Sequence[Run], theirs: Sequence[Run]) -> Difference:
    """Return the gain in daily work: over shared seeds, and over test examples as if unpaired
    (MOVER).
    """
    by_seed = {r.config.get("seed"): _daily_accuracy([r]) for r in theirs}
    shared = [
        _daily_accuracy([r]) - by_seed[r.config.get("seed")]
        for r in ours
        if r.config.get("seed") in by_seed
    ]
    one, two, n = _daily_accuracy(ours), _daily_accuracy(theirs), measures.test_size(ours[0])
    (low1, high1), (low2, high2) = measures.share_interval(one, n), measures.share_interval(two, n)
    low, high = math.hypot(one - low1, high2 - two), math.hypot(high1 - one, two - low2)
    found = Difference(one - two, one - two - low, one - two + high, f"{n} test examples")
    if len(shared) < 2:
        return found
    mean = fmean(shared)
    bounds = widen_interval(mean, *t_interval(shared), [(found.value, found.low, found.high)])
    return Difference(mean, *bounds, f"{len(shared)} seeds")


def widen_interval(
    value: float, low: float, high: float, singles: Sequence[tuple[float, float, float]]
) -> tuple[float, float]:
    """Return an interval over seeds widened by those of single runs over their test examples.

    Half-widths add as squares, as if independent: seeds that share a test set say nothing about its
    sampling error, and a test set nothing about that of seeds. singles: (value, low, high) of each
    run or pair.
    """
    below = math.hypot(value - low, fmean(v - under for v, under, _ in singles))
    above = math.hypot(high - value, fmean(over - v for v, _, over in singles))
    return value - below, value + above


def _client_evidence(
    ours: Sequence[Run], alone: Sequence[Sequence[Run]]
) -> tuple[ClientEvidence, ...]:
    run = ours[0]
    together = fmean(measures.accuracy(r) for r in ours)
    counts = measures.client_labels(run)
    holders = counts > 0
    sizes = [measures.as_count(measures.as_number(c.get("train"))) for c in measures.clients(run)]
    out = []
    for i, name in enumerate(holders.index):
        ways = [_accuracy_alone(same, name) for same in alone]
        known = [way for way in ways if not math.isnan(way)]
        only = tuple(
            printable_line(k)
            for k in holders.columns
            if counts[k].iloc[i] >= HELD and holders[k].sum() == 1
        )
        own = measures.as_number(measures.last_round(run).client_accuracy.get(name))
        out.append(
            ClientEvidence(
                printable_line(name),
                sizes[i],
                sizes[i] / max(sum(sizes), 1),
                only,
                max(known, default=math.nan),
                together,
                own,
            )
        )
    return tuple(out)


def _accuracy_alone(runs: Sequence[Run], name: str) -> float:
    """Return a client's accuracy alone on the shared test set, mean over seeds; NaN if unknown."""
    given = [run.result.get("client_accuracies") for run in runs]
    values = [measures.as_number(g.get(name)) for g in given if isinstance(g, dict)]
    return fmean(values) if values else math.nan
