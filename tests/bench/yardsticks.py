"""Published and measured figures to check against: frozen encoder + logistic regression, k examples
per label, 10 draws.

usage: python tests/bench/yardsticks.py DATA [--per-label 8] [--draws 10]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np

from fedkit.core.config import RunConfig
from fedkit.data.load import load_corpus
from fedkit.experiments.baselines import frozen_logits
from fedkit.models.loading import load_model


def few_per_label(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` rows of every label, drawn by seed."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.choice(np.flatnonzero(labels == y), count, replace=False) for y in np.unique(labels)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--per-label", type=int, default=8)
    parser.add_argument("--draws", type=int, default=10)
    args = parser.parse_args()
    corpus = load_corpus(args.data)
    model = load_model(RunConfig(tune="head", dtype="float32"), corpus.labels)
    train, test = (model.features(model.tokenize(e, 64)) for e in (corpus.train, corpus.test))
    for strength in (1.0, 10.0):
        right = []
        for seed in range(args.draws):
            rows = few_per_label(corpus.train.labels, args.per_label, seed)
            logits = frozen_logits(
                train[rows], corpus.train.labels[rows], test, len(corpus.labels), strength
            )
            right.append(100 * (logits.argmax(1) == corpus.test.labels).mean())
        print(
            f"{args.per_label} per label, {args.draws} draws, C={strength:g}: mean"
            f" {np.mean(right):.2f} %, SD {np.std(right, ddof=1):.2f}"
        )
    logits = frozen_logits(train, corpus.train.labels, test, len(corpus.labels))
    print(
        f"all {len(train)} rows, C=10:"
        f" {100 * (logits.argmax(1) == corpus.test.labels).mean():.2f} %"
    )


if __name__ == "__main__":
    main()
