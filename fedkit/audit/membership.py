"""Who was in the training data? Attacks that ask a trained model, by its loss or beside models
trained without them.

An attack works on sentence vectors (n, d) with labels (n,) and on `train(vectors, labels, seed) ->
logits function`, so that the very training in question can be plugged in. An attack that fails
proves nothing; what differential privacy promises holds for every attack: TPR <= e^epsilon FPR +
delta.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedkit.audit.roc import Roc, roc
from fedkit.core.errors import FedkitError

Logits = Callable[[np.ndarray], np.ndarray]  # vectors (n, d) -> logits (n, labels)
Promise = Callable[
    [float], float
]  # false-positive rate -> largest true-positive rate, such as partial(allowed, 8, 1e-5)
Train = Callable[[np.ndarray, np.ndarray, int], Logits]
LEVELS = (0.01, 0.001)  # false-positive rates at which an attack is judged (Carlini et al., 2022)


@dataclass(frozen=True)
class Membership:
    """What one attack found. allowed: {false-positive rate: the largest true-positive rate that the
    promise allows}.

    members, others: how many were asked about. shadows: models the attacker trained; 0 without.
    """

    attack: str
    roc: Roc
    members: int
    others: int
    shadows: int = 0
    allowed: dict[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON and plots; rates with the 95 % interval of Clopper and Pearson."""
        at = {
            f"{level:g}": {
                "tpr": r.value,
                "interval": [r.low, r.high],
                "allowed": None if self.allowed is None else self.allowed[level],
            }
            for level, r in self.roc.at.items()
        }
        return {
            "attack": self.attack,
            "auc": self.roc.auc,
            "advantage": self.roc.advantage,
            "tpr_at_fpr": at,
            "members": self.members,
            "others": self.others,
            "shadows": self.shadows,
            "fpr": self.roc.fpr.tolist(),
            "tpr": self.roc.tpr.tolist(),
        }


def allowed(epsilon: float, delta: float, fpr: float) -> float:
    """The largest true-positive rate of any test at this false-positive rate under (epsilon,
    delta).

    The lesser of e^eps fpr + delta and, from the same promise for the opposite test, 1 - e^-eps (1
    - fpr - delta).
    """
    return min(
        1.0, math.exp(min(epsilon, 700)) * fpr + delta, 1 - math.exp(-epsilon) * (1 - fpr - delta)
    )


def by_loss(
    confidences: np.ndarray, member: np.ndarray, promise: Promise | None = None
) -> Membership:
    """One threshold on the loss for all examples (Yeom et al., 2018).

    confidences: (n,) from `confidence`, which falls as the loss grows. member: bool (n,).
    """
    return _result("loss threshold", confidences, member, promise)


def by_likelihood(
    confidences: np.ndarray,
    shadows: np.ndarray,
    chosen: np.ndarray,
    member: np.ndarray,
    promise: Promise | None = None,
    online: bool = True,
) -> Membership:
    """The likelihood-ratio attack (LiRA; Carlini et al., 2022): each example beside itself in
    models with and without it.

    shadows: (S, n) confidences of shadow models. chosen: bool (S, n), which trained on which.
    online: a Gaussian for each side and their likelihood ratio; offline: only how unlikely the
    confidence is for a model without the example. Both fit a mean for each example and share one
    spread, as few shadows demand. Raises FedkitError unless each example was in a shadow and out of
    one.
    """
    if not (chosen.any(0).all() and (~chosen).any(0).all()):
        raise FedkitError(
            f"{len(chosen)} shadow models given, and some example is in none or in all of them; use"
            " 16 or more"
        )
    (mean_in, spread_in), (mean_out, spread_out) = (
        _fitted(shadows, chosen),
        _fitted(shadows, ~chosen),
    )
    out = (confidences - mean_out) / spread_out
    scores = (out**2 - ((confidences - mean_in) / spread_in) ** 2) / 2 if online else out
    name = f"likelihood ratio, {'online' if online else 'offline'}"
    return _result(name, scores, member, promise, len(shadows))


def _fitted(values: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, float]:
    """(each example's mean (n,), one spread) of values (S, n) where `which`."""
    counts = which.sum(0)
    means = np.where(which, values, 0).sum(0) / counts
    squares = np.where(which, (values - means) ** 2, 0).sum()
    return means, max(float(np.sqrt(squares / max(1, (counts - 1).clip(0).sum()))), 1e-6)


def _result(
    attack: str, scores: np.ndarray, member: np.ndarray, promise: Promise | None, shadows: int = 0
) -> Membership:
    most = None if promise is None else {level: promise(level) for level in LEVELS}
    found = roc(scores[member], scores[~member], LEVELS)
    return Membership(attack, found, int(member.sum()), int((~member).sum()), shadows, most)


def confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) of the true label's probability, (..., n) of logits (..., n, labels): close
    to Gaussian.
    """
    logits = np.asarray(logits, np.float64)
    index = np.broadcast_to(labels, logits.shape[:-1])[..., None]
    own = np.take_along_axis(logits, index, -1)[..., 0]
    rest = np.array(logits)
    np.put_along_axis(rest, index, -np.inf, -1)
    top = rest.max(-1)
    return own - top - np.log(np.exp(rest - top[..., None]).sum(-1))


def halves(n: int, shadows: int, seed: int) -> np.ndarray:
    """bool (shadows, n): random halves, in pairs of a half and its rest, so that every example is
    in half of them.
    """
    rng = np.random.default_rng([seed, 1])
    out = np.zeros((shadows, n), bool)
    for i in range(0, shadows, 2):
        out[i, rng.permutation(n)[: n // 2]] = True
        if i + 1 < shadows:
            out[i + 1] = ~out[i]
    return out


def shadow_confidences(
    train: Train,
    vectors: np.ndarray,
    labels: np.ndarray,
    chosen: np.ndarray,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """(S, n): one model by `train` on each row of `chosen` (S, n), asked about all examples."""
    out = np.zeros(chosen.shape)
    for i, rows in enumerate(chosen):
        tick()
        out[i] = confidence(train(vectors[rows], labels[rows], seed + i)(vectors), labels)
    return out


def attack_training(
    train: Train,
    vectors: np.ndarray,
    labels: np.ndarray,
    member: np.ndarray,
    shadows: int = 32,
    seed: int = 0,
    promise: Promise | None = None,
    many: Callable[..., np.ndarray] | None = None,
) -> list[Membership]:
    """Train once on the members, then attack: by loss, by likelihood ratio online and offline.

    many: (vectors, labels, chosen) -> logits (S, n, labels), the same training for all shadows at
    once (`softmax_heads`).
    """
    target = confidence(train(vectors[member], labels[member], seed)(vectors), labels)
    chosen = halves(len(labels), shadows, seed)
    if many is None:
        beside = shadow_confidences(train, vectors, labels, chosen, seed + 1)
    else:
        beside = confidence(many(vectors, labels, chosen), labels)
    return attack_model(target, beside, chosen, member, promise)


def attack_model(
    confidences: np.ndarray,
    shadows: np.ndarray,
    chosen: np.ndarray,
    member: np.ndarray,
    promise: Promise | None = None,
) -> list[Membership]:
    """All three attacks on a model of which the confidences (n,) are known."""
    return [
        by_loss(confidences, member, promise),
        by_likelihood(confidences, shadows, chosen, member, promise),
        by_likelihood(confidences, shadows, chosen, member, promise, online=False),
    ]


def strong_head(
    vectors: np.ndarray, labels: np.ndarray, seed: int = 0, num_labels: int = 0, steps: int = 200
) -> Logits:
    """A `Train` without privacy that learns by heart: many full-batch steps of Adam on a softmax
    head from zero.
    """
    weights = _descend(vectors, labels, np.ones((1, len(labels)), bool), num_labels, steps)[
        0
    ].numpy()
    return lambda asked: _with_ones(asked).numpy() @ weights.T


def softmax_heads(
    vectors: np.ndarray,
    labels: np.ndarray,
    chosen: np.ndarray,
    num_labels: int = 0,
    steps: int = 200,
) -> np.ndarray:
    """Logits (S, n, labels) of heads each trained as by `strong_head` on its own rows of `chosen`
    (S, n), all at once.
    """
    parts = [
        _descend(vectors, labels, rows, num_labels, steps)
        for rows in np.array_split(chosen, -(-len(chosen) // 8))
    ]
    return torch.einsum("nd,skd->snk", _with_ones(vectors), torch.cat(parts)).numpy()


def _descend(
    vectors: np.ndarray, labels: np.ndarray, chosen: np.ndarray, num_labels: int, steps: int
) -> Tensor:
    """Weights (S, labels, d + 1), the bias last."""
    x, width = _with_ones(vectors), max(num_labels, int(labels.max()) + 1)
    # (S, n)
    kept = torch.from_numpy(chosen).float() / torch.from_numpy(chosen).float().sum(1, keepdim=True)
    truth = torch.nn.functional.one_hot(torch.from_numpy(labels), width).float()  # (n, labels)
    weights = torch.zeros(len(chosen), width, x.shape[1])
    speed, square = torch.zeros_like(weights), torch.zeros_like(weights)
    for t in range(1, steps + 1):
        logits = (x @ weights.flatten(0, 1).T).view(len(x), len(chosen), width)  # (n, S, labels)
        wrong = (logits.softmax(-1) - truth[:, None]) * kept.T[:, :, None]
        gradient = (wrong.flatten(1).T @ x).view_as(weights)
        speed.lerp_(gradient, 0.1)
        square.lerp_(gradient.square(), 0.001)
        step = (speed / (1 - 0.9**t)) / ((square / (1 - 0.999**t)).sqrt() + 1e-8)
        weights -= 0.1 * step  # Adam (Kingma & Ba, 2015)
    return weights


def _with_ones(vectors: np.ndarray) -> Tensor:
    vectors = torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
    return torch.cat([vectors, torch.ones(len(vectors), 1)], 1)
