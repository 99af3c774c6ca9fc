"""What a progress bar is told, and how a run is asked to stop."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from fedkit.core.errors import Cancelled
from fedkit.core.progress import Progress, ProgressMeter
from fedkit.core.record import ClientRecord, RoundRecord, Run


def record(*steps: int) -> Run:
    """A run with one client that took so many steps in each round, 10 bytes up and 20 down."""
    rounds = tuple(
        RoundRecord(
            i + 1,
            0.5 + i / 10,
            1.0,
            0.5,
            clients=(ClientRecord("a", steps=n, uplink_bytes=10, downlink_bytes=20),),
        )
        for i, n in enumerate(steps)
    )
    return Run(
        "federated",
        {},
        {},
        {},
        {},
        RoundRecord(0, 0.1, 1.0, 0.1, clients=(ClientRecord("a", uplink_bytes=5),)),
        rounds,
    )


def test_every_step_counts_and_the_last_makes_one():
    told: list[Progress] = []
    meter = ProgressMeter("federated", 8, 2, told.append)
    for _ in range(8):
        meter.tick(1, "site-1")
    meter.notify(2)
    assert told[-1].done == 1.0 and 0 < told[0].done <= 1 and told[0].client == "site-1"
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert (told[-1].stage, told[-1].round, told[-1].rounds) == ("federated", 2, 2)


def test_the_listener_is_not_told_of_every_step():
    told: list[Progress] = []
    meter = ProgressMeter("federated", 10_000, 1, told.append)
    for _ in range(10_000):
        meter.tick(1, "a")
    assert 1 <= len(told) < 100


def test_more_steps_than_expected_are_not_more_than_all():
    told: list[Progress] = []
    meter = ProgressMeter("x", 0, 1, told.append)
    meter.tick(1, "a"), meter.tick(1, "a"), meter.notify(1)
    assert told[-1].done == 1.0


def test_remaining_seconds_by_hand():
    told: list[Progress] = []
    meter = ProgressMeter("x", 100, 1, told.append)
    meter.steps = 20
    meter.started -= 10  # ten seconds for 20 steps: half a second each, 80 to go
    meter.notify(1)
    assert told[-1].remaining_seconds == pytest.approx(40, rel=0.01)


def test_after_a_resume_only_new_steps_tell_how_long_the_rest_takes():
    told: list[Progress] = []
    meter = ProgressMeter("x", 100, 5, told.append)
    meter.update(record(30, 30))
    meter.skipped = meter.steps
    meter.notify(2)
    assert told[-1].remaining_seconds is None and told[-1].done == 0.6
    meter.started -= 5
    for _ in range(10):
        meter.tick(3, "a")
    meter.notify(3)
    # ten steps in five seconds, thirty to go
    assert told[-1].remaining_seconds == pytest.approx(15, rel=0.01)


def test_accuracy_and_traffic_come_from_the_record():
    told: list[Progress] = []
    meter = ProgressMeter("x", 100, 5, told.append)
    meter.update(record())
    meter.notify(1)
    assert (told[-1].accuracy, told[-1].nbytes) == (None, 5), "the start exchange is traffic too"
    meter.update(record(4, 4))
    meter.notify(2)
    assert (told[-1].accuracy, told[-1].nbytes) == (0.6, 65)


def test_without_a_listener_a_meter_is_silent_and_counts():
    meter = ProgressMeter("x", 4, 1)
    meter.tick(1, "a")
    meter.notify(1)
    assert meter.steps == 1


def test_a_cancelled_run_stops_before_its_next_step():
    cancel = threading.Event()
    meter = ProgressMeter("federated", 10, 5, None, cancel)
    meter.tick(1, "a")
    cancel.set()
    with pytest.raises(Cancelled, match=r"federated stopped in round 2.*kept"):
        meter.tick(2, "b")
    assert meter.steps == 1


def test_a_moment_in_words():
    words = str(Progress("federated", 2, 5, "site-1", 0.8125, 1_500_000, 0.3, 61.4))
    assert (
        words
        == "federated: round 2/5  site-1  accuracy so far 81.2%  1.5 MB by all sites  61 s left"
    )
    assert str(Progress("federated", 1, 5, "", None, 0, 0.0, None)) == "federated: round 1/5"
    assert (
        str(Progress("federated", 2, 5, "", None, 0, 0.3, None, 1.234))
        == "federated: round 2/5  epsilon so far 1.23"
    )


def test_epsilon_is_that_of_the_last_round():
    told: list[Progress] = []
    meter, spent = ProgressMeter("x", 10, 2, told.append), record(1)
    meter.update(replace(spent, rounds=(replace(spent.rounds[0], epsilon=2.5),)))
    meter.notify(2)
    assert told[-1].epsilon == 2.5
