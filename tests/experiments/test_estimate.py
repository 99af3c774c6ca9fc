"""The one cost model against a measured run of the tiny model."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest
from factories.tiny import write_tiny_data

from fedkit.experiments.estimate import Speed, estimate_run, run_seconds
from fedkit.experiments.runner import run
from fedkit.federated.cost_model import CostModel, message_bytes
from fedkit.models.geometry import Texts


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    data = str(write_tiny_data(tmp_path_factory.mktemp("data") / "more", rows=480))
    return tiny_config(
        data=data, partition="iid", clients=2, examples_per_client=150, rounds=2, pace=0.001
    )


@pytest.fixture(scope="module")
def record(config, job):
    return run(config, job=job)


def test_bytes_are_exact_without_a_lossy_wire(config, job, record):
    sent, last = message_bytes(config, len(job.corpus.labels)), record.rounds[-1]
    assert {c.uplink_bytes for c in last.clients} == {sent.up}
    assert {c.downlink_bytes for c in last.clients} == {sent.down}
    assert {c.uplink_bytes for c in record.start.clients} == {sent.start_up}


RUN_ALONE = """
import json, sys
from fedkit.core.config import RunConfig
from fedkit.experiments.runner import run
print(run(RunConfig(**json.loads(sys.argv[1]))).result["peak_rss_bytes"])
"""


def test_memory_is_within_half(config, job):
    """Of a run in a process of its own: this one has held other tests' models."""
    command = [sys.executable, "-c", RUN_ALONE, json.dumps(asdict(config))]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = int(said.stdout.split()[-1])
    held = [*(c.train for c in job.clients), job.test]
    texts = Texts.of(len(tokens) for examples in held for tokens in examples.tokens)
    cost = CostModel(config, texts, len(job.corpus.labels))
    assert 0.5 < cost.process_footprint().total / peak < 2


def test_seconds_from_a_measured_pace_are_within_three_times(config, record):
    took = sum(r.seconds for r in record.rounds) + record.start.seconds
    again = estimate_run(config, 300, 160, 7.0, [record])
    assert took / 3 < again.seconds < 3 * took and again.basis.endswith("the run before")


def test_seconds_are_steps_reads_and_rounds(config, job):
    train, test = sum(len(c.train) for c in job.clients), len(job.test)
    held, reads = sum(len(c.validation) for c in job.clients), Speed(0.0, 1.0, 0.0, 0)
    assert run_seconds("", job, reads) == train + 3 * (test + held)
    assert run_seconds("local", job, reads) == 2 * test
    assert run_seconds("pooled", job, reads) == test
    assert run_seconds("frozen-pooled", job, reads) == train + test
    assert run_seconds("majority", job, Speed(1.0, 1.0, 1.0, 0)) == 0
    assert run_seconds("", job, Speed(0.0, 0.0, 5.0, 0)) == 10
