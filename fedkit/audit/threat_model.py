"""Threat model of the leakage attacks: what the server knows, observes and guesses.

The server is honest but curious: it follows the protocol and analyses what it receives. It knows
the base model, the shared parameters and the number of texts behind an update, and has texts of its
own; it never sees the client's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples
from fedkit.models.classifier import Model, without_peft

RANK_TOLERANCE = 1e-6  # singular values below this share of the largest are float32 rounding
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
            positions = table.weight[first : first + max_tokens]
            positions = (positions + part.token_type_embeddings.weight[0]).detach().float().cpu()
        except AttributeError:
            raise FedkitError(
                f"{model.source.name} is not built like BERT, and this attack reads no other model"
            ) from None
        centred = [t - t.mean(1, keepdim=True) for t in (words, positions)]
        return cls(
            *centred, *(t.detach().float().cpu() for t in (norm.weight, norm.bias)), norm.eps
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


@dataclass(frozen=True)
class AttackerKnowledge:
    """What the attacker has besides the update.

    listed: its own texts, with labels and token ids; the client's may be among them. vectors:
    sentence vectors (n, d) of `listed` under the shared parameters. adjust: added to the logits in
    the client's loss, (labels,); None if nothing is added or it is unknown. max_tokens: of a text.
    """

    model: Model
    shared: Params
    listed: Examples
    vectors: Tensor
    adjust: Tensor | None = None
    max_tokens: int = 64

    @cached_property
    def first_layer_inputs(self) -> FirstLayerInputs:
        """Every input that the first layer of the encoder can have."""
        return FirstLayerInputs.from_model(self.model, self.shared, self.max_tokens)

    @cached_property
    def special(self) -> frozenset[int]:
        """Ids of the special tokens, which are in every text and carry no information."""
        return frozenset(self.model.tokenizer.all_special_ids)


@dataclass(frozen=True)
class ObservedUpdate:
    """One update as the attacker reads it.

    gradient: the update divided by minus the learning rate. texts: how many it was computed from.
    batch_rows: rows of `known.listed` that are the batch itself, so not public.
    """

    gradient: Params
    texts: int
    known: AttackerKnowledge
    batch_rows: tuple[int, ...] = ()

    def tensor(self, *endings: str) -> Tensor | None:
        """Return the float64 gradient of the tensor whose name ends so; None if absent or zero."""
        found = next((t for n, t in self.gradient.items() if n.endswith(endings)), None)
        return None if found is None or not bool(found.any()) else found.double()

    def public_rows(self) -> np.ndarray:
        """Return the rows of the list that are not the batch itself."""
        return np.setdiff1d(np.arange(len(self.known.listed)), self.batch_rows)


@dataclass(frozen=True)
class AttackGuess:
    """What the attacker recovered. tokens, labels: None if not claimed. why: the obstacle."""

    tokens: frozenset[int] | None = None
    texts: tuple[tuple[int, ...], ...] = ()
    labels: tuple[int, ...] | None = None
    why: str = ""


@dataclass(frozen=True)
class AttackScore:
    """Share of one batch that was recovered, from 0 to 1; None: not claimed.

    recall, precision: of tokens. sentences: texts recovered token by token.
    """

    recall: float | None = None
    precision: float | None = None
    sentences: float | None = None
    labels: float | None = None


def attack_score(guess: AttackGuess, batch: Examples, special: frozenset[int]) -> AttackScore:
    """Score a guess: distinct tokens without special ones, texts and labels as multisets."""
    truth = [strip_special(text, special) for text in batch.tokens]
    read = [strip_special(text, special) for text in guess.texts]
    tokens = guess.tokens
    if tokens is None and guess.texts:
        tokens = frozenset().union(*read)
    recall = precision = None
    if tokens is not None:
        wanted, tokens = frozenset().union(*truth), tokens - special
        right = len(wanted & tokens)
        recall, precision = right / max(len(wanted), 1), right / len(tokens) if tokens else None
    sentences = multiset_overlap(read, truth) / len(truth) if guess.texts else None
    labels = None
    if guess.labels is not None:
        labels = multiset_overlap(guess.labels, batch.labels.tolist()) / len(batch)
    return AttackScore(recall, precision, sentences, labels)


def multiset_overlap(one: Sequence, other: Sequence) -> int:
    """Return how many entries two multisets have in common."""
    return sum((Counter(one) & Counter(other)).values())


def strip_special(text: Sequence[int], special: frozenset[int]) -> tuple[int, ...]:
    """Return a text's token ids without the special ones."""
    return tuple(t for t in text if t not in special)


def base_encoder(model: Model) -> torch.nn.Module:
    """Return the model's encoder without its PEFT wrapper."""
    return without_peft(model.module.encoder)


def row_space(rows: Tensor) -> Tensor:
    """Return an orthonormal basis (d, rank) of the row space of `rows` (n, d), up to rounding."""
    _, sizes, basis = torch.linalg.svd(rows, full_matrices=False)
    return basis[: int((sizes > RANK_TOLERANCE * sizes[0]).sum())].T
