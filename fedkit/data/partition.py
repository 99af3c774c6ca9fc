"""Who has what: dealing a corpus out to clients. No example goes to two of them, and the seed
decides everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count, quote
from fedkit.data.corpus import ClientData, Corpus, Examples
from fedkit.data.sampling import draw, draw_by_label, group_rows, power_law
from fedkit.data.splits import check_seed
from fedkit.data.validation import (
    client_data,
    share_to_deal,
    smallest_share,
    usable_split,
    validation_rows,
)

MINIMUM = 8  # training examples that every client has
FORMS = "auto, iid, dirichlet:A, quantity:A, column or column:COL"
Shares = dict[str, np.ndarray]  # client id -> row numbers, in random order


@dataclass(frozen=True)
class Order:
    """What a partition is to deal.

    share: examples per client (None: all there are). floor: the smallest share that leaves the
    minimum for training. spec: as given, such as dirichlet:0.3. argument: what stands after its
    colon. num_labels: of the corpus.
    """

    clients: int
    share: int | None
    floor: int
    spec: str
    argument: str
    num_labels: int


def deal(
    corpus: Corpus,
    partition: str = "auto",
    clients: int = 6,
    examples_per_client: int | None = None,
    seed: int = 0,
    minimum: int = MINIMUM,
) -> list[ClientData]:
    """The clients' own data under `partition`: iid, dirichlet:A, quantity:A, column[:COL], or auto.

    Every client has at least `minimum` training examples, and `examples_per_client` (N) where that
    is given; the sizes of quantity:A have the mean N. N = None deals all there is: n // clients, or
    all rows with a column's value. Validation examples of a client are, by the first of these that
    the data allow: its own rows in the validation split (column only); max(4, N // 5) from the
    validation split with the label shares of its training examples, fewer where that split is
    small, but 4; as many more from train; 15 % of its share. A column partition takes the number of
    clients from the column, cuts each to N, and leaves out those below `minimum` (see `left_out`).
    Raises FedkitError when the data cannot be dealt as asked.
    """
    name, argument = _parse(partition, corpus)
    _check(clients, examples_per_client, minimum)
    rng = np.random.default_rng(np.random.SeedSequence(check_seed(seed)))
    by_column = name == "column" or (name == "auto" and corpus.train.clients is not None)
    validation = usable_split(corpus, by_column, clients)
    share = share_to_deal(corpus, by_column, clients, examples_per_client, validation)
    floor = smallest_share(minimum) if validation is None else minimum
    order = Order(clients, share, floor, partition, argument, len(corpus.labels))
    shares = PARTITIONS[name](corpus.train, order, rng)
    own = validation_rows(corpus, by_column, shares, validation, rng)
    dealt = [
        client_data(corpus, i, rows, own.get(i), examples_per_client, by_column)
        for i, rows in shares.items()
    ]
    return _large_enough(dealt, by_column, minimum)


def _parse(partition: str, corpus: Corpus) -> tuple[str, str]:
    name, colon, argument = str(partition).partition(":")
    if name not in PARTITIONS or (colon and (name in ("auto", "iid") or not argument)):
        raise FedkitError(f"unknown partition {quote(partition)}; use {FORMS}")
    if name == "column" and corpus.train.clients is None:
        raise FedkitError(
            f"partition {quote(partition)} needs to know whose each row is, and"
            f" {quote(corpus.name)} was read without a client column; name it with --client COL"
        )
    return name, argument


def _check(clients: int, examples_per_client: int | None, minimum: int) -> None:
    given = {"clients": (clients, 1), "minimum": (minimum, 1)}
    if examples_per_client is not None:
        given["examples per client"] = (examples_per_client, minimum)
    for name, (value, least) in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise FedkitError(
                f"{name}: {quote(value)} is not allowed; give a whole number of at least {least}"
            )


def _large_enough(dealt: list[ClientData], by_column: bool, minimum: int) -> list[ClientData]:
    kept = [client for client in dealt if len(client.train) >= minimum]
    assert by_column or len(kept) == len(dealt), "a partition dealt a client less than the minimum"
    if by_column and len(kept) < 2:
        raise FedkitError(
            f"{count(len(kept), 'client')} of {len(dealt):,} in the client column with {minimum}"
            " training examples or more, and 2 are needed; name another column with --client, or"
            " use --partition iid"
        )
    return kept


def left_out(corpus: Corpus, dealt: Sequence[ClientData]) -> dict[str, int]:
    """Clients that a column partition left out for having too few examples, with their numbers of
    training rows.

    Empty after any other partition, which asks nothing of the client column.
    """
    there, ids = Counter(corpus.train.clients), {client.client_id for client in dealt}
    return (
        {name: there[name] for name in sorted(there) if name not in ids}
        if ids & there.keys()
        else {}
    )


def client_column(partition: str, client: str | None = None) -> str | None:
    """The client column to read for `partition`: the COL of column:COL, else `client`.

    A corpus carries one client column, so load_corpus(client=...) has to know it before `deal` can
    use it. Raises FedkitError when the two name different columns.
    """
    name, _, column = partition.partition(":")
    if name != "column" or not column:
        return client
    if client not in (None, column):
        raise FedkitError(
            f"--partition {quote(partition)} and --client {quote(client)} name two columns;"
            " drop one"
        )
    return column


def describe(corpus: Corpus, clients: Sequence[ClientData]) -> pd.DataFrame:
    """Who has what: numbers of training examples, one row per client and one column per label."""
    counts = [np.bincount(client.train.labels, minlength=len(corpus.labels)) for client in clients]
    return pd.DataFrame(
        np.array(counts, dtype=np.int64).reshape(-1, len(corpus.labels)),
        index=pd.Index([client.client_id for client in clients], name="client"),
        columns=pd.Index(corpus.labels, name="label"),
    )


def iid(examples: Examples, order: Order, rng: np.random.Generator) -> Shares:
    """Everyone gets as many examples, drawn at random."""
    return _named(draw(len(examples), _even(examples, order), rng))


def dirichlet(examples: Examples, order: Order, rng: np.random.Generator) -> Shares:
    """Everyone gets as many examples, with label shares of its own drawn from Dir(A): the smaller
    A, the more unlike.

    Source: Hsu, Qi, Brown (2019), arXiv:1909.06335, with a uniform prior over labels.
    """
    alpha = np.full(order.num_labels, _positive(order))
    shares = (rng.dirichlet(alpha) for _ in range(order.clients))
    return _named(
        draw_by_label(examples.labels, order.num_labels, _even(examples, order), shares, rng)
    )


def quantity(examples: Examples, order: Order, rng: np.random.Generator) -> Shares:
    """Sizes follow a power law, client i of 1, 2, ... in proportion to i ** -A above the floor;
    labels are iid.
    """
    total = len(examples) if order.share is None else order.clients * order.share
    _refuse_too_many(order, len(examples), total // order.clients)
    return _named(
        draw(len(examples), power_law(total, order.clients, _positive(order), order.floor), rng)
    )


def column(examples: Examples, order: Order, rng: np.random.Generator) -> Shares:
    """One client per value of the client column, at most `share` random examples of each."""
    return {name: rows[: order.share] for name, rows in group_rows(examples.clients, rng).items()}


def auto(examples: Examples, order: Order, rng: np.random.Generator) -> Shares:
    """column if the corpus says whose each row is, else iid."""
    return (iid if examples.clients is None else column)(examples, order, rng)


def _even(examples: Examples, order: Order) -> np.ndarray:
    size = len(examples) // order.clients if order.share is None else order.share
    _refuse_too_many(order, len(examples), size)
    return np.full(order.clients, size)


def _refuse_too_many(order: Order, available: int, size: int) -> None:
    if order.clients * size > available:
        raise FedkitError(
            f"{count(order.clients, 'client')} with {size:,} examples each need"
            f" {order.clients * size:,}, and {available:,} are there to train on; ask for fewer"
            " --clients or --examples-per-client"
        )
    if size < order.floor:
        raise FedkitError(
            f"{count(order.clients, 'client')} would get {size:,} examples each, and {order.floor}"
            f" are needed to train and validate, of {available:,} to train on; ask for fewer"
            " --clients"
        )


def _positive(order: Order) -> float:
    try:
        value = float(order.argument)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise FedkitError(
            f"partition {quote(order.spec)}: A has to be a number above 0, as in dirichlet:0.3"
        )
    return value


def _named(parts: list[np.ndarray]) -> Shares:
    width = max(3, len(str(len(parts) - 1)))
    return {f"client-{i:0{width}d}": rows for i, rows in enumerate(parts)}


PARTITIONS = {
    "auto": auto,
    "iid": iid,
    "dirichlet": dirichlet,
    "quantity": quantity,
    "column": column,
}
