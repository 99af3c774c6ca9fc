"""Summaries of runs, data sets and models: values for JSON, and lines for the terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from fedkit.cli.console import TEXT
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import write_file
from fedkit.core.formatting import count_noun
from fedkit.core.record import Run

ABOUT: dict[str, str] = TEXT["data_sets"]
ValuesAndLines = tuple[Any, list[str]]


def run_summary(run: Run) -> list[str]:
    """Return a run in a few lines."""
    from fedkit.core import formatting
    from fedkit.results import measures, privacy_promise

    low, high, over = measures.accuracy_interval(run)
    train, test, trained = (
        measures.as_number(v)
        for v in (run.data.get("train"), run.data.get("test"), run.model.get("trainable"))
    )
    up, down = (
        formatting.megabytes(measures.mb_per_client(run, way)) for way in ("uplink", "downlink")
    )
    start = None if run.start is None else measures.as_number(run.start.accuracy)
    before = "" if start is None else f"; before round 1: {formatting.percent(start)}"
    modelled = formatting.seconds(measures.result_number(run, "simulated_seconds"))
    return [
        *(f"note: {n}" for n in run.data.get("notes") or []),
        (
            f"{run.data.get('name')}: {count_noun(len(measures.clients(run)), 'site')},"
            f" {train:,.0f} training and {test:,.0f} test examples,"
            f" {count_noun(len(run.data.get('labels', [])), 'label')}"
        ),
        (
            f"accuracy {formatting.percent(measures.accuracy(run))}"
            f" (95 % interval {formatting.percent_range(low, high)}, over {over}){before};"
            f" worst client {formatting.percent(measures.lowest_client_accuracy(run))}"
        ),
        *_gain_lines(run),
        *_model_lines(run),
        (
            f"traffic of a site: {up} sent, {down} received in {measures.describe_rounds(run)}"
            f" ({run.config.get('tune')}: {trained:,.0f} numbers),"
            f" and once the base model, {formatting.megabytes(measures.base_mb(run))}"
        ),
        (
            f"time: {formatting.seconds(run.total('train_seconds'))} of training,"
            f" measured here{_engine_text(run)};"
            f" {modelled} for the rounds over {run.config.get('link')}, modelled"
        ),
        *_refused_lines(run),
        *privacy_promise.promise_lines(run),
    ]


def _model_lines(run: Run) -> list[str]:
    """Return a line on whose accuracy it is, where every client ends with its own model."""
    if run.config.get("share", "all") == "all" and not str(run.config.get("aggregate")).startswith(
        "fedsa"
    ):
        return []
    return [
        "models: one per site, since a part of each stays there;"
        " the accuracy is the mean over the sites' models"
    ]


def _engine_text(run: Run) -> str:
    name = run.environment.get("engine")
    return f" ({name} engine)" if name in ("fast", "plain") else ""


def _refused_lines(run: Run) -> list[str]:
    """Return warnings on updates that did not count, and why."""
    missed = [c for r in run.rounds for c in r.clients if c.status != "ok"]
    # the reason without the tensor's name
    why = Counter(f"{c.status}: {c.reason.rpartition(': ')[2]}" for c in missed)
    visits, out = sum(len(r.clients) for r in run.rounds), []
    if missed and len(missed) == visits:
        out.append("warning: no update counted in any round; the accuracy is that of the start")
    for reason, n in why.most_common():
        sites = {c.id for c in missed if f"{c.status}: {c.reason.rpartition(': ')[2]}" == reason}
        named = f", all by {sites.pop()}" if len(sites) == 1 else f", by {len(sites)} sites"
        out.append(
            f"warning: {n:,} of {visits:,} times a site took its turn,"
            f" its update did not count ({reason}){named}"
        )
    return out


def _gain_lines(run: Run) -> list[str]:
    """Return a line on the gain over the start, as far as the test set can show it."""
    from fedkit.core import formatting
    from fedkit.results import measures

    if run.start is None or not run.rounds:
        return []
    gain, (low, high, _) = (
        measures.accuracy(run) - run.start.accuracy,
        measures.accuracy_interval(run),
    )
    significant = abs(gain) > (high - low) / 2
    words = "" if significant else ", which is within what chance does on this test set"
    return [f"the rounds added {formatting.points(gain)} points to the start{words}"]


def who_has_what_lines(config: RunConfig, html: Path | None = None) -> ValuesAndLines:
    """Return clients and their commonest labels under a partition; `html`: also write the page."""
    from fedkit.data.load import load_corpus
    from fedkit.data.partition import client_column, count_client_labels, deal, left_out_clients

    column = client_column(config.partition, config.client)
    corpus = load_corpus(
        config.data, config.text, config.label, column, config.encoding, seed=config.seed
    )
    clients = deal(
        corpus, config.partition, config.clients, config.examples_per_client, config.seed
    )
    frame = count_client_labels(corpus, clients)
    left = left_out_clients(corpus, clients).items()
    notes = [
        *corpus.notes,
        *(f"client {c!r} left out: too few training examples ({n})" for c, n in left),
    ]
    lines = [*_client_lines(frame), *(f"note: {n}" for n in notes)]
    if html is not None:
        lines.append(f"picture: {write_picture(frame, html)}")
    return {"clients": frame.to_dict(orient="index"), "notes": notes}, lines


def _client_lines(frame, most: int = 50) -> list[str]:
    """Return lines with each client's name, examples and commonest labels, wrapped at 100."""
    width = max(4, *(len(str(name)) for name in frame.index[:most]))
    lines = [f"{'site':{width}}  examples  labels  mostly"]
    for name, row in frame.iloc[:most].iterrows():
        there = row[row > 0].sort_values(ascending=False, kind="stable")
        mostly = ", ".join(
            f"{label} {100 * n / row.sum():.0f} %" for label, n in there.head(3).items()
        )
        lines += textwrap.wrap(
            f"{name!s:{width}}  {row.sum():8,d}  {len(there):6d}  {mostly}",
            100,
            subsequent_indent=" " * (width + 20),
        )
    return lines + ([f"... and {len(frame) - most} more sites"] if len(frame) > most else [])


def write_picture(frame, html: Path) -> Path:
    """Write who has what as a self-contained page; in a folder, as who-has-what.html."""
    from fedkit.plots import who_has_what
    from fedkit.reports.pages import render_figures

    html = html / "who-has-what.html" if html.is_dir() else html
    return write_file(html, render_figures("Who has what", [who_has_what(frame)]))


def known_data() -> ValuesAndLines:
    """Return the bundled sets and the hub shortcuts."""
    from fedkit.data.load import BUNDLED
    from fedkit.data.readers.hub import HUB

    facts = [{"name": n, "where": "bundled", "about": ABOUT.get(n, "")} for n in BUNDLED]
    facts += [{"name": n, "where": "hub", "about": ABOUT.get(n, "")} for n in HUB]
    lines = [f"{f['name']:14s} {f['where']:8s} {f['about']}".rstrip() for f in facts]
    return facts, [*lines, TEXT["own"]["data"]]


def known_models() -> ValuesAndLines:
    """Return the known base models, and whether they are on this machine."""
    from fedkit.models.base import MODELS, find_model

    facts = []
    for name, known in MODELS.items():
        try:
            here, state = True, f"here, sha256 {find_model(name).sha256[:12]} as tested"
        except FedkitError as error:
            here, state = False, str(error)
        facts.append({"name": name, "about": known.about, "here": here, "state": state})
    lines = [line for f in facts for line in (f"{f['name']}: {f['about']}", f"  {f['state']}")]
    return facts, [*lines, TEXT["own"]["model"]]
