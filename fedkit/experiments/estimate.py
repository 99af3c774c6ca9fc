"""Estimate a run or a sweep: from a few measured gradient steps, or at once from `cost_model`.

`estimate_sweep` times every kind of tuning, `estimate_run` takes the pace of an earlier run, or
else the model's size and the speed of one matrix product here.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from fedkit.core.config import DATA_SETTINGS, RunConfig, parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import byte_size, count_noun, seconds
from fedkit.core.record import Run
from fedkit.data.corpus import ClientData
from fedkit.experiments.baselines import baseline_steps
from fedkit.experiments.job import Job, deal_clients
from fedkit.experiments.plan import Entry
from fedkit.experiments.runner import run, total_steps
from fedkit.experiments.sweep import JobCache
from fedkit.federated.cost_model import CostModel
from fedkit.models.base import MODELS, is_local_model
from fedkit.models.geometry import Texts, rough_geometry

# size of the timed run: most clients, batches of each, test examples
CLIENTS, BATCHES, EXAMPLES = 8, 2, 128
SETUP_SECONDS = 1.0  # reading the model
ROUND_SECONDS = 0.15  # packing, aggregating and writing in a round
EFFICIENCY = 0.35  # speed of a whole training step as a share of that of one large matrix product
LABELS = 20  # taken for a data set that is not known


@dataclass(frozen=True)
class Speed:
    """Seconds of a gradient step, of reading an example, of a round's rest; peak memory, bytes."""

    step: float
    example: float
    round: float
    peak: int

    def seconds(self, steps: int, read: int, rounds: int = 0) -> float:
        """Return the seconds of so many steps, examples that are only read, and rounds."""
        return steps * self.step + read * self.example + rounds * self.round


@dataclass(frozen=True)
class Estimate:
    """seconds: expected, by run folder. peak: the most memory of a timed kind, in bytes."""

    runs: int
    baselines: int
    kinds: int
    seconds: dict[str, float]
    peak: int

    def to_dict(self) -> dict[str, Any]:
        took = {"seconds": sum(self.seconds.values()), "seconds_by_run": self.seconds}
        made = {"runs": self.runs, "baselines": self.baselines}
        return made | took | {"peak_memory_bytes": self.peak}

    def __str__(self) -> str:
        what = count_noun(self.runs, "run")
        if self.baselines:
            what += f" and {count_noun(self.baselines, 'baseline')}"
        if not self.seconds:
            return f"{what} to make, no estimate"
        took, memory = seconds(sum(self.seconds.values())), byte_size(self.peak)
        basis = f"(an estimate from {count_noun(self.kinds, 'short test')})"
        return f"{what} to make, about {took} and {memory} of memory at the peak {basis}"


def estimate_sweep(
    entries: list[Entry],
    tell: Callable[[str], None] = lambda text: None,
    refuse: Callable[[str, str], None] = lambda folder, reason: None,
) -> Estimate:
    """Time each distinct model and tuning once, then compute the seconds of every run.

    Refused runs are left out; refuse: called with the folder and the reason of each.
    """
    jobs, paces, dealt = JobCache(), {}, {}
    expected: dict[str, float] = {}
    for entry in entries:
        config = entry.config
        if entry.baseline == "full":
            config = replace(config, tune="full", lr=None)
        kind = (config.model, config.tune, config.max_tokens, config.batch_size)
        share = tuple(getattr(config, k) for k in DATA_SETTINGS)
        try:
            if kind not in paces:
                tell(f"timing {config.tune} on {config.model} ...")
                paces[kind] = measure_speed(jobs.job(config))
            if share not in dealt:
                corpus = jobs.corpus(config)
                clients = deal_clients(config, corpus)
                dealt[share] = Job(config, corpus, clients, corpus.test, None, {}, ())
            job = replace(dealt[share], config=config)
            expected[entry.folder] = run_seconds(entry.baseline, job, paces[kind])
        except FedkitError as reason:
            refuse(entry.folder, str(reason))
    jobs.drop_job()
    made = sum(bool(e.baseline) for e in entries)
    peak = max((p.peak for p in paces.values()), default=0)
    return Estimate(len(entries) - made, made, len(paces), expected, peak)


def measure_speed(job: Job) -> Speed:
    """Measure this machine by two rounds of a small part of the job; the first warms up."""
    most, part = BATCHES * job.config.batch_size, []
    for c in job.clients[:CLIENTS]:
        few = (
            examples.take(range(min(most, len(examples)))) for examples in (c.train, c.validation)
        )
        part.append(ClientData(c.client_id, *few))
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


def run_seconds(baseline: str, job: Job, speed: Speed) -> float:
    """Return the expected seconds of a baseline of the job; of its federated run for ''."""
    config, train, test = job.config, sum(len(c.train) for c in job.clients), len(job.test)
    held, clients = sum(len(c.validation) for c in job.clients), len(job.clients)
    steps, read = total_steps(job), train + (config.rounds + 1) * (test + held)
    if baseline in ("majority", "frozen-pooled", "frozen-local"):
        steps, read = 0, 0 if baseline == "majority" else train + test
    elif baseline == "local":
        steps, read = baseline_steps("local", job), clients * test
    elif baseline:
        read = test
    return speed.seconds(steps, read, 0 if baseline else config.rounds)


# ---- one run, at once


@dataclass(frozen=True)
class RunEstimate:
    """Estimated seconds of a whole run, peak memory of this process in bytes, and their basis."""

    seconds: float
    peak_bytes: float
    basis: str

    def __str__(self) -> str:
        took, memory = seconds(max(self.seconds, 0.1)), byte_size(self.peak_bytes)
        return f"about {took} and {memory} of memory ({self.basis})"


def estimate_run(
    config: RunConfig, train: int, held: int, words: float, before: Sequence[Run] = ()
) -> RunEstimate:
    """Estimate the run that `config` describes.

    train: training examples of all clients; held: examples of the test set; words: of a typical
    text; before: records made on this machine, the latest last. Rough; `estimate_sweep` measures.
    """
    cohort = config.clients_per_round or config.clients
    share = cohort if cohort < 1 else min(cohort / max(config.clients, 1), 1.0)
    seen = train * share * config.local_epochs * config.rounds  # examples that are trained on
    like = [r for r in before if r.rounds and is_comparable(r, config)]
    if like:
        return _estimate_from_run(like[-1], config, seen)
    tokens = min(1.4 * words + 2, config.max_tokens)
    texts = Texts(train + held, tokens, min(int(2 * tokens) + 1, config.max_tokens))
    cost = _cost_model(config, texts)
    read = cost.forward_operations * (train + (config.rounds + 1) * held)
    operations = cost.operations_per_example() * seen + read
    took = operations / (EFFICIENCY * operations_per_second())
    peak = max(cost.process_footprint().total, resident_bytes())
    took = took + SETUP_SECONDS + ROUND_SECONDS * config.rounds
    return RunEstimate(took, peak, "an estimate from the model's size")


def _cost_model(config: RunConfig, texts: Texts) -> CostModel:
    """Return a cost model at once: the default model's where this one is not here."""
    if config.model not in MODELS and not is_local_model(config.model):
        config = replace(config, model=RunConfig.model)
    # importing transformers takes seconds, which opening a panel must not
    if "transformers.modeling_utils" in sys.modules:
        return CostModel(config, texts, LABELS)
    try:
        rough = rough_geometry(config.model, config.tune, LABELS)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        rough = rough_geometry(RunConfig.model, config.tune, LABELS)
    return CostModel(config, texts, LABELS, sizes=rough)


def is_comparable(run: Run, config: RunConfig) -> bool:
    """Return whether the run has the model and tuning of `config`, so that its pace applies."""
    then, alike = run.config, ("model", "max_tokens", "batch_size", "data")
    same = all(then.get(k) == getattr(config, k) for k in alike)
    return same and parse_spec(str(then.get("tune")))[0] == parse_spec(config.tune)[0]


def _estimate_from_run(run: Run, config: RunConfig, seen: float) -> RunEstimate:
    trained, took = run.total("examples", run.rounds), run.total("train_seconds", run.rounds)
    rest = max(sum(r.seconds for r in run.rounds) - took, 0.0) / len(run.rounds)
    first = run.start.seconds if run.start else 0.0
    peak_bytes = run.result.get("peak_rss_bytes") or resident_bytes()
    expected = seen * took / max(trained, 1) + config.rounds * rest + first
    return RunEstimate(expected, peak_bytes, "an estimate from the run before")


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    import psutil

    return psutil.Process().memory_info().rss


@lru_cache(maxsize=1)
def operations_per_second() -> float:
    """Return the speed of one float32 matrix product here, measured once in some milliseconds."""
    import torch

    a, best = torch.ones(384, 384), math.inf
    for _ in range(4):  # the first warms up
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * 384**3 / best
