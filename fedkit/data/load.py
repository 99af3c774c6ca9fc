"""Reading a data set from a name, a file or a folder: all its rows, or a corpus to train on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.files import REPOSITORY
from fedkit.core.formatting import one_line_error, quote
from fedkit.data.cleaning import SPLITS, Notes, clean_splits, prepare_rows, shorten_texts
from fedkit.data.columns import Columns, choose_columns
from fedkit.data.corpus import Corpus, Examples
from fedkit.data.readers.files import USES_ENCODING, find_tables, note_rest, read_bytes, read_table
from fedkit.data.readers.hub import HUB, parse_hub_source, read_hub
from fedkit.data.readers.table import GUESSED, Reading
from fedkit.data.sampling import check_seed

BUNDLED_FOLDER = REPOSITORY / "data"
BUNDLED = {
    "service_desk": ("service_desk", Columns("text", "label", "company")),
    "demo": ("service_desk", Columns("text", "label", "company")),
    "plant_alarms": ("plant_alarms", Columns("text", "label", "site")),
    "service_desk_ja": ("service_desk_ja", Columns("text", "label", "company")),
}


@dataclass(frozen=True)
class RawSplits:
    """A data set as read, before cleaning."""

    name: str
    source: str
    splits: dict[str, pd.DataFrame]
    sha256: str | None  # None: to be computed from the cleaned rows
    columns: tuple[str | None, str | None, str | None] = (None, None, None)  # text, label, client


@dataclass(frozen=True)
class RawTable:
    """The rows of a data set as read, with their cleaned form next to it. Nothing is dropped.

    frame: one row per row of the file(s), in their order, with the columns
      split: train | validation | test
      line: int, counted from 1 (the header of a plain CSV is line 1; in Excel the sheet's row)
      text_raw, label_raw, client_raw: strings as read
      text: `cleaning.clean_text`; label, client: `cleaning.clean_label` (client is "" throughout
      where there is no such column).
    columns: which of the file's columns they are. single: one file without splits. notes: what
    reading guessed and changed. other: the file's further columns as read, same index as `frame`,
    for the cleaned copy.
    """

    name: str
    source: str
    sha256: str
    frame: pd.DataFrame
    columns: Columns
    single: bool = True
    notes: tuple[str, ...] = ()
    other: pd.DataFrame | None = None


def load_corpus(
    source: str = "service_desk",
    text: str | None = None,
    label: str | None = None,
    client: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    seed: int = 0,
) -> Corpus:
    """Read and clean a data set; its `notes` say what was guessed, changed and dropped.

    source: a bundled set (service_desk, alias demo; plant_alarms; service_desk_ja); a hub set
    (banking77, clinc150, ag_news, 20newsgroups, hub:owner/name[:config]); a .csv .tsv .xlsx
    .parquet .jsonl file, split 80/20 by `seed`; or a folder with train.* and test.* and maybe
    validation.*. Names win over files: write ./banking77 for a folder. text, label, client: column
    names; None: guessed (a client column may then be absent). encoding: of text files; None: strict
    utf-8-sig, else cp932 or cp1252. sheet: of .xlsx; None: first visible. sha256 is that of the
    bytes of the files in order of their names (`cat test.csv train.csv | sha256sum`); for hub sets,
    of the normalised rows. Raises FedkitError for anything that cannot be used.
    """
    notes: Notes = []
    check_seed(seed)
    raw = read_raw(str(source), notes, Reading(encoding, sheet))
    columns, guesses = _choose_columns(raw, text, label, client)
    cleaned = clean_splits(raw.splits, columns, notes)
    parts = {split: shorten_texts(part, split, notes) for split, part in cleaned.items()}
    clients = {split for split, part in raw.splits.items() if columns.client in part.columns}
    sha256 = raw.sha256 or sha256_of_rows(parts, clients)
    frame = prepare_rows(parts, columns, clients, seed, notes)
    if "test" not in parts and "train" in clients:
        clients.add("test")
    labels = label_names(frame["label"][frame["split"] == "train"].unique())
    code = {name: i for i, name in enumerate(labels)}
    examples = {}
    for split in {*parts, "test"}:
        rows = frame[frame["split"] == split]
        codes = rows["label"].map(code).to_numpy(np.int64)
        names = tuple(rows["client"]) if split in clients else None
        examples[split] = Examples(tuple(rows["text"]), codes, names)
    return Corpus(
        raw.name,
        labels,
        examples["train"],
        examples["test"],
        examples.get("validation"),
        raw.source,
        sha256,
        (*guesses, *notes),
    )


def read_rows(
    source: str | Path,
    text: str | None = None,
    label: str | None = None,
    client: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
) -> RawTable:
    """Read the same sources as `load_corpus`, with the same guesses, and keep every row.

    header_row: line of the header in a text file or a sheet; None: guessed. sha256 is that of the
    files' bytes in order of their names ("" for hub sets). Raises FedkitError for what cannot be
    read at all.
    """
    notes: Notes = []
    raw = read_raw(str(source), notes, Reading(encoding, sheet, header_row))
    columns, guesses = _choose_columns(raw, text, label, client)
    parts = {split: raw.splits[split] for split in SPLITS if split in raw.splits}
    return RawTable(
        raw.name,
        raw.source,
        raw.sha256 or "",
        pd.concat(clean_splits(parts, columns).values(), ignore_index=True),
        columns,
        set(parts) == {"train"},
        (*guesses, *notes),
        _other_columns(parts, columns),
    )


def read_raw(source: str, notes: Notes, reading: Reading = GUESSED) -> RawSplits:
    """Read the tables behind `source` without cleaning them, and add what was guessed to `notes`.

    A source that is read with a given header row is a path.
    """
    if reading.header_row is not None:
        return _read_files(_parse_path(source), reading, notes)
    wanted = parse_hub_source(source)
    if source in BUNDLED or wanted:
        _refuse_unused(source, set(), reading)
    if source in BUNDLED:
        return _read_bundled(*BUNDLED[source], notes)
    if wanted:
        name = source if source in HUB else wanted.path
        return RawSplits(
            name, wanted.name, read_hub(wanted, source), None, (wanted.text, wanted.label, None)
        )
    path = _parse_path(source)
    if not source.strip() or (not path.exists() and not path.suffix and len(path.parts) < 2):
        raise FedkitError(
            f"unknown data set {quote(source)}; bundled: {', '.join(BUNDLED)}; on the hub:"
            f" {', '.join(HUB)}, hub:owner/name; or give a file, or a folder with train.csv and"
            " test.csv"
        )
    return _read_files(path, reading, notes)


def is_local_data(source: str) -> bool:
    """Return whether `source` is a file or folder here, not on the hub or a network's share."""
    fetched = source in HUB or source.startswith(("hub:", "//", "\\\\"))
    return not fetched and source not in BUNDLED and _parse_path(source).exists()


def local_data_sha256(source: str) -> str | None:
    """Return the sha256 of a data set in files here, read as bytes only; None for other sets."""
    if not is_local_data(source):
        return None
    digest = hashlib.sha256()
    for file in find_tables(_parse_path(source)).values():
        digest.update(read_bytes(file))
    return digest.hexdigest()


def sha256_of_rows(parts: dict[str, pd.DataFrame], clients: set[str]) -> str:
    """Return the sha256 of normalised rows in UTF-8; `clients`: the splits with a client column.

    Cells end with U+001F, rows with U+001E, splits with U+001D.
    """
    digest = hashlib.sha256()
    for split in sorted(parts):
        roles = ["text", "label", *(["client"] if split in clients else [])]
        for row in parts[split][roles].itertuples(index=False):
            digest.update(("\x1f".join(row) + "\x1f\x1e").encode())
        digest.update(b"\x1d")
    return digest.hexdigest()


def label_names(names: Any) -> tuple[str, ...]:
    """Return the different labels, sorted as numbers if all are whole numbers, else as text."""
    numbers = all(name.removeprefix("-").isdecimal() and name.isascii() for name in names)
    return tuple(sorted(names, key=(lambda name: (int(name), name)) if numbers else None))


def _choose_columns(
    raw: RawSplits, text: str | None, label: str | None, client: str | None
) -> tuple[Columns, list[str]]:
    given = zip((text, label, client), raw.columns)
    known = [own if name is None else name for name, own in given]
    return choose_columns(raw.splits["train"], *known)


def _other_columns(parts: dict[str, pd.DataFrame], columns: Columns) -> pd.DataFrame | None:
    """Return the unused columns (None where a split lacks one); None if there are none."""
    used = {columns.text, columns.label, columns.client}
    names = dict.fromkeys(name for part in parts.values() for name in part.columns)
    unused = [name for name in names if name not in used]
    if not unused:
        return None
    kept = [part.reindex(columns=unused).astype(object) for part in parts.values()]
    return pd.concat(kept, ignore_index=True)


def _parse_path(source: str) -> Path:
    try:
        path = Path(source).expanduser()
        path.exists()
        return path
    except (OSError, RuntimeError, ValueError) as error:  # too long, or no such home
        raise FedkitError(
            f"no data set, file or folder {quote(source)} ({one_line_error(error)[:60]})"
        ) from None


def _read_bundled(name: str, columns: Columns, notes: Notes) -> RawSplits:
    folder = BUNDLED_FOLDER / name
    if not folder.is_dir():
        raise FedkitError(
            f"the bundled set {quote(name)} is not in {quote(folder.parent)}; run from a full clone"
            " of fedkit"
        )
    raw = _read_files(folder, GUESSED, notes)
    used = (columns.text, columns.label, columns.client)
    return RawSplits(name, name, raw.splits, raw.sha256, used)


def _read_files(path: Path, reading: Reading, notes: Notes) -> RawSplits:
    files = find_tables(path)
    _refuse_unused(str(path), {file.suffix.lower() for file in files.values()}, reading)
    digest, splits = hashlib.sha256(), {}
    for split, file in files.items():
        data = read_bytes(file)
        digest.update(data)
        read = read_table(data, file, reading)
        splits[split] = read.frame
        notes += read.notes
    notes += note_rest(path, files.values())
    name = path.stem if path.is_file() else path.resolve().name
    return RawSplits(name, str(path), splits, digest.hexdigest())


def _refuse_unused(source: str, suffixes: set[str], reading: Reading) -> None:
    """Raise FedkitError for an encoding or a sheet that no file would use."""
    for what, given, used in (
        ("--encoding {} is for text files", reading.encoding, USES_ENCODING),
        ("sheet {} is for .xlsx files", reading.sheet, {".xlsx"}),
    ):
        if given is not None and not suffixes & used:
            said = what.format(quote(given))
            raise FedkitError(f"{said}, and {quote(source)} has none; leave it out")
