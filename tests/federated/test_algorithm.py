"""The federated run: exact where it can be, the same every time, and not stopped by a client that
sends nonsense.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories.records import unmeasured
from factories.tensors import distance

import fedkit.federated.algorithm
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.data.corpus import ClientData, Examples
from fedkit.experiments.job import Job, check_config, prepare
from fedkit.experiments.runner import run, total_steps
from fedkit.federated.algorithm import federate
from fedkit.federated.local.train import (
    Task,
    client_rng,
    count_labels,
    epoch_batches,
    fit,
    logit_adjustment,
    train,
)

PRIOR = torch.tensor([0.2, 0.3, 0.5])


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(rounds=2, batch_size=8, loss="calibrated", engine="plain")


def last(rounds) -> dict[str, torch.Tensor]:
    """The shared parameters after the last round."""
    return list(rounds)[-1].shared


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


# --- exactness


@pytest.mark.slow
@pytest.mark.parametrize("tune", ["lora:r=4,alpha=8", "head", "full"])
def test_one_client_with_fedavg_is_local_training(config, tune):
    """To 1e-6 and not to the bit: the client sends local - shared and the server adds it back, two
    roundings.
    """
    job = prepare(replace(config, tune=tune, rounds=3, local_epochs=2))
    client = job.clients[0]
    federated = last(federate(job.model, [client], job.start, job.config, PRIOR))
    local = job.start
    for number in (1, 2, 3):
        rng = client_rng(0, number, client.client_id)
        batches = [rows for _ in range(2) for rows in epoch_batches(client.train, 8, rng)]
        adjust = logit_adjustment("calibrated", count_labels(client.train.labels, 3), PRIOR)
        local = fit(
            job.model, Task("alone", local, client.train, iter(batches), adjust), job.config
        ).params
    assert distance(job.start, local) > 1e-3, "nothing was learned"
    assert distance(federated, local) < 1e-6


def test_two_clients_by_hand(job):
    a, b = (
        job.clients[0],
        ClientData("small", job.clients[1].train.take(range(9)), job.clients[1].validation),
    )
    shared = last(federate(job.model, [a, b], job.start, replace(job.config, rounds=1), PRIOR))
    one, two = (train(job.model, job.start, c, job.config, 1, PRIOR).delta for c in (a, b))
    n, m = len(a.train), 9
    for name, start in job.start.items():
        wanted = start + ((n * one[name].double() + m * two[name].double()) / (n + m)).float()
        assert torch.equal(shared[name], wanted)


def test_a_round_starts_where_the_one_before_ended(job):
    first, second = federate(job.model, job.clients, job.start, job.config, PRIOR)
    again = last(
        federate(
            job.model, job.clients, first.shared, job.config, PRIOR, first=2, state=first.state
        )
    )
    assert (first.number, second.number) == (1, 2) and same(again, second.shared)


def test_what_a_client_learns_does_not_depend_on_who_else_takes_part(job):
    one = replace(job.config, rounds=1)
    client = job.clients[2]
    alone = last(federate(job.model, [client], job.start, one, PRIOR))
    list(federate(job.model, job.clients, job.start, one, PRIOR))
    assert same(last(federate(job.model, [client], job.start, one, PRIOR)), alone)
    in_company = last(federate(job.model, [job.clients[0], client], job.start, one, PRIOR))
    other = last(federate(job.model, [job.clients[0]], job.start, one, PRIOR))
    n, m = len(job.clients[0].train), len(client.train)
    wanted = {k: (n * other[k] + m * alone[k]) / (n + m) for k in alone}
    assert distance(in_company, wanted) < 1e-6


# --- the same every time


@pytest.mark.slow
def test_the_same_seed_gives_the_same_record_and_the_same_bits(config, tmp_path):
    first, second = (run(config, tmp_path / name) for name in "ab")
    assert unmeasured(first.to_dict()) == unmeasured(second.to_dict())
    for name in (
        "adapter_model.safetensors",
        "head.safetensors",
        "labels.json",
        "adapter_config.json",
    ):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_state_of_every_random_generator_outside_changes_nothing(job):
    torch.manual_seed(1), np.random.seed(1)
    first = last(federate(job.model, job.clients, job.start, job.config, PRIOR))
    torch.manual_seed(2), np.random.seed(2)
    assert same(first, last(federate(job.model, job.clients, job.start, job.config, PRIOR)))


def test_a_run_leaves_the_random_generators_alone(config):
    torch.manual_seed(5), np.random.seed(5)
    wanted = torch.rand(3).tolist(), np.random.rand(3).tolist()
    torch.manual_seed(5), np.random.seed(5)
    run(replace(config, rounds=1))
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist()) == wanted


@pytest.mark.slow
def test_another_seed_gives_another_run(config):
    first, second = (run(replace(config, rounds=1, seed=s)) for s in (0, 1))
    assert [r.loss for r in first.rounds] != [r.loss for r in second.rounds]


@pytest.mark.slow
def test_the_settings_of_link_and_device_change_seconds_only(config, job):
    slow = replace(config, link="field-64k", devices="tenth-speed")
    fast = replace(config, link="lan-1g")
    slow, fast = (run(c, job=replace(job, config=c)) for c in (slow, fast))
    assert slow.result["simulated_seconds"] > 2 * fast.result["simulated_seconds"]
    assert unmeasured(slow.to_dict()) | {"config": 0} == unmeasured(fast.to_dict()) | {"config": 0}


# --- who takes part


@pytest.mark.parametrize(("wanted", "size"), [(None, 4), (3, 3), (1, 1), (0.5, 2), (0.01, 1)])
@pytest.mark.slow
def test_clients_per_round_is_a_count_or_a_fraction(job, wanted, size):
    sampled = replace(job.config, clients_per_round=wanted, rounds=3)
    rounds = list(federate(job.model, job.clients, job.start, sampled, PRIOR))
    ids = {c.client_id for c in job.clients}
    assert [len(r.clients) for r in rounds] == [size] * 3
    assert all(
        {c.id for c in r.clients} <= ids and len({c.id for c in r.clients}) == size for r in rounds
    )
    assert len({tuple(c.id for c in r.clients) for r in rounds}) > 1 or wanted is None
    assert sum(c.steps for r in rounds for c in r.clients) == total_steps(
        replace(job, config=sampled)
    )


def test_only_those_who_take_part_are_recorded_and_counted(config, job):
    everyone, half = (
        run(c, job=replace(job, config=c)) for c in (config, replace(config, clients_per_round=2))
    )
    start = half.start.clients
    assert len(start) == 4, "the head start asks everyone once"
    assert (
        half.total("uplink_bytes", half.rounds)
        == everyone.total("uplink_bytes", everyone.rounds) / 2
    )


# --- a client that sends nonsense


def damaged(job: Job, name: str) -> list[ClientData]:
    """The clients, one of them with a word in its text whose embedding is NaN in this copy of the
    model.
    """
    with torch.no_grad():
        job.model.module.encoder.get_input_embeddings().weight[29_999] = float("nan")

    def text_with_it(client: ClientData) -> ClientData:
        tokens = ((101, 29_999, 102), *client.train.tokens[1:])
        return replace(
            client, train=Examples(client.train.texts, client.train.labels, None, tokens)
        )

    return [text_with_it(c) if c.client_id == name else c for c in job.clients]


@pytest.mark.slow
def test_a_client_whose_update_is_nan_is_rejected_and_the_round_goes_on(config):
    job = prepare(config)
    clients = damaged(job, "site-1")
    rounds = list(federate(job.model, clients, job.start, job.config, PRIOR))
    for done in rounds:
        assert [c.status for c in done.clients] == ["ok", "rejected", "ok", "ok"]
        bad, good = done.clients[1], done.clients[0]
        assert "NaN" in bad.reason and not good.reason
        assert bad.steps == good.steps and abs(bad.uplink_bytes - good.uplink_bytes) < 20, (
            "its work and bytes count"
        )
    without = [c for c in clients if c.client_id != "site-1"]
    assert same(rounds[-1].shared, last(federate(job.model, without, job.start, job.config, PRIOR)))


def test_a_whole_run_records_the_rejected_client_and_ends(config, tmp_path):
    job = prepare(config)
    job = replace(job, clients=damaged(job, "site-3"))
    record = run(config, tmp_path / "run", job=job)
    assert record.finished and math.isfinite(record.result["accuracy"])
    assert [c.status for c in record.start.clients] == ["ok", "ok", "ok", "rejected"]
    frame = record.to_frame().query("round > 0 and client == 'site-3'")
    assert (
        len(frame) == 2
        and set(frame["status"]) == {"rejected"}
        and frame["reason"].str.contains("NaN").all()
    )
    assert (frame["uplink_bytes"] > 0).all() and (frame["downlink_bytes"] > 0).all()


def test_a_learning_rate_that_overflows_leaves_the_shared_parameters_alone(job):
    wild = replace(job.config, lr=1e30)
    rounds = list(federate(job.model, job.clients, job.start, wild, PRIOR))
    assert {(c.status, "NaN" in c.reason) for r in rounds for c in r.clients} == {
        ("rejected", True)
    }
    assert same(rounds[-1].shared, job.start)


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": 1e38},
        {"head_lr": 0.0},
        {"head_lr": float("nan")},
        {"clip_norm": -1.0},
        {"rounds": 0},
        {"local_epochs": 0},
        {"batch_size": 0},
        {"clients": 0},
        {"strategy": "x"},
        {"link": "x"},
        {"tune": "x"},
        {"engine": "x"},
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_work(changes):
    check_config(RunConfig())
    with pytest.raises(FedkitError):
        check_config(replace(RunConfig(), **changes))


# --- how it reads


def test_federate_reads_like_its_pseudocode():
    source = inspect.getsource(fedkit.federated.algorithm.federate).splitlines()
    assert len(source) <= 40


def test_shared_parameters_out_of_range_stop_the_run_with_advice(job):
    broken = {n: torch.full_like(t, torch.inf) for n, t in job.start.items()}
    with pytest.raises(FedkitError, match="lower --lr"):
        next(federate(job.model, job.clients, broken, replace(job.config, loss="plain")))
