"""Simulated end times of a record's rounds over the network that the panel's sliders describe."""

from __future__ import annotations

from dataclasses import dataclass

from fedkit.core.record import Run
from fedkit.network import Timeline, replay


@dataclass(frozen=True)
class WorldControls:
    """Settings of the simulated network that the panel can change without training."""

    link: str
    devices: str
    deadline: float | None = None  # seconds; None: the server waits for the last client


@dataclass(frozen=True)
class RoundEnds:
    """When each round of a run ends over a network.

    ends: simulated seconds at the end of the start exchange and of each round.
    reasons: why training would have gone differently, so that only a new run can tell; () when the
    times are exact.
    """

    ends: list[float]
    reasons: tuple[str, ...]
    timeline: Timeline


def ends_of_rounds(run: Run, world: WorldControls) -> RoundEnds:
    """Return when each round of `run` ends over the network of `world`; nothing is trained."""
    timeline = replay(run, world.link, world.devices, world.deadline)
    return RoundEnds(timeline.ends, timeline.needs_new_run, timeline)
