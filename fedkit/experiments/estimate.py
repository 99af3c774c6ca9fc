"""Estimate the time of a sweep from a few measured gradient steps of every kind of tuning."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fedkit.core.config import DATA_SETTINGS, RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun
from fedkit.data.corpus import ClientData
from fedkit.data.partition import deal
from fedkit.experiments.baselines import baseline_steps
from fedkit.experiments.job import Job
from fedkit.experiments.plan import Entry
from fedkit.experiments.runner import run, total_steps
from fedkit.experiments.sweep import JobCache

# size of the timed run: most clients, batches of each, test examples
CLIENTS, BATCHES, EXAMPLES = 8, 2, 128


@dataclass(frozen=True)
class Speed:
    """Seconds per gradient step, per example that is only read, and of the rest of a round.

    peak: memory in bytes.
    """

    step: float
    example: float
    round: float
    peak: int


@dataclass(frozen=True)
class Estimate:
    """seconds: expected, by run folder. peak: the most memory of a timed kind, in bytes.

    A whole run takes a little more memory than that.
    """

    runs: int
    baselines: int
    kinds: int
    seconds: dict[str, float]
    peak: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "runs": self.runs,
            "baselines": self.baselines,
            "seconds": sum(self.seconds.values()),
            "seconds_by_run": self.seconds,
            "peak_memory_bytes": self.peak,
        }

    def __str__(self) -> str:
        from fedkit.core.formatting import megabytes, seconds

        what = [count_noun(self.runs, "run")] + (
            [count_noun(self.baselines, "baseline")] if self.baselines else []
        )
        if not self.seconds:
            return f"{' and '.join(what)} to make, no estimate"
        return (
            f"{' and '.join(what)} to make, about {seconds(sum(self.seconds.values()))} and"
            f" {megabytes(self.peak / 1e6)} of memory at the peak (an estimate from"
            f" {count_noun(self.kinds, 'short test')})"
        )


def estimate_sweep(
    entries: list[Entry],
    tell: Callable[[str], None] = lambda text: None,
    refuse: Callable[[str, str], None] = lambda folder, reason: None,
) -> Estimate:
    """Time each distinct model and tuning once, then compute the seconds of every run.

    Refused runs are left out; refuse: called with the folder and the reason of each.
    """
    jobs, paces, dealt = JobCache(), {}, {}
    seconds: dict[str, float] = {}
    for entry in entries:
        config = (
            replace(entry.config, tune="full", lr=None)
            if entry.baseline == "full"
            else entry.config
        )
        kind = (config.model, config.tune, config.max_tokens, config.batch_size)
        share = tuple(getattr(config, k) for k in DATA_SETTINGS)
        try:
            if kind not in paces:
                tell(f"timing {config.tune} on {config.model} ...")
                paces[kind] = measure_speed(jobs.job(config))
            if share not in dealt:
                dealt[share] = _dealt_job(config, jobs)
            seconds[entry.folder] = _seconds(
                entry.baseline, replace(dealt[share], config=config), paces[kind]
            )
        except FedkitError as reason:
            refuse(entry.folder, str(reason))
            continue
    jobs.drop_job()
    made = sum(bool(e.baseline) for e in entries)
    peak = max((p.peak for p in paces.values()), default=0)
    return Estimate(len(entries) - made, made, len(paces), seconds, peak)


def measure_speed(job: Job) -> Speed:
    """Measure the speed of this machine: two rounds of a small part of the job.

    The first round warms up, the second counts.
    """
    part = [_part(c, BATCHES * job.config.batch_size) for c in job.clients[:CLIENTS]]
    config = replace(job.config, rounds=2, local_epochs=1, clients_per_round=None)
    test = job.test.take(range(min(EXAMPLES, len(job.test))))
    # nothing of it but seconds is shown, so that no account is charged: data without a hash
    unnamed = replace(job.corpus, sha256="")
    small = replace(job, config=config, corpus=unnamed, clients=part, test=test)
    record = run(config, job=small)
    began = time.perf_counter()
    job.model.predict(small.test)
    example = (time.perf_counter() - began) / len(small.test)
    last = record.rounds[-1]
    read = example * (len(small.test) + sum(len(c.validation) for c in part))
    steps, trained = sum(c.steps for c in last.clients), sum(c.train_seconds for c in last.clients)
    rest = max(last.seconds - read - trained, 0.0)  # packing, aggregation
    return Speed(trained / max(steps, 1), example, rest, record.result["peak_rss_bytes"])


def _part(client: ClientData, most: int) -> ClientData:
    rows = range(min(most, len(client.train)))
    held = range(min(len(client.validation), most))
    return ClientData(client.client_id, client.train.take(rows), client.validation.take(held))


def _dealt_job(config: RunConfig, jobs: JobCache) -> Job:
    """Return the clients' data under `config` as a job without a model."""
    corpus = jobs.corpus(config)
    clients = deal(
        corpus, config.partition, config.clients, config.examples_per_client, config.seed
    )
    return Job(config, corpus, clients, corpus.test, None, {}, ())


def _seconds(baseline: str, job: Job, pace: Speed) -> float:
    config, train, test = job.config, sum(len(c.train) for c in job.clients), len(job.test)
    held, clients = sum(len(c.validation) for c in job.clients), len(job.clients)
    if baseline == "majority":
        return 0.0
    if baseline.startswith("frozen"):
        return pace.example * (train + test)
    if baseline == "local":
        return baseline_steps("local", job) * pace.step + pace.example * clients * test
    read = test if baseline else train + (config.rounds + 1) * (test + held)
    return (
        total_steps(job) * pace.step
        + read * pace.example
        + (0 if baseline else config.rounds * pace.round)
    )
