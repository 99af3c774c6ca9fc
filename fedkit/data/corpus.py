"""Data sets in memory: labelled texts, their splits, and the examples of one client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Examples:
    """n labelled texts.

    texts: n strings. labels: int64 array of shape (n,), indices into `Corpus.labels`. clients: n
    client names, or None. tokens: n lists of token ids; None before a model has read the texts.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    clients: tuple[str, ...] | None = None
    tokens: tuple[tuple[int, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | np.ndarray) -> Examples:
        """Return the examples at `rows`, in that order."""

        def pick(values):
            return None if values is None else tuple(values[i] for i in rows)

        labels = self.labels[np.asarray(rows, dtype=np.int64)]
        return Examples(pick(self.texts), labels, pick(self.clients), pick(self.tokens))

    def with_tokens(self, tokens: Sequence[Sequence[int]]) -> Examples:
        return replace(self, tokens=tuple(tuple(t) for t in tokens))


def concatenate(parts: Sequence[Examples]) -> Examples:
    """Join `parts` in order; clients and tokens are kept only if every part has them."""

    def join(values):
        return None if any(v is None for v in values) else tuple(x for v in values for x in v)

    labels = np.concatenate([p.labels for p in parts])
    return Examples(
        join([p.texts for p in parts]),
        labels,
        join([p.clients for p in parts]),
        join([p.tokens for p in parts]),
    )


@dataclass(frozen=True)
class Corpus:
    """A data set: splits, label names, source, and notes from reading it.

    validation is None when the source has none; `partition.deal` then keeps part of each client's
    examples for validation. The test split is shared, held out, and never tuned on.
    notes: guesses and counted warnings, one sentence each, for people to read.
    """

    name: str
    labels: tuple[str, ...]
    train: Examples
    test: Examples
    validation: Examples | None
    source: str
    sha256: str
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class ClientData:
    """The examples of one client."""

    client_id: str
    train: Examples
    validation: Examples
