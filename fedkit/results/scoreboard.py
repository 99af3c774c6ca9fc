"""The scoreboard: every method in one table, for a notebook, a page or a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from fedkit.core import formatting
from fedkit.core.record import Run
from fedkit.core.text_table import aligned
from fedkit.results import measures
from fedkit.results.findings import verdict
from fedkit.results.measures import MB, Runs
from fedkit.results.privacy_promise import promise, short

__all__ = ["COLUMNS", "formatted", "scoreboard", "to_text", "verdict"]

COLUMNS: dict[str, Callable[[Any], str]] = {  # of the scoreboard, and how a cell is written
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
# three columns that a page or terminal writes as one
INTERVAL = ("95 % low", "95 % high", "interval over")
HEADS = (  # of the terminal's table, two lines each
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
    """One row per run: baselines first, in the order in which they are to be beaten, federated
    last.

    Shares are between 0 and 1; MB are 10^6 bytes, mean over clients; NaN where the record has no
    number (a pooled method needs all text in one place, whose bytes nobody counted). privacy: an
    epsilon with its unit and delta, or 'none'.
    """
    runs = measures.sound(runs)
    return pd.DataFrame(
        [_row(run, name) for run, name in zip(runs, measures.names(runs))], columns=list(COLUMNS)
    )


def _row(run: Run, name: str) -> list:
    unfinished = (
        ""
        if run.finished
        else f" (unfinished: {len(run.rounds)} of {run.config.get('rounds', '?')} rounds)"
    )
    return [
        name + unfinished,
        measures.accuracy(run),
        *measures.interval(run),
        measures.worst(run),
        measures.result(run, "macro_f1"),
        measures.mb_per_client(run, "uplink"),
        measures.mb_per_client(run, "downlink"),
        measures.steps(run),
        run.total("train_seconds"),
        measures.result(run, "simulated_seconds"),
        measures.result(run, "peak_rss_bytes") / MB,
        short(promise([run])),
    ]


def formatted(frame: pd.DataFrame) -> list[dict[str, str]]:
    """The scoreboard's cells as text, a dict per row; '-' where there is no number."""
    rows = frame.to_dict("records")
    return [{c: UNKNOWN if v != v else COLUMNS[c](v) for c, v in row.items()} for row in rows]


def to_text(frame: pd.DataFrame) -> str:
    """The scoreboard as an aligned table in plain characters, at most 100 columns wide, with a key
    below.
    """
    return aligned(HEADS, [_cells(row) for row in formatted(frame)], _key(frame))


def _cells(row: dict[str, str]) -> list[str]:
    """A row for the terminal: shares without their sign, one cell for the interval, marked when not
    over examples.
    """
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


def _key(frame: pd.DataFrame) -> tuple[str, ...]:
    """What the marks mean."""
    over = [o for o in frame["interval over"].unique() if o != "test examples"]
    return (
        (
            f"95 % interval over test examples{f'; * over {over[0]}' if over else ''}. worst: the"
            " worst client's accuracy."
        ),
        "-: not known, or not counted (pooled methods need all text in one place).",
        (
            "train seconds: measured, all clients. simul. seconds: modelled for the run's link and"
            " devices."
        ),
        "MB: 10^6 bytes as serialised, without the first download of the base model.",
        privacy_key(frame["privacy"]),
    )
