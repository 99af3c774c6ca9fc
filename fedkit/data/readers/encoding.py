"""Decoding the bytes of text files; every guess is noted."""

from __future__ import annotations

import re

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, one_line_error, quote
from fedkit.data import limits

_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\x0b\x0c\r\x1a"}).decode()  # no text file holds them
_CONTROL = re.compile(f"[{_CONTROLS}]")
_FILLED = re.compile("[^\ufeff\x1a \t\r\n]")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
_MAGIC = {
    b"PK\x03\x04": "a zip or .xlsx file",
    b"PAR1": "a .parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF file",
}


def decode_text(data: bytes, name: str, encoding: str | None = None) -> tuple[str, list[str]]:
    """Return the text in the bytes of file `name`, and notes on how it was decoded.

    Tried in this order, each strictly: utf-8-sig, then cp932, which is what Excel writes in Japan.
    No detector is used: they confuse cp932 with similar encodings and change characters silently.
    A given `encoding` is used strictly and alone. Raises FedkitError for an empty file, bytes that
    do not fit, an unknown encoding, UTF-16 without `encoding`, and binary data.
    """
    _refuse_other_formats(data, name, encoding)
    _refuse_long_lines(data, name)
    text, notes = _decode(data, name, encoding)
    if not _FILLED.search(text):
        raise FedkitError(
            f"{quote(name)} is empty; the first row must name the columns, one example per row"
            " below"
        )
    return _blank_control(text.removeprefix("\ufeff").rstrip("\x1a"), name, notes), notes


def _blank_control(text: str, name: str, notes: list[str]) -> str:
    """Replace stray control characters by blanks. Raises FedkitError for many of them, or a NUL."""
    if not _CONTROL.search(text):
        return text
    number = sum(map(text.count, _CONTROLS))
    if "\0" in text or number > len(text) / 1000:
        raise _not_text_error(name, number, "control character")
    notes.append(f"{quote(name)}: {count_noun(number, 'control character')} replaced by blanks")
    return _CONTROL.sub(" ", text)


def _refuse_other_formats(data: bytes, name: str, encoding: str | None) -> None:
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise FedkitError(
                f"{quote(name)} is {what}, not text; give it the suffix it should have, or save"
                " as CSV"
            )
    if encoding is None and b"\0" in data and data[:2] not in UTF_16:
        raise _not_text_error(name, data.count(0), "zero byte")
    if encoding is None and data[:2] in UTF_16:
        wide = "utf-32" if data[:4] == b"\xff\xfe\x00\x00" else "utf-16"
        raise FedkitError(
            f"{quote(name)} looks like {wide.upper()}; add --encoding {wide}, or save it as UTF-8"
        )


def _refuse_long_lines(data: bytes, name: str) -> None:
    """Raise FedkitError for too many lines, or one of twice the limit at least (no shorter one)."""
    if data.count(b"\n") > limits.MAX_LINES:
        raise FedkitError(
            f"{quote(name)} has more than {limits.MAX_LINES:,} lines; take out the empty ones, or"
            " give a sample of it"
        )
    step = limits.MAX_PIECE
    for at in range(0, len(data) - step, step):
        if data.find(b"\n", at, at + step) < 0 and data.find(b"\r", at, at + step) < 0:
            limits.refuse_too_long(step + 1, name, "a line")


def _not_text_error(name: str, number: int, what: str) -> FedkitError:
    return FedkitError(
        f"{quote(name)} is not a text file: it holds {count_noun(number, what)}; "
        "save it as CSV in UTF-8 (if it is UTF-16, add --encoding utf-16)"
    )


def _decode(data: bytes, name: str, encoding: str | None) -> tuple[str, list[str]]:
    if encoding is not None:
        return _decode_as(data, name, encoding), []
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return _decode_cp932(data, name)


def _decode_as(data: bytes, name: str, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise FedkitError(
            f"{quote(name)} is not {quote(encoding)} ({one_line_error(error)});"
            " leave --encoding out to try utf-8 and cp932"
        ) from None
    except (LookupError, ValueError):
        raise FedkitError(
            f"unknown encoding {quote(encoding)}; --encoding takes names such as utf-8, cp932,"
            " euc-jp, utf-16"
        ) from None


def _decode_cp932(data: bytes, name: str) -> tuple[str, list[str]]:
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        raise FedkitError(
            f"{quote(name)} is neither UTF-8 nor cp932 (Japanese Windows); name what it is, "
            "for example --encoding euc-jp or --encoding latin-1"
        ) from None
    sample = next((line for line in text.splitlines() if not line.isascii()), "")
    note = (
        f"{quote(name)} is not UTF-8 and was read as cp932: {quote(sample, 40)}"
        " (name --encoding if that looks wrong)"
    )
    return text, [note]
