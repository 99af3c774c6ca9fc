"""Choosing the text, label and client columns of a table: named by the user, or guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import quote, quoted_list
from fedkit.data.limits import clean_name

# role -> headings by which its column is found, best first
NAMES: dict[str, list[str]] = read_packaged_table("fedkit.data", "column_names.toml")
_BRACKETS = re.compile(r"[(\[【〔<].*?[)\]】〕>]")


@dataclass(frozen=True)
class Columns:
    """Names of the columns in use; client is None when the data has no client column."""

    text: str
    label: str
    client: str | None = None


def choose_columns(
    frame: pd.DataFrame,
    text: str | None = None,
    label: str | None = None,
    client: str | None = None,
) -> tuple[Columns, list[str]]:
    """Return the columns named by `text`, `label` and `client`, others guessed, and the guesses.

    The guesses are sentences. A text is guessed by name, else by the longest mean length; a label
    by name, else by the fewest different values (two or more); a client by name only, since no
    other sign is safe. Raises FedkitError for a column that is not there, for one column in two
    roles, and when nothing fits.
    """
    given = {
        role: _named(frame, name, role)
        for role, name in zip(("text", "label", "client"), (text, label, client))
    }
    taken = [name for name in given.values() if name]
    chosen_label = given["label"] or _find_by_name(frame, NAMES["label"], taken)
    chosen_text = given["text"] or _guess_text(frame, [*taken, chosen_label])
    chosen_label = chosen_label or _guess_label(frame, [*taken, chosen_text])
    chosen_client = given["client"] or _guess_client(frame, [chosen_text, chosen_label])
    chosen = Columns(
        _require(frame, "text", chosen_text), _require(frame, "label", chosen_label), chosen_client
    )
    if chosen.text in (chosen.label, chosen.client):
        raise FedkitError(
            f"column {quote(chosen.text)} cannot be the text and a label or client too;"
            f" {_list_columns(frame)}"
        )
    guesses = [
        f"{role} column: guessed {quote(getattr(chosen, role))} (name --{role} to choose)"
        for role, name in given.items()
        if not name and getattr(chosen, role)
    ]
    return chosen, guesses


def heading_names(heading: str) -> list[str]:
    """Return the names a heading may be known by, best first.

    The heading itself, without its brackets, its last part and its first part ('Report / Text').
    """
    plain = heading[:200].casefold()  # no longer one is known, and brackets cost its square
    bare = " ".join(_BRACKETS.sub(" ", plain).strip(" *:※").split())
    parts = [part.strip() for part in bare.split(" / ")]
    return list(dict.fromkeys(name for name in (plain, bare, parts[-1], parts[0]) if name))


def _named(frame: pd.DataFrame, name: str | None, role: str) -> str | None:
    if name is None or clean_name(name) in frame.columns:
        return name and clean_name(name)
    flag = "--client or --partition column:COL" if role == "client" else f"--{role}"
    raise FedkitError(f"no column {quote(name)} for {flag}; {_list_columns(frame)}")


def _find_by_name(
    frame: pd.DataFrame, names: Iterable[str], taken: Iterable[str | None]
) -> str | None:
    """Return the first column with one of `names`; whole headings count before parts of them."""
    columns = [c for c in frame.columns if c not in taken]
    free: dict[str | None, str] = {}
    for readings in zip_longest(*map(heading_names, columns)):
        for reading, column in zip(readings, columns):
            free.setdefault(reading, column)
    return next((free[name] for name in names if name in free), None)


def _guess_text(frame: pd.DataFrame, taken: list[str | None]) -> str | None:
    if found := _find_by_name(frame, NAMES["text"], taken):
        return found
    avoid = {*NAMES["label"], *NAMES["client"]}
    head = frame.head(1_000)
    lengths = {
        c: head[c].map(lambda cell: len(cell) if isinstance(cell, str) else 0).mean()
        for c in frame.columns
        if c not in taken and not {*heading_names(c)} & avoid
    }
    best = max(lengths, key=lengths.__getitem__, default=None)
    return best if best is not None and lengths[best] > 0 else None


def _guess_label(frame: pd.DataFrame, taken: list[str | None]) -> str | None:
    """Return the column with the fewest different values, from two to one per two rows."""
    free = [
        c for c in frame.columns if c not in taken and not {*heading_names(c)} & {*NAMES["client"]}
    ]
    values = {c: len(set(map(str, frame[c]))) for c in free}
    fit = {c: n for c, n in values.items() if 2 <= n <= len(frame) / 2}
    return min(fit, key=fit.__getitem__, default=None)


def _guess_client(frame: pd.DataFrame, taken: list[str | None]) -> str | None:
    """Return a column named like a client column that has two values or more, which repeat."""
    found = _find_by_name(frame, NAMES["client"], taken)
    return found if found and 2 <= len(set(map(str, frame[found]))) <= len(frame) / 2 else None


def _require(frame: pd.DataFrame, role: str, name: str | None) -> str:
    if name is None:
        raise FedkitError(
            f"no column looks like a {role}; name it with --{role}; {_list_columns(frame)}"
        )
    return name


def _list_columns(frame: pd.DataFrame) -> str:
    return f"columns: {quoted_list(frame.columns)}"
