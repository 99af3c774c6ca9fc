"""Threat model of the leakage attacks: what the server knows, observes and guesses.

The server is honest but curious: it follows the protocol and analyses what it receives. It knows
the base model, the shared parameters and the number of texts behind an update, and has texts of its
own; it never sees the client's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples
from fedkit.models.classifier import Model

if TYPE_CHECKING:
    from fedkit.audit.atoms import FirstLayerInputs


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
        """Every input that the first layer can have."""
        from fedkit.audit.atoms import FirstLayerInputs

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
    tokens = (
        guess.tokens
        if guess.tokens is not None
        else frozenset().union(*read)
        if guess.texts
        else None
    )
    recall = precision = None
    if tokens is not None:
        wanted, tokens = frozenset().union(*truth), tokens - special
        right = len(wanted & tokens)
        recall, precision = right / max(len(wanted), 1), right / len(tokens) if tokens else None
    sentences = multiset_overlap(read, truth) / len(truth) if guess.texts else None
    labels = (
        None
        if guess.labels is None
        else multiset_overlap(guess.labels, batch.labels.tolist()) / len(batch)
    )
    return AttackScore(recall, precision, sentences, labels)


def multiset_overlap(one: Sequence, other: Sequence) -> int:
    """Return how many entries two multisets have in common."""
    return sum((Counter(one) & Counter(other)).values())


def strip_special(text: Sequence[int], special: frozenset[int]) -> tuple[int, ...]:
    """Return a text's token ids without the special ones."""
    return tuple(t for t in text if t not in special)
