"""What the gradient of the head alone tells: labels, listed texts, and a text by search.

dL/db = mean (p - onehot(y)) holds the labels; dL/dW = mean (p - onehot(y)) z' has rank one for one
text and reveals its sentence vector z.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from fedkit.audit.threat_model import AttackGuess, ObservedUpdate, base_encoder
from fedkit.models.classifier import Model

FIT_STEPS = 400  # of the shares of labels
MAX_TEXTS = 100  # that are looked up
SEARCH_STEPS = 100
TRIES_PER_STEP = 48
CANDIDATE_TOKENS = 64  # at each position


def labels_attack(seen: ObservedUpdate) -> AttackGuess:
    """Recover the multiset of labels from dL/db (iDLG: Zhao et al., 2020).

    The gradient is negative where a label occurs. Counts: with M[y] the mean p of public texts of
    label y, the counts n >= 0, sum n = texts, that best fit n (M - I) = texts * gradient, rounded
    (after Wainakh et al., 2022).
    """
    bias = seen.tensor("head.bias")
    if bias is None:
        return AttackGuess(why="the head's bias is not sent")
    probabilities, owners = head_probabilities(seen, seen.public_rows())
    whole = probabilities.mean(0)  # stands for a label without public texts
    mean = torch.stack(
        [
            probabilities[owners == y].mean(0) if (owners == y).any() else whole
            for y in range(len(bias))
        ]
    )
    share = fit_shares(mean - torch.eye(len(bias), dtype=torch.float64), bias)
    counts = round_to_total(share.numpy() * seen.texts, seen.texts)
    return AttackGuess(labels=tuple(np.repeat(np.arange(len(counts)), counts).tolist()))


def head_probabilities(seen: ObservedUpdate, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return (probabilities (n, labels), float64, of the shared head for listed texts, their
    labels (n,)), as the client's loss has them.
    """
    known = seen.known
    weight, bias = known.shared["head.weight"].double(), known.shared["head.bias"].double()
    logits = known.vectors[rows].double() @ weight.T + bias
    probabilities = (logits if known.adjust is None else logits + known.adjust).softmax(1)
    return probabilities, torch.from_numpy(known.listed.labels[rows])


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


def lookup_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find the listed texts whose gradients add up to the one observed.

    The list may contain the client's own texts. The gradients of all listed texts are known, so
    texts are chosen greedily (orthogonal matching pursuit: Pati et al., 1993).
    """
    return match_listed_texts(seen, np.arange(len(seen.known.listed)))


def topic_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find the most similar texts in a list without the client's: the topic, not the words."""
    return match_listed_texts(seen, seen.public_rows())


def match_listed_texts(seen: ObservedUpdate, rows: np.ndarray) -> AttackGuess:
    """Choose as many texts among `rows` of the list as the batch has, with the list's labels."""
    weight = seen.tensor("head.weight")
    if weight is None:
        return AttackGuess(why="the head's weights are not sent")
    known = seen.known
    probabilities, owners = head_probabilities(seen, rows)
    a = probabilities - one_hot(owners, len(weight))  # (n, labels)
    z, count = known.vectors[rows].double(), min(seen.texts, MAX_TEXTS)
    taken = rows[matching_pursuit(a, z, weight * seen.texts, count)]
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


def matching_attack(seen: ObservedUpdate) -> AttackGuess:
    """Swap tokens until a text's vector is close to the one observed (Ebrahimi et al., 2018).

    The search starts at the most similar text of the public list. In each step the gradient of
    cos(z(text), z) proposes tokens, and the best of some tries is kept (greedy coordinate gradient:
    Zou et al., 2023). The attacker does not know the length of the text.
    """
    weight = seen.tensor("head.weight")
    if weight is None or seen.texts > 1:
        return AttackGuess(
            frozenset(), why="made for one text and for a head whose weights are sent"
        )
    row = int(weight.norm(dim=1).argmax())
    bias = seen.tensor("head.bias")
    wanted = normalize(weight[row] * (1.0 if bias is None else bias[row].sign()), dim=0).float()
    start = topic_attack(seen)
    text, near = search_text(seen, list(start.texts[0]), wanted)
    why = f"a search; cosine {near:.3f} to the vector seen"
    return AttackGuess(frozenset(text), (tuple(text),), start.labels, why)


def search_text(
    seen: ObservedUpdate, text: list[int], wanted: Tensor, steps: int = SEARCH_STEPS
) -> tuple[list[int], float]:
    """Return (the text after `steps` steps, the cosine of its vector with `wanted` (d,))."""
    model, rng = seen.known.model, np.random.default_rng(0)
    model.load_params(seen.known.shared)
    wanted = wanted.to(model.device)
    table = base_encoder(model).embeddings.word_embeddings.weight.detach()
    banned = torch.tensor(sorted(seen.known.special))
    with torch.no_grad():
        near = float(model.module.features(*model.pad_batch([text]))[0].float() @ wanted)
    for _ in range(steps):
        slope = cosine_gradient(model, text, wanted) @ table.T.float()  # (tokens, V)
        slope[:, banned] = -torch.inf
        best = slope.topk(CANDIDATE_TOKENS, dim=1).indices
        tries = []
        for place in rng.integers(1, len(text) - 1, TRIES_PER_STEP):
            token = int(best[place, rng.integers(CANDIDATE_TOKENS)])
            tries.append([*text[:place], token, *text[place + 1 :]])
        with torch.no_grad():
            cosines = model.module.features(*model.pad_batch(tries)).float() @ wanted
        if float(cosines.max()) > near:
            text, near = tries[int(cosines.argmax())], float(cosines.max())
    return text, near


def cosine_gradient(model: Model, text: list[int], wanted: Tensor) -> Tensor:
    """Return the gradient (tokens, d) of the cosine with respect to each token's embedding."""
    kept: list[Tensor] = []

    def hook(module, args, out):
        kept.append(out.detach().requires_grad_())
        return kept[0]

    handle = base_encoder(model).embeddings.word_embeddings.register_forward_hook(hook)
    try:
        with torch.enable_grad():
            cosine = model.module.features(*model.pad_batch([text]))[0].float() @ wanted
            return torch.autograd.grad(cosine, kept[0])[0][0].float()
    finally:
        handle.remove()
