"""Tables of texts as the data checks read them."""

from __future__ import annotations

import pandas as pd

from fedkit.data.columns import Columns
from fedkit.data.load import RawTable


def table(texts: list[str], labels: list[str] | None = None) -> RawTable:
    labels = labels or ["a"] * len(texts)
    cells = {
        "text": texts,
        "text_raw": texts,
        "label": labels,
        "label_raw": labels,
        "client": "",
        "client_raw": "",
    }
    frame = pd.DataFrame({"split": "train", "line": range(2, len(texts) + 2), **cells})
    return RawTable("t", "t", "", frame, Columns("text", "label"))
