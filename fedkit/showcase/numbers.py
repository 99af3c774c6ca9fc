"""What the showcase shows, as plain numbers: from shipped records and where its sliders stand.
Nothing is trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from fedkit.core.record import RoundRecord, Run
from fedkit.network import parse_link, replay
from fedkit.results import measures
from fedkit.results.validate_record import as_number
from fedkit.showcase import settings
from fedkit.showcase.records import ShowcaseRecords

SPEEDS = (
    64,
    128,
    256,
    512,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
)  # kbit/s
LATENCY = 40  # ms, on every link of the slider
BETTER, UNCLEAR, WORSE = "better", "unclear", "worse"


@dataclass(frozen=True)
class SliderValues:
    """Where the sliders stand. speed: kbit/s each way at every company."""

    clients: int = settings.CLIENT_COUNTS[-1]
    level: str = "none"
    speed: int = 10_000

    @property
    def link(self) -> str:
        return slider_link(self.speed)


@dataclass(frozen=True)
class Gain:
    """together minus alone as a share, and its 95 % interval over test reports."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        return BETTER if self.low > 0 else WORSE if self.high < 0 else UNCLEAR


@dataclass(frozen=True)
class ComparedRun:
    """together, alone: share of right answers on reports like each company's own, mean over
    companies; with `_all` on test reports of all six companies; gain and any_gain are their
    differences. pooled: with all texts in one place. traffic: bytes of a company, both ways,
    over the whole training. seconds: simulated, of training and sending. base, base_seconds: the
    base model, downloaded once. epsilon, delta: NaN where nothing is promised.
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
    """What the sliders stand for."""
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
    """The run of a visitor, or the shipped record of it, against its shipped baselines."""
    return compare_run(
        run or records.live, records.live_local_baselines(), records.live_baselines(), speed
    )


def compare_run(run: Run, alone: Sequence[Run], beside: Sequence[Run], speed: int) -> ComparedRun:
    """All numbers of a federated run beside its baselines."""
    best = max(alone, key=own_accuracy)
    pooled = next((measures.accuracy(r) for r in beside if r.method == "pooled"), math.nan)
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
    """Accuracy on test reports like each company's own, mean over the companies that take part."""
    return (
        measures.result_number(run, "own_mix_accuracy")
        if run.finished
        else own_accuracy_by_round(run)[-1][1]
    )


def own_accuracy_by_round(run: Run) -> list[tuple[int, float]]:
    """[(round, accuracy on reports like each company's own)], the start included."""
    return [
        (r.round, _state_own_accuracy(r)) for r in ((run.start,) if run.start else ()) + run.rounds
    ]


def num_tested(run: Run) -> int:
    """About how many of the test reports are of the companies that take part: they are about as
    many of each.
    """
    return round(measures.test_size(run) * len(measures.clients(run)) / settings.CLIENT_COUNTS[-1])


def accuracy_gain(ours: float, theirs: float, n: int) -> Gain:
    """The difference of two shares of n reports with its 95 % interval, as if unpaired (MOVER,
    Newcombe 1998).
    """
    (low1, high1), (low2, high2) = (
        measures.share_interval(ours, n),
        measures.share_interval(theirs, n),
    )
    low, high = math.hypot(ours - low1, high2 - theirs), math.hypot(high1 - ours, theirs - low2)
    return Gain(ours - theirs, ours - theirs - low, ours - theirs + high)


def slider_link(speed: int) -> str:
    """The link of the slider at `speed` kbit/s, as `network.parse_link` reads it."""
    return f"{speed}kbps/{LATENCY}ms"


def training_seconds(run: Run, speed: int) -> float:
    """Simulated seconds of the whole training over this link, the base model not counted."""
    return replay(run, slider_link(speed)).seconds


def download_seconds(nbytes: float, speed: int) -> float:
    """Simulated seconds in which a company downloads the base model, once."""
    line = parse_link(slider_link(speed))
    return line.latency + 8 * nbytes / line.down


def _state_own_accuracy(state: RoundRecord) -> float:
    values = [as_number(v, "client_accuracy") for v in state.client_accuracy.values()]
    return fmean(values) if values else as_number(state.accuracy, "accuracy")
