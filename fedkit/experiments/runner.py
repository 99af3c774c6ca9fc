"""Make a whole run from config to record, with a safe file after every round, and resume it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedkit.core.config import RunConfig
from fedkit.core.memory import peak_rss_bytes, reset_peak
from fedkit.core.progress import Listener, ProgressMeter
from fedkit.core.record import RoundRecord, Run
from fedkit.core.stats import wilson_interval
from fedkit.core.tensors import Params
from fedkit.data.corpus import Corpus
from fedkit.experiments.account import Charges
from fedkit.experiments.evaluate import evaluate_round, validation_accuracy
from fedkit.experiments.job import (
    Job,
    describe_data,
    describe_environment,
    describe_model,
    prepare,
    recorded_config,
)
from fedkit.experiments.privacy_report import is_budget_spent, privacy_result
from fedkit.experiments.private_record import public_round, public_score
from fedkit.experiments.store import Store, check_sources
from fedkit.federated.algorithm import Round, federate
from fedkit.federated.rounds.exchange import aggregation_params
from fedkit.federated.rounds.head_start import compute_head_start
from fedkit.federated.rounds.sampling import choose_clients, cohort_size
from fedkit.federated.strategies import make_strategy
from fedkit.models.metrics import Score
from fedkit.network import replay
from fedkit.privacy.mechanisms import Budget, has_secret_noise, run_key, visit_noises
from fedkit.privacy.noise import NoiseKey


def run(
    config: RunConfig,
    out: str | Path | None = None,
    resume: bool = False,
    corpus: Corpus | None = None,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    job: Job | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Run:
    """Run `config` to its end and return its record.

    out: folder for run.json and the adapter; None keeps everything in memory. resume: continue
    where `out` stopped. progress: called a few times a second. cancel: set it to stop between two
    steps; finished rounds are kept. tell: called with what the privacy account says before round 1.
    Raises FedkitError for anything the user can fix, Cancelled when stopped.
    """
    *_, record = run_rounds(config, out, resume, corpus, progress, cancel, job, tell)
    return record


def run_rounds(
    config: RunConfig,
    out: str | Path | None = None,
    resume: bool = False,
    corpus: Corpus | None = None,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    job: Job | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[Run]:
    """Yield the record of `run` after the start and after each round; the last one is finished.

    Arguments and errors as for `run`.
    """
    store = Store(out)
    with store.lock():
        before = store.previous_record(config, resume)
        if before is not None and before.finished:
            yield before
            return
        reset_peak()
        job = job or prepare(_as_recorded(config, before), corpus)
        meter = ProgressMeter("federated", total_steps(job), config.rounds, progress, cancel)
        charges = Charges(job, out, before)
        if before is None:
            key = run_key(config)
            charges.begin((), tell)
            shared, prior, record = begin_run(job, key)
            record, state = charges.mark(record), None
            record = store.save_round(
                record, job.model, shared, {"prior": prior, "secret": secret_tensor(key, config)}
            )
        else:
            template = job.start | aggregation_params(job.model, job.config)
            record, (shared, state, prior, key) = before, store.read_state(before, template)
            check_sources(record, job)
            job.model.use_attention(record.environment["attention"])
            charges.begin(record.rounds, tell)
            record = charges.mark(record)
        meter.update(record)
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
            key,
        ):
            record = add_round(record, job, done, time.perf_counter() - began)
            meter.update(record)
            meter.notify(done.number)
            record = store.save_round(
                record,
                job.model,
                done.shared,
                {"prior": prior, "secret": secret_tensor(key, config)},
                done.state,
            )
            charges.charge(record.rounds, record.finished)
            began = time.perf_counter()
            yield record
            if record.finished:
                return


def resume(folder: str | Path, progress: Listener | None = None, **given: Any) -> Run:
    """Continue the run in `folder` to its end and return its record.

    given: settings repeated, as `recorded_config` may ask for.
    """
    config = recorded_config(Run.load(folder), given)
    return run(config, folder, resume=True, progress=progress)


def secret_tensor(key: NoiseKey, config: RunConfig) -> torch.Tensor | None:
    """Return the key of secret noise for the state that an unfinished run is resumed from.

    The state is deleted when the run ends; the key is never in the record.
    """
    return torch.tensor(list(key.key), dtype=torch.uint8) if has_secret_noise(config) else None


def begin_run(job: Job, key: NoiseKey | None = None) -> tuple[Params, Any, Run]:
    """Make the head start and the first record.

    Returns (shared parameters, label shares or None, record with no rounds).
    """
    began = time.perf_counter()
    job.model.load_params(job.start)
    shared, prior, exchanged = compute_head_start(job.model, job.clients, job.config, key)
    shared = aggregation_params(job.model, job.config) | shared
    record = Run(
        "federated",
        job.config.to_dict(),
        describe_environment(job.model),
        describe_data(job),
        describe_model(job.model),
    )
    first, _ = measure_round(record, job, Round(0, shared, {}, exchanged), began)
    return shared, prior, replace(record, start=first)


def add_round(record: Run, job: Job, done: Round, train_seconds: float) -> Run:
    """Return the record with one more round, and with its result if that was the last."""
    began = time.perf_counter() - train_seconds
    latest, final = measure_round(record, job, done, began)
    record = replace(record, rounds=(*record.rounds, latest))
    over = is_budget_spent(record, job.budget)
    return (
        replace(record, result=result_block(record, final, job.budget))
        if done.number == job.config.rounds or over
        else record
    )


def measure_round(record: Run, job: Job, done: Round, began: float) -> tuple[RoundRecord, Score]:
    """Evaluate a round on the test set and the validation data; return (its record, test score).

    Under a promise, only what may be published.
    """
    result = evaluate_round(job, done)
    seen = None if job.budget else validation_accuracy(job, done)
    if job.budget:
        result = public_score(result, job.test)
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
        latest = public_round(latest, job.budget)
        latest = replace(
            latest, epsilon=job.budget.epsilon(visit_noises((*record.rounds, latest), job.budget))
        )
    took = simulated_seconds(record, latest)
    return replace(latest, simulated_seconds=took, seconds=time.perf_counter() - began), result


def simulated_seconds(record: Run, latest: RoundRecord) -> float:
    """Return the seconds of a round by the event clock. record: the run before it."""
    alone = replace(record, start=None, rounds=())
    if not latest.round:
        return replay(replace(alone, start=latest)).seconds
    began = 0.0
    # asynchronous: its visits know the time since round 1 began
    if any(c.began is not None for c in latest.clients):
        began = sum(r.simulated_seconds or 0.0 for r in record.rounds)
    return max(replay(replace(alone, rounds=(latest,))).seconds - began, 0.0)


def result_block(record: Run, final: Score, budget: Budget | None = None) -> dict[str, Any]:
    """Return the record's `result` block, from the last round's test score.

    Nothing is selected by looking at the test set.
    """
    last = record.rounds[-1]
    return {
        "accuracy": last.accuracy,
        "accuracy_ci95": list(wilson_interval(int(final.correct.sum()), len(final.correct))),
        "accuracy_ci95_over": "test examples",
        "macro_f1": final.macro_f1,
        "worst_client_accuracy": last.worst_client_accuracy,
        "own_mix_accuracy": final.own_mix_accuracy,
        "uplink_bytes": int(record.total("uplink_bytes")),
        "downlink_bytes": int(record.total("downlink_bytes")),
        "train_seconds": record.total("train_seconds"),
        "steps": int(record.total("steps")),
        "peak_rss_bytes": peak_rss_bytes(),
        **privacy_result(record, budget),
        "simulated_seconds": sum(r.simulated_seconds or 0 for r in record.states),
        "correct": "".join("1" if c else "0" for c in final.correct),
    }


def total_steps(job: Job) -> int:
    """Return the gradient steps of the whole run over all clients, if no client fails."""
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
        return round(config.rounds * strategy.buffer_size(len(job.clients)) * each)
    return sum(
        config.local_epochs * int(np.ceil(len(c.train) / config.batch_size))
        for number in range(1, config.rounds + 1)
        for c in choose_clients(job.clients, config, budget, number)
    )


def _as_recorded(config: RunConfig, before: Run | None) -> RunConfig:
    """On resume, return the config with the number format and engine of the record."""
    if before is None:
        return config
    then = before.environment
    return replace(config, dtype=then["dtype"], engine=then.get("engine", "plain"))
