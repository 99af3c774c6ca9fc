"""How good what a round left is: one shared model, or a model per client where some tensors stay at
home.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fedkit.data.corpus import Examples, concatenate
from fedkit.experiments.job import Job
from fedkit.federated.algorithm import Round
from fedkit.models.metrics import Score, own_accuracies, score

MOST = 20  # clients whose own models are all judged on the whole test set, after the last round


def evaluate_round(job: Job, done: Round) -> Score:
    """The test score. With a model per client every test example is answered by one of them, in
    turn.

    So `correct` still has an entry per example and its mean is that of the clients' accuracies.
    After the last round of at most MOST clients each model answers all examples, which tells better
    how each does on its own mix.
    """
    if not done.home:
        job.model.load_params(done.shared)
        return score(job.model.predict(job.test), job.test, job.clients)
    turn = np.arange(len(job.test)) % len(job.clients)
    whole = done.number == job.config.rounds and len(job.clients) <= MOST
    logits, own = np.zeros((len(job.test), len(job.corpus.labels)), np.float32), {}
    for i, client in enumerate(job.clients):
        mine = np.flatnonzero(turn == i)
        answered = _answers(job, done, i, job.test if whole else job.test.take(mine))
        logits[mine] = answered[mine] if whole else answered
        if whole:
            own |= own_accuracies(answered.argmax(1) == job.test.labels, job.test, [client])
    result = score(logits, job.test, job.clients)
    return replace(result, own=own) if own else result


def validation_accuracy(job: Job, done: Round) -> float | None:
    """On the clients' validation data, each answered by its own client's model; None where there is
    none.
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
    """Logits (n, labels) of one client's model."""
    job.model.load_params(done.shared | done.home.get(client, {}))
    return job.model.predict(examples)
