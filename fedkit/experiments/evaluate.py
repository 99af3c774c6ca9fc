"""Evaluate a round: one shared model, or a model per client where tensors stay at the clients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fedkit.data.corpus import Examples, concatenate
from fedkit.experiments.job import Job
from fedkit.federated.algorithm import Round
from fedkit.models.metrics import Score, own_accuracies, score_logits

MOST = 20  # most clients whose models are all tested on the whole test set at the end


def evaluate_round(job: Job, done: Round) -> Score:
    """Return the test score of a round.

    With a model per client the clients answer the test examples in turn, one each, so that
    `correct` still has an entry per example and its mean is that of the clients' accuracies. After
    the last round of at most MOST clients each model answers all examples, which measures its
    accuracy on its own label mix more precisely.
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
    """Return the accuracy on the clients' validation data, each answered by its own model.

    None without validation data.
    """
    if not done.home:
        held = concatenate([c.validation for c in job.clients])
        job.model.load_params(done.shared)
        return (
            float((job.model.predict(held).argmax(1) == held.labels).mean()) if len(held) else None
        )
    right = [
        _answers(job, done, i, c.validation).argmax(1) == c.validation.labels
        for i, c in enumerate(job.clients)
        if len(c.validation)
    ]
    return float(np.concatenate(right).mean()) if right else None


def _answers(job: Job, done: Round, client: int, examples: Examples) -> np.ndarray:
    """Return logits (n, labels) of one client's model."""
    job.model.load_params(done.shared | done.home.get(client, {}))
    return job.model.predict(examples)
