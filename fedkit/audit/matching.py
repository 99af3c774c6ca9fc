"""Words that would give the sentence vector seen: a search, where nothing of the first layer can be
read.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedkit.audit.atoms import base_of
from fedkit.audit.lookup import topic
from fedkit.audit.threat_model import AttackGuess, Seen

# steps of the search, texts tried in each, tokens thought of at each place
STEPS, TRIED, NEAREST = 100, 48, 64


def matching(seen: Seen) -> AttackGuess:
    """One text whose vector is nearest to the one in the head's gradient, by swapping tokens
    (Ebrahimi et al., 2018).

    With one text dL/dW = (p - onehot(y)) z' has rank one and holds z. The search begins at the most
    alike text of the public list; in each step the slope of cos(z(text), z) says which tokens to
    try (greedy coordinate gradient: Zou et al., 2023), and the best of some is kept. The attacker
    is not told how long the text is.
    """
    weight = seen.tensor("head.weight")
    if weight is None or seen.texts > 1:
        return AttackGuess(
            frozenset(), why="made for one text and for a head whose weights are sent"
        )
    row = int(weight.norm(dim=1).argmax())
    bias = seen.tensor("head.bias")
    wanted = normalize(weight[row] * (1.0 if bias is None else bias[row].sign()), dim=0).float()
    start = topic(seen)
    text, near = search(seen, list(start.texts[0]), wanted)
    return AttackGuess(
        frozenset(text),
        (tuple(text),),
        start.labels,
        f"a search; cosine {near:.3f} to the vector seen",
    )


def search(
    seen: Seen, text: list[int], wanted: Tensor, steps: int = STEPS
) -> tuple[list[int], float]:
    """(the text after so many steps, its cosine with the vector wanted)."""
    model, rng = seen.known.model, np.random.default_rng(0)
    model.load_params(seen.known.shared)
    wanted = wanted.to(model.device)
    table = base_of(model).embeddings.word_embeddings.weight.detach()
    banned = torch.tensor(sorted(seen.known.special))
    with torch.no_grad():
        near = float(model.module.features(*model.grid([text]))[0].float() @ wanted)
    for _ in range(steps):
        slope = toward(model, text, wanted) @ table.T.float()  # (tokens, V)
        slope[:, banned] = -torch.inf
        best = slope.topk(NEAREST, dim=1).indices
        places = rng.integers(1, len(text) - 1, TRIED)
        tries = [[*text[:p], int(best[p, rng.integers(NEAREST)]), *text[p + 1 :]] for p in places]
        with torch.no_grad():
            cosines = model.module.features(*model.grid(tries)).float() @ wanted
        if float(cosines.max()) > near:
            text, near = tries[int(cosines.argmax())], float(cosines.max())
    return text, near


def toward(model, text: list[int], wanted: Tensor) -> Tensor:
    """The slope of the cosine in each token's embedding, (tokens, d)."""
    kept = []

    def hook(module, args, out):
        kept.append(out.detach().requires_grad_())
        return kept[0]

    handle = base_of(model).embeddings.word_embeddings.register_forward_hook(hook)
    try:
        with torch.enable_grad():
            cosine = model.module.features(*model.grid([text]))[0].float() @ wanted
            return torch.autograd.grad(cosine, kept[0])[0][0].float()
    finally:
        handle.remove()
