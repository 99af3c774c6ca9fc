"""The scoreboard: every method in one table, for a notebook, a page or a terminal."""

from __future__ import annotations

import textwrap
from unicodedata import east_asian_width

import pandas as pd

from fedkit.record import Run
from fedkit.studio import facts
from fedkit.studio.facts import MB, Runs
from fedkit.studio.verdict import verdict

__all__ = ["COLUMNS", "formatted", "scoreboard", "to_text", "verdict"]

COLUMNS = {  # of the scoreboard, and how a cell is written
    "method": "{}",
    "accuracy": "{:.1%}",
    "95 % low": "{:.1%}",
    "95 % high": "{:.1%}",
    "interval over": "{}",
    "worst client": "{:.1%}",
    "macro F1": "{:.3f}",
    "uplink MB per client": "{:,.2f}",
    "downlink MB per client": "{:,.2f}",
    "gradient steps": "{:,.0f}",
    "train seconds (measured)": "{:,.1f}",
    "simulated seconds (modelled)": "{:,.1f}",
    "peak memory MB": "{:,.0f}",
    "epsilon": "{}",
}
HEADS = (  # of the terminal's table, two lines each
    "method", "acc.\n%", "95 %\ninterval", "worst\nclient", "macro\nF1", "MB up\n/client", "MB down\n/client", "steps",
    "train\nseconds", "simul.\nseconds", "peak\nMB", "eps.",
)  # fmt: skip
UNKNOWN = "-"  # a number that the record does not have
WIDTH, METHOD_WIDTH = 100, 26  # columns of a terminal, and the most of them for the method


def scoreboard(runs: Runs) -> pd.DataFrame:
    """One row per run: baselines first, in the order in which they are to be beaten, federated last.

    Shares are between 0 and 1; MB are 10^6 bytes, mean over clients; NaN where the record has no number (a pooled
    method needs all text in one place, whose bytes nobody counted). epsilon: 'none' without differential privacy.
    """
    runs = facts.ordered(runs)
    return pd.DataFrame([_row(run, name) for run, name in zip(runs, facts.names(runs))], columns=list(COLUMNS))


def _row(run: Run, name: str) -> list:
    unfinished = "" if run.finished else f" (unfinished: {len(run.rounds)} of {run.config.get('rounds', '?')} rounds)"
    epsilon = facts.result(run, "epsilon")
    return [
        name + unfinished, facts.accuracy(run), *facts.interval(run), facts.worst(run), facts.result(run, "macro_f1"),
        facts.mb_per_client(run, "uplink"), facts.mb_per_client(run, "downlink"), facts.steps(run),
        run.total("train_seconds"), facts.result(run, "simulated_seconds"), facts.result(run, "peak_rss_bytes") / MB,
        "none" if epsilon != epsilon else f"{epsilon:.2f} ({facts.tidy(run.result.get('privacy_unit', '?'), 10)})",
    ]  # fmt: skip


def formatted(frame: pd.DataFrame) -> list[dict[str, str]]:
    """The scoreboard's cells as text, a dict per row; '-' where there is no number."""
    rows = frame.to_dict("records")
    return [{c: UNKNOWN if v != v else COLUMNS[c].format(v) for c, v in row.items()} for row in rows]


def to_text(frame: pd.DataFrame) -> str:
    """The scoreboard as an aligned table in plain characters, at most 100 columns wide, with a key below."""
    rows = [_cells(row) for row in formatted(frame)]
    widths = [max(map(_width, column)) for column in zip(*(_widest(HEADS), *rows))]
    room, gap = WIDTH - sum(widths[1:]), 2
    if room - 2 * len(widths) < 16:
        gap = 1
    widths[0] = max(12, min(METHOD_WIDTH, widths[0], room - gap * (len(widths) - 1)))
    rule = "-" * (sum(widths) + gap * (len(widths) - 1))
    blocks = [_lines(HEADS, widths, gap), [rule], *[_lines(row, widths, gap) for row in rows], [_key(frame)]]
    return "\n".join(line for block in blocks for line in block) + "\n"


def _widest(heads: tuple[str, ...]) -> list[str]:
    return [max(head.split("\n"), key=len) for head in heads]


def _cells(row: dict[str, str]) -> list[str]:
    """A row for the terminal: shares without their sign, one cell for the interval, marked when not over examples."""
    low, high = row["95 % low"].removesuffix("%"), row["95 % high"].removesuffix("%")
    mark = "" if row["interval over"] == "test examples" else "*"
    rest = [v for c, v in row.items() if c not in ("method", "accuracy", "95 % low", "95 % high", "interval over")]
    rest[0], rest[-1] = rest[0].removesuffix("%"), rest[-1].split(" ")[0]
    return [row["method"], row["accuracy"].removesuffix("%"), f"{low}-{high}{mark}", *rest]


def _lines(row: list[str] | tuple[str, ...], widths: list[int], gap: int) -> list[str]:
    """A row as lines: the method is wrapped and flush left, numbers are flush right."""
    columns = [textwrap.wrap(row[0], widths[0]) or [""], *(cell.split("\n") for cell in row[1:])]
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


def _key(frame: pd.DataFrame) -> str:
    """What the marks mean."""
    over = [o for o in frame["interval over"].unique() if o != "test examples"]
    said = [
        "95 % interval over test examples" + (f"; * over {', '.join(over)}" if over else "") + ". - not known or not counted.",
        "train: measured, all clients; simul.: modelled for the run's link and devices, clients in parallel.",
        "MB: 10^6 bytes, serialised, without the first download of the base model. eps. none: no differential privacy.",
    ]
    return "\n".join(line for text in said for line in textwrap.wrap(text, WIDTH))
