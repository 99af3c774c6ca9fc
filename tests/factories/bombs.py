"""Files that are small and unpack to much: name -> (file name, builder).

A builder takes `scale`, which is 1 for the full size (gigabytes once unpacked, some minutes to
build all of them) and less for quick tests under lowered limits.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml."
_HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>text</t></is></c></row>'
_PARTS = {
    "workbook.xml": ("sheet.main+xml", "officeDocument"),
    "sharedStrings.xml": ("sharedStrings+xml", "sharedStrings"),
    "styles.xml": ("styles+xml", "styles"),
    "worksheets/sheet1.xml": ("worksheet+xml", "worksheet"),
}


def _repeated(piece: str, number: int) -> Iterator[bytes]:
    """`piece` so many times, a megabyte or so at once."""
    at_once = max(1, 1_000_000 // len(piece))
    block = (piece * at_once).encode()
    for _ in range(number // at_once):
        yield block
    yield (piece * (number % at_once)).encode()


_Pieces = Sequence[tuple[str, int]]


def workbook(
    rows: _Pieces = (),
    after: _Pieces = (),
    strings: _Pieces = (),
    styles: _Pieces = (),
    sheets: int = 1,
    parts: int = 0,
) -> bytes:
    """A workbook written by hand; each piece of XML with the number of times it is repeated."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        types = "".join(
            f'<Override PartName="/xl/{name}" ContentType="{_TYPE}{kind}"/>'
            for name, (kind, _) in _PARTS.items()
        )
        archive.writestr(
            "[Content_Types].xml", f'<Types xmlns="{_PACKAGE}content-types">{types}</Types>'
        )
        relations = f'<Relationships xmlns="{_PACKAGE}relationships">'
        target = '<Relationship Id="r{}" Type="{}/{}" Target="{}"/>'
        archive.writestr(
            "_rels/.rels",
            relations
            + target.format(1, _OFFICE, "officeDocument", "xl/workbook.xml")
            + "</Relationships>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            relations
            + "".join(
                target.format(i, _OFFICE, kind, name)
                for i, (name, (_, kind)) in enumerate(_PARTS.items())
                if i
            )
            + "</Relationships>",
        )
        all_sheets = "".join(
            f'<sheet name="s{i}" sheetId="{i + 1}" r:id="r3"/>' for i in range(sheets)
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{all_sheets}</sheets>'
            "</workbook>",
        )
        for name, opening, pieces, closing in (
            (
                "worksheets/sheet1.xml",
                f"<worksheet xmlns='{_MAIN}'><sheetData>{_HEAD}",
                (*rows, ("</sheetData>", 1), *after),
                "</worksheet>",
            ),
            ("sharedStrings.xml", f"<sst xmlns='{_MAIN}'>", strings, "</sst>"),
            (
                "styles.xml",
                f"<styleSheet xmlns='{_MAIN}'><cellXfs>",
                styles,
                "</cellXfs></styleSheet>",
            ),
        ):
            with archive.open(f"xl/{name}", "w", force_zip64=True) as file:
                file.write(opening.encode())
                for text, number in pieces:
                    for block in _repeated(text, number):
                        file.write(block)
                file.write(closing.encode())
        for i in range(parts):
            archive.writestr(f"x{i}", "")
    return out.getvalue()


def parquet(text: str, rows: int, groups: int = 1, encoding: str | None = None) -> bytes:
    """A file of so many row groups, `text` so often in each; encoding: None: in a dictionary."""
    out = io.BytesIO()
    texts: pa.Array = pa.array([text])
    if encoding is None:
        texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), texts)
    else:
        texts = pa.array([text] * rows)
    table = pa.table({"text": texts, "label": ["x"] * rows})
    options = {"column_encoding": {"text": encoding}} if encoding else {}
    with pq.ParquetWriter(
        out, table.schema, compression="zstd", use_dictionary=encoding is None, **options
    ) as writer:
        for _ in range(groups):
            writer.write_table(table)
    return out.getvalue()


def lying_parquet(scale: float) -> bytes:
    """A dictionary of one huge text whose footer claims that 60 bytes are unpacked."""
    size = max(200_000, int(150_000_000 * scale))
    data = parquet("a" * size, 10)
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0)
    for claimed in {metadata.column(0).total_uncompressed_size, metadata.total_byte_size}:
        encoded, value = b"", claimed * 2
        while value > 127:
            encoded, value = encoded + bytes([value & 127 | 128]), value >> 7
        encoded += bytes([value])
        small = bytes([120 | 128]) + b"\x80" * (len(encoded) - 2) + b"\0"
        at = data.rindex(encoded)
        data = data[:at] + small + data[at + len(encoded) :]
    return data


def wide_parquet(columns: int, rows: int, values: pa.Array | None = None) -> bytes:
    out = io.BytesIO()
    column = pa.nulls(rows, pa.int8()) if values is None else values
    pq.write_table(pa.table({f"c{i}": column for i in range(columns)}), out)
    return out.getvalue()


def nested_parquet(length: int) -> bytes:
    """One row, whose cell is a list of so many zeros."""
    return wide_parquet(2, 1, pa.ListArray.from_arrays([0, length], pa.nulls(length, pa.int8())))


def lines_of(*pieces: tuple[bytes, float]) -> bytes:
    return b"".join(piece * max(1, int(number)) for piece, number in pieces)


_M = 1_000_000
BOMBS: dict[str, tuple[str, Callable[[float], bytes]]] = {
    "20 GB in a dictionary": ("a.parquet", lambda s: parquet("a" * int(16 * _M * s), 1_250)),
    "2 GB of plain pages": ("a.parquet", lambda s: parquet("a" * int(4 * _M * s), 2, 250, "PLAIN")),
    "4 GB of shared beginnings": (
        "a.parquet",
        lambda s: parquet("a" * int(4 * _M * s), 100, 10, "DELTA_BYTE_ARRAY"),
    ),
    "a footer that lies": ("a.parquet", lying_parquet),
    "2 million rows x 300 columns": ("a.parquet", lambda s: wide_parquet(300, int(2 * _M * s))),
    "a list of 300 million": ("a.parquet", lambda s: nested_parquet(int(300 * _M * s))),
    "30,000 row groups": ("a.parquet", lambda s: parquet("a", 1, int(30_000 * s))),
    "100,000 columns": ("a.parquet", lambda s: wide_parquet(int(100_000 * s), 1)),
    "one row of 15 million cells": (
        "a.xlsx",
        lambda s: workbook([("<row>", 1), ("<c/>", int(15 * _M * s)), ("</row>", 1)]),
    ),
    "40 million empty rows": ("a.xlsx", lambda s: workbook([("<row/>", int(40 * _M * s))])),
    "40 million rows of one number": (
        "a.xlsx",
        lambda s: workbook([('<row r="1"/>', int(40 * _M * s))]),
    ),
    "19 million shared strings": (
        "a.xlsx",
        lambda s: workbook(strings=[("<si><t>x</t></si>", int(19 * _M * s))]),
    ),
    "a shared string of 400 MB": (
        "a.xlsx",
        lambda s: workbook(strings=[("<si><t>", 1), ("x", int(400 * _M * s)), ("</t></si>", 1)]),
    ),
    "a cell of 400 MB": (
        "a.xlsx",
        lambda s: workbook(
            [('<row><c t="str"><v>', 1), ("x", int(400 * _M * s)), ("</v></c></row>", 1)]
        ),
    ),
    "20 million styles": ("a.xlsx", lambda s: workbook(styles=[("<xf/>", int(20 * _M * s))])),
    "4 million merged cells": (
        "a.xlsx",
        lambda s: workbook(
            after=[
                ("<mergeCells>", 1),
                ('<mergeCell ref="A2:A3"/>', int(4 * _M * s)),
                ("</mergeCells>", 1),
            ]
        ),
    ),
    "80 million attributes of rows": (
        "a.xlsx",
        lambda s: workbook(
            [("<row " + " ".join(f'a{i}=""' for i in range(50)) + "/>", int(1.2 * _M * s))]
        ),
    ),
    "a million rows of a cell in column 1,000": (
        "a.xlsx",
        lambda s: workbook([('<row><c r="ALL1"><v>1</v></c></row>', int(_M * s))]),
    ),
    "elements 50 million deep": ("a.xlsx", lambda s: workbook([("<c>", int(50 * _M * s))])),
    "300,000 sheets": ("a.xlsx", lambda s: workbook(sheets=int(300_000 * s))),
    "300,000 parts": ("a.xlsx", lambda s: workbook(parts=int(300_000 * s))),
    "one line of 450 MB": (
        "a.csv",
        lambda s: lines_of((b"text,label\n", 1), (b"a" * 100 + b",", 4.5 * _M * s)),
    ),
    "a row of 80 million empty cells": (
        "a.csv",
        lambda s: lines_of((b"text,label\n", 1), (b'"\n",', 80 * _M * s), (b"\n", 1)),
    ),
    "300 million empty lines": (
        "a.csv",
        lambda s: lines_of((b"text,label\n", 1), (b"\n", 300 * _M * s), (b"a,b\n", 1)),
    ),
    "300 million control characters": (
        "a.csv",
        lambda s: lines_of((b"text,label\n", 1), (b"\1\n\2", 100 * _M * s)),
    ),
    "200 million cells": (
        "a.csv",
        lambda s: lines_of(
            (",".join(f"c{i}" for i in range(1_000)).encode() + b"\n", 1),
            (b"," * 999 + b"\n", 200_000 * s),
        ),
    ),
    "one line of JSON of 450 MB": (
        "a.jsonl",
        lambda s: lines_of((b'{"text": [', 1), (b"[],", 150 * _M * s), (b"0]}\n", 1)),
    ),
    "100 million lists in JSON": (
        "a.jsonl",
        lambda s: lines_of((b'{"text": [' + b"[]," * 1_000 + b"0]}\n", 100_000 * s)),
    ),
    "a key on each of 100,000 lines": (
        "a.jsonl",
        lambda s: b"".join(b'{"k%d": 1}\n' % i for i in range(int(100_000 * s))),
    ),
    "1,000 keys and 2 million short lines": (
        "a.jsonl",
        lambda s: lines_of(
            (b"{" + b",".join(b'"k%d":1' % i for i in range(1_000)) + b"}\n", 1),
            (b'{"k1":1}\n', 2 * _M * s),
        ),
    ),
}
