"""Several clients trained at once: one batch through the frozen base, every client with its own adapters and head.

The steps of the clients are taken in lock-step. A client sits on one of a few seats; when its batches are used up, its
parameters are handed out and the next client takes the seat, so unequal clients cost nothing and nobody is padded.
What each client computes is what `train.fit` computes for it alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedkit.client.train import Fit, Task, fit, learning_rates
from fedkit.config import RunConfig
from fedkit.model.classifier import Model, Params

TEXTS = 128  # in one batch, all clients together, when layers are trained; see notebooks/03 and `make bench`
TEXTS_HEAD = 1024  # the same when only the head is trained
VALUES = 4_000_000  # trained values of all clients on the seats, at most


def fit_all(model: Model, tasks: Sequence[Task], config: RunConfig,
            tick: Callable[[str], None] = lambda _: None) -> Iterator[tuple[Task, Fit]]:  # fmt: skip
    """Every task with its result, as each is done: together where the model has a stack, else one after another.

    tick: called before each step of each client with its name.
    """
    if model.stack is None:
        for task in tasks:
            yield task, fit(model, task, config, lambda task=task: tick(task.name))
    else:
        yield from _together(model, tasks, config, tick)


def seats(model: Model, tasks: Sequence[Task], batch_size: int) -> int:
    """How many clients to train at once: enough to keep the processor busy, few enough for its memory."""
    texts = TEXTS_HEAD if model.stack.lowest == len(model.stack.layers) else TEXTS
    usual = max(1, min(batch_size, int(np.median([len(t.examples) for t in tasks]))))
    rank = max([1, *(p.shape[0] for n, p in model.trainable.items() if "lora_A" in n)])
    most = min(texts // usual, model.module.head.in_features // 6 // rank, VALUES // model.num_trainable(), len(tasks))
    return max(1, most)


@dataclass
class Seat:
    """A client in training."""

    task: Task
    steps: int = 0
    seen: int = 0
    loss: float = 0.0
    seconds: float = 0.0  # its share of the time of the steps that it took part in, by texts

    def count(self, texts: int, loss: float, seconds_per_text: float) -> None:
        """One step more."""
        self.steps, self.seen = self.steps + 1, self.seen + texts
        self.loss, self.seconds = self.loss + loss * texts, self.seconds + seconds_per_text * texts


def _together(model: Model, tasks: Sequence[Task], config: RunConfig, tick: Callable[[str], None]) -> Iterator[tuple[Task, Fit]]:
    waiting = iter(tasks)
    table = Table(model, seats(model, tasks, config.batch_size), config)
    taken: dict[int, Seat] = {}
    while True:
        batch = {}
        for i in range(table.size):
            while i not in batch:
                if i not in taken:  # a free seat goes to the next client
                    if (task := next(waiting, None)) is None:
                        break
                    taken[i] = Seat(task)
                    table.place(i, task)
                if (rows := next(taken[i].task.batches, None)) is not None:
                    batch[i] = rows
                else:
                    done = taken.pop(i)
                    yield done.task, Fit(table.params(i), done.steps, done.seen, done.loss / max(done.seen, 1), done.seconds)
        if not batch:
            return
        for i in batch:
            tick(taken[i].task.name)
        began = time.perf_counter()
        losses = table.step({i: (taken[i].task, rows) for i, rows in batch.items()})
        seconds = (time.perf_counter() - began) / sum(map(len, batch.values()))
        for i, rows in batch.items():
            taken[i].count(len(rows), losses[i], seconds)


class Table:
    """The parameters and AdamW states of the clients on the seats: one row each, one column per trained value."""

    def __init__(self, model: Model, size: int, config: RunConfig, betas=(0.9, 0.999), eps: float = 1e-8):
        self.model, self.size, self.clip_norm, self.betas, self.eps = model, size, config.clip_norm, betas, eps
        self.shapes = {n: p.shape for n, p in model.trainable.items()}
        rates = learning_rates(model, config)
        like = {"device": model.device, "dtype": torch.float32}
        self.rate = torch.cat([torch.full((s.numel(),), rates[n], **like) for n, s in self.shapes.items()])
        self.values, self.mean, self.square = (torch.zeros(size, len(self.rate), **like) for _ in range(3))
        self.steps = torch.zeros(size, 1, **like)
        self.adjust = torch.zeros(size, 1, len(model.labels), **like)

    def place(self, i: int, task: Task) -> None:
        """Seat `i` starts anew with the task's parameters and a fresh optimizer."""
        self.values[i] = torch.cat([task.start[n].flatten() for n in self.shapes]).to(self.values)
        self.mean[i], self.square[i], self.steps[i] = 0.0, 0.0, 0.0
        self.adjust[i] = 0.0 if task.adjust is None else task.adjust

    def params(self, i: int) -> Params:
        """A copy of a seat's parameters, float32 on the CPU."""
        parts = self.values[i].cpu().clone().split([s.numel() for s in self.shapes.values()])
        return {n: part.view(shape) for (n, shape), part in zip(self.shapes.items(), parts)}

    def step(self, batch: dict[int, tuple[Task, np.ndarray]]) -> dict[int, float]:
        """One step of every client in `batch`, seat -> (task, rows); the mean loss of each."""
        who = torch.tensor(list(batch), device=self.model.device)
        values, work = self.values[who], list(batch.values())
        losses, gradient = self._gradient(values, self.adjust[who], work)
        if len(work) > 1 and not gradient.isfinite().all():  # what overflowed in one must not reach the others
            parts = [self._gradient(values[[i]], self.adjust[who[[i]]], [one]) for i, one in enumerate(work)]
            losses, gradient = (torch.cat(p) for p in zip(*parts))
        self._adamw(values, gradient, who)
        return dict(zip(batch, losses.tolist()))

    def _gradient(self, values: Tensor, adjust: Tensor, work: Sequence[tuple[Task, np.ndarray]]) -> tuple[Tensor, Tensor]:
        """(mean cross-entropy of each client's rows (k,), its gradient (k, P)) at `values` (k, P) of k clients."""
        leaf = values.detach().requires_grad_()
        losses = self._losses(leaf, adjust, work)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), gradient

    def _losses(self, values: Tensor, adjust: Tensor, work: Sequence[tuple[Task, np.ndarray]]) -> Tensor:
        parts = values.split([s.numel() for s in self.shapes.values()], 1)
        params = {n: part.unflatten(1, shape) for (n, shape), part in zip(self.shapes.items(), parts)}
        sizes = np.array([len(rows) for _, rows in work])
        texts = [task.examples.tokens[r] for task, rows in work for r in rows]
        owner = None if len(work) == 1 else np.repeat(np.arange(len(work)), sizes)
        vectors = self.model.stack.features(texts, params, owner)
        labels = torch.from_numpy(np.concatenate([task.examples.labels[rows] for task, rows in work])).to(vectors.device)
        # each client's texts as one row of a grid, so that every head sees its own
        there = np.arange(sizes.max()) < sizes[:, None]
        spots = torch.from_numpy(np.flatnonzero(there)).to(vectors.device)
        grid = vectors.new_zeros(there.size, vectors.shape[1]).index_copy(0, spots, vectors).unflatten(0, there.shape)
        logits = torch.baddbmm(params["head.bias"].unsqueeze(1), grid, params["head.weight"].transpose(1, 2)) + adjust
        each = torch.nn.functional.cross_entropy(logits.flatten(0, 1)[spots], labels, reduction="none")
        return torch.stack([part.mean() for part in each.split(sizes.tolist())])

    def _adamw(self, values: Tensor, gradient: Tensor, who: Tensor) -> None:
        """AdamW without weight decay (Loshchilov and Hutter, 2019) after clipping each client's gradient norm."""
        gradient = gradient * (self.clip_norm / (gradient.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1.0)
        first, second = self.betas
        steps = self.steps[who] + 1
        mean = self.mean[who].lerp_(gradient, 1 - first)
        square = self.square[who].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = self.rate / (1 - first**steps)
        values = values - size * mean / (square.sqrt() / (1 - second**steps).sqrt() + self.eps)
        for kept, new in ((self.steps, steps), (self.mean, mean), (self.square, square), (self.values, values)):
            kept[who] = new
