"""Pursuit attack: read one text from LoRA's gradient, even if it is longer than the rank."""

from __future__ import annotations

import torch
from torch import Tensor

from fedkit.audit.atoms import FirstLayerInputs, row_space
from fedkit.audit.spans import first_layer_gradients, pairs_in_span
from fedkit.audit.threat_model import AttackGuess, ObservedUpdate

MAX_UNEXPLAINED = 1e-3  # share of the row space that a correct text may leave unexplained
MIN_RESIDUAL = 1e-4  # share of a vector's length below which the rest counts as zero


def pursuit_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find one text whose first-layer inputs span the gradient's rows, one token per position.

    Every row of dL/dA = scale * B' sum_t dy_t x_t' is a combination of the text's few vectors out
    of V x P: sparse recovery with several measurements of one support, solved by rank-aware pursuit
    (Davies and Eldar, 2012). A text that leaves nothing unexplained is correct.
    """
    rows = first_layer_gradients(seen)
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
    # where the rank is large enough, the plain span test already finds all tokens
    pairs = pairs_in_span(seen.known.first_layer_inputs, basis)
    if len(pairs) == basis.shape[1] and pairs[:, 1].sort().values.tolist() == list(
        range(len(pairs))
    ):
        text = tuple(pairs[pairs[:, 1].argsort(), 0].tolist())
        return AttackGuess(frozenset(text), (text,))
    tokenizer = seen.known.model.tokenizer
    text, left = greedy_pursuit(
        seen.known.first_layer_inputs, basis, tokenizer.cls_token_id, tokenizer.sep_token_id
    )
    doubt = f"{left:.0%} of the row space is not explained: likely wrong"
    return AttackGuess(frozenset(text), (text,), why="" if left < MAX_UNEXPLAINED else doubt)


def greedy_pursuit(
    inputs: FirstLayerInputs, basis: Tensor, cls_id: int, sep_id: int
) -> tuple[tuple[int, ...], float]:
    """Return (the text, the share of the row space that it leaves unexplained).

    basis: (d, rank), orthonormal. Starts with `cls_id` at position 0. Each step takes the token and
    position whose component outside of the span so far lies most inside the unexplained row space.
    Ends when all positions up to a `sep_id` token are filled, or nothing is left.
    """
    rank, taken = basis.shape[1], {0: cls_id}
    known = torch.linalg.qr(inputs.vectors(torch.tensor([cls_id]), torch.tensor([0])).double().T).Q
    inside = inputs.projection_energy(known)
    last = len(inputs.positions) - 1
    for _ in range(last):
        left = basis - known @ (known.T @ basis)
        u, sizes, _ = torch.linalg.svd(left, full_matrices=False)
        if not len(sizes) or sizes[0] < MAX_UNEXPLAINED:
            break
        rest = (inputs.squared_norms - inside).clamp_min(0)
        floor = MIN_RESIDUAL * inputs.squared_norms
        share = inputs.projection_energy(u[:, sizes > MAX_UNEXPLAINED]) / rest.clamp_min(floor)
        share[rest < floor] = 0
        share[:, list(taken)] = 0
        share[:, last + 1 :] = 0
        place = int(share.max(0).values.argmax())
        token = int(share[:, place].argmax())
        taken[place] = token
        if token == sep_id:
            last = min(last, place)
        fresh = inputs.vectors(torch.tensor([token]), torch.tensor([place])).double().T
        fresh = fresh - known @ (known.T @ fresh)
        fresh = fresh - known @ (known.T @ fresh)
        fresh /= fresh.norm()
        known, inside = torch.cat([known, fresh], 1), inside + inputs.projection_energy(fresh)
        if len(taken) == last + 1:
            break
    left = basis - known @ (known.T @ basis)
    return tuple(taken[p] for p in sorted(taken)), float(left.square().sum() / rank)
