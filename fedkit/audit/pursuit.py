"""A whole text from LoRA's gradient, where the plain span check fails because the text is longer
than the rank.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedkit.audit.atoms import Atoms, row_space
from fedkit.audit.spans import first_layer, inside
from fedkit.audit.threat_model import AttackGuess, Seen

RIGHT = 1e-3  # share of the row space's directions that may be left when a text explains it
TINY = 1e-4  # share of a vector's length below which nothing is left of it


def pursuit(seen: Seen) -> AttackGuess:
    """One text whose vectors together span the rows seen: one token for each place, taken greedily.

    Every row of dL/dA = scale * B' sum_t dy_t x_t' is a mix of the text's few vectors out of V x P:
    sparse recovery with several measurements of one support (rank-aware pursuit: Davies and Eldar,
    2012). Nothing left over is the proof.
    """
    rows = first_layer(seen)
    if rows is None:
        return AttackGuess(
            why="nothing of the first attention layer was sent, or zeros (LoRA's A in round 1)"
        )
    if seen.texts > 1:
        return AttackGuess(frozenset(), why="made for one text alone")
    basis = row_space(rows)
    if basis.shape[1] > rows.shape[1] // 2:
        return AttackGuess(
            frozenset(), why="the gradient has nearly full rank: noise, or everything of a matrix"
        )
    # all of them, where the rank is not short of the tokens
    pairs = inside(seen.known.atoms, basis)
    if len(pairs) == basis.shape[1] and pairs[:, 1].sort().values.tolist() == list(
        range(len(pairs))
    ):
        text = tuple(pairs[pairs[:, 1].argsort(), 0].tolist())
        return AttackGuess(frozenset(text), (text,))
    tokenizer = seen.known.model.tokenizer
    text, left = greedy(seen.known.atoms, basis, tokenizer.cls_token_id, tokenizer.sep_token_id)
    sure = "" if left < RIGHT else f"{left:.0%} of the row space is not explained: likely wrong"
    return AttackGuess(frozenset(text), (text,), why=sure)


def greedy(atoms: Atoms, basis: Tensor, begin: int, end: int) -> tuple[tuple[int, ...], float]:
    """(the text, the share of the row space it leaves unexplained). basis: (d, rank), orthonormal.

    Starts with `begin` at place 0 and, at each step, takes the token and place whose part outside
    what was taken lies most inside what is left of the row space. Ends when the places up to an
    `end` token are full, or nothing is left.
    """
    rank, taken = basis.shape[1], {0: begin}
    known = torch.linalg.qr(atoms.at(torch.tensor([begin]), torch.tensor([0])).double().T).Q
    inside = atoms.energy(known)
    last = len(atoms.places) - 1
    for _ in range(last):
        left = basis - known @ (known.T @ basis)
        u, sizes, _ = torch.linalg.svd(left, full_matrices=False)
        if not len(sizes) or sizes[0] < RIGHT:
            break
        rest = (atoms.squares - inside).clamp_min(0)
        share = atoms.energy(u[:, sizes > RIGHT]) / rest.clamp_min(TINY * atoms.squares)
        share[rest < TINY * atoms.squares] = 0
        share[:, list(taken)] = 0
        share[:, last + 1 :] = 0
        place = int(share.max(0).values.argmax())
        token = int(share[:, place].argmax())
        taken[place] = token
        if token == end:
            last = min(last, place)
        fresh = atoms.at(torch.tensor([token]), torch.tensor([place])).double().T
        fresh = fresh - known @ (known.T @ fresh)
        fresh = fresh - known @ (known.T @ fresh)
        fresh /= fresh.norm()
        known, inside = torch.cat([known, fresh], 1), inside + atoms.energy(fresh)
        if len(taken) == last + 1:
            break
    left = basis - known @ (known.T @ basis)
    return tuple(taken[p] for p in sorted(taken)), float(left.square().sum() / rank)
