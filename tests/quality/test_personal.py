"""Test the search for personal data on a labelled list, and that masks change nothing else."""

from __future__ import annotations

import time
from collections import Counter

import pandas as pd
import pytest
from factories.personal_cases import HARMLESS, PERSONAL
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkit.data.columns import Columns, heading_names
from fedkit.data.load import RawTable
from fedkit.quality.checks.cells import check_personal
from fedkit.quality.clean import clean_table
from fedkit.quality.finding import CheckOptions
from fedkit.quality.personal import (
    MASKS,
    find_personal_data,
    is_card_number,
    is_iban,
    is_my_number,
    mask_personal_data,
    passes_luhn,
)
from fedkit.quality.report import assess

CASES = [*PERSONAL, *((text, ()) for text in HARMLESS)]


def found_in(text: str) -> list[tuple[str, str]]:
    return [(s.kind, text[s.start : s.end]) for s in find_personal_data(text)]


def measured(cases=CASES) -> dict[str, tuple[int, int, int]]:
    """kind -> right, false alarms, missed; a find is right if its kind and every character are."""
    right, false, missed = Counter(), Counter(), Counter()
    for text, expected in cases:
        got, want = Counter(found_in(text)), Counter(expected)
        for tally, pairs in ((right, got & want), (false, got - want), (missed, want - got)):
            for (kind, _), n in pairs.items():
                tally[kind] += n
    return {kind: (right[kind], false[kind], missed[kind]) for kind in MASKS}


def test_precision_and_recall_on_the_labelled_list(capsys):
    figures = measured()
    right, false, missed = (sum(column) for column in zip(*figures.values()))
    with capsys.disabled():
        print(
            f"\npersonal data, {len(CASES)} labelled texts ({len(HARMLESS)} harmless): precision "
            f"{right / (right + false):.3f}, recall {right / (right + missed):.3f}"
        )
        for kind, (r, f, m) in figures.items():
            print(f"  {kind:16} right {r:3}  false alarms {f}  missed {m}")
    assert len(CASES) >= 240 and all(r > 0 for r, _, _ in figures.values())
    assert right / (right + false) >= 0.97 and right / (right + missed) >= 0.97


@pytest.mark.parametrize(("text", "expected"), PERSONAL)
def test_a_mask_takes_what_is_personal_and_nothing_else(text, expected):
    left = text
    for kind, part in expected:
        left = left.replace(part, f"[{MASKS[kind][0]}]", 1)
    assert mask_personal_data(text) == left
    assert mask_personal_data(mask_personal_data(text)) == mask_personal_data(
        text
    ) and mask_personal_data(mask_personal_data(text, "ja"), "ja") == mask_personal_data(text, "ja")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *"0123456789-+.@:/ 様さんa田中部の",
                "03-1234-5678",
                "田中",
                "Mr ",
                "a@b.co",
                "\n",
                "4111111111111111",
            ]
        ),
        max_size=14,
    )
)
def test_masking_twice_is_masking_once(parts):
    once = mask_personal_data("".join(parts))
    assert mask_personal_data(once) == once


REPEATED = (
    *("Mr. ", "Mr A. A. ", "Dear ", "Hi, ", "Thanks\n", "\n", ",", ", ", "name: ", "contact: Aa "),
    *("1", "12 ", "1-", "03-", "(0", "+1 ", "1.", "a:", "4111 ", "GB82", "AAAA", "19", "Jan 1 "),
    *("a@", "a@a.", "http://a", "?a=", "田中", "田市", "田中様", "東京都", "1丁目", "一", "ァ・"),
    *("氏名:", "生年月日", "郵便番号 ", "A'", "Aa-", "<p ", "<script>", "</script", "(", "' "),
)


@pytest.mark.slow
@pytest.mark.parametrize("piece", REPEATED)
def test_no_search_costs_the_square_of_a_text(piece):
    """A guard against minutes: each takes under a second, and a quadratic search minutes."""
    text = (piece * 100_000)[:100_000]
    frame = pd.DataFrame(
        {"split": "train", "line": [2], "text_raw": text, "label_raw": "a", "client_raw": ""}
        | {"text": text, "label": "a", "client": ""}
    )
    table = RawTable("t", "t", "", frame, Columns("text", "label"))
    begun = time.perf_counter()
    mask_personal_data(text)
    clean_table(table, assess(table, CheckOptions(slow=False)))
    heading_names(text)
    assert time.perf_counter() - begun < 20


def test_check_digits_by_hand():
    assert passes_luhn("79927398713") and not passes_luhn("79927398710")
    # 1..9,0,1: from the right 1*2 + 0*3 + 9*4 + 8*5 + 7*6 + 6*7 + 5*2 + 4*3 + 3*4 + 2*5 + 1*6 =
    # 212; 212 % 11 = 3; 11 - 3 = 8
    assert is_my_number("123456789018") and not any(
        is_my_number(f"12345678901{d}") for d in "012345679"
    )
    assert not is_my_number("000000000000")
    assert is_iban("GB82WEST12345698765432") and not is_iban("GB83WEST12345698765432")
    assert (
        is_card_number("4111111111111111")
        and not is_card_number("4111111111111112")
        and not is_card_number("9111111111111111")
    )


def test_words_put_in_are_in_the_language_asked_for():
    assert mask_personal_data("田中様 090-1234-5678", "ja") == "[氏名]様 [電話]"
    assert mask_personal_data("田中様 090-1234-5678") == "[name]様 [phone]"


def test_the_check_counts_rows_by_kind_and_masks_its_examples():
    texts = ["田中様より", "nothing here", "a@example.com and b@example.com", "田中様より", ""]
    frame = pd.DataFrame({"line": range(2, 7), "text": texts})
    (one,) = check_personal(RawTable("t", "t", "", frame, Columns("text", "label")), CheckOptions())
    assert (one.kind, one.level, one.count, one.of, one.rows) == (
        "personal-data",
        "care",
        3,
        5,
        (2, 4, 5),
    )
    assert one.numbers == {"name": 2, "email": 1, "index": [0, 2, 3]}
    assert one.examples == ("[name]様より", "[email] and [email]")
    assert not list(
        check_personal(
            RawTable("t", "t", "", frame.iloc[[1, 4]], Columns("text", "label")), CheckOptions()
        )
    )


@pytest.mark.parametrize(
    "nasty",
    [
        "a" * 50_000,
        "0" * 50_000,
        "1 " * 25_000,
        "@" * 20_000,
        "a@" * 20_000,
        "様" * 20_000,
        "田" * 50_000,
        "東京都" * 10_000,
        "市1" * 10_000,
        "https://" * 5_000,
        "1." * 20_000,
        "::1" * 10_000,
        "A1 " * 10_000,
        "12 Aa " * 8_000,
        "ア・" * 10_000,
        "Dear A" * 5_000,
    ],
)
def test_no_text_takes_long(nasty):
    import time

    start = time.perf_counter()
    find_personal_data(nasty)
    assert time.perf_counter() - start < 2
