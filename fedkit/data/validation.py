"""Validation examples of each client: from the validation split, or kept back from training."""

from __future__ import annotations

import numpy as np

from fedkit.data.corpus import ClientData, Corpus, Examples
from fedkit.data.sampling import draw_by_label, group_rows

ClientRows = dict[str, np.ndarray]  # client id -> row numbers

HOLDOUT_SHARE = 0.15  # of a client's examples, kept back if there is no validation split
MIN_VALIDATION = 4  # validation examples that are dealt to a client


def validation_size(num_train: int) -> int:
    """Return the validation examples for `num_train` training examples: a fifth, at least 4."""
    return max(MIN_VALIDATION, num_train // 5)


def validation_sizes(num_train: np.ndarray, available: int) -> np.ndarray:
    """Return the `validation_size` of each client, shrunk in proportion if too few are available.

    num_train, result: int, shape (clients,). Only what is above 4 is shrunk. Needs available >=
    4 * clients.
    """
    extra = np.maximum(MIN_VALIDATION, num_train // 5) - MIN_VALIDATION
    spare = available - MIN_VALIDATION * len(num_train)
    return MIN_VALIDATION + (extra if extra.sum() <= spare else extra * spare // extra.sum())


def holdout_size(share: int, wanted: int | None) -> int:
    """Return how many of a client's `share` examples are for validation.

    A client that was dealt `wanted` training examples and their validation examples keeps back
    exactly the latter; any other client keeps back 15 %, at least 1.
    """
    if wanted is not None and share == wanted + validation_size(wanted):
        return validation_size(wanted)
    return max(1, round(HOLDOUT_SHARE * share))


def smallest_share(minimum: int) -> int:
    """Return the smallest share that leaves `minimum` training examples after the holdout."""
    share = minimum + 1
    while share - holdout_size(share, None) < minimum:
        share += 1
    return share


def usable_validation_split(corpus: Corpus, by_column: bool, clients: int) -> Examples | None:
    """Return the validation split if it can be dealt, else None.

    It needs a client column if dealt by column, else 4 examples for each client.
    """
    split = corpus.validation
    if split is None:
        return None
    usable = split.clients is not None if by_column else len(split) >= MIN_VALIDATION * clients
    return split if usable else None


def examples_to_deal(
    corpus: Corpus, by_column: bool, clients: int, wanted: int | None, validation: Examples | None
) -> int | None:
    """Return the examples to deal per client: `wanted`, plus validation if train has to give it.

    A client of a column may have no rows in the validation split, so each is dealt both.
    """
    if wanted is None or (validation is not None and not by_column):
        return wanted
    both = wanted + validation_size(wanted)
    return both if by_column or clients * both <= len(corpus.train) else wanted


def validation_rows(
    corpus: Corpus,
    by_column: bool,
    shares: ClientRows,
    validation: Examples | None,
    rng: np.random.Generator,
) -> ClientRows:
    """Return the rows of the validation split by client; {} if `validation` is None."""
    if validation is None:
        return {}
    if by_column:
        assert validation.clients is not None, "see usable_validation_split"
        return group_rows(validation.clients, rng)
    sizes = validation_sizes(np.array([len(rows) for rows in shares.values()]), len(validation))
    num_labels = len(corpus.labels)
    same = (
        np.bincount(corpus.train.labels[rows], minlength=num_labels) / len(rows)
        for rows in shares.values()
    )
    return dict(zip(shares, draw_by_label(validation.labels, num_labels, sizes, same, rng)))


def make_client_data(
    corpus: Corpus,
    client_id: str,
    rows: np.ndarray,
    own: np.ndarray | None,
    wanted: int | None,
    by_column: bool,
) -> ClientData:
    """Return a client that trains on `rows` and validates on `own` rows of the validation split.

    own None: some of `rows` are kept back for validation.
    """
    if own is not None:
        assert corpus.validation is not None, "rows of the validation split need one"
        rows = rows[:wanted] if by_column else rows
        return ClientData(client_id, corpus.train.take(rows), corpus.validation.take(own))
    kept = holdout_size(len(rows), wanted)
    return ClientData(client_id, corpus.train.take(rows[kept:]), corpus.train.take(rows[:kept]))
