"""Labels attack: count the labels of the batch from the gradient of the head's bias."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fedkit.audit.threat_model import AttackGuess, ObservedUpdate
from fedkit.core.tensors import Params

FIT_STEPS = 400


def labels_attack(seen: ObservedUpdate) -> AttackGuess:
    """Recover the multiset of labels from dL/db = mean(p - onehot(y)) (iDLG: Zhao et al., 2020).

    The gradient is negative where a label occurs. Counts: with M[y] the mean p of public texts of
    label y, the counts n >= 0, sum n = texts, that best fit n (M - I) = texts * gradient, rounded
    (after Wainakh et al., 2022).
    """
    bias = seen.tensor("head.bias")
    if bias is None:
        return AttackGuess(why="the head's bias is not sent")
    mean = mean_probabilities(seen, len(bias))
    share = fit_shares(mean - torch.eye(len(bias), dtype=torch.float64), bias)
    counts = round_to_total(share.numpy() * seen.texts, seen.texts)
    return AttackGuess(labels=tuple(np.repeat(np.arange(len(counts)), counts).tolist()))


def mean_probabilities(seen: ObservedUpdate, count: int) -> Tensor:
    """Return the shared model's mean probabilities for public texts of each label.

    Shape (labels, labels), float64; a label without texts takes the mean over all.
    """
    known = seen.known
    rows = np.setdiff1d(np.arange(len(known.listed)), seen.batch_rows)
    owners = torch.from_numpy(known.listed.labels[rows])
    probabilities = head_probabilities(known.vectors[rows], known.shared, known.adjust)
    whole = probabilities.mean(0)
    return torch.stack(
        [probabilities[owners == y].mean(0) if (owners == y).any() else whole for y in range(count)]
    )


def head_probabilities(vectors: Tensor, shared: Params, adjust: Tensor | None) -> Tensor:
    """Return the probabilities (n, labels), float64, of the shared head in the client's loss.

    vectors: sentence vectors (n, d). adjust: added to the logits, (labels,).
    """
    logits = vectors.double() @ shared["head.weight"].double().T + shared["head.bias"].double()
    return (logits if adjust is None else logits + adjust).softmax(1)


def fit_shares(design: Tensor, target: Tensor) -> Tensor:
    """Return shares s >= 0, sum 1, with s design nearest to target, by projected gradient."""
    share = torch.full((len(target),), 1 / len(target), dtype=torch.float64)
    step = 1 / torch.linalg.matrix_norm(design, 2).square().clamp_min(1e-12)
    for _ in range(FIT_STEPS):
        share = project_onto_simplex(share - step * design @ (share @ design - target))
    return share


def project_onto_simplex(values: Tensor) -> Tensor:
    """Return the nearest point with entries >= 0 that sum to 1 (Duchi et al., 2008)."""
    ordered = values.sort(descending=True).values
    excess = (ordered.cumsum(0) - 1) / torch.arange(1, len(values) + 1)
    last = int((ordered > excess).nonzero()[-1])
    return (values - excess[last]).clamp_min(0)


def round_to_total(values: np.ndarray, total: int) -> np.ndarray:
    """Round values >= 0 to whole numbers with the given sum: the largest remainders go up."""
    whole = np.floor(values + 1e-9).astype(int)
    for place in np.argsort(whole - values, kind="stable")[: max(0, total - whole.sum())]:
        whole[place] += 1
    return whole
