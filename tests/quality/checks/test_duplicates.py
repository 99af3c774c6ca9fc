"""Test near duplicates: exact similarities, pairs in every script, same pairs for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from fedkit.quality.checks.minhash import (
    ALIKE,
    find_similar_pairs,
    hash_grams,
    jaccard_similarities,
)

LONG = "the printer on the third floor does not answer any more since the morning"


def test_a_text_has_a_gram_for_every_three_neighbouring_signs():
    hashes, sizes = hash_grams(["abcd", "ab", "", "bcd", "東京都"])
    assert sizes.tolist() == [2, 0, 0, 1, 1]
    # bcd is in the first and the fourth text, and no gram crosses over
    assert hashes[1] == hashes[2] != hashes[0]


@pytest.mark.parametrize(
    "one, other, similarity",
    [
        ("abcd", "abcd", 1.0),
        ("abcd", "bcde", 1 / 3),
        ("abcd", "wxyz", 0.0),
        ("aaaaaa", "aaa", 1.0),
        ("東京都庁", "東京都", 1 / 2),
    ],
)
def test_jaccard_counts_each_gram_once(one, other, similarity):
    assert jaccard_similarities([one, other], np.array([0]), np.array([1])) == pytest.approx(
        similarity
    )


def test_near_pairs_are_found_in_any_script_and_far_ones_are_not():
    japanese = "三階の複合機が朝から紙詰まりで動かず、経理部の請求書が印刷できません"
    texts = [
        LONG,
        japanese,
        LONG.replace("morning", "mornign"),
        "something else entirely, about lunch",
        japanese + "。至急",
    ]
    found = find_similar_pairs(texts)
    assert list(zip(found.left.tolist(), found.right.tolist())) == [(0, 2), (1, 4)]
    assert (found.similarity >= ALIKE).all() and not found.sampled and found.looked == 5


def test_exactly_the_same_pairs_for_a_seed():
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(40)]
    texts = list(dict.fromkeys(" ".join(rng.choice(words, 8)) for _ in range(300)))
    texts += [text + " x" for text in texts[:100]]
    one, other = find_similar_pairs(texts, seed=3), find_similar_pairs(texts, seed=3)
    assert one.left.tolist() == other.left.tolist() and one.right.tolist() == other.right.tolist()
    pairs = set(zip(one.left.tolist(), one.right.tolist()))
    number = len(texts) - 100
    assert sum((i, number + i) in pairs for i in range(100)) >= 98


def test_every_pair_of_a_small_set_that_counting_all_finds():
    """Compared with all pairs: nothing returned that is not alike, and nearly all that are."""
    rng = np.random.default_rng(1)
    base = ["".join(rng.choice(list("abcdefghij"), 40)) for _ in range(60)]
    texts = base + [text[:i] + "z" + text[i + 1 :] for i, text in enumerate(base[:30])]
    left, right = np.triu_indices(len(texts), 1)
    alike = jaccard_similarities(texts, left, right) >= ALIKE
    wanted = set(zip(left[alike].tolist(), right[alike].tolist()))
    found = find_similar_pairs(texts)
    assert set(zip(found.left.tolist(), found.right.tolist())) == wanted and len(wanted) >= 30


@pytest.mark.parametrize(
    "texts", [[], ["a"], ["", ""], ["ab", "abc"], [LONG], ["x" * 30, "y" * 30]]
)
def test_too_little_to_compare(texts):
    assert len(find_similar_pairs(texts).left) == 0
