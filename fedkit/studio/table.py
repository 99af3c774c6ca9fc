"""The scoreboard: every method in one table, for a notebook, a page or a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from typing import Any
from unicodedata import east_asian_width

import pandas as pd

from fedkit.record import Run
from fedkit.studio import facts, say
from fedkit.studio.facts import MB, Runs
from fedkit.studio.privacy_words import promise, short
from fedkit.studio.verdict import verdict

__all__ = ["COLUMNS", "formatted", "scoreboard", "to_text", "verdict"]

COLUMNS: dict[str, Callable[[Any], str]] = {  # of the scoreboard, and how a cell is written
    "method": str,
    "accuracy": say.percent,
    "95 % low": say.percent,
    "95 % high": say.percent,
    "interval over": str,
    "worst client": say.percent,
    "macro F1": "{:.3f}".format,
    "uplink MB per client": "{:,.2f}".format,
    "downlink MB per client": "{:,.2f}".format,
    "gradient steps": "{:,.0f}".format,
    "train seconds (measured)": "{:,.1f}".format,
    "simulated seconds (modelled)": "{:,.1f}".format,
    "peak memory MB": "{:,.0f}".format,
    "privacy": str,
}
INTERVAL = ("95 % low", "95 % high", "interval over")  # three columns that a page or terminal writes as one
HEADS = (  # of the terminal's table, two lines each
    "method", "acc.\n%", "95 %\ninterval", "worst\n%", "macro\nF1", "MB up\n/client", "MB down\n/client", "steps",
    "train\nseconds", "simul.\nseconds", "peak\nMB", "priv.",
)  # fmt: skip
UNKNOWN = "-"  # a number that the record does not have
WIDTH, METHOD_WIDTH = 100, 26  # columns of a terminal, and the most of them for the method


def scoreboard(runs: Runs) -> pd.DataFrame:
    """One row per run: baselines first, in the order in which they are to be beaten, federated last.

    Shares are between 0 and 1; MB are 10^6 bytes, mean over clients; NaN where the record has no number (a pooled
    method needs all text in one place, whose bytes nobody counted). privacy: an epsilon with its unit and delta, or 'none'.
    """
    runs = facts.sound(runs)
    return pd.DataFrame([_row(run, name) for run, name in zip(runs, facts.names(runs))], columns=list(COLUMNS))


def _row(run: Run, name: str) -> list:
    unfinished = "" if run.finished else f" (unfinished: {len(run.rounds)} of {run.config.get('rounds', '?')} rounds)"
    return [
        name + unfinished, facts.accuracy(run), *facts.interval(run), facts.worst(run), facts.result(run, "macro_f1"),
        facts.mb_per_client(run, "uplink"), facts.mb_per_client(run, "downlink"), facts.steps(run),
        run.total("train_seconds"), facts.result(run, "simulated_seconds"), facts.result(run, "peak_rss_bytes") / MB,
        short(promise([run])),
    ]  # fmt: skip


def formatted(frame: pd.DataFrame) -> list[dict[str, str]]:
    """The scoreboard's cells as text, a dict per row; '-' where there is no number."""
    rows = frame.to_dict("records")
    return [{c: UNKNOWN if v != v else COLUMNS[c](v) for c, v in row.items()} for row in rows]


def to_text(frame: pd.DataFrame) -> str:
    """The scoreboard as an aligned table in plain characters, at most 100 columns wide, with a key below."""
    return aligned(HEADS, [_cells(row) for row in formatted(frame)], _key(frame))


def aligned(
    heads: tuple[str, ...], rows: list[list[str]], key: tuple[str, ...], indent: int = 0, least: int = 16
) -> str:
    """Rows of cells below `heads` (lines apart by newlines), the first column wrapped and flush left, then `key`.

    indent: of the first column's further lines. least: columns that it should have before gaps are made smaller.
    """
    widths = [max(map(_width, column)) for column in zip(*(_widest(heads), *rows))]
    room, gap = WIDTH - sum(widths[1:]), 2
    if room - 2 * len(widths) < least:
        gap = 1
    widths[0] = max(12, min(METHOD_WIDTH, widths[0], room - gap * (len(widths) - 1)))
    rule = "-" * (sum(widths) + gap * (len(widths) - 1))
    blocks = [_lines(heads, widths, gap), [rule], *[_lines(row, widths, gap, indent) for row in rows], key]
    return "\n".join(line for block in blocks for line in block) + "\n"


def _widest(heads: tuple[str, ...]) -> list[str]:
    return [max(head.split("\n"), key=len) for head in heads]


def _cells(row: dict[str, str]) -> list[str]:
    """A row for the terminal: shares without their sign, one cell for the interval, marked when not over examples."""
    low, high = row["95 % low"].removesuffix(" %"), row["95 % high"].removesuffix(" %")
    mark = "" if row["interval over"] == "test examples" else "*"
    method, accuracy, worst, *rest, privacy = (v for c, v in row.items() if c not in INTERVAL)
    shares = (accuracy.removesuffix(" %"), f"{low}-{high}{mark}", worst.removesuffix(" %"))
    return [method, *shares, *rest, narrow(privacy)]


def narrow(privacy: str) -> str:
    """The cell of a page for a terminal: epsilon, and its unit on a second line; ASCII."""
    epsilon = privacy.removeprefix("\u03b5 ").split(", \u03b4")[0].replace(" per ", " per\n")
    return epsilon.replace("; ", "\n")


def privacy_key(cells: Iterable[str]) -> str:
    """What the privacy column means, with the deltas that its epsilons hold for."""
    deltas = sorted({cell.partition("\u03b4 ")[2] for cell in cells if "\u03b4" in cell})
    for_what = f" for delta {' or '.join(deltas)}" if deltas else ""
    return f"priv.: epsilon{for_what}, never compared across units; none: nothing is promised."


def _lines(row: list[str] | tuple[str, ...], widths: list[int], gap: int, indent: int = 0) -> list[str]:
    """A row as lines: the method is wrapped and flush left, numbers are flush right."""
    name = textwrap.wrap(row[0], widths[0], subsequent_indent=" " * indent) or [""]
    columns = [name, *(cell.split("\n") for cell in row[1:])]
    height = max(map(len, columns))
    filled = [column + [""] * (height - len(column)) for column in columns]
    padded = [[_pad(cell, width, i == 0) for cell in column] for i, (column, width) in enumerate(zip(filled, widths))]
    return [(" " * gap).join(line).rstrip() for line in zip(*padded)]


def _pad(text: str, width: int, left: bool) -> str:
    room = " " * (width - _width(text))
    return text + room if left else room + text


def _width(text: str) -> int:
    """Columns in a terminal: East Asian wide characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _key(frame: pd.DataFrame) -> tuple[str, ...]:
    """What the marks mean."""
    over = [o for o in frame["interval over"].unique() if o != "test examples"]
    return (
        f"95 % interval over test examples{f'; * over {over[0]}' if over else ''}. worst: the worst client's accuracy.",
        "-: not known, or not counted (pooled methods need all text in one place).",
        "train seconds: measured, all clients. simul. seconds: modelled for the run's link and devices.",
        "MB: 10^6 bytes as serialised, without the first download of the base model.",
        privacy_key(frame["privacy"]),
    )
