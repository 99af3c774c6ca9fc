"""The numbers of the showcase, from shipped records and slider values; nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from fedkit.core.record import RoundRecord, Run
from fedkit.network import parse_link, replay
from fedkit.results import measures
from fedkit.results.measures import as_number
from fedkit.showcase import settings
from fedkit.showcase.records import ShowcaseRecords

# kbit/s
SPEEDS = (64, 128, 256, 512, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000)
LATENCY = 40  # ms, on every link of the slider
BETTER, UNCLEAR, WORSE = "better", "unclear", "worse"


@dataclass(frozen=True)
class SliderValues:
    """Values of the sliders. speed: kbit/s in each direction at every client."""

    clients: int = settings.CLIENT_COUNTS[-1]
    level: str = "none"
    speed: int = 10_000

    @property
    def link(self) -> str:
        return slider_link(self.speed)


@dataclass(frozen=True)
class Gain:
    """Accuracy together minus alone, a share, with its 95 % interval over test reports."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        return BETTER if self.low > 0 else WORSE if self.high < 0 else UNCLEAR


@dataclass(frozen=True)
class ComparedRun:
    """A federated run against its baselines.

    together, alone: accuracy on reports like each client's own, mean over clients; with `_all` on
    test reports of all six clients; gain and any_gain are their differences. pooled: with all texts
    in one place. traffic: bytes of a client, both ways, over the whole training. seconds:
    simulated, of training and sending. base, base_seconds: bytes and download of the base model,
    once. epsilon, delta: NaN without a promise.
    """

    run: Run
    together: float
    alone: float
    together_all: float
    alone_all: float
    pooled: float
    gain: Gain
    any_gain: Gain
    traffic: float
    seconds: float
    base: float
    base_seconds: float
    epsilon: float
    delta: float


def numbers_at(records: ShowcaseRecords, setting: SliderValues) -> ComparedRun:
    """Return the numbers at these slider values."""
    n = setting.clients
    return compare_run(
        records.federated(n, setting.level),
        records.local_baselines(n),
        records.baselines(n),
        setting.speed,
    )


def live_numbers(
    records: ShowcaseRecords, run: Run | None = None, speed: int = 10_000
) -> ComparedRun:
    """Return a visitor's run, or the shipped record of it, against its shipped baselines."""
    return compare_run(
        run or records.live, records.live_local_baselines(), records.live_baselines(), speed
    )


def compare_run(
    run: Run, alone: Sequence[Run], baselines: Sequence[Run], speed: int
) -> ComparedRun:
    """Return all numbers of a federated run against its baselines."""
    best = max(alone, key=own_accuracy)
    pooled = next((measures.accuracy(r) for r in baselines if r.method == "pooled"), math.nan)
    base = measures.base_mb(run) * measures.MB
    return ComparedRun(
        run=run,
        together=own_accuracy(run),
        alone=own_accuracy(best),
        together_all=measures.accuracy(run),
        alone_all=measures.accuracy(best),
        pooled=pooled,
        gain=accuracy_gain(own_accuracy(run), own_accuracy(best), num_tested(run)),
        any_gain=accuracy_gain(
            measures.accuracy(run), measures.accuracy(best), measures.test_size(run)
        ),
        traffic=sum(measures.mb_per_client(run, way) for way in ("uplink", "downlink"))
        * measures.MB,
        seconds=training_seconds(run, speed),
        base=base,
        base_seconds=download_seconds(base, speed),
        epsilon=measures.result_number(run, "epsilon"),
        delta=measures.result_number(run, "delta"),
    )


def own_accuracy(run: Run) -> float:
    """Return the accuracy on test reports like each client's own, mean over the run's clients."""
    if run.finished:
        return measures.result_number(run, "own_mix_accuracy")
    return own_accuracy_by_round(run)[-1][1]


def own_accuracy_by_round(run: Run) -> list[tuple[int, float]]:
    """Return [(round, accuracy on reports like each client's own)], the start included."""
    states = run.states
    return [(state.round, _state_own_accuracy(state)) for state in states]


def num_tested(run: Run) -> int:
    """Estimate how many test reports are of the run's clients; all clients have about as many."""
    return round(measures.test_size(run) * len(measures.clients(run)) / settings.CLIENT_COUNTS[-1])


def accuracy_gain(ours: float, theirs: float, n: int) -> Gain:
    """Return the difference of two shares of n reports with its 95 % interval.

    As if unpaired (MOVER, Newcombe 1998).
    """
    (low1, high1), (low2, high2) = (measures.share_interval(x, n) for x in (ours, theirs))
    low, high = math.hypot(ours - low1, high2 - theirs), math.hypot(high1 - ours, theirs - low2)
    return Gain(ours - theirs, ours - theirs - low, ours - theirs + high)


def slider_link(speed: int) -> str:
    """Return the link at `speed` kbit/s in the form that `network.parse_link` reads."""
    return f"{speed}kbps/{LATENCY}ms"


def training_seconds(run: Run, speed: int) -> float:
    """Return simulated seconds of the whole training over this link, without the base model."""
    return replay(run, slider_link(speed)).seconds


def download_seconds(nbytes: float, speed: int) -> float:
    """Return simulated seconds in which a client downloads the base model, once."""
    line = parse_link(slider_link(speed))
    return line.latency + 8 * nbytes / line.down


def _state_own_accuracy(state: RoundRecord) -> float:
    values = [as_number(v) for v in state.client_accuracy.values()]
    return fmean(values) if values else as_number(state.accuracy)
