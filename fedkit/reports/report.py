"""Write one self-contained HTML page about runs: answer, numbers, figures and notes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from pandas import DataFrame
from plotly.offline import get_plotlyjs

from fedkit import plots
from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table, write_file
from fedkit.core.formatting import count_noun, printable_line
from fedkit.core.record import Run
from fedkit.core.templates import read_template
from fedkit.network import profiles, replay
from fedkit.plots.theme import INK, without_title
from fedkit.reports.pages import render
from fedkit.results import measures
from fedkit.results.difference import MeanOverSeeds, find_comparable
from fedkit.results.findings import describe_upload, method_findings, verdict
from fedkit.results.measures import OWN, Runs
from fedkit.results.method_style import METHODS, method_style
from fedkit.results.methods import (
    best_method,
    group_baselines,
    group_methods,
    has_several_methods,
    leanest_method,
)
from fedkit.results.privacy_promise import (
    format_delta,
    format_epsilon,
    privacy_block,
    promise_paragraph,
    weakest_promise,
)
from fedkit.results.scoreboard import (
    COLUMNS,
    FRONT,
    INTERVAL,
    PAGE_HEADS,
    build_method_board,
    format_cells,
    page_cells,
    scoreboard,
)
from fedkit.results.verdict import judge_run, measure_name

WORDS: dict[str, Any] = read_packaged_table("fedkit.reports.text", "report.toml")
FEDERATED = method_style("federated").colour
TALL = 620  # px: a figure from this height on gets the whole width
MANY = 20  # labels that are named
HEADS = ("method", "accuracy", "95 % interval", *list(COLUMNS)[5:])


def write_report(runs: Runs, path: str | Path, title: str | None = None) -> Path:
    """Write the page about `runs` to `path` (a file, or a folder for its report.html); return its
    path.

    The file is written atomically. The headline is about the first federated run; with several
    methods or seeds, about the most accurate method and the one that sends least for nearly as
    much. Raises FedkitError without a run, or if the page cannot be written.
    """
    runs = measures.sort_runs(runs)
    if not runs:
        raise FedkitError("no run to report on; give at least one run folder")
    path = Path(path)
    name = printable_line(_main(runs).data.get("name", "your data"))
    html = render_report(runs, title or f"Federated fine-tuning on {name}")
    return write_file(path / "report.html" if path.is_dir() else path, html)


def render_report(runs: Runs, title: str) -> str:
    """Return the page as text. The same records give the same text."""
    runs = measures.check_runs(runs)
    main, many = _main(runs), has_several_methods(runs)
    said = method_findings(runs) if many else verdict(runs)
    every = {"heads": HEADS, "board": _board(runs, scoreboard(runs))}
    shown = {"heads": PAGE_HEADS, "board": board_rows(runs)} if many else every
    return render(
        "reports/report.html.j2",
        scripts=[get_plotlyjs(), read_template("reports/report.js")],
        finalize=_unbroken,
        title=title,
        asked=sweep_question(runs) if many else run_question(main),
        answer=split_answer(said[0]),
        verdict=said[1:],
        tiles=list(sweep_tiles(runs) if many else run_tiles(main, runs)),
        figures=[_figure(fig) for fig in report_figures(runs)],
        **shown,
        every=every if many else None,
        data=_data(main),
        method=[*(WORDS["seeds"] if many else ()), *_method_notes(main)],
        environment=_environment(main),
    )


def report_figures(runs: Runs) -> list[go.Figure]:
    """Return the figures of the page in order; without a federated run, those that need none."""
    runs = measures.sort_runs(runs)
    if has_several_methods(runs):
        return sweep_figures(runs)
    main = _main(runs)
    if main.method != "federated":
        return [plots.scoreboard_bars(runs), *label_figures(main)]
    against = [run for run in (find_comparable(main, runs, m) for m in ("local", "pooled")) if run]
    out = [plots.scoreboard_bars(runs), plots.accuracy_by_round(runs), plots.traffic(runs)]
    out += [plots.round_seconds(main)] if main.rounds else []
    return [*out, plots.accuracy_by_time(main, against=against), *label_figures(main)]


def _main(runs: list[Run]) -> Run:
    return (measures.federated_runs(runs) or runs)[0]


def _figure(fig: go.Figure) -> dict[str, Any]:
    """Return a figure's values for the template; its texts are set by the page."""
    bare = without_title(fig)
    meta, height = bare.layout.meta, bare.layout.height
    bare.layout.meta = None
    text = Markup(escape_json(bare.to_json(engine="json")))
    told = {"sentence": meta["sentence"], "caption": meta["caption"], "json": text}
    return {**told, "height": height, "wide": height >= TALL}


def escape_json(json: str) -> str:
    """Escape what HTML could read in JSON, so that it cannot end its script element."""
    for char in "<>&\u2028\u2029":
        json = json.replace(char, f"\\u{ord(char):04x}")
    return json


def _board(runs: list[Run], frame: DataFrame) -> list[dict[str, Any]]:
    """Return rows of cells, each a list of lines; the interval's three columns become one."""
    rows = []
    for run, row in zip(runs, format_cells(frame)):
        low, high, over = (row.pop(name) for name in INTERVAL)
        method, accuracy, *rest = ([cell] for cell in row.values())
        span = [f"{low.removesuffix(' %')} to {high}", f"over {over}"]
        colour, main = method_style(run.method).colour, run.method == "federated"
        rows.append({"cells": [method, accuracy, span, *rest], "colour": colour, "main": main})
    return rows


def _unbroken(value: Any) -> Any:
    """Keep a number and its per cent sign on one line."""
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return value.replace(" %", "\u00a0%") if plain else value


def _data(main: Run) -> dict[str, Any]:
    data, labels = main.data, [printable_line(label) for label in main.data.get("labels", [])]
    uses = {"train": "to train on", "validation": "to choose settings on"}
    uses["test"] = "held out to test on"
    counts = (f"{measures.as_number(data.get(k)):,.0f} {use}" for k, use in uses.items())
    more = f" and {len(labels) - MANY} more" if len(labels) > MANY else ""
    dealt = f"Partition {main.config.get('partition', '?')}, seed {main.config.get('seed', '?')}."
    return {
        "sentence": (
            f"{data.get('name', 'The data')}: {', '.join(counts)};"
            f" {count_noun(len(measures.clients(main)), 'client')};"
            f" {count_noun(len(labels), 'label')}: {', '.join(labels[:MANY])}{more}."
        ),
        "origin": f"Source: {data.get('source', '?')}. {dealt} sha256 {data.get('sha256', '?')}",
        "notes": [str(note) for note in data.get("notes") or []],
    }


def _method_notes(main: Run) -> list[str]:
    """Return the notes on what the numbers mean for this run."""
    base, said = measures.base_mb(main), promise_paragraph(main) or [WORDS["no_privacy"]]
    once = "" if math.isnan(base) else f" of {formatting.megabytes(base)} per client"
    return [*(note.format(once=once) for note in WORDS["run"]), *said]


def _environment(main: Run) -> list[tuple[str, str]]:
    blocks = {"model": main.model, "machine": main.environment, "setting": main.config}
    return [
        (f"{block}: {name}", str(value))
        for block, values in blocks.items()
        for name, value in values.items()
        if value is not None
    ]


# ---- the top of the page: question, tiles and figures


def split_answer(sentence: str) -> list[str]:
    """Split a verdict into its words and, at odd places, its brackets, which hold the intervals."""
    pieces = re.split(r"( \([^()]*\))", sentence)
    return [*pieces[:-2], pieces[-2] + "."] if pieces[-1] == "." else pieces


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
