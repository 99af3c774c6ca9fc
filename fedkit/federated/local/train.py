"""A client's training in a round: gradient steps on its own texts from the shared parameters."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig, parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.data.corpus import ClientData, Examples
from fedkit.models.classifier import Model
from fedkit.privacy.noise import NoiseKey

# called before each step with round and client; raises errors.Cancelled to stop
Tick = Callable[[int, str], None]


@dataclass(frozen=True)
class ClientUpdate:
    """What a client sends: delta = local - shared, and its number of training examples.

    weight: weight in a mean, set by the server; the number of examples if None. staleness: server
    steps since the parameters it trained from. metrics: numbers that the client reports where the
    strategy needs them.
    """

    client_id: str
    delta: Params
    num_examples: int
    metrics: dict[str, float] = field(default_factory=dict)
    weight: float | None = None
    staleness: int = 0

    @property
    def mean_weight(self) -> float:
        """Weight in a mean."""
        return self.num_examples if self.weight is None else self.weight


@dataclass(frozen=True)
class Task:
    """One client's training task. batches: row numbers of `examples` for each step; read once.

    adjust: added to the logits in the loss, shape (labels,); None for the plain loss. frozen: names
    of tensors that are not trained. pull: mu of the proximal term mu / 2 ||w - start||^2 in the
    loss. shift: added to every gradient (c - c_i of SCAFFOLD). private: the plan of DP-SGD, which
    draws its own batches.
    """

    name: str
    start: Params
    examples: Examples
    batches: Iterator[np.ndarray]
    adjust: Tensor | None = None
    frozen: frozenset[str] = frozenset()
    pull: float = 0.0
    shift: Params | None = None
    private: PrivatePlan | None = None


@dataclass(frozen=True)
class FitResult:
    """Result of training. loss: mean over the examples seen, each before the step that used it.

    gradient: mean of the steps' gradients of the loss, where the task has a shift; else None.
    given: sent in place of the difference to the start; None: that difference is sent.
    """

    params: Params
    steps: int
    examples: int
    loss: float
    seconds: float
    gradient: Params | None = None
    given: Params | None = None

    def change(self, start: Params) -> Params:
        """Return what the client sends: the difference to its start, or `given`."""
        if self.given is not None:
            return self.given
        return {n: t - start[n] for n, t in self.params.items()}


@dataclass(frozen=True)
class PrivatePlan:
    """Settings of one client's DP-SGD in a round (see `dp_sgd`).

    clip: of each example's gradient. sigma: standard deviation of the noise on the sum of clipped
    gradients. rate: Poisson sampling rate. steps: gradient steps. scale: factor of the learning
    rates (see `dp_sgd.step_sizes`). head_lr: replaces the run's. key: of noise and sampling.
    only_gradient: the one step is not taken; the client gives its negative noisy gradient, for the
    server to step with.
    """

    clip: float
    sigma: float
    rate: float
    steps: int
    scale: float
    head_lr: float
    key: NoiseKey
    only_gradient: bool = False


def train(
    model: Model,
    shared: Params,
    client: ClientData,
    config: RunConfig,
    round_number: int,
    prior: Tensor | None = None,
    tick: Tick = lambda *_: None,
) -> ClientUpdate:
    """Train for `local_epochs` passes; return the update with steps, examples, loss and seconds.

    prior: label shares over all clients, shape (labels,); needed by the calibrated loss, else
    ignored. Deterministic: the order of examples depends on seed, round and client id only.
    """
    task = make_task(client, shared, config, round_number, prior, len(model.labels))
    done = fit(model, task, config, partial(tick, round_number, client.client_id))
    said = ("steps", "examples", "loss", "seconds")
    metrics = {name: getattr(done, name) for name in said}
    return ClientUpdate(task.name, done.change(task.start), len(task.examples), metrics)


def make_task(
    client: ClientData,
    shared: Params,
    config: RunConfig,
    round_number: int,
    prior: Tensor | None,
    num_labels: int,
    frozen: frozenset[str] = frozenset(),
) -> Task:
    """Return a client's task for one round."""
    rng = client_rng(config.seed, round_number, client.client_id)
    batches = (
        rows
        for _ in range(config.local_epochs)
        for rows in epoch_batches(client.train, config.batch_size, rng)
    )
    adjust = logit_adjustment(config.loss, count_labels(client.train.labels, num_labels), prior)
    return Task(client.client_id, shared, client.train, batches, adjust, frozen)


def fit(
    model: Model, task: Task, config: RunConfig, tick: Callable[[], None] = lambda: None
) -> FitResult:
    """Train the model in place, from the task's start, on each of its batches."""
    began = time.perf_counter()
    model.load_params(task.start)
    optimizer, still = make_optimizer(model, config), [model.trainable[n] for n in task.frozen]
    correction = GradientCorrection(model.trainable, task)
    adjust = None if task.adjust is None else task.adjust.to(model.device)
    labels = torch.from_numpy(task.examples.labels).to(model.device)
    steps = seen = 0
    total = torch.zeros((), device=model.device)
    for rows in task.batches:
        tick()
        # an interrupt within torch's own no_grad may have left it off in a notebook's kernel
        with torch.enable_grad():
            logits = model.forward(*model.batch(task.examples, rows))
            loss = torch.nn.functional.cross_entropy(
                logits if adjust is None else logits + adjust, labels[rows]
            )
        optimizer.zero_grad()
        loss.backward()
        correction.apply(model.trainable)
        for parameter in still:
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(model.trainable.values(), config.clip_norm)
        optimizer.step()
        steps, seen, total = steps + 1, seen + len(rows), total + loss.detach() * len(rows)
    mean_loss, seconds = total.item() / max(seen, 1), time.perf_counter() - began
    return FitResult(model.params(), steps, seen, mean_loss, seconds, correction.mean(steps))


class GradientCorrection:
    """A task's corrections of its gradients: the proximal term's, and the shift of SCAFFOLD."""

    def __init__(self, trainable: Mapping[str, Tensor], task: Task):
        self.pull = task.pull
        self.start = {n: task.start[n].to(p) for n, p in trainable.items()} if task.pull else {}
        self.shift: Params | None = None
        self.total: Params = {}  # sum of the loss's own gradients, where there is a shift
        if task.shift is not None:
            self.shift = {n: task.shift[n].to(p) for n, p in trainable.items()}
            self.total = {n: torch.zeros_like(p) for n, p in trainable.items()}

    def apply(self, trainable: Mapping[str, Tensor]) -> None:
        """Change the gradients in place; sum the loss's own gradients first."""
        for name, parameter in trainable.items():
            if parameter.grad is None:
                continue
            if self.shift is not None:
                self.total[name] += parameter.grad
                parameter.grad += self.shift[name]
            if self.pull:
                parameter.grad += self.pull * (parameter.detach() - self.start[name])

    def mean(self, steps: int) -> Params | None:
        """Return the mean of the loss's own gradients, float32 on the CPU; None without a shift."""
        if self.shift is None:
            return None
        return {n: (t / max(steps, 1)).detach().float().cpu() for n, t in self.total.items()}


def sgd_momentum(config: RunConfig) -> float | None:
    """Return the momentum of the clients' SGD; None where they use AdamW.

    Raises FedkitError for another optimizer.
    """
    name, options = parse_spec(config.optimizer, "optimizer")
    if name == "adamw" and not options:
        return None
    try:
        momentum = float(options.pop("", options.pop("momentum", 0.0)))
        if name == "sgd" and not options and 0 <= momentum < 1:
            return momentum
    except ValueError:
        pass
    raise FedkitError(
        f"optimizer {config.optimizer!r} given; write adamw, sgd, or sgd:momentum=0.9 (0 up to 1)"
    )


def make_optimizer(model: Model, config: RunConfig) -> torch.optim.Optimizer:
    """Return a fresh optimizer with one rate for the head and one for everything else.

    Made anew each round, so clients keep no state.
    """
    rates = learning_rates(model, config)
    groups: dict[bool, dict[str, Any]] = {}
    for name, parameter in model.trainable.items():
        group = groups.setdefault(name.startswith("head."), {"params": [], "lr": rates[name]})
        group["params"].append(parameter)
    if (momentum := sgd_momentum(config)) is not None:
        return torch.optim.SGD(list(groups.values()), momentum=momentum)
    return torch.optim.AdamW(list(groups.values()), weight_decay=0.0)


def learning_rates(model: Model, config: RunConfig) -> dict[str, float]:
    """Return the learning rate of every trained tensor."""
    body = model.tuner.default_lr if config.lr is None else config.lr
    return {n: config.head_lr if n.startswith("head.") else body for n in model.trainable}


def epoch_batches(
    examples: Examples, size: int, rng: np.random.Generator, bucket: int = 8
) -> Iterator[np.ndarray]:
    """Yield the rows of one epoch in batches of `size` texts of similar length.

    Rows are shuffled, sorted by length within buckets of `bucket` batches, and the batches shuffled
    again: random enough to learn from, and little padding.
    """
    assert examples.tokens is not None
    order = rng.permutation(len(examples))
    lengths = np.array([len(t) for t in examples.tokens])
    batches = []
    for start in range(0, len(order), size * bucket):
        rows = order[start : start + size * bucket]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[i : i + size] for i in range(0, len(rows), size)]
    for i in rng.permutation(len(batches)):
        yield batches[i]


def select_tokens(examples: Examples, rows: np.ndarray) -> list[tuple[int, ...]]:
    """Return the token ids of the examples at `rows`."""
    assert examples.tokens is not None
    return [examples.tokens[row] for row in rows]


def logit_adjustment(loss: str, counts: Tensor, prior: Tensor | None) -> Tensor | None:
    """Return what the loss adds to a client's logits, shape (labels,); None for 'plain'.

    counts: the client's examples per label. prior: label shares over all clients. 'calibrated' aims
    at these shares, 'balanced' at equal ones.
    """
    if loss == "plain":
        return None
    if loss == "balanced":
        prior = torch.full((len(counts),), 1 / len(counts))
    assert prior is not None
    return log_adjustment(counts, prior)


def log_adjustment(counts: Tensor, prior: Tensor, smoothing: float = 0.5) -> Tensor:
    """Return log(p_client(y) / prior(y)), shape (labels,), added to the logits in training only.

    The client's model then need not push down labels it happens not to have (logit adjustment:
    Menon et al., 2021; label-skewed federated learning: Zhang et al., 2022). smoothing: examples
    added per label in proportion to the prior.
    """
    local = (counts + smoothing * len(prior) * prior) / (counts.sum() + smoothing * len(prior))
    return torch.log(local / prior.clamp_min(1e-6)).clamp_min(-12.0)


def count_labels(labels: np.ndarray, num_labels: int) -> Tensor:
    """Return the number of examples per label, float32 (num_labels,)."""
    return torch.bincount(torch.from_numpy(labels), minlength=num_labels).float()


def client_rng(seed: int, round_number: int, client_id: str) -> np.random.Generator:
    """Return a random generator that depends on seed, round and client id only."""
    return np.random.default_rng([seed, round_number, zlib.crc32(client_id.encode())])
