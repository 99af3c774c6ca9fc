"""What a run must beat: the same record, the same number of steps, and no baseline that depends on
another.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.record import Run
from fedkit.core.stats import mean_accuracy_interval, wilson_interval
from fedkit.experiments.baselines import BASELINES, baseline, frozen_logits, run_baselines
from fedkit.experiments.job import prepare
from fedkit.experiments.runner import run, total_steps
from fedkit.models.metrics import own_accuracies


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    """Strong rates, so that training leaves a mark on the model that all baselines share."""
    return tiny_config(rounds=2, batch_size=8, lr=0.05, head_lr=0.05)


@pytest.fixture(scope="module")
def records(job) -> dict[str, Run]:
    return {name: baseline(name, job) for name in BASELINES}


def test_pooled_takes_as_many_steps_as_the_federated_run(config, job, records):
    federated = run(config)
    assert records["pooled"].result["steps"] == federated.result["steps"] == total_steps(job) > 0
    assert records["full"].result["steps"] == total_steps(job)


@pytest.mark.parametrize(
    "changes",
    [
        {"clients_per_round": 2},
        {"clients_per_round": 0.25, "rounds": 5},
        {"local_epochs": 2},
        {"batch_size": 7},
    ],
)
@pytest.mark.slow
def test_pooled_keeps_step_with_any_federated_run(job, changes):
    other = replace(job, config=replace(job.config, **changes))
    record = baseline("pooled", other)
    assert (
        record.result["steps"] == total_steps(other) == run(other.config, job=other).result["steps"]
    )


def test_local_takes_as_many_steps_as_each_client_does(config, records):
    federated = run(config).to_frame().query("round > 0").groupby("client")["steps"].sum()
    assert {c.id: c.steps for c in records["local"].rounds[0].clients} == federated.to_dict()


def test_majority_by_hand(job, records):
    [(label, _)] = Counter(job.pooled().train.labels.tolist()).most_common(1)
    right = sum(job.test.labels == label)
    assert records["majority"].result["accuracy"] == right / len(job.test)
    assert records["majority"].result["correct"] == "".join(
        "01"[int(y == label)] for y in job.test.labels
    )
    assert records["majority"].result["steps"] == 0


def test_frozen_local_is_an_accuracy_per_client(job, records):
    job.model.load_params(job.start)
    test = job.model.features(job.test)
    wanted, own = {}, []
    for client in job.clients:
        logits = frozen_logits(job.model.features(client.train), client.train.labels, test, 3)
        correct = logits.argmax(1) == job.test.labels
        wanted[client.client_id] = float(correct.mean())
        own += own_accuracies(correct, job.test, [client]).values()
    result = records["frozen-local"].result
    assert result["client_accuracies"] == wanted and len(wanted) == 4
    assert result["accuracy"] == pytest.approx(np.mean(list(wanted.values())))
    assert result["worst_client_accuracy"] == min(own)
    assert result["own_mix_accuracy"] == pytest.approx(np.mean(own))
    assert result["accuracy_ci95"] == pytest.approx(
        list(mean_accuracy_interval(list(wanted.values())))
    )
    assert result["accuracy_ci95_over"] == "clients"


@pytest.mark.slow
def test_what_was_trained_before_changes_no_baseline(job, records):
    """All share one model: after a strong training run, each baseline must say what it said in a
    fresh one.
    """
    for name in ("majority", "frozen-pooled", "frozen-local", "local", "pooled"):
        baseline("pooled", job)
        assert baseline(name, job).result["accuracy"] == records[name].result["accuracy"], name
    fresh = prepare(job.config)
    for name in ("frozen-pooled", "frozen-local"):
        assert baseline(name, fresh).result["accuracy"] == records[name].result["accuracy"], name


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_a_finished_record(job, records, name, tmp_path):
    record = records[name]
    record.save(tmp_path)
    assert Run.load(tmp_path).to_dict()["result"] == record.to_dict()["result"]
    assert record.method == name and record.finished and len(record.rounds) == 1
    result = record.result
    assert 0 <= result["worst_client_accuracy"] <= result["accuracy"] <= 1
    low, high = result["accuracy_ci95"]
    assert low <= result["accuracy"] <= high
    assert (result["uplink_bytes"], result["downlink_bytes"], result["simulated_seconds"]) == (
        0,
        0,
        None,
    )
    assert result["train_seconds"] == pytest.approx(record.total("train_seconds"))
    if name not in ("local", "frozen-local"):
        right = result["correct"].count("1")
        assert right / 40 == pytest.approx(result["accuracy"])
        assert result["accuracy_ci95"] == pytest.approx(list(wilson_interval(right, 40)))


def test_full_tunes_everything_and_the_others_do_not(job, records):
    assert (
        records["full"].config["tune"] == "full"
        and records["pooled"].config["tune"] == job.config.tune
    )
    assert records["full"].model["trainable"] > 100 * records["pooled"].model["trainable"]


def test_a_client_with_one_label_has_a_frozen_answer():
    logits = frozen_logits(np.eye(3)[:2], np.array([1, 1]), np.eye(3), 3)
    assert logits.argmax(1).tolist() == [1, 1, 1]


def test_frozen_logits_are_log_probabilities():
    rng = np.random.default_rng(0)
    logits = frozen_logits(rng.normal(size=(30, 4)), np.arange(30) % 3, rng.normal(size=(7, 4)), 4)
    assert logits.shape == (7, 4) and np.allclose(np.exp(logits).sum(1), 1, atol=1e-6)
    assert (logits[:, 3] == -30).all(), "a label the client never saw"


def test_each_baseline_gets_a_folder_and_none_is_overwritten(config, tmp_path):
    made = run_baselines(config, tmp_path, ["majority", "frozen-pooled"])
    assert {p.name for p in tmp_path.iterdir()} == set(made) == {"majority", "frozen-pooled"}
    assert Run.load(tmp_path / "majority") == made["majority"]
    with pytest.raises(FedkitError, match="already holds"):
        run_baselines(config, tmp_path, ["frozen-local", "majority"])
    assert not (tmp_path / "frozen-local").exists(), "refused before any work"


def test_an_unknown_baseline_is_refused_with_the_choices(config):
    with pytest.raises(FedkitError, match=r"'oracle'.*majority.*pooled"):
        run_baselines(config, which=["majority", "oracle"])


def test_a_baseline_can_be_cancelled(job):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled, match="pooled stopped"):
        baseline("pooled", job, cancel=cancel)


def test_progress_ends_at_the_end(job):
    told = []
    baseline("local", job, told.append)
    assert told[0].stage == "local" and 0 < told[0].done <= told[-1].done <= 1
