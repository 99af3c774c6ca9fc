"""Loading a corpus from a name, a file or a folder; its notes say what was guessed or dropped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.files import REPOSITORY
from fedkit.core.formatting import one_line_error, quote
from fedkit.data.cleaning import (
    Notes,
    drop_unusable_rows,
    normalise_columns,
    refuse_free_text,
    refuse_too_few_rows,
)
from fedkit.data.columns import Columns, choose_columns
from fedkit.data.corpus import Corpus
from fedkit.data.readers.files import USES_ENCODING, find_tables, read_bytes, read_table
from fedkit.data.readers.hub import HUB, parse_hub_source, read_hub
from fedkit.data.splits import (
    check_seed,
    drop_leaked_rows,
    drop_unknown_labels,
    label_names,
    note_doubtful_labels,
    split_off_test,
    to_examples,
)

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
    utf-8-sig, then strict cp932. sheet: of .xlsx; None: first visible. sha256 is that of the bytes
    of the files in order of their names (`cat test.csv train.csv | sha256sum`); for hub sets, of
    the normalised rows. Raises FedkitError for anything that cannot be used.
    """
    notes: Notes = []
    check_seed(seed)
    raw = read_raw(str(source), encoding, sheet, notes)
    known = [
        own if given is None else given for given, own in zip((text, label, client), raw.columns)
    ]
    columns, guesses = choose_columns(raw.splits["train"], *known)
    tables = {
        split: normalise_columns(frame, present_columns(columns, frame, split), split, notes)
        for split, frame in raw.splits.items()
    }
    sha256 = raw.sha256 or sha256_of_rows(tables)
    splits = _clean(tables, columns, seed, notes)
    labels = label_names(splits["train"])
    examples = {split: to_examples(frame, labels) for split, frame in splits.items()}
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


def read_raw(
    source: str,
    encoding: str | None,
    sheet: str | None,
    notes: Notes,
    header_row: int | None = None,
) -> RawSplits:
    """Read the tables behind `source` without cleaning them, and add what was guessed to `notes`.

    Arguments as in `load_corpus`. header_row: line of the header; if given, `source` is a path.
    """
    if header_row is not None:
        return _read_files(_parse_path(source), encoding, sheet, notes, header_row)
    wanted = parse_hub_source(source)
    if source in BUNDLED or wanted:
        _refuse_unused(source, set(), encoding, sheet)
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
    return _read_files(path, encoding, sheet, notes)


def is_local_data(source: str) -> bool:
    """Return whether `source` is a file or folder here, not on the hub or a network's share."""
    fetched = source in HUB or source.startswith(("hub:", "//", "\\\\"))
    return not fetched and source not in BUNDLED and _parse_path(source).exists()


def local_data_sha256(source: str) -> str | None:
    """Return the sha256 of a data set in files here, read as bytes only; None for other sets."""
    if not is_local_data(source):
        return None
    digest = hashlib.sha256()
    for file in _by_name(find_tables(_parse_path(source))).values():
        digest.update(read_bytes(file))
    return digest.hexdigest()


def _by_name(files: dict[str, Path]) -> dict[str, Path]:
    return dict(sorted(files.items(), key=lambda item: item[1].name))


def present_columns(columns: Columns, frame: pd.DataFrame, split: str) -> Columns:
    """Return the columns to read from a split: validation and test rows need no client."""
    if split != "train" and columns.client not in frame.columns:
        return replace(columns, client=None)
    return columns


def sha256_of_rows(tables: dict[str, pd.DataFrame]) -> str:
    """Return the sha256 of normalised rows in UTF-8.

    Cells end with U+001F, rows with U+001E, splits with U+001D.
    """
    digest = hashlib.sha256()
    for split in sorted(tables):
        for row in tables[split].itertuples(index=False):
            digest.update(("\x1f".join(row) + "\x1f\x1e").encode())
        digest.update(b"\x1d")
    return digest.hexdigest()


def _clean(
    tables: dict[str, pd.DataFrame], columns: Columns, seed: int, notes: Notes
) -> dict[str, pd.DataFrame]:
    splits = {split: drop_unusable_rows(frame, split, notes) for split, frame in tables.items()}
    refuse_too_few_rows(splits["train"], columns, notes)
    refuse_free_text(splits["train"], columns)
    if "test" not in splits:
        splits |= split_off_test(splits["train"], seed, notes)
    splits = drop_leaked_rows(splits, notes)
    refuse_too_few_rows(splits["train"], columns, notes)
    splits = drop_unknown_labels(splits, notes)
    note_doubtful_labels(splits["train"], notes)
    return splits


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
    raw = _read_files(folder, None, None, notes)
    return RawSplits(
        name, name, raw.splits, raw.sha256, (columns.text, columns.label, columns.client)
    )


def _read_files(
    path: Path, encoding: str | None, sheet: str | None, notes: Notes, header_row: int | None = None
) -> RawSplits:
    files = find_tables(path)
    _refuse_unused(str(path), {file.suffix.lower() for file in files.values()}, encoding, sheet)
    digest, splits = hashlib.sha256(), {}
    for split, file in _by_name(files).items():
        data = read_bytes(file)
        digest.update(data)
        splits[split], said = read_table(data, file, encoding, sheet, header_row)
        notes += said
    name = path.stem if path.is_file() else path.resolve().name
    return RawSplits(name, str(path), splits, digest.hexdigest())


def _refuse_unused(
    source: str, suffixes: set[str], encoding: str | None, sheet: str | None
) -> None:
    """Raise FedkitError for an encoding or a sheet that no file would use."""
    if encoding is not None and not suffixes & USES_ENCODING:
        raise FedkitError(
            f"--encoding {quote(encoding)} is for text files, and {quote(source)} has none; leave"
            " it out"
        )
    if sheet is not None and ".xlsx" not in suffixes:
        raise FedkitError(
            f"sheet {quote(sheet)} is for .xlsx files, and {quote(source)} has none; leave it out"
        )
