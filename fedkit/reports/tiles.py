"""The top of the page of a comparison: question, tiles and figures, for one run or for several."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go

from fedkit import plots
from fedkit.core import formatting
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import count_noun, printable_line
from fedkit.core.record import Run
from fedkit.network import profiles, replay
from fedkit.plots.theme import INK
from fedkit.results import measures
from fedkit.results.difference import MeanOverSeeds
from fedkit.results.findings import describe_upload
from fedkit.results.measures import OWN, Runs
from fedkit.results.method_style import METHODS, method_style
from fedkit.results.methods import best_method, group_baselines, group_methods, leanest_method
from fedkit.results.privacy_promise import (
    format_delta,
    format_epsilon,
    privacy_block,
    weakest_promise,
)
from fedkit.results.scoreboard import FRONT, build_method_board, format_cells, page_cells
from fedkit.results.verdict import judge_run, measure_name

WORDS: dict[str, Any] = dict(read_packaged_words("fedkit.reports.text", "report.toml"))
FEDERATED = method_style("federated").colour


def split_answer(sentence: str) -> tuple[str, str, str]:
    """Split a verdict into the words before, in and after its last brackets, which hold the
    interval.
    """
    match = re.fullmatch(r"(.*)( \([^()]*\))([^()]*)", sentence)
    if match is None:
        return sentence, "", ""
    before, inside, after = match.groups()
    return (before, inside + after, "") if after == "." else (before, inside, after)


def label_figures(run: Run) -> list[go.Figure]:
    """Return the figure of who has what; none where a promise covers it."""
    return [plots.who_has_what(run)] if measures.tells_labels(run) else []


def _tile(what: str, value: str, note: str, colour: str = INK) -> dict[str, str]:
    known = METHODS.get(what)
    name, colour = (known.short, known.colour) if known else (what, colour)
    return {"what": name, "value": value, "note": note, "colour": colour}


def _interval(mean: MeanOverSeeds) -> str:
    return f"95 % interval {formatting.percent_range(mean.low, mean.high)}, over {mean.over}"


# ---- one run


def run_question(main: Run) -> str:
    """Return the question, for readers who have never heard of federated learning."""
    examples = f"{measures.as_number(main.data.get('train')):,.0f}"
    return WORDS["run_question"].format(**_sizes(main), examples=examples)


def _sizes(run: Run) -> dict[str, str]:
    clients, labels = len(measures.clients(run)), len(run.data.get("labels", []))
    return {"sites": count_noun(clients, "site"), "labels": count_noun(labels, "label")}


def run_tiles(main: Run, runs: list[Run]) -> Iterator[dict[str, str]]:
    """Yield the most important numbers, as values of the page's tiles."""
    partners = judge_run(main, runs).partners
    for method in ("federated", "local", "pooled"):
        run = main if method == main.method else next(iter(partners.get(method, ())), None)
        if run is not None:
            yield _tile(method, formatting.percent(measures.accuracy(run)), _accuracy_note(run))
        elif method != "federated":
            yield _tile(method, "not run", "fedkit baselines makes it")
    if main.method == "federated":
        yield from _cost_tiles(main)
        yield privacy_tile(main)


def _accuracy_note(run: Run) -> str:
    clients = count_noun(len(measures.clients(run)), "client")
    what = {"local": f"mean of {clients} alone", "pooled": "were all text in one place"}
    mean = MeanOverSeeds(measures.accuracy(run), *measures.accuracy_interval(run))
    note = f"{what.get(run.method, 'test accuracy')}; {_interval(mean)}"
    own = measures.result_number(run, "own_mix_accuracy")
    if run.method == "pooled" or own != own:
        return note
    return f"{note}; {formatting.percent(own)} on {measure_name(OWN, 'en')}"


def _cost_tiles(main: Run) -> Iterator[dict[str, str]]:
    down, up = measures.mb_per_client(main, "downlink"), measures.mb_per_client(main, "uplink")
    moved = (
        f"measured, {measures.describe_rounds(main)}: {formatting.megabytes(down)} in,"
        f" {formatting.megabytes(up)} out"
    )
    yield _tile("Traffic per client", formatting.megabytes(down + up), moved)
    link, devices = plots.replay_world(main)
    assumed = f"modelled: {profiles.describe_link(link)}; devices {devices}"
    yield _tile("Simulated time", formatting.seconds(replay(main, link, devices).seconds), assumed)


def privacy_tile(main: Run) -> dict[str, str]:
    """Return the privacy tile: what is promised, and who must be trusted for it."""
    p = weakest_promise([main])
    if not p.given:
        note = "only sums are read" if p.sealed else "no epsilon is promised"
        return _tile("Privacy", "none", note)
    who = printable_line(privacy_block(main).get("trust", "not recorded"), 200)
    note = f"per {p.unit}, \u03b4 {format_delta(p.delta)}; trusted: {who}"
    return _tile("Privacy", f"\u03b5 {format_epsilon(p.epsilon)}", note)


# ---- several methods


def sweep_question(runs: Runs) -> str:
    """Return the question, for readers who have never heard of federated learning."""
    found = group_methods(runs)
    made = count_noun(sum(len(m.runs) for m in found), "run")
    methods = count_noun(len(found), "method")
    return WORDS["sweep_question"].format(**_sizes(found[0].runs[0]), methods=methods, runs=made)


def sweep_tiles(runs: Runs) -> Iterator[dict[str, str]]:
    """Yield the most important numbers, as values of the page's tiles."""
    found, others = group_methods(runs), group_baselines(runs)
    top = best_method(found)
    lean = leanest_method(found, top) if top else None
    for what, method in (("Most accurate", top), ("Fewest bytes within 1 point", lean)):
        if method:
            mean, name = method.accuracy(), printable_line(method.name, 60)
            note = f"{name}; {_interval(mean)}"
            yield _tile(what, formatting.percent(mean.value), note, FEDERATED)
    if top:
        least = lean or top
        most = f"; {describe_upload(top)} by the most accurate" if lean else ""
        note = f"by {least.name}{most}"
        yield _tile("Sent by a client in a round", describe_upload(least), note)
    for kind in ("pooled", "local"):
        same = [m for m in others if m.kind == kind and (top is None or m.task == top.task)]
        for mean in (other.accuracy() for other in same[:1]):
            yield _tile(kind, formatting.percent(mean.value), _interval(mean))


def sweep_figures(runs: Runs) -> list[go.Figure]:
    """Return the figures, the most important first."""
    found = group_methods(runs)
    out = [plots.pareto(runs), plots.training_load(runs)]
    out += [plots.aggregation_error(runs)] if plots.has_aggregation_errors(runs) else []
    out += plots.privacy_cost_figures(runs)
    return [*out, *label_figures((best_method(found) or found[0]).runs[0])]


def board_rows(runs: Runs) -> list[dict[str, Any]]:
    """Return the board's rows for the template, those on the Pareto front marked."""
    frame = build_method_board(runs)
    every = (*group_methods(runs), *group_baselines(runs))
    colours = {m.name: method_style(m.kind).colour for m in every}
    return [
        {
            "cells": page_cells(row, text),
            "colour": colours.get(row["method"], FEDERATED),
            "main": row["front"] == FRONT,
        }
        for row, text in zip(frame.to_dict("records"), format_cells(frame))
    ]
