"""Drawing rows for clients: training rows without replacement, and each client's validation rows.

Validation rows come from the validation split, or are kept back from training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import quote
from fedkit.data.corpus import ClientData, Corpus, Examples

ClientRows = dict[str, np.ndarray]  # client id -> row numbers

HOLDOUT_SHARE = 0.15  # of a client's examples, kept back if there is no validation split
MIN_VALIDATION = 4  # validation examples that are dealt to a client


def check_seed(seed: int) -> int:
    """Return `seed` if it is a whole number from 0 to 2**32 - 1. Raises FedkitError otherwise."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise FedkitError(
            f"seed {quote(seed)} is not allowed; give a whole number from 0 to {2**32 - 1}"
        )
    return int(seed)


def power_law_sizes(total: int, clients: int, exponent: float, floor: int) -> np.ndarray:
    """Return sizes that sum to `total`: `floor` each, the rest in proportion to rank ** -exponent.

    Result: int64, shape (clients,), the largest first. Needs total >= clients * floor.
    """
    weights = np.arange(1, clients + 1, dtype=float) ** -exponent
    spare = total - clients * floor
    ideal = spare * weights / weights.sum()
    sizes = np.floor(ideal).astype(np.int64)
    largest_remainders = np.argsort(sizes - ideal, kind="stable")[: spare - sizes.sum()]
    sizes[largest_remainders] += 1
    return floor + np.sort(sizes)[::-1]


def draw_rows(num_examples: int, sizes: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw disjoint random rows out of 0 .. num_examples - 1, sizes[i] of them for client i."""
    order = rng.permutation(num_examples)[: sizes.sum()]
    return np.split(order, np.cumsum(sizes)[:-1])


def draw_by_label(
    labels: np.ndarray,
    num_labels: int,
    sizes: np.ndarray,
    shares: Iterable[np.ndarray],
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Draw disjoint rows, sizes[i] for client i, with labels in the proportions of shares[i].

    labels: int, shape (n,). sizes: int, shape (clients,), sum at most n. Each share: shape
    (num_labels,), sum 1. A label without examples left is dropped and the other shares are
    renormalised, as in Hsu et al. (2019, arXiv:1909.06335); they draw one example at a time, which
    has the same distribution as counts drawn at once.
    """
    left = np.bincount(labels, minlength=num_labels)  # examples not dealt yet, by label
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by label, at random within a label
    end = np.cumsum(left)
    parts = []
    for size, share in zip(sizes, shares):
        counts = _draw_counts(int(size), share, left, rng)
        taken = [order[end[k] - left[k] :][: counts[k]] for k in np.flatnonzero(counts)]
        parts.append(rng.permutation(np.concatenate([order[:0], *taken])))
        left = left - counts
    return parts


def group_rows(clients: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the rows of each client, in random order; clients in the order of their names."""
    names, client = np.unique(np.array(clients, dtype=object), return_inverse=True)
    order = rng.permutation(len(client))
    order = order[np.argsort(client[order], kind="stable")]
    return dict(zip(names, np.split(order, np.cumsum(np.bincount(client))[:-1])))


def _draw_counts(
    size: int, share: np.ndarray, left: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw how many of each label: multinomial, and again for draws beyond what is left.

    left: examples not dealt yet, shape (num_labels,), sum at least `size`.
    """
    counts = np.zeros_like(left)
    while (missing := size - counts.sum()) > 0:
        weights = np.where(counts < left, share, 0.0)
        if not weights.sum() > 0:  # none of the client's labels is left: it takes what there is
            weights = (left - counts).astype(float)
        counts = np.minimum(left, counts + rng.multinomial(missing, weights / weights.sum()))
    return counts


# --- validation rows


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
