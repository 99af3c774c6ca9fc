"""Membership inference: attacks by the loss, and by likelihood ratios with shadow models.

An attack works on sentence vectors (n, d) with labels (n,) and on `train(vectors, labels, seed) ->
logits function`, so that any training can be attacked. An attack that fails proves nothing; the
bound of differential privacy holds for every attack: TPR <= e^epsilon FPR + delta.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedkit.audit.bounds import Rate, estimate_rate
from fedkit.core.errors import FedkitError

LogitsFunction = Callable[[np.ndarray], np.ndarray]  # vectors (n, d) -> logits (n, labels)
TrainFunction = Callable[[np.ndarray, np.ndarray, int], LogitsFunction]
# false-positive rate -> largest true-positive rate, such as partial(tpr_limit, 8, 1e-5)
TprLimit = Callable[[float], float]
MAX_POINTS = 200  # of a ROC curve
FPR_LEVELS = (0.01, 0.001)  # at which an attack is evaluated (Carlini et al., 2022)


@dataclass(frozen=True)
class Roc:
    """A ROC curve.

    fpr, tpr: (points,), rising from 0 to 1, at most MAX_POINTS. auc: area under the full curve.
    advantage: largest tpr - fpr, slightly too high, since it is measured on the scores that chose
    the threshold. at: {false-positive rate: true-positive rate with its 95 % interval}.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    auc: float
    advantage: float
    at: dict[float, Rate]


def roc_of_scores(
    members: np.ndarray, others: np.ndarray, levels: Sequence[float] = FPR_LEVELS
) -> Roc:
    """Return the ROC curve for scores of members (n,) and of others (m,).

    Ties count one half in the area (Mann-Whitney). Raises FedkitError if there are no scores or
    some are not finite.
    """
    members, others = np.asarray(members, float), np.asarray(others, float)
    if not (
        len(members) and len(others) and np.isfinite(members).all() and np.isfinite(others).all()
    ):
        raise FedkitError(
            f"scores of {len(members)} members and {len(others)} others given; both need some, all"
            " finite numbers"
        )
    fpr, tpr = roc_points(members, others)
    found = {level: round(float(tpr[fpr <= level][-1]) * len(members)) for level in levels}
    at = {level: estimate_rate(count, len(members)) for level, count in found.items()}
    area, keep = float(np.trapezoid(tpr, fpr)), _thin(fpr, tpr)
    return Roc(fpr[keep], tpr[keep], area, float((tpr - fpr).max()), at)


def roc_points(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (fpr, tpr) from (0, 0) to (1, 1), one point for each distinct score."""
    from sklearn.metrics import roc_curve

    member = np.r_[np.ones(len(members)), np.zeros(len(others))]
    return roc_curve(member, np.r_[members, others], drop_intermediate=False)[:2]


def _thin(fpr: np.ndarray, tpr: np.ndarray) -> np.ndarray:
    """Return indices of at most MAX_POINTS points, both ends included, evenly along the curve."""
    if len(fpr) <= MAX_POINTS:
        return np.arange(len(fpr))
    along = fpr + tpr + np.sqrt(fpr)  # the root gives small rates, which matter most, more points
    kept = np.searchsorted(along, np.linspace(along[0], along[-1], MAX_POINTS))
    return np.unique(kept.clip(0, len(fpr) - 1))


@dataclass(frozen=True)
class MembershipResult:
    """Result of one attack.

    members, others: number of attacked examples. shadows: number of shadow models. allowed:
    {false-positive rate: largest true-positive rate under the promise}; None without a promise.
    """

    attack: str
    roc: Roc
    members: int
    others: int
    shadows: int = 0
    allowed: dict[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON and plots; rates have 95 % Clopper-Pearson intervals."""
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


def tpr_limit(epsilon: float, delta: float, fpr: float) -> float:
    """Return the largest true-positive rate at `fpr` of any test under (epsilon, delta)-DP.

    The smaller of e^eps fpr + delta and, from the opposite test, 1 - e^-eps (1 - fpr - delta).
    """
    return min(
        1.0, math.exp(min(epsilon, 700)) * fpr + delta, 1 - math.exp(-epsilon) * (1 - fpr - delta)
    )


def loss_attack(
    confidences: np.ndarray, member: np.ndarray, promise: TprLimit | None = None
) -> MembershipResult:
    """Attack with one threshold on the loss for all examples (Yeom et al., 2018).

    confidences: (n,) from `logit_confidence`, which falls as the loss grows. member: bool (n,).
    """
    return _result("loss threshold", confidences, member, promise)


def likelihood_ratio_attack(
    confidences: np.ndarray,
    shadows: np.ndarray,
    chosen: np.ndarray,
    member: np.ndarray,
    promise: TprLimit | None = None,
    online: bool = True,
) -> MembershipResult:
    """Attack with likelihood ratios from shadow models (LiRA; Carlini et al., 2022).

    shadows: (S, n) confidences of shadow models. chosen: bool (S, n), which model was trained on
    which example. online: likelihood ratio of two Gaussians, of models with and without the
    example; offline: only how unlikely the confidence is without it. Means are fitted per example,
    the spread is shared, since there are few shadows. Raises FedkitError unless each example is in
    at least one shadow model and out of one.
    """
    if not (chosen.any(0).all() and (~chosen).any(0).all()):
        raise FedkitError(
            f"{len(chosen)} shadow models given, and some example is in none or in all of them; use"
            " 16 or more"
        )
    mean_in, spread_in = _fit_gaussians(shadows, chosen)
    mean_out, spread_out = _fit_gaussians(shadows, ~chosen)
    out = (confidences - mean_out) / spread_out
    scores = (out**2 - ((confidences - mean_in) / spread_in) ** 2) / 2 if online else out
    name = f"likelihood ratio, {'online' if online else 'offline'}"
    return _result(name, scores, member, promise, len(shadows))


def _fit_gaussians(values: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (mean of each example (n,), shared spread) of values (S, n) where `which`."""
    counts = which.sum(0)
    means = np.where(which, values, 0).sum(0) / counts
    squares = np.where(which, (values - means) ** 2, 0).sum()
    return means, max(float(np.sqrt(squares / max(1, (counts - 1).clip(0).sum()))), 1e-6)


def _result(
    attack: str, scores: np.ndarray, member: np.ndarray, promise: TprLimit | None, shadows: int = 0
) -> MembershipResult:
    most = None if promise is None else {level: promise(level) for level in FPR_LEVELS}
    found = roc_of_scores(scores[member], scores[~member], FPR_LEVELS)
    return MembershipResult(attack, found, int(member.sum()), int((~member).sum()), shadows, most)


def logit_confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) of the true label, which is close to Gaussian.

    logits: (..., n, labels). labels: (n,). Returns (..., n).
    """
    logits = np.asarray(logits, np.float64)
    index = np.broadcast_to(labels, logits.shape[:-1])[..., None]
    own = np.take_along_axis(logits, index, -1)[..., 0]
    rest = np.array(logits)
    np.put_along_axis(rest, index, -np.inf, -1)
    top = rest.max(-1)
    return own - top - np.log(np.exp(rest - top[..., None]).sum(-1))


def random_halves(n: int, shadows: int, seed: int) -> np.ndarray:
    """Return bool (shadows, n): pairs of a random half and its complement.

    Every example is in half of the rows.
    """
    rng = np.random.default_rng([seed, 1])
    out = np.zeros((shadows, n), bool)
    for i in range(0, shadows, 2):
        out[i, rng.permutation(n)[: n // 2]] = True
        if i + 1 < shadows:
            out[i + 1] = ~out[i]
    return out


def shadow_confidences(
    train: TrainFunction, vectors: np.ndarray, labels: np.ndarray, chosen: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Train one model on each row of `chosen` (S, n); return their confidences (S, n)."""
    models = (train(vectors[own], labels[own], seed + i) for i, own in enumerate(chosen))
    return np.stack([logit_confidence(logits_of(vectors), labels) for logits_of in models])


def attack_training(
    train: TrainFunction,
    vectors: np.ndarray,
    labels: np.ndarray,
    member: np.ndarray,
    shadows: int = 32,
    seed: int = 0,
    promise: TprLimit | None = None,
    train_many: Callable[..., np.ndarray] | None = None,
) -> list[MembershipResult]:
    """Train once on the members, then run all three attacks (see `attack_model`).

    train_many: (vectors, labels, chosen) -> logits (S, n, labels), the same training for all shadow
    models at once (`softmax_heads`).
    """
    target = logit_confidence(train(vectors[member], labels[member], seed)(vectors), labels)
    chosen = random_halves(len(labels), shadows, seed)
    if train_many is None:
        beside = shadow_confidences(train, vectors, labels, chosen, seed + 1)
    else:
        beside = logit_confidence(train_many(vectors, labels, chosen), labels)
    return attack_model(target, beside, chosen, member, promise)


def attack_model(
    confidences: np.ndarray,
    shadows: np.ndarray,
    chosen: np.ndarray,
    member: np.ndarray,
    promise: TprLimit | None = None,
) -> list[MembershipResult]:
    """Run the loss attack and both likelihood-ratio attacks on a model's confidences (n,)."""
    return [
        loss_attack(confidences, member, promise),
        likelihood_ratio_attack(confidences, shadows, chosen, member, promise),
        likelihood_ratio_attack(confidences, shadows, chosen, member, promise, online=False),
    ]


def overfit_head(
    vectors: np.ndarray, labels: np.ndarray, seed: int = 0, num_labels: int = 0, steps: int = 200
) -> LogitsFunction:
    """Train a softmax head without privacy until it overfits: full-batch Adam from zero.

    A `TrainFunction`; the seed is not used.
    """
    everything = np.ones((1, len(labels)), bool)
    weights = _train_heads(vectors, labels, everything, num_labels, steps)[0].numpy()
    return lambda asked: _with_ones(asked).numpy() @ weights.T


def softmax_heads(
    vectors: np.ndarray,
    labels: np.ndarray,
    chosen: np.ndarray,
    num_labels: int = 0,
    steps: int = 200,
) -> np.ndarray:
    """Return logits (S, n, labels) of one `overfit_head` for each row of `chosen` (S, n)."""
    parts = [
        _train_heads(vectors, labels, rows, num_labels, steps)
        for rows in np.array_split(chosen, -(-len(chosen) // 8))
    ]
    return torch.einsum("nd,skd->snk", _with_ones(vectors), torch.cat(parts)).numpy()


def _train_heads(
    vectors: np.ndarray, labels: np.ndarray, chosen: np.ndarray, num_labels: int, steps: int
) -> Tensor:
    """Return weights (S, labels, d + 1), the bias last."""
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
