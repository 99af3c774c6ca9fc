"""The scoreboard of single runs: one row per run. For means over seeds see method_board.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from fedkit.core import formatting
from fedkit.core.formatting import format_table
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.findings import verdict
from fedkit.results.measures import MB, Runs
from fedkit.results.privacy_promise import short_promise, weakest_promise

__all__ = ["COLUMNS", "format_cells", "scoreboard", "to_text", "verdict"]

COLUMNS: dict[str, Callable[[Any], str]] = {  # name of a column: how a cell is written
    "method": str,
    "accuracy": formatting.percent,
    "95 % low": formatting.percent,
    "95 % high": formatting.percent,
    "interval over": str,
    "worst client": formatting.percent,
    "macro F1": "{:.3f}".format,
    "uplink MB per client": "{:,.2f}".format,
    "downlink MB per client": "{:,.2f}".format,
    "gradient steps": "{:,.0f}".format,
    "train seconds (measured)": "{:,.1f}".format,
    "simulated seconds (modelled)": "{:,.1f}".format,
    "peak memory MB": "{:,.0f}".format,
    "privacy": str,
}
# three columns that are shown as one
INTERVAL = ("95 % low", "95 % high", "interval over")
HEADS = (  # of the text table, two lines each
    "method",
    "acc.\n%",
    "95 %\ninterval",
    "worst\n%",
    "macro\nF1",
    "MB up\n/client",
    "MB down\n/client",
    "steps",
    "train\nseconds",
    "simul.\nseconds",
    "peak\nMB",
    "priv.",
)
UNKNOWN = "-"  # a number that the record does not have


def scoreboard(runs: Runs) -> pd.DataFrame:
    """Return one row per run: baselines in the order of METHODS, federated last.

    Shares are between 0 and 1; MB are 10^6 bytes, mean over clients; NaN where the record has no
    number (a pooled method needs all text in one place, whose bytes nobody counted). privacy: an
    epsilon with its unit and delta, or 'none'.
    """
    runs = measures.check_runs(runs)
    return pd.DataFrame(
        [_row(run, name) for run, name in zip(runs, measures.display_names(runs))],
        columns=list(COLUMNS),
    )


def _row(run: Run, name: str) -> list:
    planned = run.config.get("rounds", "?")
    unfinished = "" if run.finished else f" (unfinished: {len(run.rounds)} of {planned} rounds)"
    return [
        name + unfinished,
        measures.accuracy(run),
        *measures.accuracy_interval(run),
        measures.lowest_client_accuracy(run),
        measures.result_number(run, "macro_f1"),
        measures.mb_per_client(run, "uplink"),
        measures.mb_per_client(run, "downlink"),
        measures.gradient_steps(run),
        run.total("train_seconds"),
        measures.result_number(run, "simulated_seconds"),
        measures.result_number(run, "peak_rss_bytes") / MB,
        short_promise(weakest_promise([run])),
    ]


def format_cells(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Return the cells of the scoreboard as text, a dict per row; '-' for a missing number."""
    rows = frame.to_dict("records")
    return [{c: UNKNOWN if v != v else COLUMNS[c](v) for c, v in row.items()} for row in rows]


def to_text(frame: pd.DataFrame) -> str:
    """Return the scoreboard as a plain text table with a key below, at most 100 columns wide."""
    return format_table(HEADS, [_cells(row) for row in format_cells(frame)], _key(frame))


def _cells(row: dict[str, str]) -> list[str]:
    """Return a row for the terminal: shares without the % sign and one cell for the interval.

    The interval is marked where it is not over test examples.
    """
    low, high = row["95 % low"].removesuffix(" %"), row["95 % high"].removesuffix(" %")
    mark = "" if row["interval over"] == "test examples" else "*"
    method, accuracy, worst, *rest, privacy = (v for c, v in row.items() if c not in INTERVAL)
    shares = (accuracy.removesuffix(" %"), f"{low}-{high}{mark}", worst.removesuffix(" %"))
    return [method, *shares, *rest, narrow_privacy(privacy)]


def narrow_privacy(privacy: str) -> str:
    """Return the privacy cell for a terminal: epsilon, and its unit on a second line; ASCII."""
    epsilon = privacy.removeprefix("\u03b5 ").split(", \u03b4")[0].replace(" per ", " per\n")
    return epsilon.replace("; ", "\n")


def privacy_key(cells: Iterable[str]) -> str:
    """Return what the privacy column means, with the deltas that its epsilons hold for."""
    deltas = sorted({cell.partition("\u03b4 ")[2] for cell in cells if "\u03b4" in cell})
    for_what = f" for delta {' or '.join(deltas)}" if deltas else ""
    return f"priv.: epsilon{for_what}, never compared across units; none: nothing is promised."


def _key(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the lines that explain the marks."""
    over = [o for o in frame["interval over"].unique() if o != "test examples"]
    return (
        (
            f"95 % interval over test examples{f'; * over {over[0]}' if over else ''}."
            " worst: the worst client's accuracy."
        ),
        "-: not known, or not counted (pooled methods need all text in one place).",
        (
            "train seconds: measured, all clients."
            " simul. seconds: modelled for the run's link and devices."
        ),
        "MB: 10^6 bytes as serialised, without the first download of the base model.",
        privacy_key(frame["privacy"]),
    )
