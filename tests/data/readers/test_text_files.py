"""Text files as programs and people write them: encodings, quotes, headers, and shapes of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedkit.core.errors import FedkitError
from fedkit.data.readers.encoding import guess_encoding
from fedkit.data.readers.files import read_table
from fedkit.data.readers.table import Reading

HEADER = ("text", "label", "site")
ROWS = [
    (f"the {what} of desk {i} is broken", label, site)
    for i in range(8)
    for what, label, site in [
        ("screen", "Hardware", "Alpha"),
        ("pay", "Payroll", "Beta"),
        ("door", "Facilities", "Alpha"),
    ]
]
LINES = [",".join(row) for row in (HEADER, *ROWS)]


def read(data: str | bytes, name: str = "a.csv", **how):
    data = data.encode() if isinstance(data, str) else data
    found = read_table(data, Path(name), Reading(**how))
    return [tuple(row) for row in found.frame.itertuples(index=False)], found.notes, found.frame


def csv_of(lines) -> str:
    return "\n".join(lines) + "\n"


ASCII = "the printer is broken,hardware\n" * 40
WESTERN = [
    "the customer’s printer,hardware",
    "Störung am Gerät,Gebäude",
    "Große Straße in München,Löhne",
    "L’écran « cassé » à l’étage,Matériel",
    "¿Cuándo llega la nómina, señor?,Nómina",
    "não há solução,manutenção",
    "it is 25°C here,hardware",
    "it costs €5 – or £4…,pay",
    "the café,food",
    "École,school",
    "NASA’s printer,hardware",
    "5½ inch ± 2 mm²,hardware",
]
JAPANESE = [
    "プリンタが動かない。,機器",
    "VPN接続エラー,回線",
    "ﾌﾟﾘﾝﾀ ｶﾞ ｳｺﾞｶﾅｲ,ｷｷ",
    "PC-A型 is broken,A棟",
    "ExcelとWordの Outlookで,PC",
    "稟議書の梱包,躯体",
    "髙橋さんの﨑,渡邊",
    "東京 office,hardware",
    "the customer’s “printer” → off,hardware",
    "甲,乙",
]


@pytest.mark.parametrize("line", WESTERN)
@pytest.mark.parametrize("many", [1, 30])
def test_western_letters_are_read_as_cp1252(line, many):
    text = "text,label\n" + ASCII + f"{line}\n" * many
    assert guess_encoding(text.encode("cp1252"), "a.csv") == "cp1252"


@pytest.mark.parametrize("line", JAPANESE)
@pytest.mark.parametrize("many", [1, 30])
def test_japanese_is_read_as_cp932(line, many):
    text = "text,label\n" + ASCII + f"{line}\n" * many
    assert guess_encoding(text.encode("cp932"), "a.csv") == "cp932"


@pytest.mark.parametrize("encoding", ["cp1252", "cp932"])
def test_a_guessed_encoding_is_said_with_a_line(encoding):
    line = (WESTERN[1] if encoding == "cp1252" else JAPANESE[0]).encode(encoding)
    rows, notes, _ = read(b"text,label\n" + line + b"\n")
    assert f"was read as {encoding}: {line.decode(encoding)!r}" in notes[0]
    assert "--encoding" in notes[0] and rows[0][0] in line.decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("euc-jp", "text,label\nテストです,データ\n機械が壊れた,機械\n"),
        ("gb18030", "text,label\n打印机坏了,硬件\n工资没有发,人事\n"),
        ("cp949", "text,label\n프린터가 고장났어요,장비\n"),
        ("cp1251", "text,label\nПринтер сломан,Кадры\n"),
        ("cp1250", "text,label\nProszę o wymianę łącza,Sprzęt\n"),
        ("mac-roman", "text,label\nL’imprimante a été réparée,Matériel\n"),
        ("mac-roman", "text,label\nthe customer’s printer,hardware\n"),
    ],
)
def test_what_fits_neither_is_asked_with_its_readings(encoding, text):
    line = text.split("\n")[1]
    with pytest.raises(FedkitError) as error:
        read(text.encode(encoding))
    assert "line 2 reads '" in str(error.value)
    first = next(i for i, letter in enumerate(line) if not letter.isascii())
    near = line[max(first - 9, 0) :]  # what is odd is shown, however far on it stands
    assert near[:23] in str(error.value) and f"in {encoding}" in str(error.value)
    assert len(str(error.value)) < 700
    assert read(text.encode(encoding), encoding=encoding)[0][0] == tuple(line.split(","))


@pytest.mark.parametrize(
    ("good", "bad", "text"),
    [
        ("utf-8", b"Ger\xe4t,x\n", WESTERN[1]),
        ("utf-8", b"abc\xff,x\n", JAPANESE[0]),
        ("utf-8", "日本,a\n".encode("cp932"), JAPANESE[0]),
        ("cp932", b"abc\x81 ,x\n", JAPANESE[0]),
    ],
)
def test_the_first_line_that_fits_no_encoding_is_named(good, bad, text):
    lines = f"{text}\n".encode(good) * 20
    with pytest.raises(FedkitError, match="line 22 reads"):
        read(b"text,label\n" + lines + bad + lines)


def test_a_byte_order_mark_promises_utf_8():
    with pytest.raises(FedkitError, match="line 2 reads"):
        read(b"\xef\xbb\xbftext,label\n" + f"{WESTERN[1]}\n".encode("cp1252") * 9)


def test_iso_2022_jp_is_named_and_read_when_asked_for():
    data = f"text,label\n{JAPANESE[0]}\n".encode("iso2022_jp")
    with pytest.raises(FedkitError, match="--encoding iso2022_jp"):
        read(data)
    assert read(data, encoding="iso2022_jp")[0] == [tuple(JAPANESE[0].split(","))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (csv_of(LINES).replace(",", "|"), "vertical bars"),
        ("sep=|\n" + csv_of(LINES).replace(",", "|"), "vertical bars"),
        ('"sep=;"\r\n' + csv_of(LINES).replace(",", ";"), "semicolons"),
        ("sep=^\n" + csv_of(LINES).replace(",", "^"), "'^'"),
        ("SEP=,\n" + csv_of(LINES), ""),
    ],
)
def test_delimiters_are_found_or_named_by_the_file(text, said):
    rows, notes, frame = read(text)
    assert rows == ROWS and said in " ".join(notes)
    assert frame.index[0] == (3 if "sep=" in text.lower() else 2)  # as an editor shows it


@pytest.mark.parametrize("blank", [" ", "   ", "\t", " \t"])
@pytest.mark.parametrize("step", [1, 2])
def test_blanks_beside_quotes_do_not_make_other_labels(blank, step):
    lines = list(LINES[1:])
    lines[::step] = [f'{a},{blank}"{b}"{blank},{blank}"{c}"' for a, b, c in ROWS[::step]]
    rows, notes, _ = read(csv_of([LINES[0], *lines]))
    assert rows == ROWS and any("beside quotes" in note for note in notes)


def test_blanks_inside_quotes_stay():
    cell = 'he said, "no", \n and, "x" , left'
    doubled = cell.replace('"', '""')
    rows, _, _ = read(csv_of([*LINES, f'"{doubled}", "Payroll", "Beta"']))
    assert rows[-1] == (cell, "Payroll", "Beta")


@pytest.mark.parametrize(("first", "last"), [(5, 6), (5, 7), (3, 15)])
def test_a_cell_that_swallows_rows_is_said_with_its_lines(first, last):
    lines = list(LINES)
    lines[first - 1] = '"' + lines[first - 1]
    lines[last - 1] = lines[last - 1].replace("broken,", 'broken",')
    rows, notes, _ = read(csv_of(lines))
    assert len(rows) == len(ROWS) - (last - first)
    assert any(f"spans lines {first} to {last}" in note for note in notes)


@pytest.mark.parametrize(
    "cell",
    [
        "Hello,\nplease help, thanks,\nJo",
        "one, two, three\nfour, five, six\n",
        "a,b,c\nd,e,f\ng",
        "a, b\n",
        "\n\na, b",
    ],
)
def test_a_text_of_several_lines_is_no_swallowed_row(cell):
    rows, notes, _ = read(csv_of([*LINES, f'"{cell}",Payroll,Beta']))
    assert rows[-1] == (cell, "Payroll", "Beta") and notes == []


def test_a_row_of_several_lines_with_too_many_cells_names_them():
    with pytest.raises(FedkitError, match="line 26 to 28"):
        read(csv_of([*LINES, '"a\nb\nc",Payroll,Beta,more']))


@pytest.mark.parametrize("length", [131_073, 156_000, 2_000_000])
def test_a_long_text_is_read(length):
    rows, _, _ = read(csv_of([*LINES, f"{'x' * length},Payroll,Beta"]))
    assert len(rows[-1][0]) == length


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_file_without_a_header_keeps_its_first_row(delimiter):
    rows, notes, frame = read(csv_of(LINES[1:]).replace(",", delimiter))
    assert rows == ROWS and frame.index[0] == 1
    assert list(frame.columns) == ["column 1", "column 2", "column 3"]
    assert any("has no header" in note and "--header-row 1" in note for note in notes)
    assert len(read(csv_of(LINES[1:]), header_row=1)[0]) == len(ROWS) - 1
    assert read(csv_of(LINES[1:]), header_row=0)[0] == ROWS


@pytest.mark.parametrize(
    "header", [("a", "b", "c"), ("words", "Email", "z"), ("text", "Payroll", "Alpha")]
)
def test_a_header_is_not_taken_for_data(header):
    ticked = [(text, "Email" if header[1] == "Email" else label, "") for text, label, _ in ROWS]
    rows, _, frame = read(csv_of(map(",".join, [header, *ticked])))
    assert list(frame.columns) == list(header) and len(rows) == len(ROWS)


def test_rows_above_a_named_header_are_said():
    _, notes, _ = read(csv_of(LINES), header_row=9)
    assert any("8 rows above it not read" in note for note in notes)
    with pytest.raises(FedkitError, match="no header in row 99"):
        read(csv_of(LINES), header_row=99)


@pytest.mark.parametrize("again", ["text,label,site", "Text,Label,Site", "\ufefftext,label,site"])
def test_a_header_that_stands_again_is_dropped_and_said(again):
    rows, notes, frame = read(csv_of([*LINES, again, *LINES[1:], again]))
    assert rows == ROWS * 2 and any("2 rows" in n and "line 26" in n for n in notes)
    assert frame.index[-1] == 50


@pytest.mark.parametrize("other", ["site,text,label", "label,text,site", "text,category,site"])
def test_another_header_further_down_is_refused(other):
    with pytest.raises(FedkitError, match="line 26: another header"):
        read(csv_of([*LINES, other, *LINES[1:]]))


def test_a_delimiter_at_the_end_of_rows_adds_no_column():
    for header in (LINES[0], LINES[0] + ","):
        for end in ("", ","):
            rows, _, _ = read(csv_of([header, *(line + end for line in LINES[1:])]))
            assert [row[:3] for row in rows] == ROWS


OBJECTS = [dict(zip(HEADER, row)) for row in ROWS]
ONE_A_LINE = [json.dumps(one) for one in OBJECTS]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n".join(ONE_A_LINE), ""),
        (",\n".join(ONE_A_LINE) + ",\n", ""),
        ("[\n" + ",\n".join(ONE_A_LINE) + "\n]\n", ""),
        ("[" + ",\r\n".join(ONE_A_LINE) + "]", ""),
        (json.dumps(OBJECTS), ""),
        (json.dumps(OBJECTS, indent=2), ""),
        ("\ufeff" + json.dumps({"data": OBJECTS}, indent=1), "'data'"),
        (json.dumps({"count": 24, "items": OBJECTS, "next": None}), "'items'"),
        (json.dumps({"result": {"rows": OBJECTS}}, indent=4), "'rows'"),
        (json.dumps([dict(reversed(one.items())) for one in OBJECTS]), ""),
    ],
)
@pytest.mark.parametrize("preview", [False, True])
def test_json_is_read_in_every_shape(text, said, preview):
    _, notes, frame = read(text, "a.json", preview=preview)
    rows = list(frame[list(HEADER)].itertuples(index=False, name=None))
    assert rows == ROWS and said in " ".join(notes)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"train": OBJECTS, "test": OBJECTS}, indent=1),
        json.dumps({"text": ["a", "b"], "label": ["x", "y"]}),
        json.dumps([[1, 2], [3, 4]]),
        "[" + ",\n".join(ONE_A_LINE[:-1]) + ',\n{"text": "cut sh',
        json.dumps({"data": OBJECTS}, indent=1)[:-40],
    ],
)
def test_other_json_is_refused_by_name(text):
    with pytest.raises(FedkitError, match="write one object per line"):
        read(text, "a.json")
