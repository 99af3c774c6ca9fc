"""Reading Parquet. Nothing it says of its size is believed: every page is weighed beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import quote, quoted_list
from fedkit.data.limits import MAX_PIECE, refuse_above
from fedkit.data.readers.table import GUESSED, Reading, TableRead, cell_table, header_names
from fedkit.data.readers.workbook import readable

MAX_PAGE = 100_000_000  # bytes of an unpacked page
MAX_PAGES = 100_000
_BATCH_ROWS, _BATCH_BYTES = 8_192, 50_000_000  # that are decoded at a time
_PLAIN = {0, 2, 8}  # encodings that Arrow can read into a dictionary


def read_parquet(data: bytes, name: str, reading: Reading = GUESSED) -> TableRead:
    """Return the plain columns of a Parquet file as Python objects, and a note on lists left out.

    Equal texts are one object. Raises FedkitError for a damaged file, and for one that is too
    large, before it is unpacked.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with readable(name, "Parquet"):
        if int.from_bytes(data[-8:-4], "little") > MAX_PIECE:
            raise ValueError(f"a footer of more than {MAX_PIECE // 10**6} MB")
        buffer = pa.BufferReader(data)
        metadata = pq.ParquetFile(buffer, pre_buffer=False).metadata
        fields = list(metadata.schema.to_arrow_schema())
        nested = [field.name for field in fields if pa.types.is_nested(field.type)]
        plain = [field for field in fields if not pa.types.is_nested(field.type)]
        if nested and not plain:
            raise FedkitError(f"{quote(name)} has columns of lists only; add one of plain texts")
        names = header_names([field.name for field in plain], name)
        refuse_above("MAX_ROWS", metadata.num_rows, name)
        refuse_above("MAX_CELLS", metadata.num_rows * len(names), name)
        kinds = (pa.string(), pa.large_string(), pa.binary())
        texts = [f.name for f in plain if f.type in kinds or pa.types.is_dictionary(f.type)]
        rows = _weigh_pages(data, metadata, [field.name for field in plain], texts, name)
        file = pq.ParquetFile(buffer, metadata=metadata, read_dictionary=texts, pre_buffer=False)
        columns = _unpack(file.iter_batches(rows, columns=[f.name for f in plain]), names, name)
        classes = _class_names(metadata.metadata or {})
        columns = [name_classes(c, classes.get(f.name)) for f, c in zip(plain, columns)]
        table = cell_table(list(zip(*columns)), names, name, range(1, len(columns[0]) + 1))
        note = f"{quote(name)}: columns of lists or groups were not read: {quoted_list(nested)}"
        return TableRead(table, [note] if nested else [])


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the class names that `datasets` wrote into a file, by column."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        found = {column: feature.get("names") for column, feature in features.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {column: names for column, names in found.items() if isinstance(names, list)}


def name_classes(values: list[Any], names: list[str] | None) -> list[Any]:
    """Replace class numbers by class names (-1 means no label); keep other values."""
    if names is None:
        return values
    known: dict[Any, Any] = {-1: None, None: None, **dict(enumerate(names))}
    return [known.get(value, value) for value in values]


def _weigh_pages(data: bytes, metadata: Any, plain: list[str], texts: list[str], name: str) -> int:
    """Return how many rows may be decoded at a time, from the headers of all pages.

    A dictionary is decoded once. Other byte arrays may be as long as their page in every row (in
    DELTA_BYTE_ARRAY a text repeats the one before it): `texts` loses the columns that hold such.
    """
    view, nbytes, number, widest = memoryview(data), 0, 0, dict.fromkeys(plain, 1)
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    wanted = [i for i, p in enumerate(paths) if any(f"{p}.".startswith(f"{c}.") for c in plain)]
    if len(wanted) != len(plain):
        raise ValueError("names of columns that cannot be told apart")
    for group in range(metadata.num_row_groups):
        for i in wanted:
            chunk = metadata.row_group(group).column(i)
            at = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
                at = chunk.dictionary_page_offset
            end = at + chunk.total_compressed_size
            while at < end:
                header, at = _read_struct(view, at)
                unpacked, packed = header[2], header[3]
                encoding = header.get(5, {}).get(2, 0) or header.get(8, {}).get(4, 0)
                number += 1
                if packed < 0 or unpacked < 0 or number > MAX_PAGES:
                    raise ValueError(f"more than {MAX_PAGES:,} pages, or one of no size")
                nbytes += unpacked
                refuse_above("MAX_UNPACKED", nbytes if unpacked < MAX_PAGE else 1 << 40, name)
                if "BYTE_ARRAY" in chunk.physical_type:
                    widest[paths[i]] = max(widest[paths[i]], unpacked)
                if encoding not in _PLAIN and paths[i] in texts:
                    texts.remove(paths[i])
                at += packed
    most = max((size for path, size in widest.items() if path not in texts), default=1)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // most))


def _read_struct(view: memoryview, at: int) -> tuple[dict[int, Any], int]:
    """Return the numbers in a Thrift struct (compact protocol), by field, and where it ends."""

    def number() -> int:
        nonlocal at
        value = 0
        for shift in range(0, 70, 7):
            at += 1
            value |= (view[at - 1] & 127) << shift
            if view[at - 1] < 128:
                return value
        raise ValueError("a number that does not end")

    fields: dict[int, Any] = {}
    field = 0
    while kind := view[at]:
        at += 1
        field = field + (kind >> 4) if kind >> 4 else number() >> 1
        kind &= 15
        if kind in (4, 5, 6):
            value = number()
            fields[field] = value >> 1 ^ -(value & 1)
        elif kind == 8:
            at = number() + at
        elif kind == 12:
            fields[field], at = _read_struct(view, at)
        elif kind not in (1, 2):
            raise ValueError("a page header that cannot be read")
    return fields, at + 1


def _unpack(batches: Iterator[Any], names: list[str], name: str) -> list[list[Any]]:
    """Return the columns as lists; the characters of all cells are counted as they come."""
    columns: list[list[Any]] = [[] for _ in names]
    nbytes, known, values = 0, dict[int, Any](), dict[int, list[Any]]()
    for batch in batches:
        refuse_above("MAX_CELLS", (len(columns[0]) + len(batch)) * len(names), name)
        for i, cells in enumerate(batch.columns):
            if not hasattr(cells, "dictionary"):
                nbytes += cells.nbytes
                refuse_above("MAX_UNPACKED", nbytes, name)
                columns[i].extend(cells.to_pylist())
                continue
            key = [b and b.address for b in cells.dictionary.buffers()], len(cells.dictionary)
            if known.get(i) != key:
                known[i], values[i] = key, cells.dictionary.to_pylist()
            new = [None if j is None else values[i][j] for j in cells.indices.to_pylist()]
            nbytes += sum(len(value) for value in new if isinstance(value, (str, bytes)))
            refuse_above("MAX_UNPACKED", nbytes, name)
            columns[i].extend(new)
    return columns
