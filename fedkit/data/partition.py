"""Partitioning a corpus among clients: no example goes to two of them, and the seed decides all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, quote
from fedkit.data.corpus import ClientData, Corpus, Examples
from fedkit.data.sampling import (
    ClientRows,
    check_seed,
    draw_by_label,
    draw_rows,
    examples_to_deal,
    group_rows,
    make_client_data,
    power_law_sizes,
    smallest_share,
    usable_validation_split,
    validation_rows,
)

MIN_CLIENT_EXAMPLES = 8  # training examples that every client has
PARTITION_FORMS = "auto, iid, dirichlet:A, quantity:A, column or column:COL"


@dataclass(frozen=True)
class DealRequest:
    """What a partition function has to deal.

    share: examples per client (None: all there are). floor: the smallest share that leaves the
    minimum for training. spec: as given, such as dirichlet:0.3. argument: what follows its colon.
    num_labels: number of labels of the corpus.
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
    minimum: int = MIN_CLIENT_EXAMPLES,
) -> list[ClientData]:
    """Deal `corpus` to clients under `partition`: iid, dirichlet:A, quantity:A, column[:COL], auto.

    Every client has at least `minimum` training examples, and `examples_per_client` (N) where that
    is given; the sizes of quantity:A have the mean N. N = None deals all there is: n // clients, or
    all rows with a column's value. Validation examples of a client are, by the first of these that
    the data allow: its own rows in the validation split (column only); max(4, N // 5) from the
    validation split with the label shares of its training examples, fewer (at least 4) where that
    split is small; as many more from train; 15 % of its share. A column partition takes the number
    of clients from the column, cuts each to N, and leaves out those below `minimum` (see
    `left_out_clients`). Raises FedkitError when the data cannot be dealt like that.
    """
    name, argument = _parse_partition(partition, corpus)
    _check_numbers(clients, examples_per_client, minimum)
    rng = np.random.default_rng(np.random.SeedSequence(check_seed(seed)))
    by_column = name == "column" or (name == "auto" and corpus.train.clients is not None)
    validation = usable_validation_split(corpus, by_column, clients)
    share = examples_to_deal(corpus, by_column, clients, examples_per_client, validation)
    floor = smallest_share(minimum) if validation is None else minimum
    request = DealRequest(clients, share, floor, partition, argument, len(corpus.labels))
    shares = PARTITIONS[name](corpus.train, request, rng)
    own = validation_rows(corpus, by_column, shares, validation, rng)
    dealt = [
        make_client_data(corpus, i, rows, own.get(i), examples_per_client, by_column)
        for i, rows in shares.items()
    ]
    return _keep_large_enough(dealt, by_column, minimum)


def left_out_clients(corpus: Corpus, dealt: Sequence[ClientData]) -> dict[str, int]:
    """Return the clients that a column partition left out as too small, with their training rows.

    Empty after any other partition, which does not read the client column.
    """
    sizes, ids = Counter(corpus.train.clients), {client.client_id for client in dealt}
    if not ids & sizes.keys():
        return {}
    return {name: sizes[name] for name in sorted(sizes) if name not in ids}


def client_column(partition: str, client: str | None = None) -> str | None:
    """Return the client column to read for `partition`: the COL of column:COL, else `client`.

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


def count_client_labels(corpus: Corpus, clients: Sequence[ClientData]) -> pd.DataFrame:
    """Return the numbers of training examples: one row per client, one column per label."""
    counts = [np.bincount(client.train.labels, minlength=len(corpus.labels)) for client in clients]
    return pd.DataFrame(
        np.array(counts, dtype=np.int64).reshape(-1, len(corpus.labels)),
        index=pd.Index([client.client_id for client in clients], name="client"),
        columns=pd.Index(corpus.labels, name="label"),
    )


def iid(examples: Examples, request: DealRequest, rng: np.random.Generator) -> ClientRows:
    """Everyone gets as many examples, drawn at random."""
    return _name_clients(draw_rows(len(examples), _equal_sizes(examples, request), rng))


def dirichlet(examples: Examples, request: DealRequest, rng: np.random.Generator) -> ClientRows:
    """Everyone gets as many examples, with label shares of its own drawn from Dir(A): the smaller
    A, the more unlike.

    Source: Hsu, Qi, Brown (2019), arXiv:1909.06335, with a uniform prior over labels.
    """
    alpha = np.full(request.num_labels, _positive_argument(request))
    shares = (rng.dirichlet(alpha) for _ in range(request.clients))
    sizes = _equal_sizes(examples, request)
    return _name_clients(draw_by_label(examples.labels, request.num_labels, sizes, shares, rng))


def quantity(examples: Examples, request: DealRequest, rng: np.random.Generator) -> ClientRows:
    """Sizes follow a power law, client i of 1, 2, ... in proportion to i ** -A above the floor;
    labels are iid.
    """
    total = len(examples) if request.share is None else request.clients * request.share
    _refuse_too_many(request, len(examples), total // request.clients)
    sizes = power_law_sizes(total, request.clients, _positive_argument(request), request.floor)
    return _name_clients(draw_rows(len(examples), sizes, rng))


def column(examples: Examples, request: DealRequest, rng: np.random.Generator) -> ClientRows:
    """One client per value of the client column, at most `share` random examples of each."""
    assert examples.clients is not None, "deal refuses a column partition without a client column"
    return {name: rows[: request.share] for name, rows in group_rows(examples.clients, rng).items()}


def auto(examples: Examples, request: DealRequest, rng: np.random.Generator) -> ClientRows:
    """column if the corpus says whose each row is, else iid."""
    return (iid if examples.clients is None else column)(examples, request, rng)


def _parse_partition(partition: str, corpus: Corpus) -> tuple[str, str]:
    name, colon, argument = str(partition).partition(":")
    if name not in PARTITIONS or (colon and (name in ("auto", "iid") or not argument)):
        raise FedkitError(f"unknown partition {quote(partition)}; use {PARTITION_FORMS}")
    if name == "column" and corpus.train.clients is None:
        raise FedkitError(
            f"partition {quote(partition)} needs to know whose each row is, and"
            f" {quote(corpus.name)} was read without a client column; name it with --client COL"
        )
    return name, argument


def _check_numbers(clients: int, examples_per_client: int | None, minimum: int) -> None:
    given = {"clients": (clients, 1), "minimum": (minimum, 1)}
    if examples_per_client is not None:
        given["examples per client"] = (examples_per_client, minimum)
    for name, (value, least) in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise FedkitError(
                f"{name}: {quote(value)} is not allowed; give a whole number of at least {least}"
            )


def _keep_large_enough(dealt: list[ClientData], by_column: bool, minimum: int) -> list[ClientData]:
    kept = [client for client in dealt if len(client.train) >= minimum]
    assert by_column or len(kept) == len(dealt), "a partition dealt a client less than the minimum"
    if by_column and len(kept) < 2:
        raise FedkitError(
            f"{count_noun(len(kept), 'client')} of {len(dealt):,} in the client column with"
            f" {minimum} training examples or more, and 2 are needed; name another column with"
            " --client, or use --partition iid"
        )
    return kept


def _equal_sizes(examples: Examples, request: DealRequest) -> np.ndarray:
    size = len(examples) // request.clients if request.share is None else request.share
    _refuse_too_many(request, len(examples), size)
    return np.full(request.clients, size)


def _refuse_too_many(request: DealRequest, available: int, size: int) -> None:
    if request.clients * size > available:
        raise FedkitError(
            f"{count_noun(request.clients, 'client')} with {size:,} examples each need"
            f" {request.clients * size:,}, and {available:,} are there to train on; ask for fewer"
            " --clients or --examples-per-client"
        )
    if size < request.floor:
        raise FedkitError(
            f"{count_noun(request.clients, 'client')} would get {size:,} examples each, and"
            f" {request.floor} are needed to train and validate, of {available:,} to train on; ask"
            " for fewer --clients"
        )


def _positive_argument(request: DealRequest) -> float:
    try:
        value = float(request.argument)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise FedkitError(
            f"partition {quote(request.spec)}: A has to be a number above 0, as in dirichlet:0.3"
        )
    return value


def _name_clients(parts: list[np.ndarray]) -> ClientRows:
    width = max(3, len(str(len(parts) - 1)))
    return {f"client-{i:0{width}d}": rows for i, rows in enumerate(parts)}


PARTITIONS = {
    "auto": auto,
    "iid": iid,
    "dirichlet": dirichlet,
    "quantity": quantity,
    "column": column,
}
