"""Whether the sites can take part: enough rows each, and how different their labels are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fedkit.core.formatting import count, listing, quote
from fedkit.data.partition import MINIMUM, smallest_share
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import facts, finding

# mean distance of a client's labels from the others': far apart, and noticeably so
STRONG, SOME = 0.6, 0.35
DRAWS = 20  # of labels at random, to see what distance chance alone makes


def label_table(table: RawTable) -> np.ndarray:
    """Usable training rows by client and label, int64, shape (clients, labels)."""
    known = facts(table).usable & facts(table).train & (facts(table).clients >= 0)
    clients, labels = len(facts(table).client_names), len(facts(table).label_names)
    cells = facts(table).clients[known] * labels + facts(table).labels[known]
    return np.bincount(cells, minlength=clients * labels).reshape(clients, labels)


def distances(counts: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance (0 to 1, base 2; Lin, 1991) of each client's label shares from all
    others' together.

    counts: shape (clients, labels), every row with at least one example. Result: float, shape
    (clients,).
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


def by_chance(counts: np.ndarray, seed: int) -> np.ndarray:
    """The mean distance that clients of these sizes have if all draw their labels from one pool;
    shape (clients,).
    """
    rng, pool = np.random.default_rng(seed), counts.sum(axis=0) / counts.sum()
    draws = [
        distances(np.stack([rng.multinomial(n, pool) for n in counts.sum(axis=1)]))
        for _ in range(DRAWS)
    ]
    return np.mean(draws, axis=0)


def check_label_skew(table: RawTable, setting: CheckOptions) -> Iterator[Finding]:
    """How far each client's mix of labels is from the others', beyond what chance makes of so few
    rows.
    """
    counts = label_table(table)
    keep = counts.sum(axis=1) >= MINIMUM
    if keep.sum() < 2 or (counts.sum(axis=0) > 0).sum() < 2 or keep.sum() > 2_000:
        return
    counts, names = counts[keep], facts(table).client_names[keep]
    far = np.sqrt(np.clip(distances(counts) ** 2 - by_chance(counts, setting.seed) ** 2, 0, 1))
    sizes = counts.sum(axis=1)
    mean = float((far * sizes).sum() / sizes.sum())
    lonely = [str(name) for name, row in zip(names, counts) if (row > 0).sum() == 1]
    if mean < SOME and not lonely:
        return
    order = np.argsort(-far, kind="stable")
    furthest = ", ".join(f"{quote(names[i], 30)} {far[i]:.2f}" for i in order[:3])
    yield finding(
        table,
        "label-skew",
        "care" if mean >= STRONG or lonely else "note",
        np.zeros(0, np.int64),
        f"the clients' mixes of labels differ: {mean:.2f} on average on a scale from 0 (alike) to 1"
        f" (nothing in common); furthest: {furthest}"
        + (f"; one label only: {listing(lonely, 3)}" if lonely else ""),
        "clients that see different labels pull a shared model apart; training takes more rounds,"
        " and a site's own model may look better than it is on the others' reports",
        "compare strategies made for it (fedprox, scaffold), take fewer local steps, and read each"
        " client's accuracy",
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


def check_tiny_clients(table: RawTable, setting: CheckOptions) -> Iterator[Finding]:
    """Clients with too few rows to take part, or one client only."""
    names = facts(table).client_names
    if not len(names):
        return
    sizes, floor = label_table(table).sum(axis=1), smallest_share(MINIMUM)
    tiny = np.flatnonzero(sizes < floor)
    if len(tiny):
        listed = [f"{names[i]} ({sizes[i]})" for i in tiny[np.argsort(sizes[tiny], kind="stable")]]
        left = len(names) - len(tiny)
        yield finding(
            table,
            "tiny-clients",
            "care" if left > 1 else "stop",
            np.isin(facts(table).clients, tiny) & facts(table).train,
            f"{count(len(tiny), 'client')} of {len(names):,} have fewer than {floor} usable rows:"
            f" {listing(listed, 5)}",
            f"a client needs {MINIMUM} rows to train on and some to check itself; the kit leaves"
            " smaller ones out",
            "collect more there, or join small sites of one company; "
            + f"{left:,} clients remain without them",
            examples=listed,
            numbers={"left": left, "minimum": floor},
        )
    elif len(names) == 1:
        yield finding(
            table,
            "tiny-clients",
            "care",
            np.zeros(0, np.int64),
            f"there is one client only, {quote(names[0], 40)}",
            "federation needs two or more; with one there is nobody to learn from",
            "name the column that tells the sites apart (--client), or let the kit deal rows to"
            " clients",
            examples=[str(names[0])],
            count=1,
            of=1,
            numbers={"left": 1, "minimum": floor},
        )
