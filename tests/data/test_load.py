"""Reading data: every format, every guess said, and bad input refused in one line or counted."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from factories.files import ROWS, excel, saved

from fedkit.core.errors import FedkitError
from fedkit.data import limits
from fedkit.data.load import BUNDLED_FOLDER, load_corpus
from fedkit.data.readers import files as file_readers
from fedkit.data.readers import hub


def table_of(rows, header=("text", "label"), delimiter=",") -> str:
    """CSV text; cells hold no delimiter, quote or line break here."""
    return "".join(delimiter.join(map(str, row)) + "\n" for row in [header, *rows])


GOOD = table_of(ROWS)


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def load(folder: Path, source: str, files: dict[str, str | bytes], **options):
    write(folder, files)
    return load_corpus(str(folder / source), **options)


def parquet(rows, header=("text", "label")) -> bytes:
    out = io.BytesIO()
    pd.DataFrame(rows, columns=list(header)).to_parquet(out)
    return out.getvalue()


def jsonl(rows, header=("text", "label")) -> str:
    return "".join(json.dumps(dict(zip(header, row)), ensure_ascii=False) + "\n" for row in rows)


def all_rows(corpus) -> set[tuple[str, str]]:
    parts = [p for p in (corpus.train, corpus.validation, corpus.test) if p is not None]
    return {(t, corpus.labels[k]) for p in parts for t, k in zip(p.texts, p.labels)}


# --- what works


SPLIT_FOLDER = {"f/train.csv": table_of(ROWS[:20]), "f/test.csv": table_of(ROWS[20:22])}


@pytest.mark.parametrize("name", ["val.csv", "VAL.CSV", "dev.tsv", "eval.csv", "valid.csv"])
def test_a_validation_split_by_any_name_is_read(tmp_path, name):
    rows = table_of(ROWS[22:], delimiter="\t" if name.endswith("tsv") else ",")
    corpus = load(tmp_path, "f", SPLIT_FOLDER | {f"f/{name}": rows})
    assert len(corpus.validation) == len(ROWS[22:])
    assert not any("not read" in note for note in corpus.notes)


@pytest.mark.parametrize(
    "name",
    [
        "train_old.csv",
        "train.csv.bak",
        "test2.xlsx",
        "train (1).csv",
        "train.xls",
        "dev.csv",
        "val/part.csv",
        "extra.parquet",
        "train-2.jsonl",
        "TEST_NEW.CSV",
    ],
)
def test_files_beside_those_that_are_read_are_said(tmp_path, name):
    files = SPLIT_FOLDER | {"f/validation.csv": table_of(ROWS[22:]), f"f/{name}": "text,label\n"}
    corpus = load(tmp_path, "f", files)
    said = [note for note in corpus.notes if "not read" in note]
    assert len(said) == 1 and f"'{name.partition('/')[0]}'" in said[0] and "\n" not in said[0]


@pytest.mark.parametrize(
    "name", ["README.md", "train.py", "training.log", "config.json", ".train.csv", "~$train.xlsx"]
)
def test_other_files_are_passed_over(tmp_path, name):
    corpus = load(tmp_path, "f", SPLIT_FOLDER | {f"f/{name}": ""})
    assert not any("not read" in note for note in corpus.notes)


def test_a_train_file_alone_names_the_splits_beside_it(tmp_path):
    files = {"train.csv": GOOD, "test.csv": GOOD, "other.csv": GOOD}
    said = [note for note in load(tmp_path, "train.csv", files).notes if "not read" in note]
    assert said == ["beside what is read, and not read: 'test.csv'; to use it, give the folder"]
    assert not any("not read" in n for n in load(tmp_path, "other.csv", files).notes)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", GOOD),
        ("a.CSV", GOOD),
        ("a.tsv", table_of(ROWS, delimiter="\t")),
        ("a.jsonl", jsonl(ROWS)),
        ("a.json", jsonl(ROWS)),
        ("a.xlsx", excel(ROWS)),
        ("a.parquet", parquet(ROWS)),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path, name, content):
    corpus = load(tmp_path, name, {name: content}, text="text", label="label")
    assert all_rows(corpus) == set(ROWS)
    assert corpus.labels == ("access", "hardware")
    assert (len(corpus.train), len(corpus.test), corpus.validation) == (19, 5, None)
    assert corpus.name == "a" and corpus.source.endswith(name)
    assert corpus.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert len(corpus.notes) == 1 and "80/20, seed 0" in corpus.notes[0]


def test_a_folder_keeps_its_splits_and_its_hash_can_be_checked_by_hand(tmp_path):
    files = {
        "train.csv": table_of(ROWS[:20]),
        "test.jsonl": jsonl(ROWS[20:22]),
        "dev.tsv": table_of(ROWS[22:], delimiter="\t"),
    }
    corpus = load(tmp_path, ".", files | {"notes.txt": "not read"})
    assert [len(p) for p in (corpus.train, corpus.validation, corpus.test)] == [20, 2, 2]
    in_order = b"".join((tmp_path / name).read_bytes() for name in sorted(files))
    assert corpus.sha256 == hashlib.sha256(in_order).hexdigest()
    assert corpus.name == tmp_path.name


def test_the_split_depends_on_the_seed_alone(tmp_path):
    write(tmp_path, {"a.csv": GOOD})
    one, again, other = (load_corpus(str(tmp_path / "a.csv"), seed=s) for s in (1, 1, 2))
    assert one.test.texts == again.test.texts != other.test.texts
    assert sorted(one.test.labels.tolist()) in ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])  # stratified


def test_more_labels_than_test_rows_are_split_at_random_and_a_lonely_label_is_trained_on(tmp_path):
    rows = [(f"text {i} of many", f"label {i % 6}") for i in range(20)] + [
        ("the only one", "alone")
    ]
    corpus = load(tmp_path, "a.csv", {"a.csv": table_of(rows)})
    assert "the only one" in corpus.train.texts
    assert any("at random" in note for note in corpus.notes)
    assert any("1 label with one example only ('alone')" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            ("Message", "Category", "office"),
            ("text", "'Message'", "label", "'Category'", "client", "'office'"),
        ),
        (("本文", "分類", "支店"), ("text", "'本文'", "label", "'分類'", "client", "'支店'")),
        (("a", "b", "拠点"), ("text", "'a'", "label", "'b'", "client", "'拠点'")),
    ],
)
def test_columns_are_guessed_and_every_guess_is_said(tmp_path, header, said):
    rows = [(*row, "ab"[i % 2]) for i, row in enumerate(ROWS)]
    corpus = load(tmp_path, "a.csv", {"a.csv": table_of(rows, header)})
    for role, column in zip(said[::2], said[1::2]):
        assert f"{role} column: guessed {column} (name --{role} to choose)" in corpus.notes
    assert all_rows(corpus) == set(ROWS) and set(corpus.train.clients) == {"a", "b"}


def test_named_columns_win_and_are_not_called_guesses(tmp_path):
    rows = [(*row, f"long subject line number {i}", "ab"[i % 2]) for i, row in enumerate(ROWS)]
    header = ("text", "label", "subject", "desk")
    corpus = load(
        tmp_path,
        "a.csv",
        {"a.csv": table_of(rows, header)},
        text="subject",
        label="label",
        client="desk",
    )
    assert corpus.train.texts[0].startswith("long subject") and set(corpus.train.clients) == {
        "a",
        "b",
    }
    assert not any("guessed" in note for note in corpus.notes)


def test_a_client_column_with_one_value_is_no_client_column(tmp_path):
    corpus = load(
        tmp_path,
        "a.csv",
        {"a.csv": table_of([(*r, "us") for r in ROWS], ("text", "label", "company"))},
    )
    assert corpus.train.clients is None


def test_held_out_rows_need_no_client(tmp_path):
    train = table_of(
        [(*r, "ab"[i % 2]) for i, r in enumerate(ROWS[:20])], ("text", "label", "company")
    )
    corpus = load(tmp_path, ".", {"train.csv": train, "test.csv": table_of(ROWS[20:])})
    assert set(corpus.train.clients) == {"a", "b"} and corpus.test.clients is None


JAPANESE = [(f"画面が映りません {i} 番", "機器") for i in range(10)] + [
    (f"パスワードを忘れた {i}", "アカウント") for i in range(10)
]


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("cp932", None),
        ("cp932", "cp932"),
        ("euc-jp", "euc-jp"),
        ("utf-16", "utf-16"),
    ],
)
def test_japanese_text_in_every_encoding(tmp_path, encoding, given):
    content = table_of(JAPANESE, ("本文", "分類")).encode(encoding)
    corpus = load(tmp_path, "a.csv", {"a.csv": content}, encoding=given)
    assert all_rows(corpus) == set(JAPANESE)
    assert any("read as cp932" in n for n in corpus.notes) == (
        encoding == "cp932" and given is None
    )


def test_characters_that_detectors_confuse_survive_cp932(tmp_path):
    rows = [(f"①～∥－￠￡￢ 髙﨑さん {i}", "甲乙"[i % 2]) for i in range(20)]
    corpus = load(tmp_path, "a.csv", {"a.csv": table_of(rows).encode("cp932")})
    assert all_rows(corpus) == set(rows)


def test_width_variants_of_a_label_merge_and_a_text_keeps_its_widths(tmp_path):
    rows = [(f"ＡＢＣ　がぎ {i}", ("ＰＣ", "PC", "ｱｸｾｽ", "アクセス")[i % 4]) for i in range(20)]
    corpus = load(tmp_path, "a.csv", {"a.csv": table_of(rows)})
    assert corpus.labels == ("PC", "アクセス")
    assert (
        "10 rows: label read as the name that it looks like ('ＰＣ' as 'PC', 'ｱｸｾｽ' as 'アクセス')"
        in corpus.notes
    )
    assert all(text.startswith("ＡＢＣ　がぎ") for text in corpus.train.texts)


LOOK_ALIKE = {  # spellings that no reader can tell apart, and the name that both get
    "wave dash": ("月〜金", "月～金", "月~金"),
    "minus": ("A−B", "A－B", "A-B"),
    "en dash": ("Sales – East", "Sales - East", "Sales - East"),
    "apostrophe": ("driver’s", "driver's", "driver's"),
    "variation selector": ("❤\ufe0f", "❤", "❤"),
    "ideographic variation": ("葛\U000e0100飾", "葛飾", "葛飾"),
    "zero width": ("Pay\u200broll", "Payroll", "Payroll"),
    "joiner": ("Pay\u200droll", "Payroll", "Payroll"),
    "soft hyphen": ("Pay\u00adroll", "Payroll", "Payroll"),
    "byte order mark": ("\ufeffPayroll", "Payroll", "Payroll"),
    "no-break space": ("Human\u00a0Resources", "Human Resources", "Human Resources"),
    "ideographic space": ("東京　支店", "東京 支店", "東京 支店"),
    "two blanks": ("Human  Resources ", "Human Resources", "Human Resources"),
    "decomposed": ("cafe\u0301", "café", "café"),
    "full width": ("Ｌａｂｅｌ１", "Label1", "Label1"),
    "half-width kana": ("ｶﾞｽ", "ガス", "ガス"),
    "whole float": ("1.0", "1", "1"),
    "two places": ("-7.00", "-7", "-7"),
    "full-width float": ("２．０", "2", "2"),
}


@pytest.mark.parametrize("kind", LOOK_ALIKE)
def test_names_that_look_alike_are_one_in_a_file_and_across_splits(tmp_path, kind):
    odd, plain, name = LOOK_ALIKE[kind]
    rows = [(f"words {i}", (odd, plain, "other")[i % 3], (odd, plain)[i % 2]) for i in range(60)]
    sheet = {"a.csv": table_of(rows, ("text", "label", "site"))}
    corpus = load(tmp_path, "a.csv", sheet)
    assert set(corpus.labels) == {name, "other"} and set(corpus.train.clients) == {name}
    said = [note for note in corpus.notes if "read as the name that it looks like" in note]
    assert [note.split(":")[1].split()[0] for note in said] == ["label", "client"]
    train = [(f"words {i}", (odd, "other")[i % 2]) for i in range(40)]
    test = [(f"new words {i}", plain) for i in range(10)]
    corpus = load(tmp_path, "f", {"f/train.csv": table_of(train), "f/test.csv": table_of(test)})
    assert len(corpus.test) == 10 and not any("dropped" in note for note in corpus.notes)


@pytest.mark.parametrize(
    "names",
    [
        ("①", "②", "1"),
        ("m²", "m2", "㎡"),
        ("H₂O", "H2O", "CO₂"),
        ("Q&A", "QA", "R&D"),
        ("C", "C++", "C#"),
        ("US", "us", "uk"),
        ("1.0", "1.1", "2.0"),
        ("1.0", "10", "2"),
        ("+", "-", "0"),
        ("👨\u200d👩", "👨👩", "👩"),
        ("می\u200cخواهم", "میخواهم", "a"),
        ("½", "1/2", "2"),
        ("ー", "-", "二"),
    ],
)
def test_names_that_differ_for_a_reader_stay_apart(tmp_path, names):
    rows = [(f"words {i}", names[i % 3]) for i in range(60)]
    corpus = load(tmp_path, "a.csv", {"a.csv": table_of(rows)})
    assert len(corpus.labels) == 3 and not any("looks like" in note for note in corpus.notes)


@pytest.mark.parametrize(
    "cell",
    [
        "#REF!",
        "#DIV/0!",
        "#N/A",
        "#NAME?",
        "#BEZUG!",
        "#NV",
        "#¡VALOR!",
        "Err:502",
        "#REF",
        "#N/A!",
    ],
)
def test_error_values_are_missing_cells(tmp_path, cell):
    rows = [
        (cell if i < 5 else f"words {i}", cell if 5 <= i < 8 else "ab"[i % 2], i) for i in range(40)
    ]
    sheet = table_of(rows, ("text", "label", "nr"))
    corpus = load(tmp_path, "a.csv", {"a.csv": sheet})
    assert corpus.labels == ("a", "b")
    assert {"train: 5 rows dropped: no text", "train: 3 rows dropped: no label"} <= {*corpus.notes}
    corpus = load(
        tmp_path, "b.csv", {"b.csv": sheet.replace(cell, "Error: " + cell)}, label="label"
    )
    assert len(corpus.labels) == 3


def test_decomposed_text_is_composed(tmp_path):
    rows = [(f"cafe\u0301 {i}  ", "ab"[i % 2]) for i in range(20)]
    assert load(tmp_path, "a.csv", {"a.csv": table_of(rows)}).train.texts[-1] == "café 19"


def test_na_none_and_numbers_are_labels_like_others_and_numbers_sort_as_numbers(tmp_path):
    rows = [(f"words {i}", ("NA", "None", "null")[i % 3]) for i in range(18)]
    assert load(tmp_path, "a.csv", {"a.csv": table_of(rows)}).labels == ("NA", "None", "null")
    rows = [(f"words {i}", (10, 9.0, 2)[i % 3]) for i in range(18)]
    assert load(tmp_path, "b.xlsx", {"b.xlsx": excel(rows)}).labels == ("2", "9", "10")


def test_quoted_cells_keep_delimiters_and_line_breaks(tmp_path):
    rows = [(f'"one, two\nthree ""{i}"""', "ab"[i % 2]) for i in range(20)]
    assert 'one, two\nthree "0"' in {
        t for t, _ in all_rows(load(tmp_path, "a.csv", {"a.csv": table_of(rows)}))
    }


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_delimiter_is_sniffed_and_said(tmp_path, delimiter, word):
    rows = [(f"one, two, three {i}", label) for i, (_, label) in enumerate(ROWS)]
    corpus = load(tmp_path, "a.csv", {"a.csv": table_of(rows, delimiter=delimiter)})
    assert all_rows(corpus) == set(rows)
    assert f"'a.csv' separates its cells by {word}, not commas" in corpus.notes


def test_excel_takes_the_first_visible_sheet_or_the_one_named(tmp_path):
    book = openpyxl.Workbook()
    book.active.title, book.active.sheet_state = "hidden", "hidden"
    for title, rows in {"first": ROWS, "second": JAPANESE}.items():
        sheet = book.create_sheet(title)
        for row in [("text", "label", None), *rows, (None, None)]:
            sheet.append(row)
    write(tmp_path, {"a.xlsx": saved(book)})
    first = load_corpus(str(tmp_path / "a.xlsx"))
    assert all_rows(first) == set(ROWS)
    assert any("first visible sheet 'first' of 3" in note for note in first.notes)
    assert all_rows(load_corpus(str(tmp_path / "a.xlsx"), sheet="second")) == set(JAPANESE)


def test_excel_formulas_are_never_evaluated(tmp_path):
    corpus = load(tmp_path, "a.xlsx", {"a.xlsx": excel([*ROWS, ("=1+1", "access")])})
    assert all_rows(corpus) == set(ROWS)
    assert "train: 1 row dropped: no text" in corpus.notes


# --- the hub


@pytest.fixture
def hub_folder(tmp_path, monkeypatch):
    """A data set folder as the hub holds it: parquet shards whose schema carries the features."""
    datasets = pytest.importorskip("datasets", reason="the optional extra 'hub' is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["hardware", "access"]),
        tags=datasets.List(datasets.Value("string")),
    )
    folder = tmp_path / "owner" / "desk"
    for split, rows in {"train": ROWS[:20], "validation": ROWS[20:22], "test": ROWS[22:]}.items():
        columns = {
            "text": [t for t, _ in rows],
            "label": [label for _, label in rows],
            "tags": [["x"]] * len(rows),
        }
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_dict(columns, features=features).to_parquet(path)
    return folder


def test_a_hub_set_goes_the_same_way_as_files(hub_folder, monkeypatch):
    monkeypatch.setitem(hub.HUB, "desk", hub.HubSet(str(hub_folder), label="label"))
    corpus, again = load_corpus("desk"), load_corpus("desk")
    assert all_rows(corpus) == set(ROWS)
    assert [len(p) for p in (corpus.train, corpus.validation, corpus.test)] == [20, 2, 2]
    assert corpus.name == "desk" and corpus.source == f"hub:{hub_folder}"
    assert corpus.notes == ("text column: guessed 'text' (name --text to choose)",)
    assert corpus.sha256 == again.sha256 and len(corpus.sha256) == 64


def test_a_hub_set_without_a_train_split_is_refused(hub_folder):
    (hub_folder / "data" / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(FedkitError, match=r"has no train split; it has: 'validation', 'test'"):
        hub.read_hub(hub.HubSet(str(hub_folder)), "desk")


@pytest.mark.parametrize("source", [*hub.HUB, "hub:owner/name", "hub:owner/name:config"])
def test_without_a_hub_the_error_says_how_to_go_on(source):
    pytest.importorskip("datasets", reason="the optional extra 'hub' is not installed")
    with pytest.raises(FedkitError) as error:
        load_corpus(source)
    assert source in one_line(error)
    assert "give a folder holding train.csv and test.csv to --data" in one_line(error)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(FedkitError) as error:
        load_corpus("ag_news")
    assert "ag_news" in one_line(error) and "pip install 'fedkit[hub]'" in one_line(error)


# --- the bundled set


@pytest.mark.skipif(
    not (BUNDLED_FOLDER / "service_desk").is_dir(), reason="data/service_desk is not written yet"
)
def test_the_bundled_set_reads_without_a_remark():
    corpus, demo = load_corpus(), load_corpus("demo")
    assert corpus.sha256 == demo.sha256 and corpus.name == demo.name == "service_desk"
    assert corpus.notes == ()
    assert len(set(corpus.train.clients)) == 6 and len(corpus.validation) and len(corpus.test)


# --- what is counted


@pytest.mark.parametrize(
    ("extra", "note"),
    [
        (
            [("", "access"), ("   ", "access"), ("\u3000", "access")],
            "train: 3 rows dropped: no text",
        ),
        ([("words", ""), ("other words", " ")], "train: 2 rows dropped: no label"),
        ([ROWS[0], ROWS[0]], "train: 2 rows dropped: exact duplicate of another row"),
        (
            [(ROWS[0][0], "access")],
            "train: 1 text with different labels on different rows, kept; look at them",
        ),
        ([("a new thing", "rare")], "train: 1 label with one example only ('rare')"),
        (
            [("12", "access"), ("-3.5", "access")],
            "train: 2 texts with nothing but a number, kept as text",
        ),
        ([("x" * 30_000, "access")], "train: 1 text longer than 20,000 characters, cut there"),
        ([("in test too", "access")], "train: 1 row dropped: the same text is in test (leakage)"),
        (
            [("in validation too", "access")],
            "train: 1 row dropped: the same text is in validation (leakage)",
        ),
    ],
)
def test_what_is_dropped_or_doubtful_in_train_is_counted(tmp_path, extra, note):
    files = {
        "train.csv": table_of(ROWS + extra),
        "test.csv": table_of([("in test too", "access")]),
        "validation.csv": table_of([("in validation too", "access")]),
    }
    corpus = load(tmp_path, ".", files, text="text", label="label")
    assert corpus.notes == (note,)
    assert set(ROWS) <= all_rows(corpus) and max(map(len, corpus.train.texts)) <= 20_000


def test_held_out_rows_with_unknown_labels_are_dropped_and_counted(tmp_path):
    files = {
        "train.csv": GOOD,
        "test.csv": table_of([("new words", "access"), ("new thing", "billing")]),
        "valid.csv": table_of([("odd thing", "garden"), ("new words", "access")]),
    }
    corpus = load(tmp_path, ".", files)
    assert "test: 1 row dropped: label never occurs in train ('billing')" in corpus.notes
    assert "validation: 1 row dropped: label never occurs in train ('garden')" in corpus.notes
    assert "validation: 1 row dropped: the same text is in test (leakage)" in corpus.notes
    assert len(corpus.test) == 1 and len(corpus.validation) == 0


def test_rows_without_a_client_are_dropped_and_counted(tmp_path):
    rows = [(*r, "" if i == 3 else "ab"[i % 2]) for i, r in enumerate(ROWS)]
    corpus = load(tmp_path, "a.csv", {"a.csv": table_of(rows, ("text", "label", "company"))})
    assert "train: 1 row dropped: no client" in corpus.notes


def test_typed_cells_become_text(tmp_path):
    rows = [*ROWS, (4711, "access"), (None, "access"), (float("nan"), "access"), (True, "access")]
    corpus = load(tmp_path, "a.jsonl", {"a.jsonl": jsonl(rows)})
    assert {("4711", "access"), ("True", "access")} == all_rows(corpus) - set(ROWS)
    assert "train: 1 text with nothing but a number, kept as text" in corpus.notes
    assert "train: 2 rows dropped: no text" in corpus.notes


def test_a_lone_surrogate_becomes_a_replacement_character(tmp_path):
    odd = '{"text": "bad \\ud800", "label": "access", "\\udfff": 1}\n'
    corpus = load(tmp_path, "a.jsonl", {"a.jsonl": jsonl(ROWS) + odd})
    assert ("bad \ufffd", "access") in all_rows(corpus)


def test_a_stray_control_character_is_blanked_and_counted(tmp_path):
    corpus = load(
        tmp_path, "a.csv", {"a.csv": table_of([*ROWS, ("pa\x08per " + "jam " * 300, "hardware")])}
    )
    assert "'a.csv': 1 control character replaced by blanks" in corpus.notes


# --- what is refused


def one_line(error) -> str:
    message = str(error.value)
    assert message and "\n" not in message and "Traceback" not in message
    assert len(message) < 700
    return message


def with_line(number: int, line: str) -> str:
    """GOOD with line `number` (from 1) replaced."""
    lines = GOOD.splitlines()
    return "\n".join([*lines[: number - 1], line, *lines[number:]]) + "\n"


def no_sheet() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("hello.txt", "hello")
    return out.getvalue()


HEADERS = ("text", "label")
NUL = bytes(range(256)) * 4
BAD = {
    # name: (files, source, options, what the message must hold)
    "unknown name": ({}, "@nope", {}, ["'nope'", "service_desk", "banking77", "hub:owner/name"]),
    "no name": ({}, "@", {}, ["unknown data set ''"]),
    "malformed hub name": ({}, "@hub:banking77", {}, ["'hub:banking77'", "hub:owner/name"]),
    "name too long": ({}, "@" + "n" * 5_000, {}, ["nnn", "too long"]),
    "missing file": ({}, "no.csv", {}, ["no.csv", "no file or folder"]),
    "empty folder": ({"d/x.txt": ""}, "d", {}, ["no train file", "'x.txt'", "train.csv"]),
    "no test file": ({"d/train.csv": GOOD}, "d", {}, ["no test file", "train.csv"]),
    "two train files": (
        {"train.csv": GOOD, "train.tsv": "", "test.csv": GOOD},
        ".",
        {},
        ["'train.csv', 'train.tsv'"],
    ),
    "unsupported file": ({"a.docx": "x"}, "a.docx", {}, ["a.docx", "'.docx'", ".csv"]),
    "no suffix": ({"d/a": GOOD}, "d/a", {}, ["d/a'", ".csv"]),
    "unsupported train file": (
        {"d/train.txt": GOOD, "d/test.csv": GOOD},
        "d",
        {},
        ["train.txt", "'.txt'"],
    ),
    "missing text column": (
        {"a.csv": GOOD},
        "a.csv",
        {"text": "body"},
        ["'body'", "--text", "'text', 'label'"],
    ),
    "missing label column": (
        {"a.csv": GOOD},
        "a.csv",
        {"label": "kind"},
        ["'kind'", "--label", "'text', 'label'"],
    ),
    "missing client column": (
        {"a.csv": GOOD},
        "a.csv",
        {"client": "site"},
        ["'site'", "--client", "'text', 'label'"],
    ),
    "missing in test": (
        {"train.csv": GOOD, "test.csv": table_of(ROWS, ("text", "kind"))},
        ".",
        {},
        ["test", "'label'", "'kind'"],
    ),
    "one column in two roles": (
        {"a.csv": GOOD},
        "a.csv",
        {"text": "label", "label": "label"},
        ["'label'", "'text'"],
    ),
    "one column only": ({"a.csv": "text\n" + "hello\n" * 20}, "a.csv", {}, ["--label", "'text'"]),
    "no label column": (
        {"a.csv": table_of([(t, i) for i, (t, _) in enumerate(ROWS)], ("a", "b"))},
        "a.csv",
        {},
        ["--label", "'b'"],
    ),
    "empty file": ({"a.csv": ""}, "a.csv", {}, ["a.csv", "empty"]),
    "blank file": ({"a.csv": " \n\n\t\n"}, "a.csv", {}, ["a.csv", "empty"]),
    "blank header": ({"a.csv": ",,\na,b,c\n"}, "a.csv", {}, ["a.csv", "empty"]),
    "header only": (
        {"a.csv": "text,label\n"},
        "a.csv",
        {},
        ["a.csv", "no rows", "'text', 'label'"],
    ),
    "binary garbage": ({"a.csv": NUL}, "a.csv", {}, ["a.csv", "4 zero bytes"]),
    "control characters": (
        {"a.csv": GOOD + "\1\2\3"},
        "a.csv",
        {},
        ["a.csv", "3 control characters", "UTF-8"],
    ),
    "an Excel file named .csv": ({"a.csv": excel(ROWS)}, "a.csv", {}, ["a.csv", ".xlsx"]),
    "a Parquet file named .csv": ({"a.csv": parquet(ROWS)}, "a.csv", {}, ["a.csv", ".parquet"]),
    "neither utf-8 nor cp932": (
        {"a.csv": table_of([*ROWS, ("señor olé", "ñ")]).encode("mac-roman")},
        "a.csv",
        {},
        ["a.csv", "line 26", "'señor olé,ñ' in mac-roman", "--encoding"],
    ),
    "not the encoding given": (
        {"a.csv": table_of(JAPANESE).encode("cp932")},
        "a.csv",
        {"encoding": "utf-8"},
        ["a.csv", "'utf-8'"],
    ),
    "unknown encoding": (
        {"a.csv": GOOD},
        "a.csv",
        {"encoding": "utf-9"},
        ["'utf-9'", "--encoding"],
    ),
    "an encoding of bytes": (
        {"a.csv": GOOD},
        "a.csv",
        {"encoding": "zlib"},
        ["'zlib'", "--encoding"],
    ),
    "unannounced utf-16": (
        {"a.csv": GOOD.encode("utf-16")},
        "a.csv",
        {},
        ["a.csv", "--encoding utf-16"],
    ),
    "encoding of a parquet file": (
        {"a.parquet": b""},
        "a.parquet",
        {"encoding": "cp932"},
        ["'cp932'", "a.parquet"],
    ),
    "encoding of a bundled set": ({}, "@demo", {"encoding": "cp932"}, ["'cp932'", "'demo'"]),
    "sheet of a csv file": ({"a.csv": GOOD}, "a.csv", {"sheet": "May"}, ["'May'", "a.csv"]),
    "row too long": (
        {"a.csv": with_line(5, "a,b,c")},
        "a.csv",
        {},
        ["a.csv", "line 5", "3 cells", "has 2"],
    ),
    "row too short": (
        {"a.csv": with_line(7, "only one")},
        "a.csv",
        {},
        ["a.csv", "line 7", "1 cell where", "has 2"],
    ),
    "quote not closed": (
        {"a.csv": with_line(9, '"open,b')},
        "a.csv",
        {},
        ["a.csv", "line 25", "quote"],
    ),
    "quote in the middle": (
        {"a.csv": with_line(9, '"so" called,b')},
        "a.csv",
        {},
        ["a.csv", "line 9", "quote"],
    ),
    "column named twice": (
        {"a.csv": table_of(ROWS, ("text", "text "))},
        "a.csv",
        {},
        ["a.csv", "'text'", "twice"],
    ),
    "too many columns": (
        {"a.csv": ",".join(f"c{i}" for i in range(1_001))},
        "a.csv",
        {},
        ["a.csv", "1,001 columns"],
    ),
    "jsonl with a bad line": (
        {"a.jsonl": jsonl(ROWS) + '{"text": "x"\n'},
        "a.jsonl",
        {},
        ["a.jsonl", "line 25"],
    ),
    "jsonl with a list": (
        {"a.jsonl": '{"text": "x"}\n\n[1]\n'},
        "a.jsonl",
        {},
        ["a.jsonl", "line 3", "list"],
    ),
    "json array of texts": (
        {"a.json": json.dumps(["x", "y"])},
        "a.json",
        {},
        ["a.json", "not one list of objects", "one object per line"],
    ),
    "jsonl nested too deep": (
        {"a.jsonl": "{}\n" + '{"a":' * 100_000},
        "a.jsonl",
        {},
        ["a.jsonl", "line 2"],
    ),
    "lists for labels": (
        {"a.jsonl": jsonl([(t, [k]) for t, k in ROWS])},
        "a.jsonl",
        {"label": "label"},
        ["'label'", "list", "train"],
    ),
    "damaged xlsx": ({"a.xlsx": excel(ROWS)[:2_000]}, "a.xlsx", {}, ["a.xlsx", "Excel"]),
    "a zip that is no xlsx": ({"a.xlsx": no_sheet()}, "a.xlsx", {}, ["a.xlsx", "Excel"]),
    "a csv named xlsx": ({"a.xlsx": GOOD}, "a.xlsx", {}, ["a.xlsx", "Excel"]),
    "empty xlsx": ({"a.xlsx": b""}, "a.xlsx", {}, ["a.xlsx", "empty"]),
    "password": (
        {"a.xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)},
        "a.xlsx",
        {},
        ["a.xlsx", "password"],
    ),
    "unknown sheet": (
        {"a.xlsx": excel(ROWS, title="May")},
        "a.xlsx",
        {"sheet": "June"},
        ["'June'", "a.xlsx", "'May'"],
    ),
    "xlsx without rows": ({"a.xlsx": excel([])}, "a.xlsx", {}, ["a.xlsx", "no rows"]),
    "xlsx cell without header": (
        {"a.xlsx": excel([*ROWS, ("a", "b", "c")])},
        "a.xlsx",
        {},
        ["a.xlsx", "row 26"],
    ),
    "damaged parquet": (
        {"a.parquet": parquet(ROWS)[:-200]},
        "a.parquet",
        {},
        ["a.parquet", "Parquet"],
    ),
    "a csv named parquet": ({"a.parquet": GOOD}, "a.parquet", {}, ["a.parquet", "Parquet"]),
    "one label only": (
        {"a.csv": table_of(ROWS[:12])},
        "a.csv",
        {},
        ["'label'", "one label only", "'hardware'"],
    ),
    "free text for a label": (
        {"a.csv": table_of([(t, f"answer {i}") for i, (t, _) in enumerate(ROWS)])},
        "a.csv",
        {},
        ["'label'", "free text", "24 different", "--label"],
    ),
    "too few rows": (
        {"a.csv": table_of(ROWS[8:15])},
        "a.csv",
        {},
        ["7 usable training rows", "10"],
    ),
    "too few after the split": (
        {"a.csv": table_of(ROWS[6:17])},
        "a.csv",
        {},
        ["8 usable training rows", "10"],
    ),
    "nothing usable": (
        {"a.csv": table_of([("", "")] * 30)},
        "a.csv",
        {},
        ["0 usable", "30 rows dropped"],
    ),
    "test without a known label": (
        {"train.csv": GOOD, "test.csv": table_of([("words", "billing")])},
        ".",
        {},
        ["no usable rows", "test"],
    ),
    "train all in test": (
        {"train.csv": GOOD, "test.csv": GOOD},
        ".",
        {},
        ["0 usable", "the same text is in test"],
    ),
    "seed below zero": ({"a.csv": GOOD}, "a.csv", {"seed": -1}, ["'-1'", "seed"]),
    "seed that is no number": ({"a.csv": GOOD}, "a.csv", {"seed": "x"}, ["'x'", "seed"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line_that_names_it(tmp_path, case):
    files, source, options, expected = BAD[case]
    write(tmp_path, files)
    with pytest.raises(FedkitError) as error:
        load_corpus(source[1:] if source.startswith("@") else str(tmp_path / source), **options)
    message = one_line(error)
    for part in expected:
        assert part in message, message


@pytest.mark.parametrize(
    ("module", "limit", "value", "name", "content", "expected"),
    [
        (limits, "MAX_BYTES", 500, "a.csv", GOOD, "larger than"),
        (limits, "MAX_ROWS", 20, "a.csv", GOOD, "more than 20 rows"),
        (limits, "MAX_ROWS", 20, "a.jsonl", jsonl(ROWS), "more than 20 rows"),
        (limits, "MAX_ROWS", 20, "a.xlsx", excel(ROWS), "more than 20 rows"),
        (limits, "MAX_ROWS", 20, "a.parquet", parquet(ROWS), "more than 20 rows"),
        (limits, "MAX_UNPACKED", 3_000, "a.xlsx", excel(ROWS), "unpacks to more than"),
        (limits, "MAX_UNPACKED", 900, "a.parquet", parquet(ROWS * 2), "unpacks to more than"),
    ],
)
def test_absurd_sizes_are_refused(
    tmp_path, monkeypatch, module, limit, value, name, content, expected
):
    monkeypatch.setattr(module, limit, value)
    with pytest.raises(FedkitError) as error:
        load(tmp_path, name, {name: content})
    assert name in one_line(error) and expected in one_line(error)


def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    with pytest.raises(FedkitError, match="cannot read"):
        # a folder: open() fails as it does for a file without permission
        file_readers.read_bytes(tmp_path)


@pytest.mark.slow
def test_importing_the_loader_is_cheap():
    code = "import sys, fedkit.data.load, fedkit.data.partition; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "transformers", "datasets", "sklearn", "openpyxl"} & set(loaded)
