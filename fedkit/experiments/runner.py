"""A whole run from config to record: start, rounds, evaluation, a safe file after every round,
resume.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.memory import peak_rss_bytes, reset_peak
from fedkit.core.progress import Listener, Meter
from fedkit.core.record import RoundRecord, Run
from fedkit.core.stats import wilson
from fedkit.core.tensors import Params
from fedkit.data.corpus import Corpus
from fedkit.experiments.evaluate import evaluate_round, validation_accuracy
from fedkit.experiments.job import Job, describe_data, describe_environment, describe_model, prepare
from fedkit.experiments.privacy_report import is_spent, told
from fedkit.experiments.store import Store
from fedkit.federated.algorithm import Round, federate
from fedkit.federated.rounds.exchange import before_round_1
from fedkit.federated.rounds.head_start import start
from fedkit.federated.rounds.sampling import chosen, cohort_size
from fedkit.federated.strategies import make_strategy
from fedkit.models.metrics import Score
from fedkit.network import replay
from fedkit.privacy.mechanisms import Budget, fresh_secret, visits_of


def run(
    config: RunConfig,
    out: str | Path | None = None,
    resume: bool = False,
    corpus: Corpus | None = None,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    job: Job | None = None,
) -> Run:
    """Run `config` to its end and return its record.

    out: folder for run.json and the adapter; None keeps everything in memory. resume: go on where
    `out` stopped. progress: called a few times a second. cancel: set it to stop between two steps;
    finished rounds are kept. Raises FedkitError for anything the user can mend, Cancelled when
    stopped.
    """
    *_, record = rounds(config, out, resume, corpus, progress, cancel, job)
    return record


def rounds(
    config: RunConfig,
    out: str | Path | None = None,
    resume: bool = False,
    corpus: Corpus | None = None,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    job: Job | None = None,
) -> Iterator[Run]:
    """Like `run`, yielding the record after the start and after each round; the last one is
    finished.
    """
    store = Store(out)
    before = store.begin(config, resume)
    if before is not None and before.finished:
        yield before
        return
    reset_peak()
    job = job or prepare(_as_recorded(config, before), corpus)
    meter = Meter("federated", total_steps(job), config.rounds, progress, cancel)
    if before is None:
        secret = fresh_secret(config)
        shared, prior, record = begin(job, secret)
        state = None
        store.make()
        store.save(record, job.model, shared, {"prior": prior, "secret": kept(secret)})
    else:
        template = job.start | before_round_1(job.model, job.config)
        record, (shared, state, prior, secret) = before, store.read(before, template)
        for what, now in (("data", job.corpus), ("model", job.model.source)):
            if getattr(record, what)["sha256"] != now.sha256:
                raise FedkitError(
                    f"cannot resume {out}: the {what} has changed since (sha256 differs); choose"
                    " another --out"
                )
        job.model.use_attention(record.environment["attention"])
    meter.note(record)
    meter.skipped = meter.steps
    yield record
    began = time.perf_counter()
    for done in federate(
        job.model,
        job.clients,
        shared,
        config,
        prior,
        len(record.rounds) + 1,
        state,
        meter.tick,
        secret,
    ):
        record = extend(record, job, done, time.perf_counter() - began)
        meter.note(record)
        meter.tell(done.number)
        store.save(
            record, job.model, done.shared, {"prior": prior, "secret": kept(secret)}, done.state
        )
        began = time.perf_counter()
        yield record
        if record.finished:
            return


def resume(folder: str | Path, progress: Listener | None = None) -> Run:
    """Go on with the run in `folder` to its end."""
    return run(RunConfig.from_dict(Run.load(folder).config), folder, resume=True, progress=progress)


def kept(secret: int) -> torch.Tensor | None:
    """For the state that an unfinished run is resumed from, and that goes when it ends; never for
    the record.
    """
    return torch.tensor(secret) if secret else None


def begin(job: Job, secret: int = 0) -> tuple[Params, Any, Run]:
    """Head start and first record: (shared parameters, label shares or None, record with no
    rounds).
    """
    began = time.perf_counter()
    job.model.load_params(job.start)
    shared, prior, exchanged = start(job.model, job.clients, job.config, secret)
    shared = before_round_1(job.model, job.config) | shared
    record = Run(
        "federated",
        job.config.to_dict(),
        describe_environment(job.model),
        describe_data(job),
        describe_model(job.model),
    )
    first, _ = measure(record, job, Round(0, shared, {}, exchanged), began)
    return shared, prior, replace(record, start=first)


def extend(record: Run, job: Job, done: Round, train_seconds: float) -> Run:
    """The record with one more round, and with its result if that was the last."""
    began = time.perf_counter() - train_seconds
    latest, final = measure(record, job, done, began)
    record = replace(record, rounds=(*record.rounds, latest))
    over = is_spent(record, job.budget)
    return (
        replace(record, result=conclude(record, final, job.budget))
        if done.number == job.config.rounds or over
        else record
    )


def measure(record: Run, job: Job, done: Round, began: float) -> tuple[RoundRecord, Score]:
    """Evaluate what a round left on the test set and on the clients' validation data: (its record,
    the test score).
    """
    result = evaluate_round(job, done)
    seen = validation_accuracy(job, done)
    latest = RoundRecord(
        done.number,
        result.accuracy,
        result.loss,
        result.worst_client_accuracy,
        seen,
        aggregation_error=done.aggregation_error,
        client_accuracy=result.own,
        clients=done.clients,
        noise=done.noise,
    )
    if job.budget:
        latest = replace(
            latest, epsilon=job.budget.epsilon(visits_of((*record.rounds, latest), job.budget))
        )
    took = simulated_seconds(record, latest)
    return replace(latest, simulated_seconds=took, seconds=time.perf_counter() - began), result


def simulated_seconds(record: Run, latest: RoundRecord) -> float:
    """What a round took by the event clock. record: the run before it."""
    alone = replace(record, start=None, rounds=())
    if not latest.round:
        return replay(replace(alone, start=latest)).seconds
    began = 0.0
    # asynchronous: its visits know the time since round 1 began
    if any(c.began is not None for c in latest.clients):
        began = sum(r.simulated_seconds or 0.0 for r in record.rounds)
    return max(replay(replace(alone, rounds=(latest,))).seconds - began, 0.0)


def conclude(record: Run, final: Score, budget: Budget | None = None) -> dict[str, Any]:
    """The record's `result` block, from the last round's test score; nothing is picked by looking
    at the test set.
    """
    last = record.rounds[-1]
    return {
        "accuracy": last.accuracy,
        "accuracy_ci95": list(wilson(int(final.correct.sum()), len(final.correct))),
        "accuracy_ci95_over": "test examples",
        "macro_f1": final.macro_f1,
        "worst_client_accuracy": last.worst_client_accuracy,
        "own_mix_accuracy": final.own_mix_accuracy,
        "uplink_bytes": int(record.total("uplink_bytes")),
        "downlink_bytes": int(record.total("downlink_bytes")),
        "train_seconds": record.total("train_seconds"),
        "steps": int(record.total("steps")),
        "peak_rss_bytes": peak_rss_bytes(),
        **told(record, budget),
        "simulated_seconds": sum(r.simulated_seconds or 0 for r in (record.start, *record.rounds)),
        "correct": "".join("1" if c else "0" for c in final.correct),
    }


def total_steps(job: Job) -> int:
    """Gradient steps of the whole run, all clients together, if nothing goes wrong."""
    config, strategy, budget = job.config, make_strategy(job.config.strategy), job.budget
    if budget and budget.unit == "example":
        return (
            config.rounds * budget.steps * cohort_size(len(job.clients), config.clients_per_round)
        )
    if strategy.asynchronous:
        each = (
            np.mean([np.ceil(len(c.train) / config.batch_size) for c in job.clients])
            * config.local_epochs
        )
        return round(config.rounds * strategy.size(len(job.clients)) * each)
    return sum(
        config.local_epochs * int(np.ceil(len(c.train) / config.batch_size))
        for number in range(1, config.rounds + 1)
        for c in chosen(job.clients, config, budget, number)
    )


def _as_recorded(config: RunConfig, before: Run | None) -> RunConfig:
    """On resume, compute as the run began, in its number format and by its engine, whatever is
    fastest today.
    """
    if before is None:
        return config
    then = before.environment
    return replace(config, dtype=then["dtype"], engine=then.get("engine", "plain"))
