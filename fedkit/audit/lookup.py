"""Whether a text of the attacker's own list was in the batch: from the gradient of the
head alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fedkit.audit.label_leak import answers
from fedkit.audit.threat_model import AttackGuess, Seen

MOST = 100  # texts sought at most


def lookup(seen: Seen) -> AttackGuess:
    """Texts of the attacker's list, which may hold the site's own: those whose gradients add up to
    the one seen.

    dL/dW = mean (p - onehot(y)) z': with one text of rank one, so that it holds the sentence vector
    z itself. The list's gradients are known up to the sum, so texts are taken greedily (orthogonal
    matching pursuit: Pati et al., 1993).
    """
    return found(seen, np.arange(len(seen.known.listed)))


def topic(seen: Seen) -> AttackGuess:
    """The most alike texts of a list that does not hold the site's: they tell what the batch was
    about, not its words.
    """
    return found(seen, np.setdiff1d(np.arange(len(seen.known.listed)), seen.hidden))


def found(seen: Seen, rows: np.ndarray) -> AttackGuess:
    """As many texts among `rows` of the list as there are in the batch, with the list's labels."""
    weight = seen.tensor("head.weight")
    if weight is None:
        return AttackGuess(why="the head's weights are not sent")
    known = seen.known
    z, owners = known.vectors[rows].double(), torch.from_numpy(known.listed.labels[rows])
    # (n, labels)
    a = answers(z, known.shared, known.adjust) - torch.nn.functional.one_hot(owners, len(weight))
    taken = rows[pursue(a, z, weight * seen.texts, min(seen.texts, MOST))]
    texts = tuple(tuple(known.listed.tokens[i]) for i in taken)
    chance = min(1.0, seen.texts / len(rows))
    why = f"taken from a list of {len(rows):,} texts; blind picking finds {chance:.0%} of the texts"
    return AttackGuess(texts=texts, labels=tuple(known.listed.labels[taken].tolist()), why=why)


def pursue(a: Tensor, z: Tensor, total: Tensor, count: int) -> list[int]:
    """Places of `count` of the n matrices a_i z_i' (a: (n, labels), z: (n, d)) whose sum is nearest
    to `total`, greedily.
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
