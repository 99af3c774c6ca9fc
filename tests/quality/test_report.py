"""Test every finding on a table of a few rows, the lines of rows, and the verdict."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from fedkit.core.errors import FedkitError
from fedkit.data.cleaning import clean_label, clean_text
from fedkit.data.columns import Columns
from fedkit.data.load import RawTable, read_rows
from fedkit.quality.checks.spellings import find_typos, fold_spelling
from fedkit.quality.clean import clean_table
from fedkit.quality.finding import LEVELS, CheckOptions, as_sentence
from fedkit.quality.report import CHECKS, EXIT, assess, to_dict

QUICK = CheckOptions(slow=False)
THINGS = (
    "printer",
    "router",
    "badge",
    "kettle",
    "forklift",
    "ladder",
    "invoice",
    "window",
    "phone",
    "scanner",
)
FAULTS = (
    "smells of smoke",
    "was never delivered",
    "fell down the stairs",
    "is the wrong one for us",
    "makes odd noises",
)


def clean(
    number: int = 40, labels=("one kind", "the other"), clients=("east", "west")
) -> list[tuple[str, str, str]]:
    """Rows without a fault: different texts, labels and clients in turn."""
    return [
        (
            f"{THINGS[i % 10]} {FAULTS[i // 10 % 5]}, {THINGS[i * 3 % 10]}{i}",
            labels[i % 2],
            clients[i // 2 % 2],
        )
        for i in range(number)
    ]


def table(rows, test=(), client=True) -> RawTable:
    """A Table of (text, label, client) rows; lines as in CSV files."""
    cells = [("train", i + 2, *row) for i, row in enumerate(rows)] + [
        ("test", i + 2, *row) for i, row in enumerate(test)
    ]
    frame = pd.DataFrame(
        cells, columns=["split", "line", "text_raw", "label_raw", "client_raw"], dtype=object
    )
    frame["line"] = frame["line"].astype("int64")
    if not client:
        frame["client_raw"] = ""
    for role, tidy in (("text", clean_text), ("label", clean_label), ("client", clean_label)):
        frame[role] = pd.Series([tidy(cell) for cell in frame[f"{role}_raw"]], dtype=object)
    return RawTable(
        "t", "t", "", frame, Columns("text", "label", "site" if client else None), not test
    )


def find(kind: str, rows, test=(), client=True) -> list:
    return list(CHECKS[kind](table(rows, test, client), QUICK))


def with_rows(*extra) -> list:
    """40 clean rows (lines 2 to 41) and `extra` from line 42 on."""
    return [*clean(), *extra]


TEXT = "the lift in the old building stops between the floors every evening"
PLANTED = {  # kind: (rows, test rows, lines that must be listed)
    "missing-text": (with_rows(("", "one kind", "east")), (), (42,)),
    "missing-label": (with_rows((TEXT, " ", "east")), (), (42,)),
    "missing-client": (with_rows((TEXT, "one kind", "")), (), (42,)),
    "blank-text": (
        with_rows(
            ("...", "one kind", "east"),
            ("\u3000", "one kind", "east"),
            ("N/A", "one kind", "east"),
            ("\u200b", "one kind", "east"),
        ),
        (),
        (42, 43, 44, 45),
    ),
    "placeholder-labels": (
        with_rows((TEXT, "Ｎ／Ａ", "east"), (TEXT + "s", "未分類", "east")),
        (),
        (42, 43),
    ),
    "constant-text": (with_rows(("12,345", "one kind", "east")), (), (42,)),
    "exact-duplicates": (with_rows(clean()[0], clean()[0]), (), (42, 43)),
    "duplicates-across-clients": (
        with_rows((TEXT, "one kind", "east"), (TEXT, "one kind", "west")),
        (),
        (42, 43),
    ),
    "leakage": (with_rows((TEXT, "one kind", "east")), [(TEXT, "one kind", "east")], (2,)),
    "near-duplicates": (
        with_rows(
            (TEXT, "one kind", "east"),
            (TEXT.upper() + "!", "one kind", "east"),
            (TEXT.replace("floors", "flooors"), "one kind", "east"),
        ),
        (),
        (43, 44),
    ),
    "near-duplicates-across-clients": (
        with_rows((TEXT, "one kind", "east"), (TEXT + " again", "one kind", "west")),
        (),
        (42, 43),
    ),
    "near-leakage": (
        with_rows((TEXT, "one kind", "east")),
        [("other words stand here", "one kind", ""), (TEXT + " now", "one kind", "")],
        (3,),
    ),
    "conflicting-labels": (
        with_rows((TEXT, "one kind", "east"), (TEXT.upper(), "the other", "east")),
        (),
        (42, 43),
    ),
    "single-label": (clean(labels=("same", "same")), (), range(2, 42)),
    "rare-labels": (with_rows((TEXT, "a third", "east")), (), (42,)),
    "too-many-labels": (
        [(f"{t} number {i}", f"case {i}", c) for i, (t, _, c) in enumerate(clean())],
        (),
        (),
    ),
    "unseen-labels": (clean(), [(TEXT, "a third", "")], (2,)),
    "imbalance": (
        [(t, "one kind" if i < 35 else "rest", c) for i, (t, _, c) in enumerate(clean())],
        (),
        (),
    ),
    "label-in-text": ([(f"{label}: {t}", label, c) for t, label, c in clean()], (), range(2, 42)),
    "label-spellings": (
        with_rows((TEXT, "One  Kind", "east"), (TEXT + "s", "оne kind", "east")),
        (),
        (42, 43),
    ),
    "client-spellings": (with_rows((TEXT, "one kind", "EAST")), (), (42,)),
    "text-length": (with_rows((TEXT * 8, "one kind", "east")), (), (42,)),
    "long-texts": (with_rows((TEXT * 100, "one kind", "east")), (), (42,)),
    "few-examples": (clean(), (), ()),
    "label-skew": ([(t, label, label[:3]) for t, label, _ in clean()], (), ()),
    "tiny-clients": (with_rows((TEXT, "one kind", "north")), (), (42,)),
    "personal-data": (
        with_rows(("write to kim.lee@example.com about the lift", "one kind", "east")),
        (),
        (42,),
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_each_fault_is_found_on_its_rows(kind):
    rows, test, lines = PLANTED[kind]
    found = find(kind, rows, test)
    assert found and set(lines) == {line for f in found for line in f.rows}


@pytest.mark.parametrize("kind", sorted(set(CHECKS) - {"few-examples", "suspicious-labels"}))
def test_clean_rows_raise_no_alarm(kind):
    assert find(kind, clean()) == [] and find(kind, clean(), client=False) == []


SMALL = {
    "one empty row": ([("", "", "")], ()),
    "one row": ([(TEXT, "a", "x")], ()),
    "two rows": ([(TEXT, "a", "x"), ("no", "b", "x")], ()),
    "all blank": ([(" ", "\u3000", "")] * 3, ()),
    "nothing but signs": (
        [("\u200b", "\u200b", "\u200b"), ("\ud800", "?", "?"), ("=1+1", "=a", "@x")],
        (),
    ),
    "a row and a test row": ([(TEXT, "a", "x")], [(TEXT, "b", "")]),
    "no train rows that serve": ([("", "", "")], [(TEXT, "b", "")]),
    "one client": (clean(clients=("x", "x")), ()),
    "clean": (clean(), clean()[:5]),
}


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_every_check_keeps_the_contract_on_little(name, client):
    """No check raises; findings have sentences and lines of the table, and all of it is JSON."""
    looked = table(*SMALL[name], client=client)
    lines = set(looked.frame["line"])
    quality = assess(looked, QUICK)
    for f in quality.findings:
        assert f.kind in CHECKS and f.level in LEVELS
        assert all(len(words) > 10 and words[-1] in ".?!" for words in (f.what, f.why, f.mend)), f
        assert set(f.rows) <= lines and all(
            0 <= i < len(looked.frame) for i in f.numbers.get("index", ())
        )
        assert all("\n" not in example and len(example) <= 80 for example in f.examples)
    assert json.loads(json.dumps(to_dict(quality)))["exit"] == EXIT[quality.verdict]
    assert (
        quality.verdict
        == ("ready", "care", "not yet")[
            max((LEVELS.index(f.level) for f in quality.findings), default=0)
        ]
    )


def test_the_table_stays_as_it_was():
    looked = table(clean())
    before = looked.frame.copy()
    assess(looked, QUICK)
    pd.testing.assert_frame_equal(looked.frame, before)


def test_examples_hold_no_personal_data():
    rows = with_rows(
        *[("call 03-1234-5678 or write to kim.lee@example.com", "one kind", "east")] * 2
    )
    said = json.dumps(to_dict(assess(table(rows), QUICK)))
    assert "kim.lee" not in said and "1234-5678" not in said and "[email]" in said


def random_rows(number: int) -> list[tuple[str, str, str]]:
    """Clean rows, as many as one likes: every text is made of its own letters."""
    rng = np.random.default_rng(0)
    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz  "), (number, 30))
    return [
        ("x y" + "".join(text), f"kind {i % 2}", f"site {i // 2 % 2}")
        for i, text in enumerate(letters)
    ]


def test_verdicts():
    assert (
        assess(table(random_rows(3_200)), CheckOptions(max_tokens=128, slow=False)).verdict
        == "ready"
    )
    leaky = assess(table(random_rows(700), random_rows(650)), QUICK)
    assert leaky.verdict == "not yet" and leaky.reasons[0].startswith("650 held-out rows (100 %")
    few = assess(table(random_rows(1_000)), QUICK)
    # (0.876523 + 0.841621 * sqrt(0.2 - d * d))**2 / d**2 <= 200 from d = 0.0881 on
    assert few.verdict == "care" and few.reasons[0].startswith(
        "200 test examples can show differences of 8.9 points"
    )


def test_folding_names():
    assert (
        fold_spelling("Ｈardware ")
        == fold_spelling("hard-ware")
        == fold_spelling("HARD ware")
        == fold_spelling("hаrdware")
    )  # the last with a Cyrillic а
    assert fold_spelling("カメラ") == fold_spelling(
        "力メラ"
    )  # the last with the character for power
    assert len({fold_spelling(name) for name in ("C", "C++", "C#", "1.5", "15", "A", "B")}) == 7


TWO_CLASSES = [
    ("Q&A", "QA"),
    ("R&D", "RD"),
    ("US", "us"),
    ("①", "1"),
    ("m²", "m2"),
    ("A/B", "AB"),
    ("1,000", "1000"),
    ("1.000", "1000"),
    ("01", "1"),
    ("Site 01", "Site 1"),
    ("résumé", "resume"),
    ("髙松支店", "高松支店"),
    ("山﨑", "山崎"),
    ("渡邊", "渡辺"),
    ("齋藤", "斎藤"),
    ("A0", "AO"),
    ("Hamburg", "hamburg"),
    ("help desk", "help-desk"),
    ("サーバー", "サーバ"),
    ("Iğdır", "ığdır"),
]


@pytest.mark.parametrize("names", TWO_CLASSES)
def test_two_frequent_names_are_asked_about_and_never_merged(names):
    rows = [(t, names[i % 2], names[i // 2 % 2]) for i, (t, _, _) in enumerate(clean(80))]
    for role in ("label", "client"):
        (found,) = find(f"{role}-spellings", rows)
        assert found.numbers["reason"] == "asked" and found.level == "care" and not found.mended
        assert all(name in found.what for name in names)
    assert set(clean_table(table(rows)).frame["label"]) == set(names)


@pytest.mark.parametrize(
    "odd", ["HARDWARE DESK", "Hardware-Desk", "Hardware desk.", "hаrdware desk", "hardware_desk"]
)
def test_a_rare_spelling_becomes_the_frequent_one(odd):
    rows = [(t, ("hardware desk", "payroll")[i % 2], c) for i, (t, _, c) in enumerate(clean(80))]
    looked = table([*rows, (TEXT, odd, "east"), (TEXT + "s", odd, "west")])
    (found,) = CHECKS["label-spellings"](looked, QUICK)
    assert found.numbers["reason"] == "same" and found.rows == (82, 83)
    assert set(clean_table(looked).frame["label"]) == {"hardware desk", "payroll"}


@pytest.mark.parametrize("names", [("Q&A", "QA"), ("①", "1"), ("m²", "m2"), ("12.5", "12,5")])
def test_a_rare_name_with_another_sign_is_asked_about_too(names):
    rows = [(t, (names[0], "payroll")[i % 2], c) for i, (t, _, c) in enumerate(clean(80))]
    (found,) = find("label-spellings", [*rows, (TEXT, names[1], "east")])
    assert found.numbers["reason"] == "asked" and found.rows == (82,)


@pytest.mark.parametrize(
    "names", [("品質管理", "品質 管理"), ("10 %", "10%"), ("Help desk", "Helpdesk")]
)
def test_names_that_differ_in_blanks_only_are_one_however_frequent(names):
    rows = [(t, names[i % 2], c) for i, (t, _, c) in enumerate(clean(80))]
    assert set(clean_table(table(rows)).frame["label"]) == {names[0]}


def test_a_spelling_that_only_the_test_rows_have_is_no_class_of_its_own():
    test = [(f"{TEXT} {i}", "ONE KIND", "") for i in range(40)]
    assert find("label-spellings", clean(), test)[0].numbers["reason"] == "same"


@pytest.mark.parametrize(
    "names",
    [("C", "C++", "C#"), ("1.5", "15", "2"), ("v1.1", "v11", "x"), ("バス", "パス", "ハス")],
)
def test_other_names_raise_no_question(names):
    rows = [(t, names[i % 3], c) for i, (t, _, c) in enumerate(clean(60))]
    assert find("label-spellings", rows) == []


@pytest.mark.parametrize(
    "text",
    [
        "#REF!",
        "#DIV/0!",
        "#NAME?",
        "#N/A",
        "n/a",
        "N/A.",
        "???",
        "---",
        "(none)",
        "TBD",
        ".",
        "[NULL]",
    ],
)
def test_a_text_in_place_of_a_text_holds_nothing_to_read(text):
    looked = table(with_rows((text, "one kind", "east"), (text, "the other", "west")))
    found = {f.kind: f for f in assess(looked, QUICK).findings}
    assert found["blank-text"].rows == (42, 43)
    assert not {"constant-text", "encoding-damage", "missing-text"} & {*found}
    assert len(clean_table(looked).frame) == 40


def test_typos_are_rare_and_one_letter_away():
    sizes = {
        "hardware": 100,
        "hardwear": 2,
        "hardwrae": 2,
        "hardware2": 1,
        "software": 90,
        "cat": 90,
        "cap": 1,
    }
    assert find_typos(list(sizes), sizes) == {"hardwrae": "hardware"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["service_desk", "plant_alarms"])
def test_bundled_sets_come_out_sensible(name):
    quality = assess(read_rows(name), QUICK)
    worth_a_look = {f.kind for f in quality.findings if f.level != "note"}
    assert worth_a_look == (set() if name == "service_desk" else {"few-examples"})  # 400 test rows


@pytest.mark.slow
def test_nothing_heavy_is_loaded():
    code = (
        "import sys; from fedkit.quality.report import assess;"
        " from fedkit.data.load import read_rows;"
        " from fedkit.quality.finding import CheckOptions;"
        " assess(read_rows('service_desk'), CheckOptions(slow=False));"
        " sys.exit(sum(name in sys.modules for name in ('torch', 'transformers', 'cleanlab')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- reading


def test_rows_keep_their_lines_and_nothing_is_dropped(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(
        'text,label,site,note\n"two\nlines",a,x,n1\n\n,a,x,n2\n Ｗide , ｂ ,x,\nlast,b,y,n4\n',
        encoding="utf-8",
    )
    read = read_rows(path)
    assert read.frame["line"].tolist() == [2, 5, 6, 7]
    assert read.frame["text"].tolist() == ["two\nlines", "", "Ｗide", "last"]
    assert read.frame["label_raw"].tolist() == ["a", "a", " ｂ ", "b"] and read.frame[
        "label"
    ].tolist() == ["a", "a", "b", "b"]
    assert (
        read.other["note"].tolist() == ["n1", "n2", "", "n4"]
        and read.single
        and len(read.sha256) == 64
    )


def test_splits_of_a_folder_and_a_client_that_test_lacks(tmp_path):
    (tmp_path / "train.csv").write_text(
        "text,label,site\na1,a,x\nb1,b,x\na2,a,y\nb2,b,y\n", encoding="utf-8"
    )
    (tmp_path / "test.csv").write_text("label,text\na,a3\n", encoding="utf-8")
    read = read_rows(tmp_path)
    assert read.frame["split"].tolist() == ["train"] * 4 + ["test"] and not read.single
    assert (
        read.frame["client"].tolist() == ["x", "x", "y", "y", ""]
        and read.frame["text"].iloc[4] == "a3"
    )


def test_the_header_row_can_be_given(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("a,b\ntext,label\none,a\ntwo,b\nthree,a\nfour,b\n", encoding="utf-8")
    read = read_rows(path, header_row=2)
    assert read.columns == Columns("text", "label") and read.frame["line"].tolist() == [3, 4, 5, 6]


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FedkitError, match="no file or folder"):
        read_rows(tmp_path / "none.csv", header_row=1)


@pytest.mark.parametrize(
    "given, said",
    [
        ("1 row (0.3 %) have no text", "1 row (0.3 %) has no text."),
        ("1 label name differ from", "1 label name differs from."),
        ("1 text in 14 rows have two", "1 text in 14 rows has two."),
        ("1 client of 4 have few", "1 client of 4 has few."),
        ("11 rows have none", "11 rows have none."),
        ("1,000 rows have none", "1,000 rows have none."),
    ],
)
def test_one_thing_has_the_verb_of_one_thing(given, said):
    assert as_sentence(given) == said
