"""Putting things a user gave into one line: names are quoted, cut, and never break the line."""

from __future__ import annotations

from collections.abc import Iterable


def quote(value: object, limit: int = 120) -> str:
    """`value` in quotes, on one line, cut after `limit` characters."""
    text = str(value)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…").replace("\\\\", "\\")


def listing(values: Iterable[object], limit: int = 12) -> str:
    """Up to `limit` quoted values with commas between them, then how many more there are."""
    values = list(values)
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(quote(v, 40) for v in values[:limit]) + more


def count(number: int, noun: str) -> str:
    """'1 row', '2 rows', '12,000 rows'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def one_line(error: BaseException) -> str:
    """What a library said, on one line of at most 200 characters, without its full stop."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(". ")
