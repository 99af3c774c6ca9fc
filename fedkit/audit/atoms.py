"""Every input that an encoder's first layer can have: one vector for each token at each place, and
how to search them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.models.classifier import Model, without_peft


@dataclass(frozen=True)
class Atoms:
    """x(v, p) = gain * (word_v + place_p - mean) / deviation + bias, the LayerNorm after the sum of
    embeddings.

    words: (V, d), places: (P, d), both with their mean over d taken off; gain, bias: (d,).
    Nothing of size V x P x d is ever held: products with k directions are made place by place.
    """

    words: Tensor
    places: Tensor
    gain: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def of(cls, model: Model, shared: Params, longest: int) -> Atoms:
        """Of a BERT-like model at the shared parameters, for texts of at most `longest` tokens.
        Raises FedkitError.
        """
        model.load_params(shared)
        part = getattr(base_of(model), "embeddings", None)
        try:
            table, norm = part.position_embeddings, part.LayerNorm
            first = 0 if table.padding_idx is None else table.padding_idx + 1
            words = part.word_embeddings.weight.detach().float().cpu()
            places = table.weight[first : first + longest] + part.token_type_embeddings.weight[0]
            places = places.detach().float().cpu()
        except AttributeError:
            raise FedkitError(
                f"{model.source.name} is not built like BERT, and this attack reads no other model"
            ) from None
        centre = [t - t.mean(1, keepdim=True) for t in (words, places)]
        return cls(
            *centre, norm.weight.detach().float().cpu(), norm.bias.detach().float().cpu(), norm.eps
        )

    @cached_property
    def deviation(self) -> Tensor:
        """(V, P)."""
        w, p = self.words, self.places
        d = w.shape[1]
        return ((w**2).mean(1)[:, None] + (p**2).mean(1) + 2 * (w @ p.T) / d + self.eps).sqrt()

    @cached_property
    def squares(self) -> Tensor:
        """Squared lengths, (V, P)."""
        w, p, g2, b = self.words, self.places, self.gain**2, self.bias
        scaled = ((w**2) @ g2)[:, None] + (p**2) @ g2 + 2 * (w * g2) @ p.T
        cross = (w @ (self.gain * b))[:, None] + p @ (self.gain * b)
        return scaled / self.deviation**2 + 2 * cross / self.deviation + b @ b

    def at(self, tokens: Tensor, places: Tensor) -> Tensor:
        """x of n pairs, (n, d)."""
        scale = self.deviation[tokens, places][:, None]
        return self.gain * (self.words[tokens] + self.places[places]) / scale + self.bias

    def along(self, directions: Tensor) -> Iterator[Tensor]:
        """For each place in turn, the products of all tokens with k directions (d, k): (V, k)."""
        w, p = (
            self.words @ (self.gain[:, None] * directions),
            self.places @ (self.gain[:, None] * directions),
        )
        for place, row in enumerate(p):
            yield (w + row) / self.deviation[:, place, None] + self.bias @ directions

    def energy(self, directions: Tensor) -> Tensor:
        """Squared length of the projection on k orthonormal directions (d, k): (V, P)."""
        return torch.stack([y.square().sum(1) for y in self.along(directions.float())], 1)


def base_of(model: Model) -> torch.nn.Module:
    """The encoder without what PEFT put around it."""
    return without_peft(model.module.encoder)


TOLERANCE = 1e-6  # singular values below this share of the largest are rounding, in float32


# directions looked at for all tokens; least free directions without which everything is inside
SCREEN, FREE = 16, 8


PARTS = ("query", "key", "value")


def row_space(rows: Tensor) -> Tensor:
    """An orthonormal basis (d, rank) of the row space of (n, d), without what is rounding."""
    _, sizes, basis = torch.linalg.svd(rows, full_matrices=False)
    return basis[: int((sizes > TOLERANCE * sizes[0]).sum())].T
