"""The bundled set is what its data card says."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "data" / "service_desk"


def rows(split: str) -> list[dict[str, str]]:
    with open(FOLDER / f"{split}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


EVERY = [r for s in ("train", "validation", "test") for r in rows(s)]


def test_size_length_and_columns():
    assert len(EVERY) >= 1800
    assert set(EVERY[0]) == {"text", "label", "company"}
    words = [len(r["text"].split()) for r in EVERY]
    assert min(words) >= 5
    assert max(words) <= 40


def test_no_two_alike():
    bags = [frozenset(r["text"].lower().split()) for r in EVERY]
    assert len({r["text"].lower() for r in EVERY}) == len(EVERY)
    alike = [(a, b) for a, b in itertools.combinations(bags, 2) if 2 * len(a & b) > len(a | b)]
    assert not alike


def test_six_companies_with_unlike_mixes_of_twelve_labels():
    labels, sites = sorted({r["label"] for r in EVERY}), sorted({r["company"] for r in EVERY})
    assert (len(labels), len(sites)) == (12, 6)
    count = np.array([[sum(r["label"] == y and r["company"] == c for r in EVERY) for y in labels] for c in sites])
    assert (count.max(1) >= 8 * count.min(1)).all()  # every company is rich in some labels and poor in others
    assert (count.sum(0) >= 100).all()


def test_card_states_the_rows_and_says_synthetic():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "Synthetic" in card
    for split in ("train", "validation", "test"):
        assert f"| `{split}.csv` | {len(rows(split)):,} |" in card


@pytest.mark.slow
def test_difficulty_is_where_the_card_puts_it(tmp_path):
    from fedkit import RunConfig, run_baselines

    runs = run_baselines(RunConfig(tune="head"), which=["frozen-pooled", "frozen-local"])
    pooled, local = (runs[n].result["accuracy"] for n in ("frozen-pooled", "frozen-local"))
    assert 0.80 <= pooled <= 0.90
    assert local <= pooled - 0.15
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"| {100 * pooled:.1f} % |" in card
    assert f"| {100 * local:.1f} % (" in card
