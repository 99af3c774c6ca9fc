"""Files of short texts and labels, as bytes."""

from __future__ import annotations

import io

import openpyxl

ROWS = [(f"the screen of desk {i} is black", "hardware") for i in range(12)] + [
    (f"please reset my password for app {i}", "access") for i in range(12)
]


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def excel(rows, header=("text", "label"), title="Sheet1") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in [header, *rows]:
        book.active.append(row)
    return saved(book)
