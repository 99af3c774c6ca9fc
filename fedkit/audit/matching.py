"""Matching attack: search for a text that has the sentence vector in the head's gradient."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedkit.audit.atoms import base_encoder
from fedkit.audit.lookup import topic_attack
from fedkit.audit.threat_model import AttackGuess, ObservedUpdate
from fedkit.models.classifier import Model

SEARCH_STEPS = 100
TRIES_PER_STEP = 48
CANDIDATE_TOKENS = 64  # at each position


def matching_attack(seen: ObservedUpdate) -> AttackGuess:
    """Swap tokens until a text's vector is close to the one observed (Ebrahimi et al., 2018).

    For one text dL/dW = (p - onehot(y)) z' has rank one and reveals z. The search starts at the
    most similar text of the public list. In each step the gradient of cos(z(text), z) proposes
    tokens, and the best of some tries is kept (greedy coordinate gradient: Zou et al., 2023). The
    attacker does not know the length of the text.
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
    return AttackGuess(
        frozenset(text),
        (tuple(text),),
        start.labels,
        f"a search; cosine {near:.3f} to the vector seen",
    )


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
        places = rng.integers(1, len(text) - 1, TRIES_PER_STEP)
        tries = [
            [*text[:p], int(best[p, rng.integers(CANDIDATE_TOKENS)]), *text[p + 1 :]]
            for p in places
        ]
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
