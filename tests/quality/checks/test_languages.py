"""Test languages against the base model, and damaged texts."""

from __future__ import annotations

import pytest
from factories.tables import table

from fedkit.quality.checks import cells
from fedkit.quality.checks.texts import check_language, language_of
from fedkit.quality.finding import CheckOptions

ENGLISH = [
    "The printer in the hall does not work",
    "I cannot log in to my mail with this password",
    "Please send us the invoice again",
]
JAPANESE = ["プリンターが動きません", "パスワードを忘れました", "請求書を再送してください"]
GERMAN = [
    "Der Drucker ist nicht zu finden",
    "Ich kann mich nicht an dem Rechner anmelden",
    "Wir warten auf die Rechnung von dem Lieferanten",
]


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (ENGLISH, "English"),
        (JAPANESE, "Japanese"),
        (GERMAN, "German"),
        (["Принтер не работает"], "in Cyrillic letters"),
        (["인쇄기가 작동하지 않습니다"], "Korean"),
        (["12 %"], ""),
    ],
)
def test_a_language_is_guessed_by_letters_and_words(texts, language):
    assert {language_of(text) for text in texts} == {language}


def test_a_model_that_does_not_read_japanese_is_said_plainly():
    (one,) = check_language(table(JAPANESE * 10), CheckOptions(model="minilm"))
    assert (
        one.level == "stop"
        and one.count == 30
        and "'minilm' does not read 100 % of the texts (Japanese" in one.what
    )
    (some,) = check_language(table(ENGLISH * 8 + JAPANESE * 2), CheckOptions())
    assert some.level == "care" and some.count == 6 and some.rows[0] == 26
    assert not list(check_language(table(ENGLISH * 10), CheckOptions()))
    assert not [
        f
        for f in check_language(table(JAPANESE), CheckOptions(model="some/japanese-model"))
        if f.level != "note"
    ]
    (german,) = check_language(table(GERMAN * 10), CheckOptions())
    assert german.level == "care" and "not in English" in german.what


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        (
            cells.check_encoding_damage,
            [
                "文字化け".encode().decode("cp1252", "ignore"),
                "譁�ｭ怜喧縺�",
                "caf\ufffd",
                "???? ?? ???",
                "CafÃ© closed",
            ],
            [
                "why???",
                "São Paulo à la carte",
                "naïve café",
                "彼は「何？」と言った",
                "what?! no???",
            ],
        ),
        (
            cells.check_html_or_markup,
            ["<p>Hello</p>", "a&nbsp;b", "x<br/>y", "<script>alert(1)</script>"],
            ["a < b and c > d", "R&D; ok", "<3", "mail <a@example.com>"],
        ),
        (
            cells.check_formulas,
            ["=1+1", "@SUM(A1)", "+cmd|x", '=HYPERLINK("x")', "\t=1"],
            ["- first item", "-3.5", "+81 3 1234", "a=b", "@ noon"],
        ),
        (
            cells.check_control_characters,
            ["a\x07b", "open \u202efdp.exe", "zero\u200bwidth"],
            ["a\nb", "👩‍💻 works", "tab\tok"],
        ),
    ],
)
def test_damage_is_found_and_what_is_whole_is_left_alone(check, bad, good):
    (one,) = check(table(bad + good), CheckOptions())
    assert one.rows == tuple(range(2, len(bad) + 2)), one.rows
    assert not list(check(table(good), CheckOptions()))
