"""Span attack: read whole texts from the row space of the first layer's gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from fedkit.audit.assemble import assemble_texts
from fedkit.audit.atoms import (
    MIN_FREE_DIRECTIONS,
    QKV_PARTS,
    SCREEN_DIRECTIONS,
    FirstLayerInputs,
    row_space,
)
from fedkit.audit.threat_model import AttackGuess, ObservedUpdate

SPAN_TOLERANCE = 1e-4  # share of a vector's length that may lie outside of the span
MAX_PAIRS = 20_000  # that pass the first test


def span_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find tokens whose first-layer inputs lie in the row space (DAGER: Petrov et al., 2024).

    dL/dW = sum_t dy_t x_t' for the query, key and value matrices of the first layer, and for A of
    LoRA once B is not zero. x_t depends only on token and position, so all V x P vectors can be
    tried. This works while the batch has fewer tokens than the width or, for LoRA, than the rows of
    all A that read the first layer's input.
    """
    rows = first_layer_gradients(seen)
    if rows is None:
        return AttackGuess(
            why="nothing of the first attention layer was sent, or zeros (LoRA's A in round 1)"
        )
    basis = row_space(rows)  # (d, rank)
    if basis.shape[1] > rows.shape[1] - MIN_FREE_DIRECTIONS:
        return AttackGuess(frozenset(), why="the gradient has full rank: too many tokens, or noise")
    pairs = pairs_in_span(seen.known.first_layer_inputs, basis)
    if not len(pairs):
        return AttackGuess(
            frozenset(), why="no token's vector lies in the span: more tokens than rank, or noise"
        )
    return assemble_texts(seen, pairs)


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
