"""The two games with a canary: DP-SGD of one model, and DP-FedAvg of whole clients.

Both run fedkit's own mechanism. DP-SGD gets the smallest model that it can train, a head on a table
of fixed vectors, so that a training takes milliseconds; DP-FedAvg gets synthetic updates. Only the
canary has an entry in the last dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples
from fedkit.federated.local import dp_sgd
from fedkit.federated.local.train import PrivatePlan, Task
from fedkit.federated.rounds.client_dp import ClientDP
from fedkit.federated.rounds.head_start import privacy_budget
from fedkit.federated.rounds.sampling import choose_clients
from fedkit.privacy.accounting import Releases, epsilon
from fedkit.privacy.mechanisms import Budget
from fedkit.privacy.noise import NoiseKey

OTHERS = 20  # examples or clients without the canary
WIDTH = 4  # their dimensions; the canary has one more for itself
CANARY_LENGTH = 20.0
CANARY_CLIPS = 50.0  # length of the canary client's update, in clips
NO_CLIP = 1e9
LEARNING_RATE = 1e-3  # so small that the canary's gradient stays longer than the clip
FAULTS = {  # that can be built in: what each is
    "noise/4": "noise four times too small, while the epsilon of the right noise is claimed",
    "no clipping": "clipping forgotten: noise as if no gradient were longer than the clip",
    "clip of the mean": "the batch's mean clipped in place of each example's gradient",
}
# key of noise and sampling -> the canary's share of each step's noisy sum, in clips
Training = Callable[[NoiseKey], np.ndarray]


@dataclass(frozen=True)
class Mechanism:
    """The guarantee to be audited: `steps` Poisson-sampled Gaussian releases.

    noise: multiplier. rate: sampling rate. unit: example (DP-SGD) or client (DP-FedAvg, whose steps
    are rounds). Raises FedkitError for values out of range.
    """

    noise: float
    rate: float = 1.0
    steps: int = 1
    clip: float = 1.0
    delta: float = 1e-5
    unit: str = "example"

    def __post_init__(self) -> None:
        inside = 0 < self.noise < 1e4 and 0 < self.rate <= 1 and 0 < self.delta < 1
        if not (inside and self.steps >= 1 and self.clip > 0):
            raise FedkitError(
                f"{self} given; noise, clip and delta are above 0, the rate is at most 1, steps are"
                " 1 or more"
            )
        if self.unit not in GAMES:
            raise FedkitError(f"unit {self.unit!r} is not known; choose one of: {', '.join(GAMES)}")

    @property
    def promised_epsilon(self) -> float:
        """The epsilon that the accountant computes, at `delta`."""
        return epsilon([Releases(self.noise, self.rate, self.steps)], self.delta)


def canary_vectors(there: bool, length: float, canary: float) -> np.ndarray:
    """Return OTHERS random vectors of one length and, if `there`, last the canary, of its own."""
    rows = np.random.default_rng(0).standard_normal((OTHERS, WIDTH))
    rows = np.pad(length * rows / np.linalg.norm(rows, axis=1, keepdims=True), ((0, 0), (0, 1)))
    return np.r_[rows, [np.r_[np.zeros(WIDTH), canary]]] if there else rows


@dataclass(frozen=True)
class ToyData:
    """vectors (n, d) and labels (n,); the canary, if there, is the last row. Always the same."""

    vectors: Tensor
    labels: np.ndarray
    canary: Tensor

    @classmethod
    def create(cls, there: bool) -> ToyData:
        """Return the rows with the canary (`there`) or without it."""
        every = torch.tensor(canary_vectors(True, 1.0, CANARY_LENGTH), dtype=torch.float32)
        labels = np.r_[np.arange(OTHERS) % 2, [1]].astype(np.int64)
        count = OTHERS + there
        return cls(every[:count], labels[:count], every[-1])


class TableModel:
    """The part of a frozen-encoder `Model` that `private_fit` uses; a text is (row number,)."""

    device, merged = torch.device("cpu"), {}

    def __init__(self, vectors: Tensor, num_labels: int = 2):
        self.vectors, self.tuner = vectors, SimpleNamespace(default_lr=LEARNING_RATE)
        self.trainable = {
            "head.weight": torch.zeros(num_labels, vectors.shape[1], requires_grad=True),
            "head.bias": torch.zeros(num_labels, requires_grad=True),
        }
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

    def head_matrix(self) -> Tensor:
        """Return the weights with the biases as last column, (labels, d + 1)."""
        weight, bias = (self.trainable[n].detach() for n in ("head.weight", "head.bias"))
        return torch.cat([weight, bias[:, None]], 1)

    def fit(
        self, labels: np.ndarray, plan: PrivatePlan, tick: Callable[[], None] = lambda: None
    ) -> None:
        """Train by fedkit's DP-SGD; `tick` is called before each step."""
        count = len(labels)
        rows = Examples(("",) * count, labels, tokens=tuple((i,) for i in range(count)))
        task = Task("audit", self.params(), rows, (), None, private=plan)
        dp_sgd.private_fit(self, task, RunConfig(optimizer="sgd", tune="head"), tick)


def training_plan(noise: float, rate: float, steps: int, clip: float) -> PrivatePlan:
    """Return a DP-SGD visit with noise multiplier `noise`: noise x clip on the sum."""
    key, sigma = NoiseKey.from_seed(0), noise * clip
    return PrivatePlan(clip, sigma, rate, steps, scale=1.0, head_lr=LEARNING_RATE, key=key)


def play_training(table: ToyData, plan: PrivatePlan) -> tuple[Tensor, Tensor]:
    """Return (weights and biases before each step, noisy sum of gradients of each step).

    Both (steps, labels, d + 1). The sums are differences between the models: with plain SGD these
    are a constant times the sum. The constant is known, since the number of a client's examples is
    public.
    """
    model, seen = TableModel(table.vectors), []
    plan = replace(plan, head_lr=LEARNING_RATE * plan.rate * len(table.labels))
    model.fit(table.labels, plan, lambda: seen.append(model.head_matrix()))
    path = torch.stack([*seen, model.head_matrix()])
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
    rows = torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
    model = TableModel(rows, max(num_labels, int(labels.max()) + 1))
    model.fit(np.asarray(labels, np.int64), replace(plan, key=plan.key.child(seed)))
    weights = model.head_matrix().numpy()
    return lambda asked: np.asarray(asked, np.float32) @ weights[:, :-1].T + weights[:, -1]


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
def faulty_plan(plan: PrivatePlan, fault: str | None) -> Iterator[PrivatePlan]:
    """Build a fault of FAULTS into DP-SGD while the block runs."""
    kept = dp_sgd.clipped_head_sum
    if fault == "noise/4":
        plan = replace(plan, sigma=plan.sigma / 4)
    elif fault == "no clipping":
        plan = replace(plan, clip=NO_CLIP)
    elif fault == "clip of the mean":
        dp_sgd.clipped_head_sum = partial(_sum_with_clipped_mean, kept)
    try:
        yield plan
    finally:
        dp_sgd.clipped_head_sum = kept


def _sum_with_clipped_mean(
    kept: Callable,
    vectors: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor,
    clip: float,
    *rest: Tensor | None,
):
    weights, biases, losses = kept(vectors, labels, weight, bias, NO_CLIP, *rest)
    norm = float((weights.square().sum() + biases.square().sum()).sqrt()) / len(labels)
    scale = min(1.0, clip / max(norm, 1e-12))
    return weights * scale, biases * scale, losses


@contextmanager
def example_game(setting: Mechanism, there: bool, fault: str | None) -> Iterator[Training]:
    """Yield a function that trains a head by DP-SGD."""
    rows = ToyData.create(there)
    plan = training_plan(setting.noise, setting.rate, setting.steps, setting.clip)
    with faulty_plan(plan, fault) as changed:
        yield lambda key: canary_projections(
            rows.canary, *play_training(rows, replace(changed, key=key)), setting.clip
        )


@contextmanager
def client_game(setting: Mechanism, there: bool, fault: str | None) -> Iterator[Training]:
    """Yield a function that runs DP-FedAvg."""
    clients = canary_clients(there, setting.clip)
    budget = canary_budget(setting.noise, setting.rate, setting.clip, setting.delta, setting.steps)
    yield lambda key: play_rounds(clients, budget, setting.steps, key, fault)


@dataclass(frozen=True)
class CanaryClient:
    """A client whose update before clipping is always the same."""

    client_id: str
    update: Params


def canary_clients(there: bool, clip: float) -> list[CanaryClient]:
    """Return OTHERS clients with updates longer than the clip and, if `there`, last the canary."""
    return [
        CanaryClient(f"site-{i}", {"head.weight": torch.tensor(row, dtype=torch.float32)})
        for i, row in enumerate(canary_vectors(there, 2 * clip, CANARY_CLIPS * clip))
    ]


def canary_budget(noise: float, rate: float, clip: float, delta: float, steps: int) -> Budget:
    """Return fedkit's budget for this guarantee."""
    config = RunConfig(
        privacy=f"client:noise={noise!r},clip={clip!r},delta={delta!r}",
        head_start="zero",
        rounds=steps,
        clients_per_round=rate if rate < 1 else None,
    )
    return privacy_budget(config, OTHERS)


def play_rounds(
    clients: list[CanaryClient],
    budget: Budget,
    rounds: int,
    key: NoiseKey,
    fault: str | None = None,
) -> np.ndarray:
    """Return the canary's dimension of each round's noisy sum, in clips, shape (rounds,)."""
    played = replace(budget, noise=budget.noise / 4) if fault == "noise/4" else budget
    dp, config = ClientDP(played, key, {}), RunConfig()
    clip, seen = dp.clip, np.zeros(rounds)
    limit = NO_CLIP if fault in ("no clipping", "clip of the mean") else clip
    for number in range(1, rounds + 1):
        dp.clip = limit
        arrived = [
            dp.clip_update(c.update)[0]["head.weight"]
            for c in choose_clients(clients, config, budget, number, key)
        ]
        assert not any(dp.rejection_reason({"head.weight": update}) for update in arrived)
        mean = torch.stack(arrived).mean(0) if arrived else torch.zeros(WIDTH + 1)
        dp.clip = clip
        if fault == "clip of the mean":
            mean = mean * min(1.0, clip / max(float(mean.norm()), 1e-12))
        noisy = dp.finish_mean({"head.weight": mean}, len(arrived), number)["head.weight"]
        seen[number - 1] = float(noisy[-1])
    return seen * budget.cohort / clip


GAMES: dict[str, Callable] = {"example": example_game, "client": client_game}
