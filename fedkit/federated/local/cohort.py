"""Several clients trained at once: one batch through the frozen base, own adapters and heads.

All clients take their steps together. Each occupies one of a few seats; when its batches are used
up, its parameters are returned and the next client takes the seat, so clients of unequal size need
no padding. Each client computes what `train.fit` computes for it alone, also when another's numbers
overflow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.adamw import adamw

from fedkit.core.config import RunConfig
from fedkit.core.tensors import Params
from fedkit.federated.local.dp_sgd import private_fit, split_rows
from fedkit.federated.local.train import (
    FitResult,
    Task,
    fit,
    learning_rates,
    select_tokens,
    sgd_momentum,
)
from fedkit.models.classifier import Model, apply_merged

# in one batch, all clients together, when layers are trained; more gains nothing and costs memory
TRAINED_TOKENS = 3_000
HEAD_TEXTS = 1024  # in one batch when only the head is trained
SEAT_VALUES = 4_000_000  # trained values of all clients on the seats, at most
ADAMW: dict[str, Any] = {"fused": True, "amsgrad": False, "maximize": False, "weight_decay": 0.0}
ADAMW |= {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


def fit_all(
    model: Model,
    tasks: Sequence[Task],
    config: RunConfig,
    tick: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[Task, FitResult]]:
    """Yield every task with its result, as each is done.

    Tasks are trained together where the model has a stack, else one after another. tick: called
    before each step of each client with its name.
    """
    private = any(task.private for task in tasks)
    if model.fast_encoder is not None and tasks and not private:
        yield from _fit_together(model, tasks, config, tick)
        return
    train_one = private_fit if private else fit
    for task in tasks:
        yield task, train_one(model, task, config, partial(tick, task.name))


def num_seats(model: Model, tasks: Sequence[Task], batch_size: int) -> int:
    """Return how many clients to train at once: a full processor, within its memory."""
    engine = model.fast_encoder
    assert engine is not None
    usual = max(1, min(batch_size, int(np.median([len(t.examples) for t in tasks]))))
    room = HEAD_TEXTS // usual
    if engine.lowest_trained < len(engine.layers):
        lengths = [len(tokens) for t in tasks[:100] for tokens in (t.examples.tokens or ())[:100]]
        room = round(TRAINED_TOKENS / (usual * np.mean(lengths)))
    rank = max([1, *(p.shape[0] for n, p in model.trainable.items() if "lora_A" in n)])
    width, values = model.module.head.in_features, model.num_trainable()
    return max(1, min(room, width // 6 // rank, SEAT_VALUES // values, len(tasks)))


@dataclass
class Seat:
    """A client in training."""

    task: Task
    steps: int = 0
    seen: int = 0
    loss: float = 0.0
    seconds: float = 0.0  # its share of the time of its steps, by texts

    def count_step(self, texts: int, loss: float, seconds_per_text: float) -> None:
        """Count one step."""
        self.steps, self.seen = self.steps + 1, self.seen + texts
        self.loss, self.seconds = self.loss + loss * texts, self.seconds + seconds_per_text * texts

    def result(self, params: Params, gradients: Params | None) -> FitResult:
        """Return the result of all steps. gradients: their sum."""
        mean = gradients and {n: t / max(self.steps, 1) for n, t in gradients.items()}
        loss = self.loss / max(self.seen, 1)
        return FitResult(params, self.steps, self.seen, loss, self.seconds, mean)


def _fit_together(
    model: Model, tasks: Sequence[Task], config: RunConfig, tick: Callable[[str], None]
) -> Iterator[tuple[Task, FitResult]]:
    waiting = iter(tasks)
    for task in tasks[:1]:
        apply_merged(model, task.start)  # the same for all tasks
    table = ClientStates(model, num_seats(model, tasks, config.batch_size), config)
    taken: dict[int, Seat] = {}
    while True:
        batch = {}
        for i in range(table.size):
            while i not in batch:
                if i not in taken:  # a free seat goes to the next client
                    if (following := next(waiting, None)) is None:
                        break
                    taken[i] = Seat(following)
                    table.seat_task(i, following)
                if (rows := next(taken[i].task.batches, None)) is not None:
                    batch[i] = rows
                else:
                    done = taken.pop(i)
                    yield done.task, done.result(table.params(i), table.gradients(i))
        if not batch:
            return
        for i in batch:
            tick(taken[i].task.name)
        began = time.perf_counter()
        losses = table.step({i: (taken[i].task, rows) for i, rows in batch.items()})
        seconds = (time.perf_counter() - began) / sum(map(len, batch.values()))
        for i, rows in batch.items():
            taken[i].count_step(len(rows), losses[i], seconds)


class ClientStates:
    """Parameters and optimizer states of the seated clients, shape (seats, trained values)."""

    def __init__(self, model: Model, size: int, config: RunConfig):
        self.model, self.size, self.clip_norm = model, size, config.clip_norm
        self.momentum = sgd_momentum(config)
        self.shapes = {n: p.shape for n, p in model.trainable.items()}
        zeros = partial(torch.zeros, device=model.device, dtype=torch.float32)
        count = model.num_trainable()
        self.values, self.mean, self.square = (zeros(size, count) for _ in range(3))
        self.adjust = zeros(size, 1, len(model.labels))
        # runs of tensors that share a learning rate
        self.columns: list[slice] = []
        self.rates: list[float] = []
        end = 0
        for rate, run in groupby(learning_rates(model, config).items(), key=itemgetter(1)):
            start, end = end, end + sum(self.shapes[name].numel() for name, _ in run)
            self.columns.append(slice(start, end))
            self.rates.append(rate)
        self.steps = zeros(len(self.rates), size)
        self.still = torch.zeros(size, 1, dtype=torch.bool)  # (size, P) with frozen tensors
        self.pull = zeros(size, 1)
        self.begun: Tensor | None = None  # (size, P) with a proximal term: the starting values
        self.shift: Tensor | None = None  # (size, P) with shifted gradients
        self.total: Tensor | None = None  # (size, P) sum of the gradients before the shift

    def seat_task(self, i: int, task: Task) -> None:
        """Start seat `i` with the task's parameters and a fresh optimizer."""
        self.values[i] = torch.cat([task.start[n].flatten() for n in self.shapes]).to(self.values)
        self.mean[i], self.square[i], self.steps[:, i] = 0.0, 0.0, 0.0
        self.adjust[i] = 0.0 if task.adjust is None else task.adjust
        if task.pull:
            self.begun = torch.zeros_like(self.values) if self.begun is None else self.begun
            self.pull[i], self.begun[i] = task.pull, self.values[i]
        if task.shift is not None:
            if self.shift is None or self.total is None:
                self.shift = torch.zeros_like(self.values)
                self.total = torch.zeros_like(self.values)
            self.shift[i] = torch.cat([task.shift[n].flatten() for n in self.shapes])
            self.total[i] = 0.0
        if task.frozen or self.still.shape[1] > 1:
            still = [torch.full((s.numel(),), n in task.frozen) for n, s in self.shapes.items()]
            self.still = self.still.expand(self.values.shape).clone().to(self.values.device)
            self.still[i] = torch.cat(still)

    def params(self, i: int) -> Params:
        """Return a copy of a seat's parameters, float32 on the CPU."""
        return self._unflatten(self.values[i])

    def gradients(self, i: int) -> Params | None:
        """Return the sum of a seat's gradients; None where its task has no shift."""
        return None if self.total is None else self._unflatten(self.total[i])

    def _unflatten(self, row: Tensor) -> Params:
        parts = row.cpu().clone().split([s.numel() for s in self.shapes.values()])
        return {n: part.view(shape) for (n, shape), part in zip(self.shapes.items(), parts)}

    def step(self, batch: dict[int, tuple[Task, np.ndarray]]) -> dict[int, float]:
        """Step every client in `batch`, seat -> (task, rows); return the mean loss of each."""
        who, work = list(batch), list(batch.values())
        values, adjust = self.values, self.adjust
        if len(who) < self.size:
            values, adjust = values[who], adjust[who]
        losses, gradient = self._gradient(values, adjust, work)
        # what overflowed in one must not reach the others
        if len(work) > 1 and not gradient.isfinite().all():
            parts = [self._gradient(values[[i]], adjust[[i]], [one]) for i, one in enumerate(work)]
            losses, gradient = (torch.cat(p) for p in zip(*parts))
        if self.shift is not None and self.total is not None:
            self.total[who] += gradient
            gradient += self.shift[who]
        if self.begun is not None:
            gradient += self.pull[who] * (self.values[who] - self.begun[who])
        if self.still.shape[1] > 1:
            gradient.masked_fill_(self.still[who], 0.0)
        gradient *= (self.clip_norm / (gradient.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1.0)
        self._adamw(gradient, who) if self.momentum is None else self._sgd(gradient, who)
        return dict(zip(batch, losses.tolist()))

    def _gradient(
        self, values: Tensor, adjust: Tensor, work: Sequence[tuple[Task, np.ndarray]]
    ) -> tuple[Tensor, Tensor]:
        """Return (mean cross-entropy of each client's rows (k,), its gradient (k, P)).

        values: parameters of k clients, (k, P).
        """
        leaf = values.detach().requires_grad_()
        with torch.enable_grad():  # whatever an interrupt left off, see train.fit
            losses = self._losses(leaf, adjust, work)
            (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), gradient

    def _losses(
        self, values: Tensor, adjust: Tensor, work: Sequence[tuple[Task, np.ndarray]]
    ) -> Tensor:
        params = split_rows(values, self.model.trainable)
        sizes = np.array([len(rows) for _, rows in work])
        texts = [tokens for task, rows in work for tokens in select_tokens(task.examples, rows)]
        assert self.model.fast_encoder is not None
        owner = None if len(work) == 1 else np.repeat(np.arange(len(work)), sizes)
        vectors = self.model.fast_encoder.features(texts, params, owner)
        wanted = np.concatenate([task.examples.labels[rows] for task, rows in work])
        labels = torch.from_numpy(wanted).to(vectors.device)
        # each client's texts as one row of a grid, so that every head sees its own
        there = np.arange(sizes.max()) < sizes[:, None]
        spots = torch.from_numpy(np.flatnonzero(there)).to(vectors.device)
        grid = vectors.new_zeros(there.size, vectors.shape[1]).index_copy(0, spots, vectors)
        grid, heads = grid.unflatten(0, there.shape), params["head.weight"].transpose(1, 2)
        logits = torch.baddbmm(params["head.bias"].unsqueeze(1), grid, heads) + adjust
        rows = logits.flatten(0, 1)[spots]
        each = torch.nn.functional.cross_entropy(rows, labels, reduction="none")
        return torch.stack([part.mean() for part in each.split(sizes.tolist())])

    def _adamw(self, gradient: Tensor, who: list[int]) -> None:
        """AdamW without weight decay (Loshchilov and Hutter, 2019)."""
        for steps, columns, rate in zip(self.steps, self.columns, self.rates):
            tables = self.values, self.mean, self.square
            values, mean, square = ([table[i, columns] for i in who] for table in tables)
            gradients, counts = [row[columns] for row in gradient], [steps[i] for i in who]
            adamw(values, gradients, mean, square, [], counts, lr=rate, **ADAMW)

    def _sgd(self, gradient: Tensor, who: list[int]) -> None:
        """Stochastic gradient descent with momentum, as in torch.optim.SGD."""
        assert self.momentum is not None
        self.mean[who] = self.momentum * self.mean[who] + gradient
        for columns, rate in zip(self.columns, self.rates):
            self.values[who, columns] -= rate * self.mean[who, columns]
