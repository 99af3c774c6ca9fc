"""The possible inputs of an encoder's first layer: one vector per token and position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.models.classifier import Model, without_peft

RANK_TOLERANCE = 1e-6  # singular values below this share of the largest are float32 rounding
SCREEN_DIRECTIONS = 16  # directions that all V x P vectors are tested against first
MIN_FREE_DIRECTIONS = 8  # with fewer directions outside of it, a span contains almost everything
QKV_PARTS = ("query", "key", "value")


@dataclass(frozen=True)
class FirstLayerInputs:
    """x(v, p) = gain * (word_v + position_p - mean) / deviation + bias for all V tokens and P
    positions: the LayerNorm of the summed embeddings.

    words: (V, d), positions: (P, d), both with their mean over d subtracted; gain, bias: (d,).
    Nothing of size V x P x d is ever stored: products with k directions are computed per position.
    """

    words: Tensor
    positions: Tensor
    gain: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def from_model(cls, model: Model, shared: Params, max_tokens: int) -> FirstLayerInputs:
        """Return the inputs of a BERT-like model at the parameters `shared`.

        Raises FedkitError for another architecture.
        """
        model.load_params(shared)
        part = getattr(base_encoder(model), "embeddings", None)
        try:
            table, norm = part.position_embeddings, part.LayerNorm
            first = 0 if table.padding_idx is None else table.padding_idx + 1
            words = part.word_embeddings.weight.detach().float().cpu()
            positions = (
                table.weight[first : first + max_tokens] + part.token_type_embeddings.weight[0]
            )
            positions = positions.detach().float().cpu()
        except AttributeError:
            raise FedkitError(
                f"{model.source.name} is not built like BERT, and this attack reads no other model"
            ) from None
        centre = [t - t.mean(1, keepdim=True) for t in (words, positions)]
        return cls(
            *centre, norm.weight.detach().float().cpu(), norm.bias.detach().float().cpu(), norm.eps
        )

    @cached_property
    def deviation(self) -> Tensor:
        """Standard deviation of the summed embeddings, (V, P)."""
        w, p = self.words, self.positions
        d = w.shape[1]
        return ((w**2).mean(1)[:, None] + (p**2).mean(1) + 2 * (w @ p.T) / d + self.eps).sqrt()

    @cached_property
    def squared_norms(self) -> Tensor:
        """Squared lengths of the vectors, (V, P)."""
        w, p, g2, b = self.words, self.positions, self.gain**2, self.bias
        scaled = ((w**2) @ g2)[:, None] + (p**2) @ g2 + 2 * (w * g2) @ p.T
        cross = (w @ (self.gain * b))[:, None] + p @ (self.gain * b)
        return scaled / self.deviation**2 + 2 * cross / self.deviation + b @ b

    def vectors(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return the vectors (n, d) of n pairs."""
        scale = self.deviation[tokens, positions][:, None]
        return self.gain * (self.words[tokens] + self.positions[positions]) / scale + self.bias

    def projections(self, directions: Tensor) -> Iterator[Tensor]:
        """Yield, position by position, all tokens' products (V, k) with k directions (d, k)."""
        scaled = self.gain[:, None] * directions
        w, p = self.words @ scaled, self.positions @ scaled
        for position, row in enumerate(p):
            yield (w + row) / self.deviation[:, position, None] + self.bias @ directions

    def projection_energy(self, directions: Tensor) -> Tensor:
        """Return the squared lengths (V, P) of projections on k orthonormal directions (d, k)."""
        return torch.stack([y.square().sum(1) for y in self.projections(directions.float())], 1)


def base_encoder(model: Model) -> torch.nn.Module:
    """Return the model's encoder without its PEFT wrapper."""
    return without_peft(model.module.encoder)


def row_space(rows: Tensor) -> Tensor:
    """Return an orthonormal basis (d, rank) of the row space of `rows` (n, d), up to rounding."""
    _, sizes, basis = torch.linalg.svd(rows, full_matrices=False)
    return basis[: int((sizes > RANK_TOLERANCE * sizes[0]).sum())].T
