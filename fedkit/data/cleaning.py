"""The rules by which rows are cleaned: for training here, for the cleaned copy in `quality.clean`.

Cells become normalised strings, unusable rows are found by RULES, and every change is counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.columns import Columns
from fedkit.data.limits import refuse_above, well_formed

SPLITS = ("train", "validation", "test")
MAX_CHARACTERS = 20_000  # of a text; a model reads far less
MIN_TRAIN = 10  # usable training rows below which nothing can be learned or measured
TEST_SHARE = 0.2
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*(e[+-]?\d+)?", re.IGNORECASE)
_WHOLE = re.compile(r"([+-]?\d+)\.0{1,2}")
SIGNS: dict[str, Any] = read_packaged_table("fedkit.data", "names.toml")
_ERROR_VALUE, _UNSEEN = re.compile(SIGNS["error_value"]), re.compile(SIGNS["unseen"])
_SAME = str.maketrans({sign: kept for signs, kept in SIGNS["same"].items() for sign in signs})
_NESTED = (list, tuple, dict, bytes)
_DRAWN = tuple(SIGNS["drawn"])

Notes = list[str]


def as_text(cell: Any) -> str:
    """Return a cell as a string: missing and NaN become "", whole floats lose their '.0'.

    Raises FedkitError for a list, tuple, dict or bytes.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, _NESTED):
        raise FedkitError(
            f"a cell holds {type(cell).__name__} {quote(cell, 40)}; text or a number is needed"
        )
    if cell is None or cell != cell:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def show_cell(cell: Any) -> str:
    """Return `as_text`, and a list, tuple, dict or bytes as Python writes it."""
    return str(cell) if isinstance(cell, _NESTED) else as_text(cell)


def clean_text(text: str) -> str:
    """Return a text in Unicode NFC (full-width letters stay), without white space at its ends.

    An error value of a spreadsheet, such as #REF!, becomes "".
    """
    text = unicodedata.normalize("NFC", well_formed(text)).strip()
    return "" if text[:1] in ("#", "E") and _ERROR_VALUE.fullmatch(text) else text


def clean_label(label: str) -> str:
    """Return the name of a label or client by which it is compared, everywhere.

    Spellings that no reader can tell apart become one: Unicode NFKC (full-width and half-width
    letters; but ① and m² keep their signs), one kind of hyphen, wave dash, apostrophe and blank,
    nothing invisible. An error value of a spreadsheet, such as #REF!, becomes "".
    """
    if not label.isascii():
        label = _UNSEEN.sub("", well_formed(label)).translate(_SAME)
        drawn = {sign for sign in label if unicodedata.decomposition(sign).startswith(_DRAWN)}
        parts = re.split(f"([{''.join(drawn)}])", label) if drawn else [label]
        label = "".join(p if p in drawn else unicodedata.normalize("NFKC", p) for p in parts)
    label = " ".join(label.split())
    return "" if _ERROR_VALUE.fullmatch(label) else label


def clean_splits(
    splits: dict[str, pd.DataFrame], columns: Columns, notes: Notes | None = None
) -> dict[str, pd.DataFrame]:
    """Return `clean_rows` of each split; a name such as 1.0 is written 1 where both occur."""
    parts = {split: clean_rows(part, columns, split) for split, part in splits.items()}
    for role in ("label", "client"):
        names = {name for part in parts.values() for name in part[role].unique()}
        same = {n: f[1] for n in names if (f := _WHOLE.fullmatch(n)) and f[1] in names}
        for part in parts.values() if same else ():
            part[role] = part[role].replace(same)
    if notes is not None:
        notes += say_merged(pd.concat(parts.values(), ignore_index=True))
    return parts


def find_merged(frame: pd.DataFrame, role: str) -> tuple[dict[str, str], pd.Series]:
    """Return {spelling as read: name} of names read in several ways, and which rows have them.

    The name itself is left out, or else its most frequent spelling. Blanks at the ends are none.
    """
    raw = frame[f"{role}_raw"]
    names, first = dict(zip(raw, frame[role])), {"": ""}
    order = sorted(raw.value_counts().index, key=lambda cell: cell.strip() != names[cell])
    for cell in order:
        first.setdefault(names[cell], cell.strip())
    odd = [cell for cell in order if names[cell] and cell.strip() != first[names[cell]]]
    return {cell.strip(): names[cell] for cell in odd}, raw.isin(odd)


def say_merged(frame: pd.DataFrame) -> Notes:
    """Return a sentence on the labels, and one on the clients, of `find_merged`."""
    found = {role: find_merged(frame, role) for role in ("label", "client")}
    return [
        f"{count_noun(int(rows.sum()), 'row')}: {role} read as the name that it looks like"
        f" ({', '.join(f'{quote(o, 40)} as {quote(n, 40)}' for o, n in list(same.items())[:3])})"
        for role, (same, rows) in found.items()
        if same
    ]


def clean_rows(part: pd.DataFrame, columns: Columns, split: str) -> pd.DataFrame:
    """Return the rows of a split, with the columns of `load.RawTable.frame`; nothing is dropped.

    Validation and test rows need no client column. Raises FedkitError for a column that is missing
    here, and for cells that hold lists or bytes.
    """
    client = columns.client
    if split != "train" and client not in part.columns:
        client = None
    names = {"text": columns.text, "label": columns.label, "client": client}
    raw = {role: _cells(part, name, split) for role, name in names.items()}
    characters = sum(map(len, raw["text"]))
    refuse_above("MAX_UNPACKED", characters, f"{split}, column {columns.text}")
    line = part.index if part.index.name == "line" else np.arange(1, len(part) + 1)
    cells = {
        "split": [split] * len(part),
        **{f"{role}_raw": found for role, found in raw.items()},
        "text": [clean_text(cell) for cell in raw["text"]],
        **{role: change_cells(raw[role], clean_label) for role in ("label", "client")},
    }
    # Python strings throughout, as Arrow needs valid Unicode
    frame = pd.DataFrame({name: pd.Series(found, dtype=object) for name, found in cells.items()})
    frame.insert(1, "line", np.asarray(line, dtype=np.int64))
    return frame


def _cells(part: pd.DataFrame, name: str | None, split: str) -> list[str]:
    """Return the cells of a column as strings, "" throughout if there is no such column."""
    if name is None:
        return [""] * len(part)
    if name not in part.columns:
        raise FedkitError(
            f"{split} has no column {quote(name)}, which train has; it has:"
            f" {quoted_list(part.columns)}"
        )
    try:
        return [as_text(cell) for cell in part[name].tolist()]
    except FedkitError as error:
        raise FedkitError(
            f"{split}, column {quote(name)}: {error}; write plain text, a column for each value"
        ) from None


def change_cells(cells: Iterable[Any], change: Callable[[str], str]) -> list[Any]:
    """Apply `change` once to each different string, since labels and clients recur."""
    cells = list(cells)
    changed = {cell: change(cell) for cell in {c for c in cells if isinstance(c, str)}}
    return [changed[cell] if isinstance(cell, str) else cell for cell in cells]


# --- which rows cannot be used: a frame with split, text, label and client -> bool for each row


def _leaks(frame: pd.DataFrame, split: str, others: Sequence[str]) -> pd.Series:
    """Return which rows of `others` have a text that is in `split`, where it is measured."""
    held_out = frame["text"][frame["split"] == split]
    return frame["split"].isin(others) & frame["text"].isin(held_out)


def _has_unknown_label(frame: pd.DataFrame) -> pd.Series:
    train = frame["split"] == "train"
    return ~train & ~frame["label"].isin(frame["label"][train])


RULES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "no text": lambda frame: frame["text"] == "",
    "no label": lambda frame: frame["label"] == "",
    "no client": lambda frame: frame["client"] == "",
    "repeated": lambda frame: frame.duplicated(["split", "text", "label", "client"]),
    "in test": lambda frame: _leaks(frame, "test", ("train", "validation")),
    "in validation": lambda frame: _leaks(frame, "validation", ("train",)),
    "unknown label": _has_unknown_label,
}


# --- for training


def prepare_rows(
    parts: dict[str, pd.DataFrame], columns: Columns, clients: set[str], seed: int, notes: Notes
) -> pd.DataFrame:
    """Return the rows that can be used of all splits, a test split among them; notes say the rest.

    parts: `clean_rows` with `shorten_texts` of each split. clients: the splits that have a client
    column. Raises FedkitError for what nothing can be learned from.
    """
    frame = pd.concat(parts.values(), ignore_index=True)
    frame = frame[["split", "text", "label", "client"]]
    nobody = RULES["no client"]
    unusable = {
        "no text": RULES["no text"],
        "no label": RULES["no label"],
        "no client": lambda f: nobody(f) & f["split"].isin(clients),
        "exact duplicate of another row": RULES["repeated"],
    }
    frame = _drop_rows(frame, unusable, tuple(parts), notes)
    refuse_too_few_rows(frame[frame["split"] == "train"], columns, notes)
    refuse_free_text(frame[frame["split"] == "train"], columns)
    if "test" not in parts:
        frame = split_off_test(frame, seed, notes)
    leaks = {f"the same text is {at} (leakage)": RULES[at] for at in ("in test", "in validation")}
    frame = _drop_rows(frame, leaks, SPLITS, notes)
    refuse_too_few_rows(frame[frame["split"] == "train"], columns, notes)
    for split in ("validation", "test"):
        bad = RULES["unknown label"](frame) & (frame["split"] == split)
        if number := int(bad.sum()):
            strange = quoted_list(sorted(frame["label"][bad].unique()), 3)
            notes.append(
                f"{split}: {count_noun(number, 'row')} dropped: label never occurs in train"
                f" ({strange})"
            )
        frame = frame[~bad]
    if not (frame["split"] == "test").any():
        raise FedkitError(
            "no usable rows are left in test; its labels must be those of train, and its cells not"
            " blank"
        )
    note_doubtful_labels(frame[frame["split"] == "train"], notes)
    return frame


def shorten_texts(rows: pd.DataFrame, split: str, notes: Notes) -> pd.DataFrame:
    """Cut texts after MAX_CHARACTERS; `notes` say so, and what else cleaning changed in a split."""
    if number := int(rows["text"].map(lambda text: _NUMBER.fullmatch(text) is not None).sum()):
        notes.append(
            f"{split}: {count_noun(number, 'text')} with nothing but a number, kept as text"
        )
    if long := int((rows["text"].map(len) > MAX_CHARACTERS).sum()):
        notes.append(
            f"{split}: {count_noun(long, 'text')} longer than {MAX_CHARACTERS:,} characters,"
            " cut there"
        )
        cut = [text[:MAX_CHARACTERS] for text in rows["text"]]
        return rows.assign(text=pd.Series(cut, rows.index, dtype=object))
    return rows


def _drop_rows(
    frame: pd.DataFrame,
    rules: dict[str, Callable[[pd.DataFrame], pd.Series]],
    order: Sequence[str],
    notes: Notes,
) -> pd.DataFrame:
    """Drop the rows that each rule finds in turn; `notes` say why, in this order of splits."""
    dropped: dict[str, Notes] = {split: [] for split in order}
    for why, rule in rules.items():
        bad = rule(frame)
        for split, number in frame["split"][bad].value_counts().items():
            dropped[str(split)].append(f"{split}: {count_noun(number, 'row')} dropped: {why}")
        frame = frame[~bad]
    notes += [note for said in dropped.values() for note in said]
    return frame


def refuse_too_few_rows(train: pd.DataFrame, columns: Columns, notes: Notes) -> None:
    """Raise FedkitError for too few rows or only one label; `notes` say what was dropped before."""
    if len(train) < MIN_TRAIN:
        raise FedkitError(
            f"{count_noun(len(train), 'usable training row')}, and at least {MIN_TRAIN} are needed;"
            " add examples, or name the right columns (--text, --label);"
            f" {'; '.join(notes[:4]) or 'no row was dropped'}"
        )
    if train["label"].nunique() < 2:
        raise FedkitError(
            f"label column {quote(columns.label)} has one label only,"
            f" {quote(train['label'].iloc[0])}; add examples of another, or name another column"
            f" with --label{''.join(f'; {note}' for note in notes[:4])}"
        )


def refuse_free_text(train: pd.DataFrame, columns: Columns) -> None:
    """Raise FedkitError for more than one label per two rows: then the column is free text."""
    if (labels := train["label"].nunique()) > len(train) / 2:
        raise FedkitError(
            f"column {quote(columns.label)} looks like free text, not a label: {labels:,} different"
            f" values in {count_noun(len(train), 'row')}; name another with --label"
        )


def split_off_test(frame: pd.DataFrame, seed: int, notes: Notes) -> pd.DataFrame:
    """Make 20 % of the rows of train test, drawn by `seed`, with equal label shares if possible.

    A label with one example stays in train.
    """
    from sklearn.model_selection import train_test_split

    labels = frame["label"][frame["split"] == "train"]
    rest = labels[labels.map(labels.value_counts()) >= 2]
    how = "with equal label shares"
    try:
        _, test = train_test_split(rest, test_size=TEST_SHARE, random_state=seed, stratify=rest)
    except ValueError:  # fewer test rows than labels
        how = "at random, since there are too few rows to keep label shares equal"
        _, test = train_test_split(rest, test_size=TEST_SHARE, random_state=seed)
    notes.append(
        f"one table only: split into {count_noun(len(labels) - len(test), 'row')} for train and"
        f" {len(test):,} for test (80/20, seed {seed}), {how}"
    )
    return frame.assign(split=frame["split"].mask(frame.index.isin(test.index), "test"))


def note_doubtful_labels(train: pd.DataFrame, notes: Notes) -> None:
    """Count texts with several labels and labels with one example; they are kept."""
    labels_per_text = train.groupby("text")["label"].nunique()
    if torn := int((labels_per_text > 1).sum()):
        notes.append(
            f"train: {count_noun(torn, 'text')} with different labels on different rows, kept;"
            " look at them"
        )
    sizes = train["label"].value_counts()
    if lonely := sorted(sizes.index[sizes == 1]):
        notes.append(
            f"train: {count_noun(len(lonely), 'label')} with one example only"
            f" ({quoted_list(lonely, 3)})"
        )
