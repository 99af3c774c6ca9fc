"""Checks of clients: enough rows each, and how different their labels are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.partition import MIN_CLIENT_EXAMPLES, smallest_share
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import make_finding, view_of

# mean distance of a client's labels from those of the others
STRONG = 0.6  # far apart
SOME = 0.35  # noticeably apart
DRAWS = 20  # random draws of labels that show which distance chance alone makes


def count_labels_by_client(table: RawTable) -> np.ndarray:
    """Return the usable training rows by client and label, int64, shape (clients, labels)."""
    known = view_of(table).usable & view_of(table).train & (view_of(table).clients >= 0)
    clients, labels = len(view_of(table).client_names), len(view_of(table).label_names)
    cells = view_of(table).clients[known] * labels + view_of(table).labels[known]
    return np.bincount(cells, minlength=clients * labels).reshape(clients, labels)


def label_distances(counts: np.ndarray) -> np.ndarray:
    """Return each client's Jensen-Shannon distance in label shares from all others together.

    Distances are from 0 to 1 (base 2; Lin, 1991), float, shape (clients,). counts: shape
    (clients, labels), every row with at least one example.
    """
    own = counts / counts.sum(axis=1, keepdims=True)
    rest = counts.sum(axis=0) - counts
    rest = rest / np.maximum(rest.sum(axis=1, keepdims=True), 1)
    middle = (own + rest) / 2
    return np.sqrt(np.clip((_divergence(own, middle) + _divergence(rest, middle)) / 2, 0, 1))


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.where(p > 0, p * np.log2(np.where(p > 0, p, 1) / np.where(q > 0, q, 1)), 0).sum(
        axis=-1
    )


def chance_distances(counts: np.ndarray, seed: int) -> np.ndarray:
    """Return the mean distance if clients of these sizes draw labels from one pool: (clients,)."""
    rng, pool = np.random.default_rng(seed), counts.sum(axis=0) / counts.sum()
    draws = [
        label_distances(np.stack([rng.multinomial(n, pool) for n in counts.sum(axis=1)]))
        for _ in range(DRAWS)
    ]
    return np.mean(draws, axis=0)


def check_label_skew(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find clients whose mix of labels differs from the others' by more than chance explains."""
    counts = count_labels_by_client(table)
    keep = counts.sum(axis=1) >= MIN_CLIENT_EXAMPLES
    if keep.sum() < 2 or (counts.sum(axis=0) > 0).sum() < 2 or keep.sum() > 2_000:
        return
    counts, names = counts[keep], view_of(table).client_names[keep]
    far = np.sqrt(
        np.clip(label_distances(counts) ** 2 - chance_distances(counts, options.seed) ** 2, 0, 1)
    )
    sizes = counts.sum(axis=1)
    mean = float((far * sizes).sum() / sizes.sum())
    lonely = [str(name) for name, row in zip(names, counts) if (row > 0).sum() == 1]
    if mean < SOME and not lonely:
        return
    order = np.argsort(-far, kind="stable")
    furthest = ", ".join(f"{quote(names[i], 30)} {far[i]:.2f}" for i in order[:3])
    yield make_finding(
        table,
        "label-skew",
        "care" if mean >= STRONG or lonely else "note",
        np.zeros(0, np.int64),
        f"the clients' mixes of labels differ: {mean:.2f} on average on a scale from 0"
        f" (alike) to 1 (nothing in common); furthest: {furthest}"
        + (f"; one label only: {quoted_list(lonely, 3)}" if lonely else ""),
        "clients that see different labels pull a shared model apart; training takes more rounds,"
        " and a site's own model may look better than it is on the others' reports",
        "compare strategies made for it (fedprox, scaffold),"
        " take fewer local steps, and read each client's accuracy",
        examples=[f"{names[i]}: {far[i]:.2f}" for i in order[:5]],
        count=int((far >= SOME).sum()),
        of=len(counts),
        numbers={
            "mean": mean,
            "distance": "Jensen-Shannon, base 2, less what chance makes",
            "one_label": lonely[:100],
            "by_client": {str(n): float(d) for n, d in list(zip(names, far))[:200]},
        },
    )


def check_tiny_clients(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find clients with too few rows to take part, or that there is one client only."""
    names = view_of(table).client_names
    if not len(names):
        return
    sizes, floor = count_labels_by_client(table).sum(axis=1), smallest_share(MIN_CLIENT_EXAMPLES)
    tiny = np.flatnonzero(sizes < floor)
    if len(tiny):
        tiny = tiny[np.argsort(sizes[tiny], kind="stable")]
        listed = [f"{names[i]} ({sizes[i]})" for i in tiny]
        left = len(names) - len(tiny)
        yield make_finding(
            table,
            "tiny-clients",
            "care" if left > 1 else "stop",
            np.isin(view_of(table).clients, tiny) & view_of(table).train,
            f"{count_noun(len(tiny), 'client')} of {len(names):,} have fewer"
            f" than {floor} usable rows: {quoted_list(listed, 5)}",
            f"a client needs {MIN_CLIENT_EXAMPLES} rows to train on and some to check itself;"
            " the kit leaves smaller ones out",
            "collect more there, or join small sites of one company;"
            f" {left:,} clients remain without them",
            examples=listed,
            numbers={"left": left, "minimum": floor},
        )
    elif len(names) == 1:
        yield make_finding(
            table,
            "tiny-clients",
            "care",
            np.zeros(0, np.int64),
            f"there is one client only, {quote(names[0], 40)}",
            "federation needs two or more; with one there is nobody to learn from",
            "name the column that tells the sites apart (--client),"
            " or let the kit deal rows to clients",
            examples=[str(names[0])],
            count=1,
            of=1,
            numbers={"left": 1, "minimum": floor},
        )
