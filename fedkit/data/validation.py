"""What a client validates on: its part of the validation split, or examples that it does not train
on.
"""

from __future__ import annotations

import numpy as np

from fedkit.data.corpus import ClientData, Corpus, Examples
from fedkit.data.sampling import draw_by_label, group_rows

Rows = dict[str, np.ndarray]  # client id -> row numbers

KEPT_BACK = 0.15  # of a client's share, for validation, when there is nothing else
LEAST_VALIDATION = 4  # validation examples of a client that are dealt to it


def validation_size(num_train: int) -> int:
    """Validation examples that go with `num_train` training examples: a fifth as many, at
    least 4.
    """
    return max(LEAST_VALIDATION, num_train // 5)


def validation_sizes(num_train: np.ndarray, available: int) -> np.ndarray:
    """`validation_size` of each client, what is above 4 shrunk in proportion when the pool holds
    fewer.

    num_train, result: int, shape (clients,). Needs available >= 4 * clients.
    """
    extra = np.maximum(LEAST_VALIDATION, num_train // 5) - LEAST_VALIDATION
    spare = available - LEAST_VALIDATION * len(num_train)
    return LEAST_VALIDATION + (extra if extra.sum() <= spare else extra * spare // extra.sum())


def kept_back(share: int, wanted: int | None) -> int:
    """How many of a client's `share` are for validation.

    A client that was dealt `wanted` training examples and their validation examples has exactly
    those; any other client keeps back 15 %, at least 1.
    """
    if wanted is not None and share == wanted + validation_size(wanted):
        return validation_size(wanted)
    return max(1, round(KEPT_BACK * share))


def smallest_share(minimum: int) -> int:
    """The smallest share that leaves `minimum` training examples after 15 % of it is kept back."""
    share = minimum + 1
    while share - kept_back(share, None) < minimum:
        share += 1
    return share


def usable_split(corpus: Corpus, by_column: bool, clients: int) -> Examples | None:
    """The validation split if it can serve: it says whose its rows are (column), or it has 4 for
    everyone.
    """
    split = corpus.validation
    if split is None:
        return None
    serves = split.clients is not None if by_column else len(split) >= LEAST_VALIDATION * clients
    return split if serves else None


def share_to_deal(
    corpus: Corpus, by_column: bool, clients: int, wanted: int | None, validation: Examples | None
) -> int | None:
    """Examples to deal per client: those wanted, and where train may have to give them, those for
    validation.

    A column's client may have no rows in the validation split, so each is dealt both.
    """
    if wanted is None or (validation is not None and not by_column):
        return wanted
    both = wanted + validation_size(wanted)
    return both if by_column or clients * both <= len(corpus.train) else wanted


def validation_rows(
    corpus: Corpus,
    by_column: bool,
    shares: Rows,
    validation: Examples | None,
    rng: np.random.Generator,
) -> Rows:
    """Rows of the validation split by client; none where no split can serve."""
    if validation is None:
        return {}
    if by_column:
        return group_rows(validation.clients, rng)
    sizes = validation_sizes(np.array([len(rows) for rows in shares.values()]), len(validation))
    num_labels = len(corpus.labels)
    same = (
        np.bincount(corpus.train.labels[rows], minlength=num_labels) / len(rows)
        for rows in shares.values()
    )
    return dict(zip(shares, draw_by_label(validation.labels, num_labels, sizes, same, rng)))


def client_data(
    corpus: Corpus,
    client_id: str,
    rows: np.ndarray,
    own: np.ndarray | None,
    wanted: int | None,
    by_column: bool,
) -> ClientData:
    """A client with training `rows` and `own` rows of the validation split, or else some of `rows`
    kept back.
    """
    if own is not None:
        rows = rows[:wanted] if by_column else rows
        return ClientData(client_id, corpus.train.take(rows), corpus.validation.take(own))
    kept = kept_back(len(rows), wanted)
    return ClientData(client_id, corpus.train.take(rows[kept:]), corpus.train.take(rows[:kept]))
