"""The simulated clock of a record as the panel's sliders stand: when each round ended, and whether
that can be known.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedkit.core.record import Run
from fedkit.network import Timeline, replay


@dataclass(frozen=True)
class WorldControls:
    """The controls that redraw: link, devices, deadline (seconds; None: the server waits for the
    last).
    """

    link: str
    devices: str
    deadline: float | None = None


@dataclass(frozen=True)
class RoundEnds:
    """ends: simulated seconds at the end of the start exchange and of each round. why: reasons for
    which learning would have been otherwise, so that only a new run can tell; () when the
    redrawn times are exact.
    """

    ends: list[float]
    why: tuple[str, ...]
    timeline: Timeline


def ends_of_rounds(run: Run, world: WorldControls) -> RoundEnds:
    """The clock of `run` over `world`; nothing is trained."""
    told = replay(run, world.link, world.devices, world.deadline)
    return RoundEnds(told.ends, told.needs_new_run, told)
