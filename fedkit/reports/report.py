"""Write one self-contained HTML page about runs: answer, numbers, figures and notes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from pandas import DataFrame
from plotly.offline import get_plotlyjs

from fedkit import plots
from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.files import write_file
from fedkit.core.formatting import count_noun, printable_line
from fedkit.core.record import Run
from fedkit.core.templates import read_template
from fedkit.plots.theme import without_title
from fedkit.reports import tiles
from fedkit.reports.pages import render
from fedkit.results import measures
from fedkit.results.difference import find_comparable
from fedkit.results.findings import method_findings, verdict
from fedkit.results.measures import Runs
from fedkit.results.method_style import method_style
from fedkit.results.methods import has_several_methods
from fedkit.results.privacy_promise import promise_paragraph
from fedkit.results.scoreboard import COLUMNS, INTERVAL, PAGE_HEADS, format_cells, scoreboard

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
    path = path / "report.html" if path.is_dir() else path
    html = render_report(
        runs,
        title
        or f"Federated fine-tuning on {printable_line(_main(runs).data.get('name', 'your data'))}",
    )
    return write_file(path, html)


def render_report(runs: Runs, title: str) -> str:
    """Return the page as text. The same records give the same text."""
    runs = measures.check_runs(runs)
    main, many = _main(runs), has_several_methods(runs)
    said = method_findings(runs) if many else verdict(runs)
    every = {"heads": HEADS, "board": _board(runs, scoreboard(runs))}
    shown = {"heads": PAGE_HEADS, "board": tiles.board_rows(runs)} if many else every
    return render(
        "reports/report.html.j2",
        scripts=[get_plotlyjs(), read_template("reports/report.js")],
        finalize=_unbroken,
        title=title,
        asked=tiles.sweep_question(runs) if many else tiles.run_question(main),
        answer=tiles.split_answer(said[0]),
        verdict=said[1:],
        tiles=list(tiles.sweep_tiles(runs) if many else tiles.run_tiles(main, runs)),
        figures=[_figure(fig) for fig in report_figures(runs)],
        **shown,
        every=every if many else None,
        data=_data(main),
        method=[*(tiles.WORDS["seeds"] if many else ()), *_method_notes(main)],
        environment=_environment(main),
    )


def report_figures(runs: Runs) -> list[go.Figure]:
    """Return the figures of the page in order; without a federated run, those that need none."""
    runs = measures.sort_runs(runs)
    if has_several_methods(runs):
        return tiles.sweep_figures(runs)
    main = _main(runs)
    if main.method != "federated":
        return [plots.scoreboard_bars(runs), *tiles.label_figures(main)]
    against = [run for run in (find_comparable(main, runs, m) for m in ("local", "pooled")) if run]
    out = [plots.scoreboard_bars(runs), plots.accuracy_by_round(runs), plots.traffic(runs)]
    out += [plots.round_seconds(main)] if main.rounds else []
    return [*out, plots.accuracy_by_time(main, against=against), *tiles.label_figures(main)]


def _main(runs: list[Run]) -> Run:
    return (measures.federated_runs(runs) or runs)[0]


def _figure(fig: go.Figure) -> dict[str, Any]:
    """Return a figure's values for the template; its texts are set by the page."""
    bare = without_title(fig)
    meta = bare.layout.meta
    bare.layout.meta = None
    text = escape_json(bare.to_json(engine="json"))
    return {
        "sentence": meta["sentence"],
        "caption": meta["caption"],
        "json": Markup(text),
        "height": bare.layout.height,
        "wide": bare.layout.height >= TALL,
    }


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
        cells = [method, accuracy, span, *rest]
        rows.append(
            {
                "cells": cells,
                "colour": method_style(run.method).colour,
                "main": run.method == "federated",
            }
        )
    return rows


def _unbroken(value: Any) -> Any:
    """Keep a number and its per cent sign on one line."""
    return (
        value.replace(" %", "\u00a0%")
        if isinstance(value, str) and not isinstance(value, Markup)
        else value
    )


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
    base, said = measures.base_mb(main), promise_paragraph(main) or [tiles.WORDS["no_privacy"]]
    once = "" if math.isnan(base) else f" of {formatting.megabytes(base)} per client"
    return [*(note.format(once=once) for note in tiles.WORDS["run"]), *said]


def _environment(main: Run) -> list[tuple[str, str]]:
    blocks = {"model": main.model, "machine": main.environment, "setting": main.config}
    pairs = (
        (f"{block}: {name}", value)
        for block, values in blocks.items()
        for name, value in values.items()
    )
    return [(name, str(value)) for name, value in pairs if value is not None]
