"""Test the cleaned copy: rows left out, unified spellings, masks, no formulas, safe writing."""

from __future__ import annotations

import csv

import pytest

from fedkit.core.errors import FedkitError
from fedkit.data.load import load_corpus, read_rows
from fedkit.quality.clean import clean_table, describe_guarded_cells, guard_cell, write_clean

GOOD = [(f"the screen of desk {i} is black", "hardware", "ab"[i % 2], i) for i in range(12)] + [
    (f"please reset my password for app {i}", "access", "ab"[i % 2], i) for i in range(12)
]


def written(folder, rows, name="a.csv", header=("text", "label", "branch", "id")):
    with open(folder / name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return folder / name


def test_everything_that_is_done_is_said_with_its_count(tmp_path):
    bad = [
        ("", "access", "a", 1),
        ("---", "access", "a", 2),
        ("no label here", "", "a", 3),
        ("nobody's report", "access", "", 4),
        GOOD[0],
        ("a<br>broken &amp; bent <b>tray</b>", "hardware", "a", 5),
        ("zero\u200bwidth word", "hardware ", "a", 6),
        ("another", "Hardware", "b", 7),
    ]
    table = read_rows(str(written(tmp_path, GOOD + bad)))
    done = clean_table(table)
    said = "\n".join(done.changes)
    for part in (
        "1 row left out: no text (line 26)",
        "1 row left out: a text with nothing to read (line 27)",
        "1 row left out: no label (line 28)",
        "1 row left out: no client (line 29)",
        "1 row left out: exact duplicate of an earlier row (line 30)",
        "1 text without markup",
        "1 text without signs",
        "1 row: label written as its most frequent spelling ('Hardware')",
    ):
        assert part in said, said
    texts = list(done.frame["text"])
    assert len(texts) == 27 and "a broken & bent tray" in texts and "zerowidth word" in texts
    assert list(done.frame.columns) == ["text", "label", "branch", "id"] and set(
        done.frame["label"]
    ) == {"hardware", "access"}


def test_the_copy_loads_without_flags_and_is_clean(tmp_path):
    source = written(
        tmp_path, [*GOOD, ("", "access", "a", 1), GOOD[3]], header=("本文", "分類", "支店", "番号")
    )
    before = source.read_bytes()
    path = write_clean(
        clean_table(read_rows(str(source))), read_rows(str(source)), tmp_path / "out"
    )
    assert path == tmp_path / "out" / "a.clean.csv" and path.read_bytes().startswith(
        b"\xef\xbb\xbf"
    )
    corpus = load_corpus(str(path))
    assert len(corpus.train) + len(corpus.test) == 24 and set(corpus.train.clients) == {"a", "b"}
    assert not any("dropped" in note for note in corpus.notes) and source.read_bytes() == before
    assert (tmp_path / "out" / "a.review.csv").is_file()


def test_names_that_look_alike_are_written_alike_and_said(tmp_path):
    rows = [(text, {"hardware": "1.0", "access": "1"}[label], *rest) for text, label, *rest in GOOD]
    done = clean_table(read_rows(str(written(tmp_path, rows))))
    assert set(done.frame["label"]) == {"1"}
    assert done.changes == ("12 rows: label read as the name that it looks like ('1.0' as '1')",)


def test_splits_stay_splits(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    written(folder, [*GOOD, ("in test too", "access", "a", 1)], "train.csv")
    written(
        folder,
        [("in test too", "access", "a", 1), ("new", "hardware", "a", 1), ("odd", "garden", "a", 1)],
        "test.csv",
    )
    table = read_rows(str(folder))
    done = clean_table(table)
    assert "1 row left out: the same text is in test (leakage) (line 26)" in done.changes
    assert any("its label never occurs in train" in line for line in done.changes)
    corpus = load_corpus(str(write_clean(done, table, tmp_path)))
    assert (len(corpus.train), len(corpus.test)) == (24, 2) and (
        tmp_path / "set.clean" / "train.csv"
    ).is_file()


def test_masking_reaches_the_other_columns_and_the_review(tmp_path):
    rows = [
        *GOOD,
        ("call Mr Smith on 03-1234-5678", "access", "a", "smith@example.com"),
        ("same text, two labels", "access", "a", 0),
        ("same text, two labels", "hardware", "a", 0),
        ("a@example.com twice", "access", "a", 0),
        ("a@example.com twice", "hardware", "a", 0),
    ]
    done = clean_table(read_rows(str(written(tmp_path, rows))), mask=True)
    assert "call Mr [name] on [phone]" in set(done.frame["text"]) and "[email]" in set(
        done.frame["id"]
    )
    assert "3 texts with personal data masked" in done.changes
    assert set(done.review["why"]) == {"conflicting-labels"} and set(done.review["text"]) == {
        "same text, two labels",
        "[email] twice",
    }
    assert "call Mr Smith on 03-1234-5678" in set(
        clean_table(read_rows(str(tmp_path / "a.csv"))).frame["text"]
    )


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1+1", "'＝1+1"),
        (" =1", "' =1"),
        ("-3.5", "-3.5"),
        (-3, "-3"),
        ("a=b", "a=b"),
        (None, ""),
    ],
)
def test_no_cell_can_start_a_formula(cell, safe):
    assert guard_cell(cell) == safe and guard_cell(safe) == safe


def test_formulas_are_said_and_columns_too_are_guarded(tmp_path):
    rows = [(f"=HYPERLINK({i})", label, *rest) for i, (_, label, *rest) in enumerate(GOOD)]
    table = read_rows(str(written(tmp_path, rows, header=("text", "label", "branch", "=1+1"))))
    done = clean_table(table)
    assert (
        describe_guarded_cells(done)
        == "24 cells would start a formula: written with an apostrophe in front"
    )
    path = write_clean(done, table, tmp_path / "out")
    with open(path, encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1" in cells and not any(
        cell[:1] in ("=", "+", "-", "@", "\t", "\r") for cell in cells
    )
    assert load_corpus(str(path)).train.texts[0].startswith("'=HYPERLINK")


def test_never_over_the_original(tmp_path):
    source = written(tmp_path, GOOD)
    table = read_rows(str(source))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.clean.csv").hardlink_to(source)
    with pytest.raises(FedkitError, match="over the original"):
        write_clean(clean_table(table), table, tmp_path / "out")
    target = tmp_path / "elsewhere.txt"
    target.write_text("precious")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.clean.csv").symlink_to(target)
    write_clean(clean_table(table), table, tmp_path / "b")
    assert target.read_text() == "precious" and not (tmp_path / "b" / "a.clean.csv").is_symlink()
