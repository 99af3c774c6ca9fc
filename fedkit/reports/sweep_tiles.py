"""The page about several methods: what was asked, the numbers to read in ten seconds, the pictures,
the board.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go

from fedkit import plots
from fedkit.core import formatting
from fedkit.core.formatting import count, tidy
from fedkit.plots.theme import INK
from fedkit.results import measures
from fedkit.results.measures import Runs
from fedkit.results.method_board import FRONT, board, cells
from fedkit.results.method_style import look
from fedkit.results.methods import MeanOverSeeds, Method, baselines, methods
from fedkit.results.recommendation import best, leanest, sent_by

FEDERATED = look("federated").colour


def asked(runs: Runs) -> str:
    """The question, for somebody who has never heard of federated learning."""
    found = methods(runs)
    main = found[0].runs[0]
    sites, labels = len(measures.clients(main)), len(main.data.get("labels", []))
    made = sum(len(m.runs) for m in found)
    return (
        f"{count(sites, 'site')} (called clients below) keep their text to themselves and train one"
        " model together. Which way of doing so is the most accurate, and what does each send?"
        f" Compared here: {count(len(found), 'method')} in {count(made, 'run')}. The task: sort"
        f" text into {count(labels, 'label')}."
    )


def tiles(runs: Runs) -> Iterator[dict[str, str]]:
    """The numbers to read in ten seconds."""
    found, others = methods(runs), baselines(runs)
    top = best(found)
    if top is not None:
        yield _tile("Most accurate", top, FEDERATED)
        lean = leanest(found, top)
        if lean is not None:
            yield _tile("Fewest bytes within 1 point", lean, FEDERATED)
        yield {
            "what": "Sent by a client in a round",
            "colour": INK,
            "value": sent_by(lean or top),
            "note": (
                f"by {(lean or top).name}"
                + (f"; {sent_by(top)} by the most accurate" if lean else "")
            ),
        }
    for kind in ("pooled", "local"):
        for other in [m for m in others if m.kind == kind and (top is None or m.task == top.task)][
            :1
        ]:
            yield _tile(look(kind).short, other, look(kind).colour, named=False)


def figures(runs: Runs) -> list[go.Figure]:
    """The pictures, the most important first."""
    found = methods(runs)
    out = [plots.pareto(runs), plots.load(runs)]
    out += [plots.aggregation_error(runs)] if plots.has_errors(runs) else []
    out += plots.cost_of(runs)
    return [*out, plots.who_has_what((best(found) or found[0]).runs[0])]


def rows(runs: Runs) -> list[dict[str, Any]]:
    """The board's rows for the template, those on the front marked."""
    frame, colours = (
        board(runs),
        {m.name: look(m.kind).colour for m in (*methods(runs), *baselines(runs))},
    )
    return [
        {
            "cells": cells(row),
            "colour": colours.get(row["method"], FEDERATED),
            "main": row["front"] == FRONT,
        }
        for row in frame.to_dict("records")
    ]


def _tile(what: str, method: Method, colour: str, named: bool = True) -> dict[str, str]:
    mean = method.accuracy()
    start = f"{tidy(method.name, 60)}; " if named else ""
    return {
        "what": what,
        "value": formatting.percent(mean.value),
        "note": start + _interval(mean),
        "colour": colour,
    }


def _interval(mean: MeanOverSeeds) -> str:
    return f"95 % interval {formatting.between(mean.low, mean.high)}, over {mean.over}"
