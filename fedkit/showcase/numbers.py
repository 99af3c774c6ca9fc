"""The numbers of the showcase, from shipped records and slider values; nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedkit.core.record import Run
from fedkit.network import parse_link, replay
from fedkit.results import measures
from fedkit.results.difference import Difference
from fedkit.results.measures import NEW, OWN, own_accuracy
from fedkit.results.verdict import ALONE, Verdict, judge_run
from fedkit.showcase.records import CLIENT_COUNTS, ShowcaseRecords

__all__ = ["compare_run", "live_numbers", "numbers_at", "own_accuracy", "own_accuracy_by_round"]

# kbit/s
SPEEDS = (64, 128, 256, 512, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000)
LATENCY = 40  # ms, on every link of the slider
UNKNOWN = Difference(math.nan, math.nan, math.nan, "")


@dataclass(frozen=True)
class SliderValues:
    """Values of the sliders. speed: kbit/s in each direction at every client."""

    clients: int = CLIENT_COUNTS[-1]
    level: str = "none"
    speed: int = 10_000

    @property
    def link(self) -> str:
        return slider_link(self.speed)


@dataclass(frozen=True)
class ComparedRun:
    """A federated run against its baselines.

    together, alone: accuracy on a client's own daily texts; with `_all` on texts new to it (test
    reports of all six clients); gain and any_gain are their differences. alone: local training.
    pooled: with all texts in one place. traffic: bytes of a client, both ways, over the whole
    training. seconds: simulated, of training and sending. base, base_seconds: bytes and download of
    the base model, once. epsilon, delta: NaN without a promise.
    """

    run: Run
    verdict: Verdict
    together: float
    alone: float
    together_all: float
    alone_all: float
    pooled: float
    gain: Difference
    any_gain: Difference
    traffic: float
    seconds: float
    base: float
    base_seconds: float
    epsilon: float
    delta: float


def numbers_at(records: ShowcaseRecords, setting: SliderValues) -> ComparedRun:
    """Return the numbers at these slider values."""
    run = records.federated(setting.clients, setting.level)
    return compare_run(run, records.baselines(setting.clients), setting.speed)


def live_numbers(
    records: ShowcaseRecords, run: Run | None = None, speed: int = 10_000
) -> ComparedRun:
    """Return a visitor's run, or the shipped record of it, against its shipped baselines."""
    return compare_run(run or records.live, records.live_baselines(), speed)


def compare_run(run: Run, baselines: Sequence[Run], speed: int) -> ComparedRun:
    """Return all numbers of a federated run against its baselines."""
    verdict = judge_run(run, [run, *baselines])
    new = {kind: mean.value for kind, mean in verdict.accuracies.items()}
    ways = ("uplink", "downlink")
    return ComparedRun(
        run=run,
        verdict=verdict,
        together=own_accuracy(run),
        alone=verdict.daily.get(ALONE, math.nan),
        together_all=measures.accuracy(run),
        alone_all=new.get(ALONE, math.nan),
        pooled=new.get("pooled", math.nan),
        gain=verdict.gaps[OWN.key] or UNKNOWN,
        any_gain=verdict.gaps[NEW.key] or UNKNOWN,
        traffic=sum(measures.mb_per_client(run, way) for way in ways) * measures.MB,
        seconds=training_seconds(run, speed),
        base=verdict.base,
        base_seconds=download_seconds(verdict.base, speed),
        epsilon=measures.result_number(run, "epsilon"),
        delta=measures.result_number(run, "delta"),
    )


def own_accuracy_by_round(run: Run) -> list[tuple[int, float]]:
    """Return [(round, accuracy on reports like each client's own)], the start included."""
    return [(state.round, measures.state_own_accuracy(state)) for state in run.states]


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
