"""Checks of clients: enough rows each, how different their labels are, and enough test rows.

Two models are compared on the same n test examples. With psi the share of examples on which just
one of them is right and d the difference of their accuracies, McNemar's test (1947) at level alpha,
two-sided, finds d with the power wanted if
    n >= (z[1 - alpha/2] * sqrt(psi) + z[power] * sqrt(psi - d**2))**2 / d**2
(Miettinen, Biometrics 24, 1968; Connor, Biometrics 43, 1987, equation 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.core.stats import ALPHA, DISCORDANCE, POWER, examples_needed, smallest_difference
from fedkit.data.cleaning import MIN_TRAIN
from fedkit.data.load import RawTable
from fedkit.data.partition import MIN_CLIENT_EXAMPLES, smallest_share
from fedkit.quality.finding import CheckOptions, Finding, make_finding, view_of

# mean distance of a client's labels from those of the others
STRONG = 0.6  # far apart
SOME = 0.35  # noticeably apart
DRAWS = 20  # random draws of labels that show which distance chance alone makes
WANTED = 0.05  # difference in accuracy that a test set should show


def count_labels_by_client(table: RawTable) -> np.ndarray:
    """Return the usable training rows by client and label, int64, shape (clients, labels)."""
    f = view_of(table)
    known = f.in_train & (f.clients >= 0)
    clients, labels = len(f.client_names), len(f.label_names)
    cells = f.clients[known] * labels + f.labels[known]
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
    ratio = np.where(p > 0, p, 1) / np.where(q > 0, q, 1)
    return np.where(p > 0, p * np.log2(ratio), 0).sum(axis=-1)


def chance_distances(counts: np.ndarray, seed: int) -> np.ndarray:
    """Return the mean distance if clients of these sizes draw labels from one pool: (clients,)."""
    rng, pool = np.random.default_rng(seed), counts.sum(axis=0) / counts.sum()
    draws = [
        label_distances(np.stack([rng.multinomial(n, pool) for n in counts.sum(axis=1)]))
        for _ in range(DRAWS)
    ]
    return np.mean(draws, axis=0)


def check_label_skew(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find clients whose mix of labels differs from the others' by more than chance explains."""
    counts = count_labels_by_client(table)
    sizes = counts.sum(axis=1)
    keep = sizes >= MIN_CLIENT_EXAMPLES
    if not 2 <= keep.sum() <= 2_000 or (counts.sum(axis=0) > 0).sum() < 2:
        return []
    counts, names, sizes = counts[keep], view_of(table).client_names[keep], sizes[keep]
    by_chance = chance_distances(counts, options.seed)
    far = np.sqrt(np.clip(label_distances(counts) ** 2 - by_chance**2, 0, 1))
    mean = float((far * sizes).sum() / sizes.sum())
    lonely = [str(name) for name, row in zip(names, counts) if (row > 0).sum() == 1]
    if mean < SOME and not lonely:
        return []
    order = np.argsort(-far, kind="stable")
    return make_finding(
        table,
        "label-skew",
        level="care" if mean >= STRONG or lonely else "note",
        examples=[f"{names[i]}: {far[i]:.2f}" for i in order[:5]],
        count=int((far >= SOME).sum()),
        of=len(counts),
        numbers={
            "mean": mean,
            "distance": "Jensen-Shannon, base 2, less what chance makes",
            "one_label": lonely[:100],
            "by_client": {str(n): float(d) for n, d in list(zip(names, far))[:200]},
        },
        mean=mean,
        furthest=", ".join(f"{quote(names[i], 30)} {far[i]:.2f}" for i in order[:3]),
        one_label=quoted_list(lonely, 3),
    )


def check_tiny_clients(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find clients with too few rows to take part, or that there is one client only."""
    f = view_of(table)
    names, floor = f.client_names, smallest_share(MIN_CLIENT_EXAMPLES)
    if not len(names):
        return []
    sizes = count_labels_by_client(table).sum(axis=1)
    tiny = np.flatnonzero(sizes < floor)
    tiny = tiny[np.argsort(sizes[tiny], kind="stable")]
    left = len(names) - len(tiny)
    numbers = {"left": left, "minimum": floor}
    if len(tiny):
        listed = [f"{names[i]} ({sizes[i]})" for i in tiny]
        bad = np.isin(f.clients, tiny) & f.train
        return make_finding(
            table,
            "tiny-clients.small",
            bad,
            count=int(bad.sum()),
            level="care" if left > 1 else "stop",
            examples=listed,
            numbers=numbers,
            clients=count_noun(len(tiny), "client"),
            all=len(names),
            names=quoted_list(listed, 5),
            to_train=MIN_CLIENT_EXAMPLES,
        )
    if len(names) > 1:
        return []
    return make_finding(
        table,
        "tiny-clients.one",
        of=1,
        level="care",
        count=1,
        examples=[str(names[0])],
        numbers=numbers,
        name=quote(names[0], 40),
    )


def smallest_points(table: RawTable) -> float | None:
    """Return the smallest difference that the test set can show, in points, rounded up to 0.1."""
    found = smallest_difference(view_of(table).num_test)
    return None if found is None else math.ceil(1000 * found - 1e-3) / 10


def check_few_examples(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find too few usable rows to train on, or too few test rows for a difference of 5 points."""
    f = view_of(table)
    once = len(np.unique(f.texts[f.in_train]))
    if once < MIN_TRAIN:
        yield from make_finding(
            table,
            "few-examples.train",
            f.in_train,
            level="stop",
            count=once,
            numbers={"usable": once, "minimum": MIN_TRAIN},
            texts=count_noun(once, "different training text"),
        )
    needed, smallest = examples_needed(WANTED), smallest_points(table)
    if (more := needed - f.num_test) > 0:
        yield from make_finding(
            table,
            "few-examples.test",
            level="care" if smallest else "stop",
            examples=(),
            count=f.num_test,
            of=f.num_test,
            numbers={
                "num_test": f.num_test,
                "smallest_points": smallest,
                "needed_for_5_points": needed,
                "more": more,
                "discordance": DISCORDANCE,
                "power": POWER,
                "alpha": ALPHA,
            },
            in_all=5 * more if table.single else 0,
        )
