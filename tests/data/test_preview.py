"""A first look at a file, and tables that do not begin in the first row."""

from __future__ import annotations

import openpyxl
import pytest
from factories.files import saved

from fedkit.core.errors import FedkitError
from fedkit.data.load import load_corpus
from fedkit.data.preview import preview_file, safe_name
from fedkit.data.readers.files import read_table
from fedkit.data.readers.table import Reading

BODY = [(f"画面が映りません {i} 番", "機器", "大阪") for i in range(8)] + [
    (f"パスワードを忘れた {i}", "権限", "東京") for i in range(8)
]


def book(sheets: dict[str, list], merges=(), hidden=()) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if title in hidden else "visible"
        for area in merges if title not in hidden else ():
            sheet.merge_cells(area)
    return saved(made)


def csv_of(rows) -> bytes:
    return "".join(
        ",".join("" if c is None else str(c) for c in row) + "\r\n" for row in rows
    ).encode("utf-8")


def read(name: str, data: bytes, **options):
    from pathlib import Path

    read = read_table(data, Path(name), Reading(**options))
    return read.frame, read.notes


TITLED = [
    ("社内問い合わせ一覧", None, None),
    ("作成日", "2026-04-01", None),
    (None, None, None),
    ("本文", "分類", "支店"),
    *BODY,
    (None, None, None),
    ("合計", 16, None),
    ("※ 個人情報は消してあります", None, None),
]


@pytest.mark.parametrize(
    ("name", "data"), [("a.csv", csv_of(TITLED)), ("a.xlsx", book({"4月": TITLED}, ["A1:C1"]))]
)
def test_titles_above_and_totals_below_are_left_out_and_said(name, data):
    frame, notes = read(name, data)
    assert list(frame.columns) == ["本文", "分類", "支店"]
    assert [tuple(row) for row in frame.itertuples(index=False)] == BODY
    assert list(frame.index) == list(range(5, 21))  # the rows as a person counts them
    assert any("guessed to be row 4" in n and "社内問い合わせ一覧" in n for n in notes)
    assert any("2 rows at the end not read" in n and "from row 22: '合計'" in n for n in notes)


@pytest.mark.parametrize("pad", [True, False])
def test_a_title_in_a_csv_without_padding(pad):
    text = ("List of tickets" + ",," * pad + "\n\ntext,label,branch\n").encode() + csv_of(BODY)
    frame, notes = read("a.csv", text)
    assert list(frame.columns) == ["text", "label", "branch"] and len(frame) == 16
    assert any("row 3" in n for n in notes)


TWO = [
    ("Tickets 2026", None, None, None),
    ("Report", None, "Class", "Branch"),
    ("Subject", "Text", None, None),
    *[(f"s{i}", a, b, c) for i, (a, b, c) in enumerate(BODY)],
]


def test_a_header_of_two_rows_is_joined():
    frame, notes = read("a.xlsx", book({"s": TWO}, ["A1:D1", "A2:B2", "C2:C3", "D2:D3"]))
    assert list(frame.columns) == ["Report / Subject", "Report / Text", "Class", "Branch"]
    assert len(frame) == 16 and frame.index[0] == 4
    assert any("rows 2 and 3 were read as one header" in n for n in notes)
    plain, _ = read("a.csv", csv_of(TWO))
    assert list(plain.columns) == list(frame.columns)


def test_groups_over_every_column():
    rows = [
        ("報告書", None, "属性", None),
        ("件名", "本文", "分類", "支店"),
        *[("件", *r) for r in BODY],
    ]
    frame, _ = read("a.xlsx", book({"s": rows}, ["A1:B1", "C1:D1"]))
    assert list(frame.columns) == ["報告書 / 件名", "報告書 / 本文", "属性 / 分類", "属性 / 支店"]
    look = preview_file(("a.xlsx", book({"s": rows}, ["A1:B1", "C1:D1"])))
    assert look.roles == {"text": "報告書 / 本文", "label": "属性 / 分類", "client": "属性 / 支店"}


def test_a_value_merged_over_rows_stands_in_each():
    rows = [("text", "label"), ("one", "a"), ("two", None), ("three", None), ("four", "b")]
    frame, notes = read("a.xlsx", book({"s": rows}, ["B2:B3"]))
    assert list(frame["label"]) == ["a", "a", None, "b"] and any(
        "1 cell filled" in n for n in notes
    )


def test_a_named_header_row_wins():
    frame, notes = read("a.csv", csv_of(TITLED), header_row=4)
    assert list(frame.columns) == ["本文", "分類", "支店"] and not any(
        "guessed" in n for n in notes
    )
    with pytest.raises(
        FedkitError, match=r"no header in row 3; rows that hold something: '1', '2', '4'"
    ):
        read("a.csv", csv_of(TITLED), header_row=3)


@pytest.mark.parametrize(
    "rows",
    [
        [("text", "label"), *[(f"words {i}", "ab"[i % 2]) for i in range(9)]],
        [("text", "label", ""), *[(f"words {i}", "ab"[i % 2], i) for i in range(9)]],
        [("a", ""), *[(f"words {i}", "ab"[i % 2]) for i in range(9)]],
        [
            ("text", "label", "x"),
            *[(f"words {i}", "ab"[i % 2], "") for i in range(9)],
            ("total loss", "a", ""),
        ],
        [("text", "label"), ("only text", ""), *[(f"words {i}", "ab"[i % 2]) for i in range(9)]],
    ],
)
def test_a_clean_file_is_read_from_its_first_row(rows):
    frame, notes = read("a.csv", csv_of(rows))
    assert (
        len(frame) == len(rows) - 1
        and notes == []
        and list(frame.index) == list(range(2, len(rows) + 1))
    )


def test_the_loader_takes_such_a_file_without_flags(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(
        book({"控え": [("x",)], "4月": TITLED}, ["A1:C1"], hidden=["控え"])
    )
    corpus = load_corpus(str(tmp_path / "a.xlsx"))
    assert corpus.labels == ("権限", "機器") and set(corpus.train.clients) == {"大阪", "東京"}
    assert any("first visible sheet '4月' of 2" in n for n in corpus.notes)


def test_preview_shows_encodings_sheets_columns_cells_and_roles():
    look = preview_file(("a.csv", csv_of(TITLED).decode().encode("cp932")), rows=2)
    by_name = {e.name: e for e in look.encodings}
    assert by_name["cp932"].chosen and by_name["cp932"].sample.startswith("社内問い合わせ一覧")
    assert not by_name["utf-8-sig"].fits and not by_name["euc-jp"].chosen
    assert (look.header_row, look.columns, look.lines) == (4, ("本文", "分類", "支店"), (5, 6))
    assert look.cells == tuple(BODY[:2])
    assert look.roles == {"text": "本文", "label": "分類", "client": "支店"}

    sheets = preview_file(
        ("b.xlsx", book({"控え": [("x",)], "4月": TITLED}, hidden=["控え"]))
    ).sheets
    assert [(s.name, s.state, s.chosen) for s in sheets] == [
        ("控え", "hidden", False),
        ("4月", "visible", True),
    ]
    assert (sheets[1].rows, sheets[1].columns) == (23, 3)


def test_a_preview_that_cannot_be_read_says_why_and_still_offers_choices(tmp_path):
    look = preview_file(("a.csv", csv_of(TITLED)), encoding="ascii")
    assert "is not 'ascii'" in look.problem and any(
        e.name == "utf-8-sig" and e.fits for e in look.encodings
    )
    look = preview_file(("a.xlsx", book({"May": TITLED})), sheet="June")
    assert "no sheet 'June'" in look.problem and look.sheets[0].name == "May"
    with pytest.raises(FedkitError, match="no file"):
        preview_file(tmp_path / "none.csv")
    with pytest.raises(FedkitError, match="suffix"):
        preview_file(("a.exe", b"MZ"))


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("a.csv", "a.csv"),
        ("報告 4月.xlsx", "報告 4月.xlsx"),
        ("../../etc/passwd", "passwd"),
        ("/abs/x.csv", "x.csv"),
        ("..\\..\\x.csv", "x.csv"),
        ("C:\\x.csv", "x.csv"),
        ("C:x.csv", "x.csv"),
        ("a\0b.csv", "a_b.csv"),
        ("..", "upload"),
        ("", "upload"),
        (".hidden", "hidden"),
        ("-rf.csv", "rf.csv"),
        ("CON.csv", "_CON.csv"),
        ("lpt1.tar.csv", "_lpt1.tar.csv"),
        ("x\u202evsc.exe", "x_vsc.exe"),
        ("a\nb.csv", "a_b.csv"),
        ("x.csv ...", "x.csv"),
        ("a<script>.csv", "a_script_.csv"),
        ("..／..／x.csv", "x.csv"),
        ("x.csv:stream", "stream"),
    ],
)
def test_a_name_of_an_upload_cannot_leave_its_folder(given, safe):
    assert safe_name(given) == safe
    assert safe_name(safe_name(given)) == safe_name(given)


def test_a_very_long_name_keeps_its_suffix():
    assert len(safe_name("長" * 5_000 + ".csv").encode()) <= 200 and safe_name(
        "長" * 5_000 + ".csv"
    ).endswith(".csv")
