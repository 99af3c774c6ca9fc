"""Baselines that a federated run must beat, each as a record of the same form."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import refuse_links
from fedkit.core.memory import reset_peak
from fedkit.core.progress import Listener, ProgressMeter
from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.data.corpus import ClientData, Corpus
from fedkit.experiments.job import Job, first_record, prepare
from fedkit.experiments.runner import result_block, total_steps
from fedkit.experiments.store import Store, check_sources
from fedkit.federated.local.cohort import fit_all
from fedkit.federated.local.train import (
    Task,
    client_rng,
    count_labels,
    epoch_batches,
    logit_adjustment,
)
from fedkit.federated.rounds.head_start import client_statistics
from fedkit.models.metrics import Score, score_logits

Part = tuple[str, Score, ClientRecord]  # name, score on the shared test set, cost


def run_baselines(
    config: RunConfig,
    out: str | Path | None = None,
    which: list[str] | None = None,
    corpus: Corpus | None = None,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    resume: bool = False,
) -> dict[str, Run]:
    """Run the named baselines (default: all but 'full') with `config`; return {name: record}.

    Each is written to out/NAME/run.json. 'pooled' and 'full' train as many gradient steps as the
    federated run does over all its clients; 'local' as many as each client does in that run.
    resume: keep those that `out` holds. Raises FedkitError for an unknown name, a folder that
    already holds a record, or other settings or data than those that are kept had.
    """
    names = [n for n in BASELINES if n != "full"] if which is None else which
    if unknown := [n for n in names if n not in BASELINES]:
        raise FedkitError(
            f"baseline {unknown[0]!r} is not known; choose from: {', '.join(BASELINES)}"
        )
    with Store(out).lock():
        kept = {n: out and find_baseline(n, config, Path(out), resume) for n in names}
        runs = {name: record for name, record in kept.items() if record}
        job = None if len(runs) == len(kept) else prepare(_config(config), corpus)
        for record in runs.values():
            check_sources(record, job)
        for name in names:
            if job is not None and name not in runs:
                runs[name] = baseline(name, job, progress, cancel, out and Path(out) / name)
    return {name: runs[name] for name in names}


def find_baseline(name: str, config: RunConfig, out: Path, resume: bool) -> Run | None:
    """Return the record in out/NAME to keep, or None; FedkitError for one that cannot be kept."""
    refuse_links(out / name, out)
    record = Store(out / name).previous_record(_config(config, name), resume)
    if record and (record.method != name or not record.finished):
        raise FedkitError(f"{out / name} holds no finished baseline {name}; choose another --out")
    return record


def baseline(
    name: str,
    job: Job,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    out: Path | None = None,
) -> Run:
    """Return one baseline as a finished record, which is written to the folder `out`."""
    reset_peak()
    job, began = replace(job, config=_config(job.config)), time.perf_counter()
    settings = _config(job.config, name)
    if settings.tune != job.config.tune:
        job = prepare(settings, job.corpus)
    meter = ProgressMeter(name, baseline_steps(name, job), 1, progress, cancel)
    names, scores, clients = zip(*BASELINES[name](job, meter))
    rounds = (_round(list(scores), clients, began),)
    record = replace(first_record(name, job, settings), rounds=rounds)
    each = {n: s.accuracy for n, s in zip(names, scores)} if len(scores) > 1 else None
    result = result_block(record, scores) | {"client_accuracies": each}
    record = replace(record, result=result)
    Store(out).write_record(record)
    return record


def majority(job: Job, meter: ProgressMeter) -> Iterator[Part]:
    """Always the commonest label of the training data."""
    everyone = job.pooled()
    counts = np.bincount(everyone.train.labels, minlength=len(job.corpus.labels))
    logits = np.tile((counts == counts.max()) * 1.0, (len(job.test), 1))
    yield _score(job, everyone, logits, ClientRecord("pooled", examples=int(counts.sum())))


def frozen_pooled(job: Job, meter: ProgressMeter) -> Iterator[Part]:
    """Logistic regression on the frozen encoder's sentence vectors, all data in one place."""
    yield from _frozen(job, [job.pooled()])


def frozen_local(job: Job, meter: ProgressMeter) -> Iterator[Part]:
    """The same, every client on its own data alone."""
    yield from _frozen(job, job.clients)


def pooled(job: Job, meter: ProgressMeter) -> Iterator[Part]:
    """The tuner of the run on all data in one place, with the federated run's total number of
    gradient steps.
    """
    yield from _tuned(job, [job.pooled()], [total_steps(job)], meter)


def local(job: Job, meter: ProgressMeter) -> Iterator[Part]:
    """Every client tunes alone by the same recipe, as many epochs as the federated run gives it.

    accuracy is the mean over clients on the shared test set; own_mix_accuracy on test examples like
    their own.
    """
    yield from _tuned(job, job.clients, [_own_steps(job, c) for c in job.clients], meter)


def _tuned(
    job: Job, clients: list[ClientData], steps: list[int], meter: ProgressMeter
) -> Iterator[Part]:
    tasks = [_task(job, client, count) for client, count in zip(clients, steps)]
    by_name = {c.client_id: c for c in clients}
    for task, done in fit_all(job.model, tasks, job.config, partial(meter.tick, 1)):
        job.model.load_params(done.params)
        cost = ClientRecord(task.name, "ok", "", done.examples, done.steps, done.seconds)
        yield _score(job, by_name[task.name], job.model.predict(job.test), cost)


def _task(job: Job, client: ClientData, steps: int) -> Task:
    """Return the task of a client that trains alone, with a head start from its own data if set."""
    start = job.start
    if (head := job.methods.head_start).sums:
        job.model.load_params(start)
        start = start | head.solve(client_statistics(job.model, client, head.sums))
    rng = client_rng(job.config.seed, 0, client.client_id)
    batches = (
        rows
        for _ in range(steps)
        for rows in epoch_batches(client.train, job.config.batch_size, rng)
    )
    counts = count_labels(client.train.labels, len(job.corpus.labels))
    adjust = logit_adjustment(job.config.loss, counts, counts / counts.sum())
    return Task(client.client_id, start, client.train, islice(batches, steps), adjust)


def _score(job: Job, client: ClientData, logits: np.ndarray, cost: ClientRecord) -> Part:
    """Return a client's part, scored by its own label mix; by those of all if it is pooled."""
    judged = job.clients if client.client_id == "pooled" else [client]
    return client.client_id, score_logits(logits, job.test, judged), cost


def _frozen(job: Job, clients: list[ClientData]) -> Iterator[Part]:
    job.model.load_params(job.start)  # whatever was trained before
    test, labels = job.model.features(job.test), len(job.corpus.labels)
    for client in clients:
        began, mine = time.perf_counter(), client.train
        logits = frozen_logits(job.model.features(mine), mine.labels, test, labels)
        seconds = time.perf_counter() - began
        cost = ClientRecord(client.client_id, examples=len(mine), train_seconds=seconds)
        yield _score(job, client, logits, cost)


def frozen_logits(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, num_labels: int, strength: float = 10.0
) -> np.ndarray:
    """Return log-probabilities (n_test, labels) of a logistic regression on vectors (n, d).

    strength: inverse regularisation; 10 suits unit-length vectors (chosen on validation data, not
    on a test set).
    """
    from sklearn.linear_model import LogisticRegression

    out = np.full((len(test), num_labels), -30.0)
    there = np.unique(labels)
    if len(there) == 1:
        out[:, there] = 0.0
        return out
    model = LogisticRegression(C=strength, max_iter=2000).fit(train, labels)
    out[:, model.classes_] = model.predict_log_proba(test)
    return out


def _round(scores: list[Score], clients: tuple[ClientRecord, ...], began: float) -> RoundRecord:
    return RoundRecord(
        1,
        accuracy=float(np.mean([s.accuracy for s in scores])),
        loss=float(np.mean([s.loss for s in scores])),
        worst_client_accuracy=min(s.worst_client_accuracy for s in scores),
        seconds=time.perf_counter() - began,
        clients=clients,
        client_accuracy={name: value for s in scores for name, value in s.own.items()},
    )


def _config(config: RunConfig, name: str = "") -> RunConfig:
    """Return the settings of a baseline, without protection: it shows what is possible."""
    tuning = {"tune": "full", "lr": None} if name == "full" else {}
    return replace(config, privacy="none", secure="none", **tuning)


def _own_steps(job: Job, client: ClientData) -> int:
    """Return the steps of one client over the whole run if it takes part in every round."""
    config = job.config
    return config.rounds * config.local_epochs * -(-len(client.train) // config.batch_size)


def baseline_steps(name: str, job: Job) -> int:
    """Return the gradient steps of a baseline over all clients; 1 for one that takes none."""
    if name in ("pooled", "full"):
        return total_steps(job)
    return sum(_own_steps(job, c) for c in job.clients) if name == "local" else 1


BASELINES: dict[str, Callable[[Job, ProgressMeter], Iterator[Part]]] = {
    "majority": majority,
    "frozen-pooled": frozen_pooled,
    "frozen-local": frozen_local,
    "local": local,
    "pooled": pooled,
    "full": pooled,
}
