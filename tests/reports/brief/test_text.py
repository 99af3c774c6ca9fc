"""The words of the brief: whole in both languages, and numbers as each language writes them."""

import datetime
import math
import re
import string

import pytest

from fedkit.core import locale
from fedkit.core.errors import FedkitError
from fedkit.network import DEVICES, LINKS
from fedkit.reports.text import brief
from fedkit.reports.text.brief import STRINGS, UI, brief_text, require_language, ui_texts

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
# a sign between numbers: no word in them
NUMBER_ONLY = {"assume.range", "tile.privacy_value", "found.short"}
SPEC_UI = (
    "tried accuracies costs hours privacy left stayed leaving rules met not_met conditions returns"
    " assumptions break_even tornado next_steps phrases caveats sources name value source note"
    " effect go conditions_word no_go month net_per_year made_by open_values"
)


def places(form):
    return sorted(field for _, field, _, _ in string.Formatter().parse(form) if field is not None)


def test_both_languages_have_the_same_keys():
    assert set(STRINGS) == {"en", "ja"}
    assert set(STRINGS["en"]) == set(STRINGS["ja"])


def test_both_languages_have_the_same_places():
    assert {k: places(v) for k, v in STRINGS["en"].items()} == {
        k: places(v) for k, v in STRINGS["ja"].items()
    }


def test_every_japanese_string_is_japanese():
    plain = [k for k, v in STRINGS["ja"].items() if not JAPANESE.search(v)]
    assert set(plain) <= NUMBER_ONLY


def test_no_japanese_in_the_english_strings_and_none_is_empty():
    assert not [k for k, v in STRINGS["en"].items() if JAPANESE.search(v)]
    assert all(v.strip() for strings in STRINGS.values() for v in strings.values())


def test_no_english_sentence_is_left_in_the_japanese():
    english = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")
    assert not [
        k
        for k, v in STRINGS["ja"].items()
        if english.search(re.sub(r"\(|\)|fedkit[ a-z0-9,-]*", "", v))
    ]


def test_the_pages_labels_are_those_agreed_on():
    assert tuple(SPEC_UI.split()) == UI
    assert set(ui_texts("en")) == set(ui_texts("ja")) == set(UI)


def test_a_text_from_data_is_not_read_as_a_form():
    assert "{id} <b>" in brief_text("found.winners", "en", id="{id} <b>", least="+1")


def test_an_unknown_language_is_refused():
    with pytest.raises(FedkitError, match=r"'fr' is not known; choose one of: en, ja"):
        require_language("fr")


def test_every_string_is_used():
    """A key that no module names, whole or by its first part, is dead."""
    from pathlib import Path

    folder = Path(brief.__file__).parents[1]
    code = "".join(p.read_text(encoding="utf-8") for p in folder.rglob("*.py"))
    dead = [
        k for k in STRINGS["en"] if f'"{k}"' not in code and f'"{k.partition(".")[0]}.' not in code
    ]
    assert not [k for k in dead if not k.startswith(("link.", "device."))]


def test_every_link_and_device_profile_has_its_name():
    named = {k for k in STRINGS["en"] if k.startswith(("link.", "device."))}
    assert named == {f"link.{k}" for k in LINKS} | {f"device.{k}" for k in DEVICES}


@pytest.mark.parametrize(
    ("call", "en", "ja"),
    [
        (lambda lang: locale.number(1234.4, lang), "1,234", "1,234"),
        (lambda lang: locale.number(-0.04, lang, 1), "0.0", "0.0"),
        (lambda lang: locale.percent(0.853, lang), "85.3%", "85.3%"),
        (lambda lang: locale.percent(math.nan, lang), "not known", "不明"),
        (lambda lang: locale.percent_range(0.831, 0.846, lang), "83.1% to 84.6%", "83.1%〜84.6%"),
        (lambda lang: locale.points(0.042, lang), "+4.2 points", "+4.2ポイント"),
        (lambda lang: locale.points(-0.042, lang), "−4.2 points", "−4.2ポイント"),
        (lambda lang: locale.points(-0.0001, lang), "0.0 points", "0.0ポイント"),
        (lambda lang: locale.unsigned_points(-0.042, lang), "4.2 points", "4.2ポイント"),
        (lambda lang: locale.points_range(-0.01, 0.071, lang), "−1.0 to +7.1", "−1.0〜+7.1"),
        (lambda lang: locale.data_size(3_400_000, lang), "3.4 MB", "3.4 MB"),
        (lambda lang: locale.data_size(90_261_504, lang), "90 MB", "90 MB"),
        (lambda lang: locale.data_size(18, lang), "18 bytes", "18バイト"),
        (lambda lang: locale.seconds(9000, lang), "2.5 h", "2.5時間"),
        (lambda lang: locale.seconds(300, lang), "5 min", "5分"),
        (lambda lang: locale.seconds(45, lang), "45 s", "45秒"),
        (lambda lang: locale.seconds(0.3, lang), "< 1 s", "1秒未満"),
        (lambda lang: locale.about_seconds(7200, lang), "about 2 h", "約2時間"),
        (lambda lang: locale.money(3500, "JPY", lang), "¥3,500", "3,500円"),
        (lambda lang: locale.money(60_000, "JPY", lang), "¥60,000", "6万円"),
        (lambda lang: locale.money(12_345, "JPY", lang), "¥12,345", "12,345円"),
        (lambda lang: locale.money(-618_878, "JPY", lang), "−¥619,000", "−61.9万円"),
        (lambda lang: locale.money(123_456_789, "JPY", lang), "¥123,000,000", "1億2,300万円"),
        (lambda lang: locale.money(2.5, "USD", lang), "$2.50", "2.50米ドル"),
        (lambda lang: locale.money(900, "CHF", lang), "CHF 900", "900 CHF"),
        (
            lambda lang: locale.date(datetime.date(2026, 11, 23), lang),
            "23 November 2026",
            "2026年11月23日",
        ),
        (lambda lang: locale.name_list(["a", "b", "c"], lang), "a, b and c", "a、b、c"),
        (
            lambda lang: locale.name_list(list("abcdef"), lang),
            "a, b, c, d and 2 more",
            "a、b、c、d、ほか2件",
        ),
        (lambda lang: locale.name_list([], lang), "", ""),
    ],
)
def test_numbers_as_each_language_writes_them(call, en, ja):
    assert (spaced(call("en")), spaced(call("ja"))) == (en, ja)


def test_a_number_and_its_unit_stay_on_one_line():
    assert locale.data_size(3_400_000, "ja") == "3.4\u00a0MB"
    assert locale.seconds(45, "en") == "45\u00a0s"


def spaced(shown):
    return shown.replace("\u00a0", " ")
