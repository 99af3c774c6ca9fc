"""Parquet is read as it is written, and weighed before anything of it is unpacked."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedkit.core.errors import FedkitError
from fedkit.data import limits
from fedkit.data.readers.parquet import read_parquet

TEXTS = ["a b", None, "", "日本語", *(f"text number {i}" for i in range(20_000)), *["again"] * 99]


def written(columns: dict, **options) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", None])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), "str")])
def test_texts_come_back_whatever_their_encoding(encoding, version, kind):
    if encoding and "DELTA" in encoding and pa.types.is_dictionary(kind):
        pytest.skip("Arrow cannot read what it wrote here")
    data = written(
        {"a.b": pa.array(TEXTS).cast(kind), "n": range(len(TEXTS))},
        use_dictionary=encoding is None,
        column_encoding={"a.b": encoding} if encoding else None,
        data_page_version=version,
        row_group_size=7_000,
    )
    read = read_parquet(data, "a.parquet")
    frame, notes = read.frame, read.notes
    assert frame["a.b"].tolist() == TEXTS and frame["n"].tolist() == list(range(len(TEXTS)))
    assert not notes and frame.index[0] == 1


def test_equal_texts_of_a_dictionary_are_one_object():
    data = written({"text": ["x" * 1_000] * 5_000, "label": ["b"] * 5_000})
    frame = read_parquet(data, "a").frame
    assert len({id(cell) for cell in frame["text"]}) == 1


def test_lists_and_groups_are_left_out_and_said():
    data = written({"text": ["a", "b"], "tags": [[1], [2, 3]], "who": [{"x": 1}, {"x": 2}]})
    read = read_parquet(data, "a.parquet")
    frame, notes = read.frame, read.notes
    assert list(frame) == ["text"] and "'tags', 'who'" in notes[0]
    with pytest.raises(FedkitError, match="lists only"):
        read_parquet(written({"tags": [[1], [2]]}), "a.parquet")


def test_the_characters_of_all_cells_count_though_they_are_one_text(monkeypatch):
    data = written({"text": ["x" * 10_000] * 100, "label": ["b"] * 100})
    monkeypatch.setattr(limits, "MAX_UNPACKED", 900_000)
    with pytest.raises(FedkitError, match="unpacks to more than"):
        read_parquet(data, "a.parquet")


@pytest.mark.parametrize("at", range(-200, 0, 7))
def test_a_damaged_footer_or_page_is_refused_in_one_line(at):
    data = bytearray(written({"text": TEXTS, "label": ["b"] * len(TEXTS)}))
    for place in (at, 4 - at):
        damaged = bytearray(data)
        damaged[place] ^= 0x55
        try:
            read_parquet(bytes(damaged), "a.parquet")
        except FedkitError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ["int64", "int32", "dictionary"])
def test_class_numbers_become_the_names_that_datasets_wrote(kind):
    features = {"label": {"names": ["down", "up"], "_type": "ClassLabel"}, "text": {}}
    schema = {"huggingface": json.dumps({"info": {"features": features}})}
    labels = pa.array([1, 0, -1, None, 7], "int64" if kind == "dictionary" else kind)
    labels = labels.dictionary_encode() if kind == "dictionary" else labels
    table = pa.table({"text": list("abcde"), "label": labels}).replace_schema_metadata(schema)
    out = io.BytesIO()
    pq.write_table(table, out)
    assert list(read_parquet(out.getvalue(), "a.parquet").frame["label"]) == [
        "up",
        "down",
        None,
        None,
        7,
    ]


@pytest.mark.parametrize("said", ["", "[]", "{", '{"info": null}', '{"info": {"features": [1]}}'])
def test_metadata_of_another_shape_is_left_alone(said):
    table = pa.table({"text": ["a"], "label": [1]}).replace_schema_metadata({"huggingface": said})
    out = io.BytesIO()
    pq.write_table(table, out)
    assert list(read_parquet(out.getvalue(), "a.parquet").frame["label"]) == [1]
