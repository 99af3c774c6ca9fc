"""Whole texts from the gradient of the first layer: its row space is spanned by that layer's
inputs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedkit.audit.assemble import assemble
from fedkit.audit.atoms import FREE, PARTS, SCREEN, Atoms, row_space
from fedkit.audit.threat_model import AttackGuess, Seen

NEAR = 1e-4  # of its length: what a vector in the span may lie outside of it
MOST = 20_000  # pairs to go on with


def spans(seen: Seen) -> AttackGuess:
    """Tokens and places whose vectors lie in the row space, put together to texts (DAGER: Petrov et
    al., 2024).

    dL/dW = sum_t dy_t x_t' for the query, key and value matrices of the first layer, and for the A
    of LoRA once B is not zero. x_t depends on token and place alone, so all V x P of them can be
    tried. It works while the tokens of the batch are fewer than the width, and for LoRA than the
    rows of all A that read the first layer's input.
    """
    rows = first_layer(seen)
    if rows is None:
        return AttackGuess(
            why="nothing of the first attention layer was sent, or zeros (LoRA's A in round 1)"
        )
    basis = row_space(rows)  # (d, rank)
    if basis.shape[1] > rows.shape[1] - FREE:
        return AttackGuess(frozenset(), why="the gradient has full rank: too many tokens, or noise")
    pairs = inside(seen.known.atoms, basis)
    if not len(pairs):
        return AttackGuess(
            frozenset(), why="no token's vector lies in the span: more tokens than rank, or noise"
        )
    return assemble(seen, pairs)


def first_layer(seen: Seen) -> Tensor | None:
    """Gradients of all matrices that read the first layer's input, one below the other: (rows, d),
    float64.
    """
    found = [
        seen.tensor(f"layer.0.attention.self.{p}.{kind}weight")
        for p in PARTS
        for kind in ("", "lora_A.")
    ]
    found = [t / t.norm() for t in found if t is not None]
    return torch.cat(found) if found else None


def inside(atoms: Atoms, basis: Tensor) -> Tensor:
    """Pairs (token, place) whose vectors lie in the span of `basis` (d, rank): (n, 2).

    First by a few random directions of the complement, which nearly all vectors stick out into;
    then by all of it.
    """
    free = torch.linalg.qr(basis, mode="complete").Q[:, basis.shape[1] :]  # (d, d - rank)
    mix = torch.randn(
        free.shape[1], min(SCREEN, free.shape[1]), generator=torch.Generator().manual_seed(0)
    )
    screen = free @ torch.linalg.qr(mix.double()).Q
    pairs = (atoms.energy(screen) < NEAR**2 * atoms.squares).nonzero()[:MOST]
    left = (atoms.at(pairs[:, 0], pairs[:, 1]).double() @ free).square().sum(1)
    return pairs[left < NEAR**2 * atoms.squares[pairs[:, 0], pairs[:, 1]]]
