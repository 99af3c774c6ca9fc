"""The smallest thing the kit's DP-SGD can train: a head on a table of fixed vectors, one of them
the canary.
"""

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
from fedkit.federated.local.train import Steps, Task

# other examples; their dimensions; the canary's length, in a dimension of its own
OTHERS, WIDTH, LENGTH = 20, 4, 20.0
PACE = 1e-3  # of a step, so small that the canary's gradient stays longer than the clip


@dataclass(frozen=True)
class ToyData:
    """vectors (n, d) and labels (n,); the canary, if there, is the last row, and no other row has
    its dimension.
    """

    vectors: Tensor
    labels: np.ndarray
    canary: Tensor

    @classmethod
    def of(cls, there: bool, others: int = OTHERS) -> ToyData:
        """The same rows each time, with the canary or without it."""
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((others, WIDTH))
        rows = np.pad(rows / np.linalg.norm(rows, axis=1, keepdims=True), ((0, 0), (0, 1)))
        canary = np.r_[np.zeros(WIDTH), LENGTH]
        vectors = torch.tensor(np.r_[rows, [canary]] if there else rows, dtype=torch.float32)
        labels = np.r_[np.arange(others) % 2, [1]][: len(vectors)].astype(np.int64)
        return cls(vectors, labels, torch.tensor(canary, dtype=torch.float32))


class TableModel:
    """What `private_fit` needs of a Model whose encoder is frozen: the head alone is trained; a
    text is a row's number.
    """

    device, merged = torch.device("cpu"), {}

    def __init__(self, vectors: Tensor, num_labels: int = 2):
        self.vectors, self.tuner = vectors, SimpleNamespace(default_lr=PACE)
        zeros = {
            "head.weight": torch.zeros(num_labels, vectors.shape[1]),
            "head.bias": torch.zeros(num_labels),
        }
        self.trainable = {n: t.requires_grad_() for n, t in zeros.items()}
        self.stack = SimpleNamespace(lowest=0, layers=(), features=self.features)

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


def plan_for(noise: float, rate: float, steps: int, clip: float) -> Steps:
    """The visit that a promise of noise multiplier `noise` asks for; its noise on the sum is noise
    x clip.
    """
    return Steps(
        clip=clip, sigma=noise * clip, rate=rate, steps=steps, scale=1.0, head_lr=PACE, stream=()
    )


def play(table: ToyData, plan: Steps) -> tuple[Tensor, Tensor]:
    """(weights and biases (steps, labels, d + 1) before each step, the noisy sum of gradients that
    each step took).

    Read off the models between steps: with plain SGD each difference is a constant times that sum.
    Its denominator is taken as known, as it must be: the number of a site's examples is public.
    """
    model, seen = TableModel(table.vectors), []
    plan = replace(plan, head_lr=PACE * plan.rate * len(table.labels))
    _fit(model, table.labels, plan, lambda: seen.append(_joined(model)))
    path = torch.stack([*seen, _joined(model)])
    return path[:-1], (path[:-1] - path[1:]) / PACE


def private_head(
    vectors: np.ndarray, labels: np.ndarray, seed: int = 0, *, plan: Steps, num_labels: int = 0
):
    """A `membership.Train`: a softmax head from zero by the kit's DP-SGD as `plan` says, its seeds
    led by `seed`.
    """
    model = TableModel(
        torch.from_numpy(np.ascontiguousarray(vectors, np.float32)),
        max(num_labels, int(labels.max()) + 1),
    )
    _fit(model, np.asarray(labels, np.int64), replace(plan, stream=(seed, *plan.stream)))
    weights = _joined(model).numpy()
    return lambda asked: np.asarray(asked, np.float32) @ weights[:, :-1].T + weights[:, -1]


def _fit(
    model: TableModel, labels: np.ndarray, plan: Steps, tick: Callable[[], None] = lambda: None
) -> None:
    rows = Examples(("",) * len(labels), labels, tokens=tuple((i,) for i in range(len(labels))))
    task = Task("audit", model.params(), rows, (), None, private=plan)
    dp_sgd.private_fit(model, task, RunConfig(optimizer="sgd", tune="head"), tick)


def _joined(model: TableModel) -> Tensor:
    weight, bias = (model.trainable[n].detach() for n in ("head.weight", "head.bias"))
    return torch.cat([weight, bias[:, None]], 1)


def along(canary: Tensor, path: Tensor, sums: Tensor, clip: float) -> np.ndarray:
    """Each step's noisy sum along the canary's gradient there, in units of the clip, shape
    (steps,).

    Only the weights are used, in which no other example has a part: it is the clip's share 1 with
    the canary in the batch and 0 without, and noise.
    """
    features = torch.cat([canary, torch.ones(1)])
    wrong = (path @ features).softmax(1) - torch.tensor([0.0, 1.0])  # (steps, labels), of label 1
    direction = wrong[:, :, None] * torch.cat([canary, torch.zeros(1)])
    direction = direction / direction.flatten(1).norm(dim=1)[:, None, None]
    return ((direction * sums).sum((1, 2)) / clip).double().numpy()


@contextmanager
def nothing(plan: Steps) -> Iterator[Steps]:
    """The mechanism as it is."""
    yield plan


@contextmanager
def little_noise(plan: Steps) -> Iterator[Steps]:
    """Noise four times too small, while the epsilon of the right noise is claimed."""
    yield replace(plan, sigma=plan.sigma / 4)


@contextmanager
def no_clip(plan: Steps) -> Iterator[Steps]:
    """Clipping forgotten: noise as if every gradient were no longer than the clip."""
    yield replace(plan, clip=1e9)


@contextmanager
def clip_of_mean(plan: Steps) -> Iterator[Steps]:
    """The batch's mean clipped in place of each example's gradient, by a swap of `private.head_sum`
    while it lasts.
    """
    kept = dp_sgd.head_sum

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

    dp_sgd.head_sum = head_sum
    try:
        yield plan
    finally:
        dp_sgd.head_sum = kept


FAULTS: dict[str, Callable] = {
    "noise/4": little_noise,
    "no clipping": no_clip,
    "clip of the mean": clip_of_mean,
}
