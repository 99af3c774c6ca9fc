"""What an honest-but-curious server has before it when one update arrives, and what it then writes
down.

It follows the protocol, keeps what it sees and reckons with it. It knows the base model, the shared
parameters, how many texts stand behind the update, and has texts of its own; it never sees the
site's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples
from fedkit.models.classifier import Model


@dataclass(frozen=True)
class Known:
    """What the attacker has besides the update. Texts of its own: with labels and token ids.

    listed: a list of texts among which the site's may be; public: the same without the site's own
    batch. vectors: sentence vectors (n, d) of `listed` under the shared parameters. adjust: added
    to the logits in the site's loss, (labels,), None for nothing or unknown.
    """

    model: Model
    shared: Params
    listed: Examples
    vectors: Tensor
    adjust: Tensor | None = None
    longest: int = 64  # tokens of a text at most

    @cached_property
    def atoms(self):
        """Every input that the first layer can have: see atoms.py."""
        from fedkit.audit.atoms import Atoms

        return Atoms.of(self.model, self.shared, self.longest)

    @cached_property
    def special(self) -> frozenset[int]:
        """Tokens that are in every text and tell nothing."""
        return frozenset(self.model.tokenizer.all_special_ids)


@dataclass(frozen=True)
class Seen:
    """One update as the attacker reads it. gradient: the update over minus the learning rate, as
    far as it can be told.

    texts: how many stand behind it. hidden: rows of `known.listed` that are the batch's own, left
    out of what is public.
    """

    gradient: Params
    texts: int
    known: Known
    hidden: tuple[int, ...] = ()

    def tensor(self, *endings: str) -> Tensor | None:
        """The gradient of the tensor whose name ends so, float64; None if no such was sent or
        nothing is in it.
        """
        found = next((t for n, t in self.gradient.items() if n.endswith(endings)), None)
        return None if found is None or not bool(found.any()) else found.double()


@dataclass(frozen=True)
class AttackGuess:
    """What the attacker wrote down. tokens, labels: None where it claims nothing of the kind. why:
    it could not.
    """

    tokens: frozenset[int] | None = None
    texts: tuple[tuple[int, ...], ...] = ()
    labels: tuple[int, ...] | None = None
    why: str = ""


@dataclass(frozen=True)
class AttackScore:
    """How much of one batch was recovered, each from 0 to 1; None: not claimed. sentences: exact,
    token by token.
    """

    recall: float | None = None
    precision: float | None = None
    sentences: float | None = None
    labels: float | None = None


def attack_score(guess: AttackGuess, batch: Examples, special: frozenset[int]) -> AttackScore:
    """The guess beside the truth: distinct tokens without special ones, texts and labels as
    multisets.
    """
    truth = [content(text, special) for text in batch.tokens]
    read = [content(text, special) for text in guess.texts]
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
    sentences = shared(read, truth) / len(truth) if guess.texts else None
    labels = (
        None if guess.labels is None else shared(guess.labels, batch.labels.tolist()) / len(batch)
    )
    return AttackScore(recall, precision, sentences, labels)


def shared(one: Sequence, other: Sequence) -> int:
    """How many entries two multisets have in common."""
    return sum((Counter(one) & Counter(other)).values())


def content(text: Sequence[int], special: frozenset[int]) -> tuple[int, ...]:
    """A text's token ids without the special ones."""
    return tuple(t for t in text if t not in special)
