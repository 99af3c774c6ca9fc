"""The smallest model that fedkit's DP-SGD can train: a head on a table of fixed vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples
from fedkit.federated.local import dp_sgd
from fedkit.federated.local.train import PrivatePlan, Task
from fedkit.privacy.noise import NoiseKey

OTHERS = 20  # examples without the canary
WIDTH = 4  # their dimensions; the canary has one more for itself
CANARY_LENGTH = 20.0
LEARNING_RATE = 1e-3  # so small that the canary's gradient stays longer than the clip


@dataclass(frozen=True)
class ToyData:
    """vectors (n, d) and labels (n,). The canary, if there, is the last row; only it has entries in
    the last dimension.
    """

    vectors: Tensor
    labels: np.ndarray
    canary: Tensor

    @classmethod
    def create(cls, there: bool, others: int = OTHERS) -> ToyData:
        """Return always the same rows, with the canary (`there`) or without it."""
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((others, WIDTH))
        rows = np.pad(rows / np.linalg.norm(rows, axis=1, keepdims=True), ((0, 0), (0, 1)))
        canary = np.r_[np.zeros(WIDTH), CANARY_LENGTH]
        vectors = torch.tensor(np.r_[rows, [canary]] if there else rows, dtype=torch.float32)
        labels = np.r_[np.arange(others) % 2, [1]][: len(vectors)].astype(np.int64)
        return cls(vectors, labels, torch.tensor(canary, dtype=torch.float32))


class TableModel:
    """The part of a frozen-encoder `Model` that `private_fit` uses; a text is (row number,)."""

    device, merged = torch.device("cpu"), {}

    def __init__(self, vectors: Tensor, num_labels: int = 2):
        self.vectors, self.tuner = vectors, SimpleNamespace(default_lr=LEARNING_RATE)
        zeros = {
            "head.weight": torch.zeros(num_labels, vectors.shape[1]),
            "head.bias": torch.zeros(num_labels),
        }
        self.trainable = {n: t.requires_grad_() for n, t in zeros.items()}
        self.fast_encoder = SimpleNamespace(lowest_trained=0, layers=(), features=self.features)

    def features(self, texts: Sequence[Sequence[int]], params: Params) -> Tensor:
        return self.vectors[[row for (row,) in texts]]

    def load_params(self, params: Params) -> None:
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(params[name])

    def params(self) -> Params:
        return {n: p.detach().clone() for n, p in self.trainable.items()}

    def num_trainable(self) -> int:
        return sum(p.numel() for p in self.trainable.values())


def training_plan(noise: float, rate: float, steps: int, clip: float) -> PrivatePlan:
    """Return a DP-SGD visit with noise multiplier `noise`: noise x clip on the sum."""
    return PrivatePlan(
        clip=clip,
        sigma=noise * clip,
        rate=rate,
        steps=steps,
        scale=1.0,
        head_lr=LEARNING_RATE,
        key=NoiseKey.from_seed(0),
    )


def play_training(table: ToyData, plan: PrivatePlan) -> tuple[Tensor, Tensor]:
    """Return (weights and biases before each step, noisy sum of gradients of each step).

    Both (steps, labels, d + 1). The sums are differences between the models: with plain SGD these
    are a constant times the sum. The constant is known, since the number of a client's examples is
    public.
    """
    model, seen = TableModel(table.vectors), []
    plan = replace(plan, head_lr=LEARNING_RATE * plan.rate * len(table.labels))
    _fit(model, table.labels, plan, lambda: seen.append(_head_matrix(model)))
    path = torch.stack([*seen, _head_matrix(model)])
    return path[:-1], (path[:-1] - path[1:]) / LEARNING_RATE


def private_head(
    vectors: np.ndarray,
    labels: np.ndarray,
    seed: int = 0,
    *,
    plan: PrivatePlan,
    num_labels: int = 0,
):
    """Train a softmax head from zero by fedkit's DP-SGD; a `membership.TrainFunction`.

    plan: steps, noise and clip; noise and sampling differ with `seed`.
    """
    model = TableModel(
        torch.from_numpy(np.ascontiguousarray(vectors, np.float32)),
        max(num_labels, int(labels.max()) + 1),
    )
    _fit(model, np.asarray(labels, np.int64), replace(plan, key=plan.key.child(seed)))
    weights = _head_matrix(model).numpy()
    return lambda asked: np.asarray(asked, np.float32) @ weights[:, :-1].T + weights[:, -1]


def _fit(
    model: TableModel,
    labels: np.ndarray,
    plan: PrivatePlan,
    tick: Callable[[], None] = lambda: None,
) -> None:
    rows = Examples(("",) * len(labels), labels, tokens=tuple((i,) for i in range(len(labels))))
    task = Task("audit", model.params(), rows, (), None, private=plan)
    dp_sgd.private_fit(model, task, RunConfig(optimizer="sgd", tune="head"), tick)


def _head_matrix(model: TableModel) -> Tensor:
    weight, bias = (model.trainable[n].detach() for n in ("head.weight", "head.bias"))
    return torch.cat([weight, bias[:, None]], 1)


def canary_projections(canary: Tensor, path: Tensor, sums: Tensor, clip: float) -> np.ndarray:
    """Return the projection of each noisy sum on the canary's gradient, in clips, shape (steps,).

    Only the weights are used, to which no other example contributes: the projection is 1 with the
    canary in the batch and 0 without, plus noise.
    """
    features = torch.cat([canary, torch.ones(1)])
    wrong = (path @ features).softmax(1) - torch.tensor([0.0, 1.0])  # (steps, labels), of label 1
    direction = wrong[:, :, None] * torch.cat([canary, torch.zeros(1)])
    direction = direction / direction.flatten(1).norm(dim=1)[:, None, None]
    return ((direction * sums).sum((1, 2)) / clip).double().numpy()


@contextmanager
def no_fault(plan: PrivatePlan) -> Iterator[PrivatePlan]:
    """The mechanism as it is."""
    yield plan


@contextmanager
def reduced_noise(plan: PrivatePlan) -> Iterator[PrivatePlan]:
    """Noise four times too small, while the epsilon of the right noise is claimed."""
    yield replace(plan, sigma=plan.sigma / 4)


@contextmanager
def no_clipping(plan: PrivatePlan) -> Iterator[PrivatePlan]:
    """Clipping forgotten: noise as if every gradient were no longer than the clip."""
    yield replace(plan, clip=1e9)


@contextmanager
def clip_of_mean(plan: PrivatePlan) -> Iterator[PrivatePlan]:
    """The batch's mean clipped in place of each example's gradient, by a swap of
    `dp_sgd.clipped_head_sum` while it lasts.
    """
    kept = dp_sgd.clipped_head_sum

    def head_sum(
        vectors: Tensor,
        labels: Tensor,
        weight: Tensor,
        bias: Tensor,
        clip: float,
        *rest: Tensor | None,
    ):
        weights, biases, losses = kept(vectors, labels, weight, bias, 1e9, *rest)
        norm = float((weights.square().sum() + biases.square().sum()).sqrt()) / len(labels)
        scale = min(1.0, clip / max(norm, 1e-12))
        return weights * scale, biases * scale, losses

    dp_sgd.clipped_head_sum = head_sum
    try:
        yield plan
    finally:
        dp_sgd.clipped_head_sum = kept


FAULTS: dict[str, Callable] = {
    "noise/4": reduced_noise,
    "no clipping": no_clipping,
    "clip of the mean": clip_of_mean,
}
