"""Lookup attack: find which listed texts were in the batch, from the head's gradient alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fedkit.audit.label_leak import head_probabilities
from fedkit.audit.threat_model import AttackGuess, ObservedUpdate

MAX_TEXTS = 100  # searched for


def lookup_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find the listed texts whose gradients add up to the one observed.

    The list may contain the client's own texts. dL/dW = mean (p - onehot(y)) z' has rank one for
    one text and reveals its sentence vector z. The gradients of all listed texts are known, so
    texts are chosen greedily (orthogonal matching pursuit: Pati et al., 1993).
    """
    return match_listed_texts(seen, np.arange(len(seen.known.listed)))


def topic_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find the most similar texts in a list without the client's: the topic, not the words."""
    return match_listed_texts(
        seen, np.setdiff1d(np.arange(len(seen.known.listed)), seen.batch_rows)
    )


def match_listed_texts(seen: ObservedUpdate, rows: np.ndarray) -> AttackGuess:
    """Choose as many texts among `rows` of the list as the batch has, with the list's labels."""
    weight = seen.tensor("head.weight")
    if weight is None:
        return AttackGuess(why="the head's weights are not sent")
    known = seen.known
    z, owners = known.vectors[rows].double(), torch.from_numpy(known.listed.labels[rows])
    probabilities = head_probabilities(z, known.shared, known.adjust)
    a = probabilities - torch.nn.functional.one_hot(owners, len(weight))  # (n, labels)
    taken = rows[matching_pursuit(a, z, weight * seen.texts, min(seen.texts, MAX_TEXTS))]
    texts = tuple(tuple(known.listed.tokens[i]) for i in taken)
    chance = min(1.0, seen.texts / len(rows))
    why = f"taken from a list of {len(rows):,} texts; blind picking finds {chance:.0%} of the texts"
    return AttackGuess(texts=texts, labels=tuple(known.listed.labels[taken].tolist()), why=why)


def matching_pursuit(a: Tensor, z: Tensor, total: Tensor, count: int) -> list[int]:
    """Choose greedily `count` of n matrices a_i z_i' whose sum is nearest to `total`.

    a: (n, labels). z: (n, d). total: (labels, d). Returns the chosen indices.
    """
    sizes = (a.norm(dim=1) * z.norm(dim=1)).clamp_min(1e-9)
    sought = ((a @ total) * z).sum(1)  # <a_i z_i', total>
    chosen: list[int] = []
    weights = sought.new_zeros(0)
    for _ in range(min(count, len(z))):
        gram = (a @ a[chosen].T) * (z @ z[chosen].T)  # (n, chosen)
        fit = (sought - gram @ weights) / sizes
        fit[chosen] = -torch.inf
        chosen.append(int(fit.argmax()))
        own = (a[chosen] @ a[chosen].T) * (z[chosen] @ z[chosen].T)
        weights = torch.linalg.lstsq(own, sought[chosen], driver="gelsd").solution
    return chosen
