"""Defences against gradient leakage: what a client sends under each, as the server reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fedkit.core.config import RunConfig
from fedkit.core.files import read_packaged_table
from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples
from fedkit.federated.local.dp_sgd import clipped_sum, unflatten_params
from fedkit.federated.local.train import Task, fit, learning_rates
from fedkit.federated.rounds.head_start import privacy_budget
from fedkit.models.classifier import Model
from fedkit.privacy.mechanisms import Budget
from fedkit.wire.pipeline import Context, make_wire


@dataclass(frozen=True)
class Defence:
    """How an update is computed and sent. The default is the weakest: one SGD step on one text.

    texts: in a client's batch. steps, optimizer: local steps that the batch is split into. wire: a
    spec of wire/pipeline.py. privacy: a spec of privacy/mechanisms.py; its clipping and the noise
    of one step. clients: the server sees only their sum. masked: a single masked upload. later: not
    in the first round, so that B of LoRA is no longer zero.
    """

    about: str = ""
    tune: str = "full"
    texts: int = 1
    steps: int = 1
    optimizer: str = "sgd"
    wire: str = "none"
    privacy: str = "none"
    clients: int = 1
    masked: bool = False
    later: bool = False


def observed_gradient(
    defence: Defence,
    model: Model,
    shared: Params,
    batches: Sequence[Examples],
    config: RunConfig,
    adjust: Tensor | None,
    rng: np.random.Generator,
    num_clients: int,
) -> Params:
    """Return the observed gradient: the update divided by minus the learning rate and the steps.

    batches: the texts of each client, for all steps together. num_clients: clients of the run, for
    its privacy accounting.
    """
    # a masked vector is uniform in its ring, whatever the update is
    if defence.masked:
        return {
            n: torch.from_numpy(rng.uniform(-1, 1, tuple(t.shape)).astype(np.float32))
            for n, t in shared.items()
        }
    budget = privacy_budget(replace(config, privacy=defence.privacy), num_clients)
    rates = {n: rate or 1.0 for n, rate in learning_rates(model, config).items()}
    total: Params = {}
    for place, batch in enumerate(batches):
        if budget and budget.unit == "example":
            sharing = defence.clients if budget.trust_sum else 1
            found = noisy_gradient(budget, model, shared, batch, adjust, rng, sharing)
        elif defence.steps == 1 and defence.optimizer == "sgd":
            found = mean_gradient(model, shared, batch, adjust)
        else:
            found = _visit_gradient(defence, model, shared, batch, config, adjust, rates)
        delta = {n: -rates[n] * t for n, t in found.items()}
        if budget and budget.unit == "client":
            delta = unflatten_params(clipped_sum(_flatten(delta)[None], budget.clip), shared)
        context = Context(f"site-{place}", 1, config.seed, {})
        if (wire := make_wire(defence.wire)).stages:
            delta, _ = wire.decode(wire.encode(delta, context)[0], delta, context)
        total = {n: t + total.get(n, 0) for n, t in delta.items()}
    # the server adds the noise to the sum; a single upload in the clear has none
    if budget and budget.unit == "client" and len(batches) > 1:
        noisy = _flatten(total) + budget.noise * budget.clip * _noise(total, rng)
        total = unflatten_params(noisy, shared)
    return {n: t / (-rates[n] * len(batches)) for n, t in total.items()}


def _visit_gradient(
    defence: Defence,
    model: Model,
    shared: Params,
    batch: Examples,
    config: RunConfig,
    adjust: Tensor | None,
    rates: dict[str, float],
) -> Params:
    """Return the change that several local steps make, as a mean gradient."""
    parts = np.array_split(np.arange(len(batch)), defence.steps)
    task = Task("site", shared, batch, iter(parts), adjust)
    done = fit(model, task, replace(config, optimizer=defence.optimizer, privacy="none"))
    return {n: (t - done.params[n]) / (rates[n] * defence.steps) for n, t in shared.items()}


def mean_gradient(model: Model, shared: Params, batch: Examples, adjust: Tensor | None) -> Params:
    """Return the mean gradient of the batch's loss at the shared parameters, float32 on the CPU."""
    model.load_params(shared)
    with torch.enable_grad():
        logits = model.forward(*model.batch(batch, np.arange(len(batch))))
        logits = logits if adjust is None else logits + adjust.to(logits)
        loss = functional.cross_entropy(logits, torch.from_numpy(batch.labels).to(logits.device))
        found = torch.autograd.grad(loss, list(model.trainable.values()), allow_unused=True)
    return {
        n: torch.zeros_like(t) if g is None else g.float().cpu()
        for (n, t), g in zip(shared.items(), found)
    }


def noisy_gradient(
    budget: Budget,
    model: Model,
    shared: Params,
    batch: Examples,
    adjust: Tensor | None,
    rng: np.random.Generator,
    clients: int = 1,
) -> Params:
    """Return the mean gradient of one DP-SGD step: each text's clipped, noise added to their sum.

    clients: number that shares the noise where only their sum is seen.
    """
    each = (mean_gradient(model, shared, batch.take([i]), adjust) for i in range(len(batch)))
    total = sum(clipped_sum(_flatten(gradient)[None], budget.clip) for gradient in each)
    noise = budget.noise * budget.clip / clients**0.5 * _noise(shared, rng)
    return unflatten_params((total + noise) / len(batch), shared)


def _noise(like: Params, rng: np.random.Generator) -> Tensor:
    size = sum(t.numel() for t in like.values())
    return torch.from_numpy(rng.standard_normal(size, np.float32))


def _flatten(params: Params) -> Tensor:
    return torch.cat([t.flatten() for t in params.values()])


WORDS = read_packaged_table("fedkit.audit", "attack.toml")
DEFENCES = {name: Defence(**values) for name, values in WORDS["defences"].items()}
