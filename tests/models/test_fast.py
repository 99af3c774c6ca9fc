"""The layout of texts in windows, and the store of what is computed once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedkit.models.fast.encoder import FeatureCache
from fedkit.models.fast.packing import MIN_WINDOW, concatenated_ranges, pack_texts

CPU = torch.device("cpu")
TEXTS = st.lists(st.integers(1, 300).map(lambda n: tuple(range(n))), min_size=1, max_size=40)


@given(texts=TEXTS, alone=st.booleans())
@pytest.mark.slow
def test_every_token_has_a_row_of_its_own_and_meets_only_its_text(texts, alone):
    packed = pack_texts(texts, CPU, alone)
    assert packed.lengths.tolist() == [len(t) for t in texts]
    assert len(set(packed.token_rows.tolist())) == sum(map(len, texts)), "no two tokens share a row"
    for i, (start, length) in enumerate(zip(packed.starts, packed.lengths)):
        assert (packed.text_of_row[start : start + length] == i).all()
        (block,) = [b for b in packed.blocks if b.rows.start <= start < b.rows.stop]
        window, first = divmod(start - block.start, block.width)
        assert first + length <= block.width, "a text lies in one window"
        blocked = block.blocked[window]
        inside = torch.zeros(block.width, dtype=torch.bool)
        inside[first : first + length] = True
        assert not blocked[inside][:, inside].any() and blocked[inside][:, ~inside].all()
        assert (
            not alone
            or inside.sum()
            == (packed.text_of_row[block.rows].view(-1, block.width)[window] < len(texts)).sum()
        )
    assert (packed.text_of_row == len(texts)).sum() == packed.size - sum(map(len, texts))


def test_short_texts_share_windows_and_long_ones_have_wider():
    packed = pack_texts([tuple(range(n)) for n in (16, 16, 16, 16, 64, 65)], CPU)
    assert [(b.windows, b.width) for b in packed.blocks] == [(2, MIN_WINDOW), (1, 2 * MIN_WINDOW)]
    assert packed.size == 4 * MIN_WINDOW


def test_values_of_tokens_go_to_their_rows():
    packed = pack_texts([(5, 6), (7,)], CPU)
    rows = packed.spread_to_rows(np.array([5, 6, 7]), -1)
    assert rows[packed.token_rows].tolist() == [5, 6, 7] and (rows == -1).sum() == packed.size - 3
    assert concatenated_ranges(np.array([4, 9]), np.array([2, 3])).tolist() == [4, 5, 9, 10, 11]


# --- the store


def rows_of(text: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor(text, dtype=torch.float32)[:, None] * torch.tensor([1.0, 10.0])


class Counted:
    """Computes the rows and remembers what it was asked."""

    def __init__(self):
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, texts):
        self.asked += texts
        return torch.cat([rows_of(t) for t in texts])


@given(
    batches=st.lists(
        st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5).map(tuple), min_size=1),
        max_size=6,
    ),
    budget=st.integers(0, 50),
)
@pytest.mark.slow
def test_the_store_gives_what_was_computed_and_keeps_to_its_budget(batches, budget):
    store = FeatureCache(Counted(), lambda n: n, CPU, budget)
    for texts in batches:
        assert torch.equal(store.get(texts), torch.cat([rows_of(t) for t in texts]))
        assert (0 if store.rows is None else len(store.rows)) <= budget


def test_a_text_that_fits_is_computed_once_and_one_that_does_not_every_time():
    computed = Counted()
    store = FeatureCache(computed, lambda n: n, CPU, budget=3)
    for _ in range(3):
        store.get([(1, 2), (3,), (4, 5, 6)])
    assert computed.asked.count((1, 2)) == 1 and computed.asked.count((3,)) == 1
    assert computed.asked.count((4, 5, 6)) == 3
    store.clear()
    store.get([(3,), (3,)])
    assert computed.asked.count((3,)) == 2, "twice in one batch is once computed"


@pytest.mark.parametrize("texts", [[(1,)], [(1, 2), (1, 2)]])
def test_one_row_per_text(texts):
    store = FeatureCache(lambda t: torch.tensor([[float(sum(x))] for x in t]), lambda n: 1, CPU, 9)
    assert store.get(texts).flatten().tolist() == [sum(t) for t in texts]


def told_by_batch(texts) -> torch.Tensor:
    """Rows with the number of texts that they were computed with, as last bits depend on it."""
    return torch.cat([torch.full((len(t), 1), 1_000.0 * t[0] + len(texts)) for t in texts])


@given(
    asked=st.lists(st.lists(st.integers(0, 14), min_size=1), min_size=1, max_size=6),
    budget=st.integers(0, 40),
)
def test_planned_texts_have_the_same_rows_whatever_was_asked_before(asked, budget):
    texts = [(i,) * (1 + i % 3) for i in range(15)]
    groups = [texts[:4], [*texts[2:9], texts[5]], texts[9:12]]  # the last three are not planned
    store = FeatureCache(told_by_batch, len_of, CPU, budget)
    store.get(texts)
    store.plan(groups)
    for batch in asked:
        fresh = FeatureCache(told_by_batch, len_of, CPU, budget)
        fresh.plan(groups)
        wanted = [texts[i] for i in batch]
        assert torch.equal(store.get(wanted), fresh.get(wanted))
        assert store.used <= budget


def len_of(tokens: int) -> int:
    return tokens


def test_a_group_is_computed_once_as_planned_and_others_are_not_kept():
    computed = Counted()
    store = FeatureCache(computed, len_of, CPU, budget=6)
    store.plan([[(1,), (2,)], [(2,), (3, 3), (4,)], [(5, 5)]])  # five rows fit, not seven
    for _ in range(2):
        store.get([(3, 3), (1,), (6,)])
    assert computed.asked == [(3, 3), (4,), (1,), (2,), (6,), (6,)]
    store.get([(5, 5), (4,)])
    store.get([(5, 5)])
    assert computed.asked.count((5, 5)) == 2 and computed.asked.count((4,)) == 1
