"""The top of the report on several methods: question, numbers, figures and board."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go

from fedkit import plots
from fedkit.core import formatting
from fedkit.core.formatting import count_noun, printable_line
from fedkit.core.record import Run
from fedkit.plots.theme import INK
from fedkit.results import measures
from fedkit.results.measures import Runs
from fedkit.results.method_board import FRONT, build_method_board, page_cells
from fedkit.results.method_style import method_style
from fedkit.results.methods import MeanOverSeeds, Method, group_baselines, group_methods
from fedkit.results.recommendation import best_method, describe_upload, leanest_method

FEDERATED = method_style("federated").colour


def sweep_question(runs: Runs) -> str:
    """Return the question, for readers who have never heard of federated learning."""
    found = group_methods(runs)
    main = found[0].runs[0]
    clients, labels = len(measures.clients(main)), len(main.data.get("labels", []))
    made = sum(len(m.runs) for m in found)
    return (
        f"{count_noun(clients, 'site')} (called clients below) keep their text to themselves"
        " and train one model together."
        " Which way of doing so is the most accurate, and what does each send?"
        f" Compared here: {count_noun(len(found), 'method')} in {count_noun(made, 'run')}."
        f" The task: sort text into {count_noun(labels, 'label')}."
    )


def sweep_tiles(runs: Runs) -> Iterator[dict[str, str]]:
    """Yield the most important numbers, as values of the page's tiles."""
    found, others = group_methods(runs), group_baselines(runs)
    top = best_method(found)
    if top is not None:
        yield _tile("Most accurate", top, FEDERATED)
        lean = leanest_method(found, top)
        if lean is not None:
            yield _tile("Fewest bytes within 1 point", lean, FEDERATED)
        most = f"; {describe_upload(top)} by the most accurate" if lean else ""
        yield {
            "what": "Sent by a client in a round",
            "colour": INK,
            "value": describe_upload(lean or top),
            "note": f"by {(lean or top).name}{most}",
        }
    for kind in ("pooled", "local"):
        same = [m for m in others if m.kind == kind and (top is None or m.task == top.task)]
        for other in same[:1]:
            yield _tile(method_style(kind).short, other, method_style(kind).colour, named=False)


def sweep_figures(runs: Runs) -> list[go.Figure]:
    """Return the figures, the most important first."""
    found = group_methods(runs)
    out = [plots.pareto(runs), plots.training_load(runs)]
    out += [plots.aggregation_error(runs)] if plots.has_aggregation_errors(runs) else []
    out += plots.privacy_cost_figures(runs)
    return [*out, *label_figures((best_method(found) or found[0]).runs[0])]


def label_figures(run: Run) -> list[go.Figure]:
    """Return the figure of who has what; none where a promise covers it."""
    return [plots.who_has_what(run)] if measures.tells_labels(run) else []


def board_rows(runs: Runs) -> list[dict[str, Any]]:
    """Return the board's rows for the template, those on the Pareto front marked."""
    frame = build_method_board(runs)
    every = (*group_methods(runs), *group_baselines(runs))
    colours = {m.name: method_style(m.kind).colour for m in every}
    return [
        {
            "cells": page_cells(row),
            "colour": colours.get(row["method"], FEDERATED),
            "main": row["front"] == FRONT,
        }
        for row in frame.to_dict("records")
    ]


def _tile(what: str, method: Method, colour: str, named: bool = True) -> dict[str, str]:
    mean = method.accuracy()
    start = f"{printable_line(method.name, 60)}; " if named else ""
    return {
        "what": what,
        "value": formatting.percent(mean.value),
        "note": start + _interval(mean),
        "colour": colour,
    }


def _interval(mean: MeanOverSeeds) -> str:
    return f"95 % interval {formatting.percent_range(mean.low, mean.high)}, over {mean.over}"
