"""Members who vanish, come late or do harm, in whole runs: each is in the record, nothing else
moves, and a stop loses nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from factories.records import unmeasured

from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.record import Run
from fedkit.experiments.job import check_config, prepare
from fedkit.experiments.runner import resume, run
from fedkit.federated.algorithm import federate
from fedkit.federated.cost_model import modelled_seconds_per_example
from fedkit.federated.methods import time_decides
from fedkit.federated.validation import server_notes
from fedkit.network import replay

SLOW_AND_QUICK = "tenth-speed=0.5,as-measured=0.5"


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(rounds=3, batch_size=8, tune="lora:r=2,alpha=4", link="10mbps")


def made(job, **changes) -> Run:
    config = replace(job.config, **changes)
    check_config(config)
    return run(config, job=replace(job, config=config))


def visits(record: Run) -> list:
    return [c for r in record.rounds for c in r.clients]


def statuses(record: Run) -> Counter:
    return Counter(c.status for c in visits(record))


# --- members


@pytest.mark.slow
def test_every_fault_is_in_the_record_with_its_reason(job):
    record = made(job, faults="lost=0.3,crash=0.3,away=0.2,twice=0.3,late=0.2", rounds=10)
    seen = visits(record)
    assert len(seen) == 40 and set(statuses(record)) == {"ok", "lost", "away"}
    for c in seen:
        if c.status == "away":
            assert c.reason and not (
                c.uplink_bytes or c.downlink_bytes or c.steps or c.work_seconds
            )
        elif c.reason.startswith("crashed"):
            assert c.status == "lost" and c.uplink_bytes == 0 < c.work_seconds and c.steps == 0
        elif c.status == "lost":
            assert "lost" in c.reason and c.uplink_bytes > 0 < c.steps
        elif c.reason:
            assert c.reason == "came twice, counted once"
    assert {bool(c.delay) for c in seen} == {True, False}
    twice = next(c.uplink_bytes for c in seen if "twice" in c.reason)
    assert twice == 2 * min(c.uplink_bytes for c in seen if c.status == "ok" and not c.reason)


def test_a_lost_upload_changes_nothing_at_the_server(job):
    """With every upload lost, the shared parameters stay; with some lost, the others alone are
    averaged.
    """
    (done,) = federate(
        job.model, job.clients, job.start, replace(job.config, rounds=1, faults="lost=1")
    )
    assert all(torch.equal(done.shared[n], t) for n, t in job.start.items())
    faulty = replace(job.config, rounds=1, faults="lost=0.5", seed=3)
    (done,) = federate(job.model, job.clients, job.start, faulty)
    there = [c for c, r in zip(job.clients, done.clients) if r.status == "ok"]
    assert 0 < len(there) < 4
    (alone,) = federate(job.model, there, job.start, replace(faulty, faults="none"))
    assert all(torch.allclose(done.shared[n], t, atol=1e-6) for n, t in alone.shared.items())


def test_a_lost_upload_leaves_the_senders_memory_as_it_was(job):
    config = replace(job.config, rounds=1, faults="lost=0.5", seed=3, wire="ef+topk:0.1")
    (done,) = federate(job.model, job.clients, job.start, config)
    kept = {
        int(n.split("/")[2].split(".")[0]) for n in done.state if n.startswith("exchange/memory/")
    }
    assert kept == {i for i, r in enumerate(done.clients) if r.status == "ok"}


def test_who_leaves_stays_away_and_who_joins_comes_later(job):
    record = made(job, faults="leave=0.3,join=0.5", rounds=8, seed=1)
    for name in {c.id for c in visits(record)}:
        states = [c.reason for r in record.rounds for c in r.clients if c.id == name]
        gone = [i for i, reason in enumerate(states) if "left" in reason]
        assert not gone or gone == list(range(gone[0], len(states)))
        waiting = [i for i, reason in enumerate(states) if "joined" in reason]
        assert waiting == list(range(len(waiting)))
    reasons = {c.reason for c in visits(record)}
    assert {"has left for good", "has not joined yet"} <= reasons


# --- a deadline


def test_a_deadline_drops_the_slow_and_ends_the_round(job):
    slow = made(job, devices=SLOW_AND_QUICK, pace=0.01, deadline=1.0)
    late = {c.id for c in visits(slow) if c.status == "late"}
    assert len(late) == 2 and statuses(slow) == {"ok": 6, "late": 6}
    assert all("after the deadline" in c.reason for c in visits(slow) if c.status == "late")
    assert [r.simulated_seconds for r in slow.rounds] == pytest.approx([1.0] * 3)
    patient = made(job, devices=SLOW_AND_QUICK, pace=0.01)
    assert min(r.simulated_seconds for r in patient.rounds) > 2.0 and statuses(patient) == {
        "ok": 12
    }
    assert replay(slow).needs_new_run == () and replay(slow, deadline=None).needs_new_run
    assert (
        replay(patient, deadline=1.0).needs_new_run
        and not replay(patient, link="1mbps").needs_new_run
    )


def test_a_late_update_can_count_in_the_next_round(job):
    dropped, carried = (
        made(job, devices=SLOW_AND_QUICK, pace=0.01, deadline=1.0, late=late)
        for late in ("drop", "carry")
    )
    assert (
        dropped.rounds[0].loss == carried.rounds[0].loss
        and dropped.rounds[1].loss != carried.rounds[1].loss
    )
    assert all("next round" in c.reason for c in visits(carried) if c.status == "late")


# --- asynchronous


@pytest.mark.slow
def test_nobody_waits_for_the_slow_under_fedbuff(job):
    record = made(job, strategy="fedbuff:buffer=2", devices=SLOW_AND_QUICK, pace=0.01, rounds=6)
    count = Counter(c.id for c in visits(record))
    assert all(sum(c.status == "ok" for c in r.clients) == 2 for r in record.rounds)
    assert max(count.values()) >= 5 and len(count) < 4, (
        "the quick come several times before the slow come once"
    )
    assert [c.began for c in visits(record)] == sorted(c.began for c in visits(record)) or len(
        count
    ) > 1
    longer = made(job, strategy="fedbuff:buffer=2", devices=SLOW_AND_QUICK, pace=0.01, rounds=14)
    assert (
        max(c.staleness for c in visits(longer)) >= 3 and len({c.id for c in visits(longer)}) == 4
    )
    waited = made(job, devices=SLOW_AND_QUICK, pace=0.01, rounds=3)
    assert record.result["simulated_seconds"] < waited.result["simulated_seconds"]
    assert replay(record).seconds == pytest.approx(record.result["simulated_seconds"], rel=1e-6)
    assert replay(record).needs_new_run == () and replay(record, devices="half-speed").needs_new_run


def test_a_first_step_with_a_full_buffer_is_fedavgs(job):
    """Everyone trained from the start and counts once; who sent early has begun again, one step
    behind.
    """
    (one,) = federate(job.model, job.clients, job.start, replace(job.config, rounds=1))
    first, second = federate(
        job.model,
        job.clients,
        job.start,
        replace(job.config, rounds=2, strategy="fedbuff:buffer=4"),
    )
    gaps = [(one.shared[n] - first.shared[n]).abs().max().item() for n in one.shared]
    moved = [(one.shared[n] - job.start[n]).abs().max().item() for n in one.shared]
    assert max(gaps) < 0.05 * max(moved), (
        "rounding apart: one client at a time, or all in one batch"
    )
    assert {c.staleness for c in first.clients} == {0} and {
        c.staleness for c in second.clients
    } == {0, 1}


# --- the same again

TROUBLE = [
    {"faults": "lost=0.3,crash=0.2,away=0.2", "wire": "ef+sign+ans"},
    {"strategy": "scaffold"},
    {"strategy": "fedadam", "weights": "validation"},
    {
        "strategy": "fedbuff:buffer=2",
        "devices": SLOW_AND_QUICK,
        "faults": "lost=0.3,crash=0.2",
        "wire": "ef+int8",
    },
    {"devices": SLOW_AND_QUICK, "pace": 0.01, "deadline": 1.0, "late": "carry"},
    {"attack": "noise:1", "robust": "multikrum:f=0"},
]


@pytest.mark.slow
@pytest.mark.parametrize("changes", TROUBLE, ids=lambda c: next(iter(c.values())))
def test_the_same_trouble_twice_and_a_stop_in_the_middle_give_the_same_record(
    job, changes, tmp_path
):
    config = replace(job.config, **changes)
    mine = replace(job, config=config)
    whole = run(config, tmp_path / "whole", job=mine)
    assert unmeasured(run(config, job=mine).to_dict()["rounds"]) == unmeasured(
        whole.to_dict()["rounds"]
    ) or not time_decides(config)

    class Stop(Exception):
        pass

    def stop(now):
        if now.round == 3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        run(config, tmp_path / "part", job=mine, progress=stop)
    assert len(Run.load(tmp_path / "part").rounds) == 2
    again = resume(tmp_path / "part")
    same = [
        [(c.id, c.status, c.uplink_bytes, c.downlink_bytes, c.staleness) for c in r.clients]
        for r in again.rounds
    ]
    assert same == [
        [(c.id, c.status, c.uplink_bytes, c.downlink_bytes, c.staleness) for c in r.clients]
        for r in whole.rounds
    ]
    assert [(r.accuracy, r.loss) for r in again.rounds] == [
        (r.accuracy, r.loss) for r in whole.rounds
    ]
    for file in (tmp_path / "whole").glob("*.safetensors"):
        assert file.read_bytes() == (tmp_path / "part" / file.name).read_bytes(), file.name


def test_time_that_decides_is_reckoned_and_not_measured(job):
    assert modelled_seconds_per_example(
        job.model, job.clients, job.config
    ) is None and not time_decides(job.config)
    reckoned = modelled_seconds_per_example(
        job.model, job.clients, replace(job.config, deadline=1.0)
    )
    assert 0 < reckoned < 1e-3, "a tiny model"
    assert (
        modelled_seconds_per_example(job.model, job.clients, replace(job.config, pace=0.25)) == 0.25
    )
    assert [c.work_seconds for c in visits(made(job, rounds=1))] == [None] * 4
    assert all(c.work_seconds == 0.25 * c.examples for c in visits(made(job, rounds=1, pace=0.25)))


# --- harm


@pytest.mark.parametrize("attack", ["nan", "inf", "shape", "name", "truncate", "bit-flip"])
@pytest.mark.parametrize("wire", ["none", "int8+ans", "ef+topk:0.1+int4"])
@pytest.mark.slow
def test_what_cannot_be_right_is_rejected_and_the_round_goes_on(job, attack, wire):
    record = made(job, attack=f"{attack}:1", wire=wire, rounds=2)
    bad = [c for c in visits(record) if c.status == "rejected"]
    assert len(bad) == 2 and len({c.id for c in bad}) == 1 and all(c.reason for c in bad)
    assert statuses(record)["ok"] == 6 and record.finished


@pytest.mark.parametrize("robust", ["median", "trimmed:0.3", "geomedian", "krum:f=0", "clip"])
def test_robust_rules_hold_what_the_mean_lets_through(job, robust):
    def gap(**changes):
        clean, hurt = (
            next(
                federate(
                    job.model,
                    job.clients,
                    job.start,
                    replace(job.config, rounds=1, **changes, attack=a),
                )
            ).shared
            for a in ("none", "scale:n=1,by=1000")
        )
        return max((clean[n] - hurt[n]).abs().max().item() for n in clean)

    assert gap(robust=robust) < 0.2 * gap()


def test_label_flipping_clients_train_on_other_labels(job):
    (clean,) = federate(job.model, job.clients, job.start, replace(job.config, rounds=1))
    (hurt,) = federate(
        job.model, job.clients, job.start, replace(job.config, rounds=1, attack="label-flip:4")
    )
    assert any(not torch.equal(clean.shared[n], hurt.shared[n]) for n in clean.shared)
    assert {c.status for c in hurt.clients} == {"ok"}


# --- what does not go together


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "scaffold", "aggregate": "flora"}, "plain mean"),
        ({"strategy": "scaffold", "share": "head"}, "every tensor"),
        ({"strategy": "fedadam", "aggregate": "fedex"}, "plain mean"),
        ({"strategy": "fedbuff", "deadline": 3.0}, "does not wait"),
        ({"strategy": "fedbuff", "clients_per_round": 2.0}, "clients-per-round"),
        ({"strategy": "fedbuff", "aggregate": "fedsa"}, "several ages"),
        ({"robust": "median", "aggregate": "flora"}, "as they are"),
        ({"robust": "median", "strategy": "fednova"}, "nobody's word"),
        ({"robust": "krum", "weights": "validation"}, "nobody's word"),
        ({"late": "carry"}, "--deadline"),
        ({"late": "never"}, "drop, carry"),
        ({"deadline": -1.0}, "above 0"),
        ({"deadline": float("nan")}, "above 0"),
        ({"pace": 0.0}, "above 0"),
        ({"faults": "lost=2"}, "0 to 1"),
        ({"faults": "lost"}, "lost"),
        ({"attack": "bribe:2"}, "sign-flip"),
        ({"robust": "hope"}, "median"),
        ({"weights": "fame"}, "uniform"),
        ({"optimizer": "lion"}, "adamw"),
        ({"devices": "cray=1"}, "old-pc"),
        ({"server_link": "fast"}, "server"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(job, changes, said):
    with pytest.raises(FedkitError, match=said) as error:
        check_config(replace(job.config, **changes))
    assert "\n" not in str(error.value)


def test_more_attackers_than_clients_and_too_few_for_krum_are_refused(config):
    with pytest.raises(FedkitError, match="at most 4"):
        prepare(replace(config, attack="sign-flip:5"))
    with pytest.raises(FedkitError, match="krum"):
        prepare(replace(config, robust="krum:f=2"))


def test_a_method_that_a_device_has_no_memory_for_is_refused(config, monkeypatch):
    from fedkit.network import profiles

    prepare(replace(config, devices="phone=1,gpu-server=1"))
    small = replace(profiles.DEVICES["phone"], memory=200_000_000)
    monkeypatch.setitem(profiles.DEVICES, "phone", small)
    with pytest.raises(
        FedkitError, match=r"lora.*needs .* of memory, a site \(phone\) has 200 MB"
    ) as error:
        prepare(replace(config, devices="phone=1,gpu-server=1"))
    assert "\n" not in str(error.value)
    prepare(replace(config, devices="gpu-server"))


def test_what_happens_otherwise_than_said_is_noted(config):
    assert not server_notes(config)
    assert "fedlc" in server_notes(replace(config, strategy="fedlc", loss="plain"))[0]
    assert "pace" in server_notes(replace(config, pace=0.1))[0]
