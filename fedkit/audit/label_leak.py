"""Which labels were in the batch, and how often: read from the gradient of the head's bias."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fedkit.audit.threat_model import AttackGuess, Seen
from fedkit.core.tensors import Params

STEPS = 400


def labels(seen: Seen) -> AttackGuess:
    """The multiset of labels. dL/db = mean(p - onehot(y)): negative where a label occurs (iDLG:
    Zhao et al., 2020).

    How often: what the model says of public texts of label y gives the mean p of such texts, row y
    of M, and the counts n >= 0 with sum n = texts that fit n (M - I) = texts * gradient best are
    rounded (after Wainakh et al., 2022).
    """
    bias = seen.tensor("head.bias")
    if bias is None:
        return AttackGuess(why="the head's bias is not sent")
    mean = mean_answers(seen, len(bias))
    share = fit_shares(mean - torch.eye(len(bias), dtype=torch.float64), bias)
    counts = rounded(share.numpy() * seen.texts, seen.texts)
    return AttackGuess(labels=tuple(np.repeat(np.arange(len(counts)), counts).tolist()))


def mean_answers(seen: Seen, count: int) -> Tensor:
    """M: the mean probabilities that the shared model gives to public texts of each label, (labels,
    labels), float64.
    """
    known = seen.known
    rows = np.setdiff1d(np.arange(len(known.listed)), seen.hidden)
    owners = torch.from_numpy(known.listed.labels[rows])
    probabilities = answers(known.vectors[rows], known.shared, known.adjust)
    whole = probabilities.mean(0)
    return torch.stack(
        [probabilities[owners == y].mean(0) if (owners == y).any() else whole for y in range(count)]
    )


def answers(vectors: Tensor, shared: Params, adjust: Tensor | None) -> Tensor:
    """Probabilities (n, labels), float64, of sentence vectors (n, d) under the shared head as the
    site's loss sees them.
    """
    logits = vectors.double() @ shared["head.weight"].double().T + shared["head.bias"].double()
    return (logits if adjust is None else logits + adjust).softmax(1)


def fit_shares(design: Tensor, target: Tensor) -> Tensor:
    """Shares s >= 0, sum 1, with s design nearest to target: projected gradient on the simplex."""
    share = torch.full((len(target),), 1 / len(target), dtype=torch.float64)
    step = 1 / torch.linalg.matrix_norm(design, 2).square().clamp_min(1e-12)
    for _ in range(STEPS):
        share = onto_simplex(share - step * design @ (share @ design - target))
    return share


def onto_simplex(values: Tensor) -> Tensor:
    """The nearest point with entries >= 0 that sum to 1 (Duchi et al., 2008)."""
    ordered = values.sort(descending=True).values
    excess = (ordered.cumsum(0) - 1) / torch.arange(1, len(values) + 1)
    last = int((ordered > excess).nonzero()[-1])
    return (values - excess[last]).clamp_min(0)


def rounded(values: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers near to values >= 0 with the given sum: the largest remainders are
    rounded up.
    """
    whole = np.floor(values + 1e-9).astype(int)
    for place in np.argsort(whole - values, kind="stable")[: max(0, total - whole.sum())]:
        whole[place] += 1
    return whole
