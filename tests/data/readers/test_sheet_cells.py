"""Excel cells are read as one sees them, and what has no value or is hidden is said."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from factories.bombs import workbook
from factories.files import excel, saved
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import PatternFill

from fedkit.core.errors import FedkitError
from fedkit.data.cleaning import as_text
from fedkit.data.load import load_corpus
from fedkit.data.readers.files import read_table
from fedkit.data.readers.sheet_cells import shown_number
from fedkit.data.readers.table import Reading

ROWS = [(f"report number {i} of the week", "abc"[i % 3], "xy"[i % 2]) for i in range(24)]
HEADER = ("text", "label", "site")
DAY = dt.date(2024, 4, 1)


def read(data: bytes, **options):
    found = read_table(data, Path("a.xlsx"), Reading(**options))
    return found.frame, found.notes


def sheet_of(rows=ROWS, header=HEADER):
    book = openpyxl.Workbook()
    for row in [header, *rows]:
        book.active.append(row)
    return book, book.active


def changed(data: bytes, part: str, change) -> bytes:
    """The workbook with `change` applied to the bytes of each part whose name matches."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if re.fullmatch(part, name) else content)
    return out.getvalue()


def said(notes, *words) -> bool:
    return any(all(word in note for word in words) for note in notes)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Hardware_x000D_", "Hardware"),
        ("Hardware_x000D_\n", "Hardware"),
        ("a_x000d__x000A_b", "a\nb"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("_x0041_b", "Ab"),
        ("a_x005F_x000D_b", "a_x000D_b"),
        ("a_x0007_b", "ab"),
        ("_xD83D__xDE00_", "😀"),
        ("snake_x_case _x00_ _xGGGG_", "snake_x_case _x00_ _xGGGG_"),
    ],
)
@pytest.mark.parametrize("kind", ["s", "str", "inlineStr"])
def test_escapes_are_read_in_every_kind_of_string(written, seen, kind):
    cell = {
        "s": '<c t="s"><v>0</v></c>',
        "str": f'<c t="str"><f>A1</f><v>{written}</v></c>',
        "inlineStr": f'<c t="inlineStr"><is><r><t>{written}</t></r></is></c>',
    }[kind]
    data = workbook([(f'<row r="2">{cell}</row>', 1)], strings=[(f"<si><t>{written}</t></si>", 1)])
    assert [c.strip() for c in read(data)[0]["text"]] == [seen]


def test_escapes_are_read_in_headers():
    frame, _ = read(excel([("a", "b")], ("te_x0078_t_x000D_", "label_x000D_\n")))
    assert list(frame.columns) == ["text", "label"]


def test_runs_are_joined_and_readings_left_out():
    book, sheet = sheet_of()
    sheet["B2"] = CellRichText(TextBlock(InlineFont(b=True), "Hard"), "ware")
    book.active["B3"] = "漢字"
    data = changed(
        saved(book),
        ".*sheet1.xml",
        lambda x: x.replace(
            "<t>漢字</t>".encode(), "<t>漢字</t><rPh sb='0' eb='2'><t>カンジ</t></rPh>".encode()
        ),
    )
    assert list(read(data)[0]["label"][:2]) == ["Hardware", "漢字"]


@pytest.mark.parametrize(
    ("value", "code", "seen"),
    [
        (101, "00000", "00101"),
        (1234, "000-000", "001-234"),
        (123456789, "00000-0000", "12345-6789"),
        (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (7, '"AB-"000', "AB-007"),
        (7, "0件", "7件"),
        (1.5, "0.00", "1.50"),
        (1.005, "0.00", "1.01"),
        (0.125, "0.0%", "12.5%"),
        (1234567.5, "#,##0.00", "1,234,567.50"),
        (1000, '"$"#,##0_);[Red]\\("$"#,##0\\)', "$1,000"),
        (-1000, '"$"#,##0_);[Red]\\("$"#,##0\\)', "($1,000)"),
        (12.5, "#,##0.00\\ [$€-407]", "12.50 €"),
        (-5, "#,##0", "-5"),
        (-0.001, "0.00", "0.00"),
        (0, "#,##0", "0"),
        (0.5, "#.00", ".50"),
        (1, '"Yes";"Yes";"No"', "Yes"),
        (0, '"Yes";"Yes";"No"', "No"),
        (5, 'General" kg"', "5 kg"),
        (0.5, "# ?/?", None),
        (1e6, "0.00E+00", None),
        (3, "[>=2]0", None),
        (1500, '0.0,"k"', None),
    ],
)
def test_a_number_is_shown_in_its_format(value, code, seen):
    assert shown_number(value, code) == seen


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (101, "00000", "00101"),
        (0.1, "0%", "10%"),
        (2, "0.00", "2.00"),
        (3.0, "General", "3"),
        (0.1 + 0.2, "General", "0.3"),
        (True, "General", "TRUE"),
        (1234567890123456, "0", "1234567890123456"),
        (DAY, "dd/mm/yyyy", "2024-04-01"),
        (DAY, '[$-411]ggge"年"m"月"d"日"', "2024-04-01"),
        (dt.datetime(2024, 4, 1), "yyyy-mm-dd hh:mm:ss", "2024-04-01"),
        (dt.datetime(2024, 4, 1, 9, 30), "yyyy-mm-dd", "2024-04-01"),
        (dt.datetime(2024, 4, 1, 9, 30), "yyyy-mm-dd h:mm", "2024-04-01 09:30:00"),
        (DAY, "mmm yyyy", "2024-04"),
        (DAY, "yyyy", "2024"),
        (dt.time(9, 30), "h:mm", "9:30"),
        (dt.time(9, 30), "hh:mm:ss", "09:30:00"),
        (dt.time(21, 30), "h:mm AM/PM", "9:30 PM"),
        (dt.timedelta(hours=40, minutes=5), "[h]:mm", "40:05"),
    ],
)
@pytest.mark.parametrize("epoch", ["1900", "1904"])
def test_a_cell_and_the_text_that_shows_the_same_are_one(value, code, text, epoch):
    book, sheet = sheet_of([(f"report {i}", value if i % 2 else text) for i in range(4)], HEADER)
    if epoch == "1904":
        book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    for row in (3, 5):
        sheet.cell(row, 2).number_format = code
    frame, notes = read(saved(book))
    assert {as_text(cell) for cell in frame["label"]} == {text}
    assert not said(notes, "beside")


def test_formats_that_east_asian_excel_does_not_write_are_dates():
    book, sheet = sheet_of([("a", DAY), ("b", DAY)], ("text", "label"))
    sheet["B2"].number_format = sheet["B3"].number_format = "yy-mm-dd"
    data = changed(
        saved(book),
        "xl/styles.xml",
        lambda x: re.sub(
            rb'numFmtId="16."', b'numFmtId="31"', re.sub(rb"<numFmts.*?</numFmts>", b"", x)
        ),
    )
    assert [as_text(c) for c in read(data)[0]["label"]] == ["2024-04-01"] * 2


@pytest.mark.parametrize(
    ("value", "code", "text", "what"),
    [
        (DAY, "dd/mm/yyyy", "01/04/2024", "date cells"),
        (DAY, "dd/mm/yyyy", "2024-04-01 00:00:00", "date cells"),
        (DAY, "dd/mm/yyyy", "2024年4月1日", "date cells"),
        (DAY, "mmm-yy", "Apr 2024", "date cells"),
        (0.5, "# ?/?", "1/2", "format that is not followed"),
        (1e6, "0.00E+00", "1.00E+06", "format that is not followed"),
    ],
)
def test_what_is_not_read_as_the_text_beside_it_is_said(value, code, text, what):
    book, sheet = sheet_of([("a", value), ("b", text), ("c", text)], ("text", "label"))
    sheet["B2"].number_format = code
    assert said(read(saved(book))[1], what, repr(text), "'label' 2")


def test_rounded_and_too_long_numbers_are_said():
    book, sheet = sheet_of([("a", 1 / 3), ("b", 1234567890123456)], ("text", "label"))
    sheet["B2"].number_format = "0.00"
    frame, notes = read(saved(book))
    assert list(frame["label"]) == ["0.33", 1234567890123456]
    assert said(notes, "rounded", "0.33") and said(notes, "15 digits", "1234567890123456")


def test_errors_are_missing_and_counted_by_column():
    codes = [
        "#N/A",
        "#REF!",
        "#DIV/0!",
        "#VALUE!",
        "#NAME?",
        "#NUM!",
        "#NULL!",
        "#SPILL!",
        "#CALC!",
    ]
    rows = [
        (t, codes[i] if i < 9 else b, codes[0] if i < 2 else s) for i, (t, b, s) in enumerate(ROWS)
    ]
    book, sheet = sheet_of(rows)
    for row in sheet.iter_rows(min_row=2, min_col=2):
        for cell in row:
            cell.data_type = "e" if cell.value in codes else cell.data_type
    frame, notes = read(saved(book))
    assert set(frame["label"]) == {"a", "b", "c", None} and frame["label"].isna().sum() == 9
    assert said(notes, "error cells such as #N/A ('label' 9, 'site' 2)")


@pytest.mark.parametrize("stored", [b"", b"<v></v>", b"<v>0</v>"])
def test_formulas_without_a_stored_value_are_said(tmp_path, stored):
    book, _ = sheet_of([(t, f'=LOWER("{b}")', s) for t, b, s in ROWS])
    data = changed(saved(book), ".*sheet1.xml", lambda x: re.sub(rb"<v ?/>|<v></v>", stored, x))
    frame, notes = read(data)
    assert frame["label"].isna().all()
    assert said(notes, "formulas without a stored value ('label' 24)", "open the file in Excel")
    (tmp_path / "a.xlsx").write_bytes(data)
    with pytest.raises(FedkitError, match="formulas without a stored value"):
        load_corpus(str(tmp_path / "a.xlsx"))


def test_formulas_with_a_stored_value_are_read():
    book, _ = sheet_of([(t, f'=LOWER("{b}")', s) for t, b, s in ROWS])
    values = iter([b"a", b""] * 12)
    data = changed(
        saved(book),
        ".*sheet1.xml",
        lambda x: re.sub(
            rb'(<c r="B\d+")>(<f>.*?</f>)<v(?: ?/>|></v>)',
            lambda m: m[1] + b' t="str">' + m[2] + b"<v>%s</v>" % next(values),
            x,
        ),
    )
    frame, notes = read(data)
    assert list(frame["label"]) == ["a", None] * 12 and not said(notes, "formula")


@pytest.mark.parametrize("far", ["D2:CZ30", "D1:BZZ1", "A40:E400", "F3:F3"])
@pytest.mark.parametrize("kind", ["coloured", "blank"])
def test_empty_cells_are_no_columns_and_no_rows(far, kind):
    book, sheet = sheet_of()
    for row in sheet[far] if kind == "coloured" else [sheet[far][0][:1]]:
        for cell in row:
            if kind == "coloured":
                cell.fill = PatternFill("solid", fgColor="FFFF00")
            else:
                cell.value = " \u3000"
    frame, notes = read(saved(book))
    assert (list(frame.columns), len(frame), notes) == (list(HEADER), 24, [])


def test_a_filled_cell_beyond_the_header_is_refused_with_its_row():
    book, sheet = sheet_of()
    sheet["Z10"] = "checked by Bob"
    with pytest.raises(FedkitError, match="row 10: a cell to the right of the header"):
        read(saved(book))


@pytest.mark.parametrize("dates", [False, True])
def test_strict_open_xml_is_read(dates):
    def strict(xml: bytes) -> bytes:
        for kind in (b"spreadsheetml", b"officeDocument"):
            old = b"http://schemas.openxmlformats.org/%s/2006/" % kind
            xml = xml.replace(old, b"http://purl.oclc.org/ooxml/%s/" % kind)
        if dates:
            day = rb'<c r="\1" t="d"><v>2024-04-01</v></c>'
            xml = re.sub(rb'<c r="(B(?!1")\d+)"[^>]*>.*?</c>', day, xml)
        return xml

    frame, _ = read(changed(saved(sheet_of()[0]), ".*", strict))
    assert [as_text(c) for c in frame["label"]] == (
        ["2024-04-01"] * 24 if dates else [row[1] for row in ROWS]
    )


def test_hidden_rows_and_columns_are_read_and_said():
    book, sheet = sheet_of()
    sheet.auto_filter.ref = "A1:C25"
    for row in (5, 6, 9):
        sheet.row_dimensions[row].hidden = True
    sheet.column_dimensions.group("B", "C", hidden=True)
    frame, notes = read(saved(book))
    assert len(frame) == 24 and said(notes, "hidden rows", "(3, the first is row 5)")
    assert said(notes, "hidden columns", "'label', 'site'")


COVERS = {
    "one column": [("This file lists tickets",), ("Author: office",)],
    "pairs": [(None, "Ticket export"), ("Author", "Bob"), (None, None, "1.2")],
    "empty": [],
    "known headings": [("Text", "Label"), ("what it says", "what it is")],
    "glossary": [("Field", "Meaning"), *[(f"f{i}", f"what f{i} means") for i in range(12)]],
}


@pytest.mark.parametrize("cover", COVERS)
def test_a_cover_sheet_gives_way_to_the_table(cover):
    book = openpyxl.Workbook()
    for row in COVERS[cover]:
        book.active.append(row)
    book.active.title = "Cover"
    for title, state in {"Data": "visible", "Old": "veryHidden"}.items():
        sheet = book.create_sheet(title)
        sheet.sheet_state = state
        for row in [HEADER, *ROWS]:
            sheet.append(row)
    frame, notes = read(saved(book))
    assert len(frame) == 24
    assert said(notes, "'Data' of 3", "not read: 'Cover'", "hidden and not read: 'Old'", "--sheet")
    if cover == "glossary":
        assert len(read(saved(book), sheet="Cover")[0]) == 12


def test_sheets_with_the_same_columns_are_said():
    book, sheet = sheet_of()
    sheet.title = "Jan"
    other = book.copy_worksheet(sheet)
    other.title = "Feb"
    frame, notes = read(saved(book))
    assert len(frame) == 24 and said(notes, "'Jan' of 2", "same columns", "into one: 'Feb'")


@pytest.mark.parametrize(
    ("area", "words"),
    [("B5:C5", "row 5"), ("A10:C10", "row 10"), ("B12:C14", "row 12"), ("A30:C30", None)],
)
def test_a_cell_merged_over_columns_is_said(area, words):
    book, sheet = sheet_of()
    sheet.merge_cells(area)
    frame, notes = read(saved(book))
    assert said(notes, "merged over columns", words) if words else notes == []
    if area == "B12:C14":
        assert list(frame["label"][10:13]) == ["b", "b", "b"] and len(frame) == 24


def test_a_table_below_an_empty_row_is_said():
    book, sheet = sheet_of()
    for row in [(), ("label", "count"), ("a", 8), ("b", 8)]:
        sheet.append(row)
    assert said(read(saved(book))[1], "after an empty row", "row 27: 'label'")


CENTRAL = b"PK\x03\x04" + bytes(26)
FOREIGN = {
    "password": b"\xd0\xcf\x11\xe0" + bytes(900) + "EncryptedPackage".encode("utf-16-le"),
    ".xls format": b"\xd0\xcf\x11\xe0" + bytes(900) + "Workbook".encode("utf-16-le"),
    ".xlsb format": CENTRAL + b"xl/workbook.bin",
    ".ods": CENTRAL + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
    "another program": CENTRAL + b"word/document.xml",
    "web page": b"\xef\xbb\xbf<html><table>",
    "suffix .csv": b"text,label\n" + b"some words,a\n" * 90,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_that_is_no_xlsx_is_refused_by_name(what):
    with pytest.raises(FedkitError) as error:
        read(FOREIGN[what])
    assert what in str(error.value) and ";" in str(error.value) and "\n" not in str(error.value)
