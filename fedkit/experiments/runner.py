"""Make a whole run from config to record, with a safe file after every round, and resume it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedkit.core.config import RunConfig
from fedkit.core.memory import peak_rss_bytes, reset_peak
from fedkit.core.progress import Listener, ProgressMeter
from fedkit.core.record import RoundRecord, Run
from fedkit.core.stats import mean_accuracy_interval, wilson_interval
from fedkit.core.tensors import Params
from fedkit.data.corpus import Corpus, Examples, concatenate
from fedkit.experiments.account import Charges
from fedkit.experiments.job import Job, first_record, prepare, recorded_config
from fedkit.experiments.privacy_report import (
    is_budget_spent,
    privacy_result,
    public_round,
    public_score,
)
from fedkit.experiments.store import Store, check_sources
from fedkit.federated.algorithm import Round, federate
from fedkit.federated.rounds.exchange import aggregation_params
from fedkit.federated.rounds.head_start import compute_head_start
from fedkit.federated.rounds.sampling import choose_clients, cohort_size
from fedkit.models.metrics import Score, own_accuracies, score_logits
from fedkit.network import replay
from fedkit.privacy.mechanisms import Budget, run_key, visit_noises
from fedkit.privacy.noise import NoiseKey

MOST = 20  # most clients whose models are all tested on the whole test set at the end


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
    """Yield the record after the start and after each round; arguments and errors as `run`."""
    store = Store(out)
    with store.lock():
        before = store.previous_record(config, resume)
        if before is not None and before.finished:
            yield before
            return
        reset_peak()
        then = before.environment if before else vars(config)  # goes on in the same format
        engine = then.get("engine", "plain")
        job = job or prepare(replace(config, dtype=then["dtype"], engine=engine), corpus)
        meter = ProgressMeter("federated", total_steps(job), config.rounds, progress, cancel)
        charges = Charges(job, out, before)
        if before is None:
            key = run_key(job.methods.privacy, config.seed)
            charges.begin((), tell)
            shared, prior, record = begin_run(job, key)
            record, state = charges.mark(record), None
            extra = extra_state(job, prior, key)
            record = store.save_round(record, job.model, shared, extra)
        else:
            template = job.start | aggregation_params(job.model, job.config)
            record, (shared, state, prior, key) = before, store.read_state(before, template)
            check_sources(record, job)
            job.model.use_attention(record.environment["attention"])
            charges.begin(record.rounds, tell)
            record, extra = charges.mark(record), extra_state(job, prior, key)
        meter.update(record)
        meter.skipped = meter.steps
        yield record
        began = time.perf_counter()
        first = len(record.rounds) + 1
        for done in federate(
            job.model, job.clients, shared, config, prior, first, state, meter.tick, key
        ):
            record = add_round(record, job, done, time.perf_counter() - began)
            meter.update(record)
            meter.notify(done.number)
            record = store.save_round(record, job.model, done.shared, extra, done.state)
            charges.charge(record.rounds, record.finished)
            began = time.perf_counter()
            yield record
            if record.finished:
                return


def resume(folder: str | Path, progress: Listener | None = None, **given: Any) -> Run:
    """Continue the run in `folder`, as `run` does; given: settings, see `recorded_config`."""
    config = recorded_config(Run.load(folder), given)
    return run(config, folder, resume=True, progress=progress)


def extra_state(job: Job, prior: Any, key: NoiseKey) -> dict[str, Any]:
    """Return what else an unfinished run is resumed from: label shares, a key never recorded."""
    secret = job.methods.privacy.has_secret_noise
    kept = torch.tensor(list(key.key), dtype=torch.uint8) if secret else None
    return {"prior": prior, "secret": kept}


def begin_run(job: Job, key: NoiseKey | None = None) -> tuple[Params, Any, Run]:
    """Make the head start; return (shared parameters, label shares or None, first record)."""
    began = time.perf_counter()
    job.model.load_params(job.start)
    shared, prior, exchanged = compute_head_start(job.model, job.clients, job.config, key)
    shared = aggregation_params(job.model, job.config) | shared
    record = first_record("federated", job)
    first, _ = measure_round(record, job, Round(0, shared, {}, exchanged), began)
    return shared, prior, replace(record, start=first)


def add_round(record: Run, job: Job, done: Round, train_seconds: float) -> Run:
    """Return the record with one more round, and with its result if that was the last."""
    latest, final = measure_round(record, job, done, time.perf_counter() - train_seconds)
    record = replace(record, rounds=(*record.rounds, latest))
    if done.number < job.config.rounds and not is_budget_spent(record, job.budget):
        return record
    took = sum(r.simulated_seconds or 0 for r in (record.start, *record.rounds))
    result = result_block(record, [final], job.budget) | {"simulated_seconds": took}
    return replace(record, result=result)


def measure_round(record: Run, job: Job, done: Round, began: float) -> tuple[RoundRecord, Score]:
    """Return (a round's record, its test score); under a promise, only what may be published."""
    result, budget = evaluate_round(job, done), job.budget
    if budget:
        result = public_score(result, job.test)
    latest = RoundRecord(
        done.number,
        result.accuracy,
        result.loss,
        result.worst_client_accuracy,
        None if budget else validation_accuracy(job, done),
        aggregation_error=done.aggregation_error,
        client_accuracy=result.own,
        clients=done.clients,
        noise=done.noise,
    )
    if budget:
        latest = public_round(latest, budget)
        visits = visit_noises((*record.rounds, latest), budget)
        latest = replace(latest, epsilon=budget.epsilon(visits))
    took = simulated_seconds(record, latest)
    return replace(latest, simulated_seconds=took, seconds=time.perf_counter() - began), result


def evaluate_round(job: Job, done: Round) -> Score:
    """Return the test score of a round.

    With a model per client they answer the test examples in turn, so that the mean of `correct` is
    that of the clients' accuracies. After the last round of at most MOST clients each model answers
    all examples, which measures its accuracy on its own label mix more precisely.
    """
    if not done.home:
        job.model.load_params(done.shared)
        return score_logits(job.model.predict(job.test), job.test, job.clients)
    turn = np.arange(len(job.test)) % len(job.clients)
    whole = done.number == job.config.rounds and len(job.clients) <= MOST
    logits, own = np.zeros((len(job.test), len(job.corpus.labels)), np.float32), {}
    for i, client in enumerate(job.clients):
        mine = np.flatnonzero(turn == i)
        answered = _answers(job, done, i, job.test if whole else job.test.take(mine))
        logits[mine] = answered[mine] if whole else answered
        if whole:
            own |= own_accuracies(answered.argmax(1) == job.test.labels, job.test, [client])
    result = score_logits(logits, job.test, job.clients)
    return replace(result, own=own) if own else result


def validation_accuracy(job: Job, done: Round) -> float | None:
    """Return the accuracy on the clients' validation data, each by its own model; None without."""
    held = [(i, c.validation) for i, c in enumerate(job.clients) if len(c.validation)]
    if held and not done.home:
        held = [(0, concatenate([mine for _, mine in held]))]
    right = [_answers(job, done, i, mine).argmax(1) == mine.labels for i, mine in held]
    return float(np.concatenate(right).mean()) if right else None


def _answers(job: Job, done: Round, client: int, examples: Examples) -> np.ndarray:
    """Return logits (n, labels) of one client's model."""
    job.model.load_params(done.shared | done.home.get(client, {}))
    return job.model.predict(examples)


def simulated_seconds(record: Run, latest: RoundRecord) -> float:
    """Return the seconds of a round by the event clock. record: the run before it."""
    alone = replace(record, start=None, rounds=())
    if not latest.round:
        return replay(replace(alone, start=latest)).seconds
    # asynchronous: its visits know the time since round 1 began
    since_start = any(c.began is not None for c in latest.clients)
    began = sum(r.simulated_seconds or 0.0 for r in record.rounds) if since_start else 0.0
    return max(replay(replace(alone, rounds=(latest,))).seconds - began, 0.0)


def result_block(
    record: Run, scores: Sequence[Score], budget: Budget | None = None
) -> dict[str, Any]:
    """Return the record's `result` block, from the last round's test score or those of its models.

    Nothing is selected by looking at the test set.
    """
    last, final, alone = record.rounds[-1], scores[0], len(scores) == 1
    interval = (
        wilson_interval(int(final.correct.sum()), len(final.correct))
        if alone
        else mean_accuracy_interval([s.accuracy for s in scores])
    )
    return {
        "accuracy": last.accuracy,
        "accuracy_ci95": list(interval),
        "accuracy_ci95_over": "test examples" if alone else "clients",
        "macro_f1": float(np.mean([s.macro_f1 for s in scores])),
        "worst_client_accuracy": last.worst_client_accuracy,
        "own_mix_accuracy": float(np.mean([s.own_mix_accuracy for s in scores])),
        "own_mix_tests": sum(s.own_tests for s in scores) or None,
        "uplink_bytes": int(record.total("uplink_bytes")),
        "downlink_bytes": int(record.total("downlink_bytes")),
        "train_seconds": record.total("train_seconds"),
        "steps": int(record.total("steps")),
        "peak_rss_bytes": peak_rss_bytes(),
        **privacy_result(record, budget),
        "simulated_seconds": None,
        "correct": "".join("1" if c else "0" for c in final.correct) if alone else None,
    }


def total_steps(job: Job) -> int:
    """Return the gradient steps of the whole run over all clients, if no client fails."""
    config, strategy, budget = job.config, job.methods.strategy, job.budget
    number = len(job.clients)
    if budget and budget.unit == "example":
        return config.rounds * budget.steps * cohort_size(number, config.clients_per_round)
    steps = {c.client_id: math.ceil(len(c.train) / config.batch_size) for c in job.clients}
    if strategy.asynchronous:
        each = np.mean(list(steps.values())) * config.local_epochs
        return round(config.rounds * strategy.buffer_size(number) * each)
    rounds = range(1, config.rounds + 1)
    chosen = (c for n in rounds for c in choose_clients(job.clients, config, budget, n))
    return config.local_epochs * sum(steps[c.client_id] for c in chosen)
