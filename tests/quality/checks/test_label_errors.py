"""Test suspicious labels: planted ones are found, clean ones left alone."""

from __future__ import annotations

import numpy as np
from factories.tables import table

from fedkit.quality.checks.labels import check_suspicious_labels, find_suspicious
from fedkit.quality.finding import CheckOptions

TOPICS = {
    "lift": "the lift is stuck on floor {}",
    "mail": "no mail reaches my inbox since {}",
    "coffee": "coffee machine {} needs beans",
}
TEXTS = [(text.format(i), label) for i in range(40) for label, text in TOPICS.items()]


def test_planted_labels_are_found_and_clean_ones_left_alone():
    texts, labels = [t for t, _ in TEXTS], [k for _, k in TEXTS]
    assert not list(check_suspicious_labels(table(texts, labels), CheckOptions(slow=False)))
    wrong = labels.copy()
    for i in (3, 50, 100):
        wrong[i] = "mail" if wrong[i] != "mail" else "lift"
    (one,) = check_suspicious_labels(table(texts, wrong), CheckOptions(slow=False))
    assert (
        set(one.numbers["index"]) <= {3, 50, 100}
        and one.count >= 2
        and "letter sequences" in one.what
    )


def test_only_what_is_far_off_is_suspicious():
    labels = np.array([0, 1] * 20)
    sure = np.where(labels[:, None] == [0, 1], 0.97, 0.03)
    assert len(find_suspicious(labels, sure)) == 0
    sure[7] = [0.99, 0.01]
    assert find_suspicious(labels, sure).tolist() == [7]
