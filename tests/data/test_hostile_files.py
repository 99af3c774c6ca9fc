"""Files made to do harm: each is refused in one line, or read without harm. Nothing is ever
executed.

`CASES` is the whole list: name -> (file name, bytes, what it must get): a part of the error, or
HARMLESS.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import threading
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from factories.files import ROWS
from factories.files import excel as workbook

from fedkit.core.errors import FedkitError
from fedkit.data import limits
from fedkit.data.load import load_corpus, read_rows
from fedkit.data.preview import preview_file, safe_name
from fedkit.quality.clean import clean_table, write_clean
from fedkit.quality.finding import CheckOptions
from fedkit.quality.report import assess

HARMLESS = "harmless"
# exists only if something was executed
MARK = Path(os.environ.get("TMPDIR", "/tmp")) / f"fedkit-hostile-{os.getpid()}"


class Bomb:
    def __reduce__(self):
        return (os.system, (f"touch {MARK}",))


def text_of(rows=(), header=("text", "label")) -> bytes:
    return "".join(",".join(f'"{c}"' for c in row) + "\n" for row in [header, *ROWS, *rows]).encode(
        "utf-8", "surrogatepass"
    )


def excel(rows=(), header=("text", "label"), title="s") -> bytes:
    return workbook([*ROWS, *rows], header, title)


def changed(change: dict, add: dict | None = None, times: int = 1) -> bytes:
    """A good workbook with text in some members replaced, and members added."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(excel())) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for item in old.namelist():
            data = old.read(item)
            for before, after in change.get(item, ()):
                assert before in data, (item, data[:400])
                data = data.replace(before, after, 1)
            new.writestr(item, data)
        for name, data in (add or {}).items():
            new.writestr(name, data)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
XML = b"<worksheet"
LAUGHS = (
    b'<!DOCTYPE l [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]>"
)
OUTSIDE = b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


def parquet_bomb() -> bytes:
    out = io.BytesIO()
    pd.DataFrame({"text": ["a" * 2_000] * 5_000, "label": ["b"] * 5_000}).to_parquet(
        out, compression="zstd"
    )
    return out.getvalue()


def nested() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.zip", excel())
    return out.getvalue()


def claims_little() -> bytes:
    """A zip whose directory says that its sheet is 10 bytes long."""
    data = bytearray(changed({}, {"xl/big.xml": b"x" * 6_000_000}))
    size = (6_000_000).to_bytes(4, "little")
    return bytes(data).replace(size, (10).to_bytes(4, "little"))


CASES: dict[str, tuple[str, bytes, str]] = {
    "zip bomb as xlsx": (
        "a.xlsx",
        changed({}, {"xl/big.xml": b"0" * 6_000_000}),
        "unpacks to more than",
    ),
    "zip in a zip": ("a.xlsx", nested(), "not a readable Excel file"),
    "zip that lies about its size": ("a.xlsx", claims_little(), HARMLESS),
    "huge dimension": (
        "a.xlsx",
        changed({SHEET: [(b'<dimension ref="A1:B25"', b'<dimension ref="A1:XFD1048576"')]}),
        HARMLESS,
    ),
    "row number of ten digits": (
        "a.xlsx",
        changed({SHEET: [(b'<row r="25"', b'<row r="9999999999"')]}),
        "more than",
    ),
    "cell far to the right": (
        "a.xlsx",
        changed({SHEET: [(b'r="B25"', b'r="XFD25"')]}),
        "at most 1,000 are read",
    ),
    "billion laughs": (
        "a.xlsx",
        changed({SHEET: [(XML, LAUGHS + XML), (b"</sheetData>", b"</sheetData><x>&j;</x>")]}),
        "Excel",
    ),
    "external entity": (
        "a.xlsx",
        changed({SHEET: [(XML, OUTSIDE + XML), (b"</sheetData>", b"</sheetData><x>&x;</x>")]}),
        "no /etc/passwd",
    ),
    "macros inside": ("a.xlsx", changed({}, {"xl/vbaProject.bin": b"Sub AutoOpen()"}), HARMLESS),
    "macro file by suffix": ("a.xlsm", excel(), "suffix '.xlsm'"),
    "encrypted workbook": (
        "a.xlsx",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000),
        "password",
    ),
    "member that leaves the folder": ("a.xlsx", changed({}, {"../../evil.txt": b"x"}), HARMLESS),
    "formulas in cells": (
        "a.xlsx",
        excel([("=cmd|'/C calc'!A0", "access"), ('=HYPERLINK("http://x","y")', "access")]),
        HARMLESS,
    ),
    "merged range of a billion": (
        "a.xlsx",
        changed(
            {
                SHEET: [
                    (
                        b"</sheetData>",
                        b'</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>',
                    )
                ]
            }
        ),
        HARMLESS,
    ),
    "DDE in a CSV": (
        "a.csv",
        text_of([("=cmd|' /C calc'!A0", "access"), ("@SUM(1+1)*cmd|' /C calc'!A0", "access")]),
        HARMLESS,
    ),
    "NULs in a CSV": ("a.csv", text_of() + b"\0\0\0", "zero bytes"),
    "a file that is too large": ("a.csv", text_of() + b"x,y\n" * 300_000, "larger than"),
    "one endless line": (
        "a.csv",
        b"text,label\n" + b"a" * 900_000,
        "line 2: 1 cell where the header has 2",
    ),
    "a million columns": (
        "a.csv",
        b",".join(b"c%d" % i for i in range(100_000)) + b"\n1\n",
        "columns",
    ),
    "mixed encodings": (
        "a.csv",
        text_of() + "日本,a\n".encode("cp932") + "日本語,b\n".encode(),
        "neither UTF-8 nor cp932",
    ),
    "two byte order marks": ("a.csv", b"\xef\xbb\xbf\xef\xbb\xbf" + text_of(), HARMLESS),
    "UTF-7 in a CSV": ("a.csv", text_of([("+ADw-script+AD4-", "access")]), HARMLESS),
    "bidi and zero width": (
        "a.csv",
        text_of([("open \u202egpj.exe\u202c", "acc\u200bess")]),
        HARMLESS,
    ),
    "lone surrogates": (
        "a.jsonl",
        b"".join(json.dumps({"text": t, "label": k}).encode() + b"\n" for t, k in ROWS)
        + b'{"text": "\\ud800 x", "label": "access"}\n',
        HARMLESS,
    ),
    "parquet bomb": ("a.parquet", parquet_bomb(), "unpacks to more than"),
    "pickle as parquet": ("a.parquet", pickle.dumps(Bomb()), "Parquet"),
    "pickle as CSV": ("a.csv", pickle.dumps([Bomb()] * 3), "a.csv"),
    "pickle as xlsx": ("a.xlsx", pickle.dumps(Bomb()), "Excel"),
    "pickle by suffix": ("a.pkl", pickle.dumps(Bomb()), "suffix '.pkl'"),
    "JSON nested 100,000 deep": ("a.jsonl", b'{"a":' * 100_000, "line 1"),
    "JSON number of a million digits": (
        "a.jsonl",
        b'{"text": ' + b"9" * 900_000 + b', "label": "a"}\n',
        "line 1",
    ),
    "NaN and Infinity in JSON": (
        "a.jsonl",
        b'{"text": NaN, "label": Infinity}\n' * 20,
        "usable training rows",
    ),
    "columns alike": ("a.csv", text_of(header=("text", "ｔｅｘｔ")), "twice"),
    "script in cells and headers": (
        "a.csv",
        text_of(
            [("<script>alert(1)</script> <img src=x onerror=alert(1)>", "access")],
            ("<b>text</b>", "label"),
        ),
        HARMLESS,
    ),
    "script as a sheet's name": ("a.xlsx", excel(title="<img src=x onerror=1>"), HARMLESS),
    "line break in a header": ("a.csv", text_of(header=("te\nxt", "label")), HARMLESS),
    "formula in a header": ("a.csv", text_of(header=("=1+1", "label")), HARMLESS),
    "template in a cell": (
        "a.csv",
        text_of([("{{ 7*7 }} ${jndi:ldap://x} %s {0.__class__}", "access")]),
        HARMLESS,
    ),
    "gzip as CSV": ("a.csv", b"\x1f\x8b\x08" + bytes(99), "gzip"),
}


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    """The limits of the kit made small, so that the test need not write gigabytes."""
    monkeypatch.setattr(limits, "MAX_UNPACKED", 5_000_000)
    monkeypatch.setattr(limits, "MAX_ROWS", 100_000)
    monkeypatch.setattr(limits, "MAX_BYTES", 1_000_000)
    yield
    assert not MARK.exists(), "something was executed"


def taken(path: Path, out: Path) -> str:
    """What a file got from reading, checking, mending and writing: its error, or HARMLESS."""
    try:
        corpus = load_corpus(str(path))
        table = read_rows(str(path))
        quality = assess(table, CheckOptions(slow=False))
        copy = write_clean(clean_table(table, quality), table, out)
    except FedkitError as error:
        return str(error)
    assert "root:" not in "".join(corpus.train.texts), "a file outside was read"
    with open(copy, encoding="utf-8-sig", newline="") as file:
        import csv

        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")]
    load_corpus(str(copy))
    return HARMLESS


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_refused_or_harmless(tmp_path, name, capsys):
    file, data, expected = CASES[name]
    path = tmp_path / file
    path.write_bytes(data)
    start = time.perf_counter()
    got = taken(path, tmp_path / "out")
    with capsys.disabled():
        print(f"\n  {name:34} {time.perf_counter() - start:5.2f} s  {got[:150]}", end="")
    if expected == "no /etc/passwd":
        assert "root:" not in got
    else:
        assert expected in got
    assert "\n" not in got and len(got) < 700 and time.perf_counter() - start < 20
    assert sorted(p.name for p in tmp_path.iterdir()) in ([file], sorted([file, "out"])), (
        "something was written outside"
    )


@pytest.mark.parametrize("name", CASES)
def test_a_preview_of_a_hostile_upload_is_refused_or_harmless(name):
    file, data, _ = CASES[name]
    try:
        look = preview_file((f"../../{file}", data))
    except FedkitError as error:
        assert "\n" not in str(error)
    else:
        assert (
            look.name == file
            and all(len(cell) <= 120 for row in look.cells for cell in row)
            and "\n" not in look.problem
        )


def quickly(act) -> str:
    """What `act` got within five seconds; it must not wait for anybody."""
    got: list[str] = []

    def run():
        try:
            act()
            got.append(HARMLESS)
        except FedkitError as error:
            got.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert got, "it waits"
    return got[0]


def test_paths_that_are_no_files_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    for path in (tmp_path / "a.csv", Path("/dev/zero"), Path("/dev/stdin"), tmp_path):
        for act in (
            lambda p=path: load_corpus(str(p)),
            lambda p=path: preview_file(p),
            lambda p=path: read_rows(str(p)),
        ):
            assert quickly(act) != HARMLESS


def test_a_pipe_in_a_folder_of_splits_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "train.csv")
    (tmp_path / "test.csv").write_bytes(text_of())
    assert "no train file" in quickly(lambda: load_corpus(str(tmp_path)))


def test_a_link_to_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "a.csv").symlink_to("/etc/passwd")
    got = quickly(lambda: load_corpus(str(tmp_path / "a.csv")))
    assert got != HARMLESS and "root:x" not in got


@pytest.mark.parametrize(
    "name",
    [
        "../../x.csv",
        "/etc/x.csv",
        "..\\x.csv",
        "a\0.csv",
        "CON.csv",
        "x" * 5_000 + ".csv",
        "\u202evsc.x.csv",
    ],
)
def test_an_upload_stays_in_its_folder(tmp_path, name):
    path = tmp_path / safe_name(name)
    path.write_bytes(b"x")
    assert path.resolve().parent == tmp_path.resolve() and path.suffix == ".csv"


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b"{",
        b'{"schema": 1e999}',
        b'{"a":' * 100_000,
        b"9" * 100_000,
        pickle.dumps(Bomb()),
        b"\xff\xfe\x00",
        b'{"schema": "<script>", "rounds": [NaN]}',
        b'{"schema": "fedkit.run/1", "rounds": 1e400, "method": {}}',
    ],
)
def test_a_run_folder_of_a_stranger_is_refused_in_one_line(tmp_path, record):
    from fedkit.core.record import Run

    (tmp_path / "run.json").write_bytes(record)
    with pytest.raises(FedkitError) as error:
        Run.load(tmp_path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
