"""Words and whole texts from the gradients of the embedding and of the first attention layer.

The vectors that enter a BERT-like encoder depend on token and position only, so all V x P of them
can be tried (DAGER: Petrov et al., 2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedkit.audit.assemble import assemble_texts
from fedkit.audit.threat_model import (
    MIN_FREE_DIRECTIONS,
    QKV_PARTS,
    AttackGuess,
    FirstLayerInputs,
    ObservedUpdate,
    row_space,
)

OUTLIER_QUARTILE_RANGES = 8.0  # above the median: row lengths from there on are outliers
SCREEN_DIRECTIONS = 16  # directions that all V x P vectors are tested against first
SPAN_TOLERANCE = 1e-4  # share of a vector's length that may lie outside of the span
MAX_PAIRS = 20_000  # that pass the first test
MAX_UNEXPLAINED = 1e-3  # share of the row space that a correct text may leave unexplained
MIN_RESIDUAL = 1e-4  # share of a vector's length below which the rest counts as zero
NOT_SENT = "nothing of the first attention layer was sent, or zeros (LoRA's A in round 1)"


def words_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find the tokens whose embedding row changed (Melis et al., 2019; Boenisch et al., 2023).

    Without noise all other rows are exactly zero. With noise nearly all of the V rows are noise, so
    an outlier is defined by their median and quartiles. The padding token never has a gradient.
    """
    rows = seen.tensor("word_embeddings.weight")
    if rows is None:
        return AttackGuess(why="the word embedding is not trained, so its rows are not sent")
    lengths = rows.norm(dim=1)
    low, middle, high = lengths.quantile(lengths.new_tensor([0.25, 0.5, 0.75]))
    found = (lengths > middle + OUTLIER_QUARTILE_RANGES * (high - low)).nonzero()[:, 0]
    return AttackGuess(tokens=frozenset(found.tolist()))


def span_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find tokens whose first-layer inputs lie in the row space (DAGER: Petrov et al., 2024).

    dL/dW = sum_t dy_t x_t' for the query, key and value matrices of the first layer, and for A of
    LoRA once B is not zero. This works while the batch has fewer tokens than the width or, for
    LoRA, than the rows of all A that read the first layer's input.
    """
    rows = first_layer_gradients(seen)
    if rows is None:
        return AttackGuess(why=NOT_SENT)
    basis = row_space(rows)  # (d, rank)
    if basis.shape[1] > rows.shape[1] - MIN_FREE_DIRECTIONS:
        return AttackGuess(frozenset(), why="the gradient has full rank: too many tokens, or noise")
    pairs = pairs_in_span(seen.known.first_layer_inputs, basis)
    if not len(pairs):
        return AttackGuess(
            frozenset(), why="no token's vector lies in the span: more tokens than rank, or noise"
        )
    return assemble_texts(seen, pairs)


def pursuit_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find one text whose first-layer inputs span the gradient's rows, one token per position.

    Every row of dL/dA = scale * B' sum_t dy_t x_t' is a combination of the text's few vectors out
    of V x P: sparse recovery with several measurements of one support, solved by rank-aware pursuit
    (Davies and Eldar, 2012). A text that leaves nothing unexplained is correct.
    """
    rows = first_layer_gradients(seen)
    if rows is None:
        return AttackGuess(why=NOT_SENT)
    if seen.texts > 1:
        return AttackGuess(frozenset(), why="made for one text alone")
    basis = row_space(rows)
    if basis.shape[1] > rows.shape[1] // 2:
        return AttackGuess(
            frozenset(), why="the gradient has nearly full rank: noise, or everything of a matrix"
        )
    # where the rank is large enough, the plain span test already finds all tokens
    inputs = seen.known.first_layer_inputs
    pairs = pairs_in_span(inputs, basis)
    places = pairs[:, 1].sort().values.tolist()
    if len(pairs) == basis.shape[1] and places == list(range(len(pairs))):
        text = tuple(pairs[pairs[:, 1].argsort(), 0].tolist())
        return AttackGuess(frozenset(text), (text,))
    tokenizer = seen.known.model.tokenizer
    text, left = greedy_pursuit(inputs, basis, tokenizer.cls_token_id, tokenizer.sep_token_id)
    doubt = f"{left:.0%} of the row space is not explained: likely wrong"
    return AttackGuess(frozenset(text), (text,), why="" if left < MAX_UNEXPLAINED else doubt)


def first_layer_gradients(seen: ObservedUpdate) -> Tensor | None:
    """Return the stacked gradients (rows, d), float64, of all matrices that read its input."""
    found = [
        seen.tensor(f"layer.0.attention.self.{p}.{kind}weight")
        for p in QKV_PARTS
        for kind in ("", "lora_A.")
    ]
    found = [t / t.norm() for t in found if t is not None]
    return torch.cat(found) if found else None


def pairs_in_span(inputs: FirstLayerInputs, basis: Tensor) -> Tensor:
    """Return pairs (token, position), (n, 2), whose vectors lie in the span of `basis` (d, rank).

    All vectors are tested against a few random directions of the complement, the rest against all.
    """
    free = torch.linalg.qr(basis, mode="complete").Q[:, basis.shape[1] :]  # (d, d - rank)
    width = free.shape[1]
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(width, min(SCREEN_DIRECTIONS, width), generator=generator)
    screen = free @ torch.linalg.qr(mix.double()).Q
    limit = SPAN_TOLERANCE**2 * inputs.squared_norms
    pairs = (inputs.projection_energy(screen) < limit).nonzero()[:MAX_PAIRS]
    left = (inputs.vectors(pairs[:, 0], pairs[:, 1]).double() @ free).square().sum(1)
    return pairs[left < limit[pairs[:, 0], pairs[:, 1]]]


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
        for _ in range(2):  # once more, for what rounding left
            fresh = fresh - known @ (known.T @ fresh)
        fresh /= fresh.norm()
        known, inside = torch.cat([known, fresh], 1), inside + inputs.projection_energy(fresh)
        if len(taken) == last + 1:
            break
    left = basis - known @ (known.T @ basis)
    return tuple(taken[p] for p in sorted(taken)), float(left.square().sum() / rank)
