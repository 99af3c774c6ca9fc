"""The scoreboard of methods: one row per method, means over its seeds, and the Pareto front.

For single runs see scoreboard.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from fedkit.core import formatting
from fedkit.core.formatting import format_table
from fedkit.results import measures, scoreboard
from fedkit.results.measures import Runs
from fedkit.results.methods import (
    Method,
    difference_to_baseline,
    fully_seeded,
    group_baselines,
    group_methods,
)
from fedkit.results.privacy_promise import Promise, short_promise
from fedkit.results.scoreboard import UNKNOWN

KB = 1e3  # bytes
LOAD = "train seconds per client-round (measured)"
COLUMNS: dict[str, Callable[[Any], str]] = {  # name of a column: how a cell is written
    "front": str,
    "method": str,
    "accuracy": formatting.percent,
    "95 % low": formatting.percent,
    "95 % high": formatting.percent,
    "interval over": str,
    "seeds": "{:.0f}".format,
    "against pooled": formatting.points,
    "against pooled 95 % low": formatting.points,
    "against pooled 95 % high": formatting.points,
    "kB up per client-round": "{:,.1f}".format,
    "kB down per client-round": "{:,.1f}".format,
    "MB up per client, whole run": "{:,.2f}".format,
    "MB down per client, whole run": "{:,.2f}".format,
    LOAD: "{:,.2f}".format,
    "peak memory MB": "{:,.0f}".format,
    "privacy": str,
    "epsilon": "{:.3g}".format,
    "delta": "{:.2g}".format,
    "privacy unit": str,
}
HEADS = (  # of the text table, three lines each
    "method",
    "acc.\n%",
    "95 %\ninterval",
    "seeds",
    "points\nagainst\npooled",
    "kB up\nclient-\nround",
    "kB down\nclient-\nround",
    "MB\nwhole\nrun",
    "train s\nclient-\nround",
    "peak\nMB",
    "priv.",
)
PAGE_HEADS = (
    "method",
    "accuracy",
    "95 % interval",
    "seeds",
    "points against pooled",
    "kB up per client-round",
    "kB down per client-round",
    "MB per client, whole run",
    LOAD,
    "peak memory MB",
    "privacy",
)
FRONT = "*"
KEY = (
    (
        "* on the Pareto front: no other here is as good in accuracy, kB up and privacy,"
        " and better in one."
    ),
    "95 % interval over seeds; ~ over test examples, with one seed. Points against pooled: paired.",
    (
        "kB (1,000 bytes) and train seconds: mean over the visits of a client in rounds 1, 2, ...;"
        " measured."
    ),
    (
        "MB whole run: both ways, per client, with the exchange before round 1,"
        " without the base model."
    ),
    f"{UNKNOWN}: not known, or not counted.",
)


def pareto_front(
    points: Sequence[tuple[float, float]], promises: Sequence[Promise] | None = None
) -> list[bool]:
    """Return which of the points (cost, gain) are on the Pareto front.

    No other point costs as little, gains as much and promises as much privacy while it is better in
    one of them. A point with a NaN is never on the front. Promises of different units are not
    ranked: neither is better.
    """
    kept = [Promise()] * len(points) if promises is None else promises
    every = [(*point, promise) for point, promise in zip(points, kept)]
    sound = [p for p in every if not any(map(math.isnan, p[:2]))]
    return [p in sound and not any(_dominates(q, p) for q in sound) for p in every]


def _dominates(q: tuple[float, float, Promise], p: tuple[float, float, Promise]) -> bool:
    as_good = q[0] <= p[0] and q[1] >= p[1] and q[2].covers(p[2])
    return as_good and (q[0] < p[0] or q[1] > p[1] or not p[2].covers(q[2]))


def on_front(found: Sequence[Method], cost: str = "uplink_bytes") -> list[bool]:
    """Return which methods are on the front of accuracy, cost and promised privacy.

    cost: a field of ClientRecord, mean per visit. Methods with equal conditions have a front each.
    """
    out, able = [False] * len(found), {id(m) for m in fully_seeded(found)}
    for group in dict.fromkeys(m.conditions for m in found):
        places = [i for i, m in enumerate(found) if m.conditions == group and id(m) in able]
        points = [(found[i].per_visit(cost), found[i].accuracy().value) for i in places]
        for i, member in zip(places, pareto_front(points, [found[i].promise for i in places])):
            out[i] = member
    return out


def build_method_board(runs: Runs) -> pd.DataFrame:
    """Return one row per method, the most accurate first, then the baselines.

    Methods that lack a seed come after the others. Shares and differences are between -1 and 1; kB
    are 1,000 and MB 10^6 bytes; NaN where no record has the number.
    """
    runs = measures.check_runs(runs)
    found, others = group_methods(runs), group_baselines(runs)
    able = {id(m) for m in fully_seeded(found)}
    marks = [FRONT if member else "" for member in on_front(found)]
    rows = [(id(m) not in able, _row(m, others, mark)) for m, mark in zip(found, marks)]
    rows.sort(key=lambda pair: (pair[0], -pair[1][2] if pair[1][2] == pair[1][2] else math.inf))
    return pd.DataFrame(
        [*(row for _, row in rows), *(_row(other, others, "") for other in others)],
        columns=list(COLUMNS),
    )


def _row(method: Method, others: list[Method], mark: str) -> list:
    mean, federated = method.accuracy(), method.kind == "federated"
    gap = difference_to_baseline(method, others, "pooled") if method.kind != "pooled" else None
    against_pooled = [gap.value, gap.low, gap.high] if gap else [math.nan] * 3
    visit = [
        method.per_visit(n) if federated else math.nan for n in ("uplink_bytes", "downlink_bytes")
    ]
    whole = [
        fmean(measures.mb_per_client(r, way) for r in method.runs) for way in ("uplink", "downlink")
    ]
    seconds = method.per_visit("train_seconds") if federated else math.nan
    unfinished = sum(not run.finished for run in method.runs)
    name = method.name + (f" ({unfinished} of {len(method.runs)} unfinished)" if unfinished else "")
    return [
        mark,
        name,
        mean.value,
        mean.low,
        mean.high,
        mean.over,
        len(method.seeds),
        *against_pooled,
        *(v / KB for v in visit),
        *whole,
        seconds,
        method.peak_mb(),
        short_promise(method.promise),
        *_promise_values(method.promise),
    ]


def _promise_values(promise: Promise) -> tuple[float | None, float | None, str | None]:
    """Return (epsilon, delta, unit) for JSON; None without a promise."""
    return (promise.epsilon, promise.delta, promise.unit) if promise.given else (None, None, None)


def page_cells(row: dict[str, Any]) -> list[list[str]]:
    """Return a row of the board for the page: the cells of PAGE_HEADS, each as lines."""
    text = _text(row)
    low, high = text["95 % low"].removesuffix(" %"), text["95 % high"]
    gap = [text["against pooled"]]
    if text["against pooled 95 % low"] != UNKNOWN:
        gap.append(f"{text['against pooled 95 % low']} to {text['against pooled 95 % high']}")
    name = f"{row['front']} {text['method']}" if row["front"] else text["method"]
    span = [f"{low} to {high}", f"over {text['interval over']}"] if high != UNKNOWN else [UNKNOWN]
    return [
        [name],
        [text["accuracy"]],
        span,
        [text["seeds"]],
        gap,
        [text["kB up per client-round"]],
        [text["kB down per client-round"]],
        [_both_ways(row, "{:,.2f}")],
        [text[LOAD]],
        [text["peak memory MB"]],
        [text["privacy"]],
    ]


def method_board_text(frame: pd.DataFrame) -> str:
    """Return the board as a plain text table with a key below, at most 100 columns wide."""
    rows = frame.to_dict("records")
    key = (*KEY, scoreboard.privacy_key(frame["privacy"]))
    return format_table(HEADS, [_terminal(row) for row in rows], key, indent=2, least=24)


def _terminal(row: dict[str, Any]) -> list[str]:
    text = _text(row)
    low, high = text["95 % low"].removesuffix(" %"), text["95 % high"].removesuffix(" %")
    mark = "" if "seed" in row["interval over"] else "~"
    span = UNKNOWN if low == UNKNOWN else f"{mark}{low}-{high}"
    name = f"{row['front']} {text['method']}" if row["front"] else f"  {text['method']}"
    return [
        name,
        text["accuracy"].removesuffix(" %"),
        span,
        text["seeds"],
        text["against pooled"],
        _format_kb(row["kB up per client-round"]),
        _format_kb(row["kB down per client-round"]),
        _both_ways(row, "{:,.2f}"),
        text[LOAD],
        text["peak memory MB"],
        scoreboard.narrow_privacy(text["privacy"]),
    ]


def _text(row: dict[str, Any]) -> dict[str, str]:
    return {c: UNKNOWN if v is None or v != v else COLUMNS[c](v) for c, v in row.items()}


def _both_ways(row: dict[str, Any], form: str) -> str:
    both = row["MB up per client, whole run"] + row["MB down per client, whole run"]
    return UNKNOWN if both != both else form.format(both)


def _format_kb(kb: float) -> str:
    return UNKNOWN if kb != kb else f"{kb:,.1f}" if kb < 1e4 else f"{kb:,.0f}"
