"""The two scoreboards: one row per run, and one row per method with means over seeds.

The second marks the Pareto front of accuracy, bytes and privacy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from fedkit.core import formatting
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import format_table
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.measures import MB, Runs
from fedkit.results.methods import (
    Method,
    difference_to_baseline,
    fully_seeded,
    group_baselines,
    group_methods,
)
from fedkit.results.privacy_promise import Promise, short_promise, weakest_promise

KB = 1e3  # bytes
UNKNOWN = "-"  # a number that the record does not have
FRONT = "*"
# three columns that are shown as one
INTERVAL = ("95 % low", "95 % high", "interval over")
OWN_TEXTS = "own daily texts"
LOAD = "train seconds per client-round (measured)"
TABLES: dict[str, Any] = read_packaged_table("fedkit.results", "scoreboard.toml")
COLUMNS, METHOD_COLUMNS = TABLES["runs"], TABLES["methods"]  # name: how a cell is written
HEADS, KEYS = TABLES["heads"], TABLES["key"]
PAGE_HEADS = tuple(HEADS["page"])


# ---- one row per run


def scoreboard(runs: Runs) -> pd.DataFrame:
    """Return one row per run: baselines in the order of METHODS, federated last.

    Shares are between 0 and 1; MB are 10^6 bytes, mean over clients; NaN where the record has no
    number (a pooled method needs all text in one place, whose bytes nobody counted). privacy: an
    epsilon with its unit and delta, or 'none'.
    """
    runs = measures.check_runs(runs)
    rows = [_run_row(run, name) for run, name in zip(runs, measures.display_names(runs))]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _run_row(run: Run, name: str) -> list:
    planned = run.config.get("rounds", "?")
    unfinished = "" if run.finished else f" (unfinished: {len(run.rounds)} of {planned} rounds)"
    return [
        name + unfinished,
        measures.accuracy(run),
        *measures.accuracy_interval(run),
        measures.result_number(run, "own_mix_accuracy"),
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
    """Return the cells of a board as text, a dict per row; '-' for a missing number."""
    how = METHOD_COLUMNS if "front" in frame else COLUMNS
    return [{c: _cell(how[c], v) for c, v in row.items()} for row in frame.to_dict("records")]


def _cell(form: str, value: Any) -> str:
    if value is None or value != value:
        return UNKNOWN
    if form == "percent":
        return formatting.percent(value)
    return formatting.points(value) if form == "points" else form.format(value)


def to_text(frame: pd.DataFrame) -> str:
    """Return the scoreboard as a plain text table with a key below, at most 100 columns wide.

    Without the column of own daily texts where no record tells of them.
    """
    over = [o for o in frame["interval over"].unique() if o != "test examples"]
    heads, (first, *rest) = HEADS["runs"], KEYS["runs"]
    if frame[OWN_TEXTS].isna().all():
        frame = frame.drop(columns=OWN_TEXTS)
        heads, rest = ([text for text in part if text[:3] != "own"] for part in (heads, rest))
    key = (first.format(marked=f"; * over {over[0]}" if over else ""), *rest)
    rows = [_terminal_run(row) for row in format_cells(frame)]
    return format_table(heads, rows, (*key, privacy_key(frame["privacy"])))


def _terminal_run(row: dict[str, str]) -> list[str]:
    """Return a row with one cell for the interval, marked where not over test examples."""
    low, high = row["95 % low"].removesuffix(" %"), row["95 % high"].removesuffix(" %")
    mark = "" if row["interval over"] == "test examples" else "*"
    cells = (v.removesuffix(" %") for c, v in row.items() if c not in INTERVAL)
    method, accuracy, *rest, privacy = cells
    return [method, accuracy, f"{low}-{high}{mark}", *rest, narrow_privacy(privacy)]


def narrow_privacy(privacy: str) -> str:
    """Return the privacy cell for a terminal: epsilon, and its unit on a second line; ASCII."""
    epsilon = privacy.removeprefix("\u03b5 ").split(", \u03b4")[0].replace(" per ", " per\n")
    return epsilon.replace("; ", "\n")


def privacy_key(cells: Iterable[str]) -> str:
    """Return what the privacy column means, with the deltas that its epsilons hold for."""
    deltas = sorted({cell.partition("\u03b4 ")[2] for cell in cells if "\u03b4" in cell})
    for_what = f" for delta {' or '.join(deltas)}" if deltas else ""
    return f"priv.: epsilon{for_what}, never compared across units; none: nothing is promised."


def promise_values(p: Promise) -> dict[str, Any]:
    """Return a promise for JSON; None where nothing is promised."""
    given = (p.epsilon, p.delta, p.unit) if p.given else (None, None, None)
    return dict(zip(("epsilon", "delta", "privacy_unit"), given))


# ---- one row per method


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
    rows = [(id(m) not in able, _method_row(m, others, mark)) for m, mark in zip(found, marks)]
    rows.sort(key=lambda pair: (pair[0], -pair[1][2] if pair[1][2] == pair[1][2] else math.inf))
    below = (_method_row(other, others, "") for other in others)
    return pd.DataFrame([*(row for _, row in rows), *below], columns=list(METHOD_COLUMNS))


def _method_row(method: Method, others: list[Method], mark: str) -> list:
    mean, federated = method.accuracy(), method.kind == "federated"
    gap = difference_to_baseline(method, others, "pooled") if method.kind != "pooled" else None
    names = ("uplink_bytes", "downlink_bytes", "train_seconds")
    up, down, seconds = (method.per_visit(n) if federated else math.nan for n in names)
    ways = ("uplink", "downlink")
    unfinished = sum(not run.finished for run in method.runs)
    return [
        mark,
        method.name + (f" ({unfinished} of {len(method.runs)} unfinished)" if unfinished else ""),
        mean.value,
        mean.low,
        mean.high,
        mean.over,
        len(method.seeds),
        *([gap.value, gap.low, gap.high] if gap else [math.nan] * 3),
        up / KB,
        down / KB,
        *(fmean(measures.mb_per_client(r, way) for r in method.runs) for way in ways),
        seconds,
        method.peak_mb(),
        short_promise(method.promise),
        *promise_values(method.promise).values(),
    ]


def page_cells(row: dict[str, Any], text: dict[str, str]) -> list[list[str]]:
    """Return a row of the board for the page: the cells of PAGE_HEADS, each as lines."""
    low, high = text["95 % low"].removesuffix(" %"), text["95 % high"]
    span = [f"{low} to {high}", f"over {text['interval over']}"] if high != UNKNOWN else [UNKNOWN]
    gap = [text["against pooled"]]
    if text["against pooled 95 % low"] != UNKNOWN:
        gap.append(f"{text['against pooled 95 % low']} to {text['against pooled 95 % high']}")
    single = (text["kB up per client-round"], text["kB down per client-round"], _both_ways(row))
    rest = (*single, text[LOAD], text["peak memory MB"], text["privacy"])
    name = f"{row['front']} {text['method']}".strip()
    return [[name], [text["accuracy"]], span, [text["seeds"]], gap, *([cell] for cell in rest)]


def method_board_text(frame: pd.DataFrame) -> str:
    """Return the board as a plain text table with a key below, at most 100 columns wide."""
    rows = [_terminal_method(*both) for both in zip(frame.to_dict("records"), format_cells(frame))]
    key = (*KEYS["methods"], privacy_key(frame["privacy"]))
    return format_table(HEADS["methods"], rows, key, indent=2, least=24)


def _terminal_method(row: dict[str, Any], text: dict[str, str]) -> list[str]:
    low, high = text["95 % low"].removesuffix(" %"), text["95 % high"].removesuffix(" %")
    mark = "" if "seed" in row["interval over"] else "~"
    return [
        f"{row['front'] or ' '} {text['method']}",
        text["accuracy"].removesuffix(" %"),
        UNKNOWN if low == UNKNOWN else f"{mark}{low}-{high}",
        text["seeds"],
        text["against pooled"],
        _format_kb(row["kB up per client-round"]),
        _format_kb(row["kB down per client-round"]),
        _both_ways(row),
        text[LOAD],
        text["peak memory MB"],
        narrow_privacy(text["privacy"]),
    ]


def _both_ways(row: dict[str, Any]) -> str:
    both = row["MB up per client, whole run"] + row["MB down per client, whole run"]
    return UNKNOWN if both != both else f"{both:,.2f}"


def _format_kb(kb: float) -> str:
    return UNKNOWN if kb != kb else f"{kb:,.1f}" if kb < 1e4 else f"{kb:,.0f}"
