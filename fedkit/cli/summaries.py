"""Summaries of runs, data sets, models and methods: values for JSON, and lines for the terminal."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from fedkit.cli.console import TEXT
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import write_file
from fedkit.core.formatting import count_noun, megabytes, percent, percent_range, points, seconds
from fedkit.core.record import Run
from fedkit.core.spec import describe_entries, first_paragraph

ABOUT: dict[str, str] = TEXT["data_sets"]
REGISTRIES: dict[str, list[str]] = TEXT["registries"]  # setting: what it decides, module, name
ValuesAndLines = tuple[Any, list[str]]


def run_summary(run: Run) -> list[str]:
    """Return a run in a few lines."""
    from fedkit.results import measures, privacy_promise

    low, high, over = measures.accuracy_interval(run)
    counts = run.data.get("train"), run.data.get("test"), run.model.get("trainable")
    train, test, trained = map(measures.as_number, counts)
    up, down = (megabytes(measures.mb_per_client(run, way)) for way in ("uplink", "downlink"))
    start = None if run.start is None else measures.as_number(run.start.accuracy)
    before = "" if start is None else f"; before round 1: {percent(start)}"
    modelled = seconds(measures.result_number(run, "simulated_seconds"))
    return [
        *(f"note: {n}" for n in run.data.get("notes") or []),
        (
            f"{run.data.get('name')}: {count_noun(len(measures.clients(run)), 'site')},"
            f" {train:,.0f} training and {test:,.0f} test examples,"
            f" {count_noun(len(run.data.get('labels', [])), 'label')}"
        ),
        (
            f"accuracy {percent(measures.accuracy(run))}"
            f" (95 % interval {percent_range(low, high)}, over {over}){before};"
            f" on own daily texts {percent(measures.own_accuracy(run))},"
            f" worst client {percent(measures.lowest_client_accuracy(run))}"
        ),
        *_gain_lines(run),
        *_model_lines(run),
        (
            f"traffic of a site: {up} sent, {down} received in {measures.describe_rounds(run)}"
            f" ({run.config.get('tune')}: {trained:,.0f} numbers),"
            f" and once the base model, {megabytes(measures.base_mb(run))}"
        ),
        (
            f"time: {seconds(run.total('train_seconds'))} of training,"
            f" measured here{_engine_text(run)};"
            f" {modelled} for the rounds over {run.config.get('link')}, modelled"
        ),
        *_refused_lines(run),
        *privacy_promise.promise_lines(run),
    ]


def _model_lines(run: Run) -> list[str]:
    """Return a line on whose accuracy it is, where every client ends with its own model."""
    shared = run.config.get("share", "all") == "all"
    if shared and not str(run.config.get("aggregate")).startswith("fedsa"):
        return []
    why = "since a part of each stays there; the accuracy is the mean over the sites' models"
    return [f"models: one per site, {why}"]


def _engine_text(run: Run) -> str:
    name = run.environment.get("engine")
    return f" ({name} engine)" if name in ("fast", "plain") else ""


def _refused_lines(run: Run) -> list[str]:
    """Return warnings on updates that did not count, and why."""
    visits, out = [c for r in run.rounds for c in r.clients], []
    missed: dict[str, list[str]] = {}  # sites by the reason, without the tensor's name
    for c in visits:
        if c.status != "ok":
            missed.setdefault(f"{c.status}: {c.reason.rpartition(': ')[2]}", []).append(c.id)
    if visits and sum(map(len, missed.values())) == len(visits):
        out.append("warning: no update counted in any round; the accuracy is that of the start")
    for reason, ids in sorted(missed.items(), key=lambda item: -len(item[1])):
        sites = set(ids)
        named = f", all by {sites.pop()}" if len(sites) == 1 else f", by {len(sites)} sites"
        out.append(
            f"warning: {len(ids):,} of {len(visits):,} times a site took its turn,"
            f" its update did not count ({reason}){named}"
        )
    return out


def _gain_lines(run: Run) -> list[str]:
    """Return a line on the gain over the start, as far as the test set can show it."""
    from fedkit.results.measures import accuracy, accuracy_interval

    if run.start is None or not run.rounds:
        return []
    gain, (low, high, _) = accuracy(run) - run.start.accuracy, accuracy_interval(run)
    significant = abs(gain) > (high - low) / 2
    words = "" if significant else ", which is within what chance does on this test set"
    return [f"the rounds added {points(gain)} points to the start{words}"]


def who_has_what_lines(config: RunConfig, html: Path | None = None) -> ValuesAndLines:
    """Return clients and their commonest labels under a partition; `html`: also write the page."""
    from fedkit.data.load import load_corpus
    from fedkit.data.partition import client_column, count_client_labels, deal, left_out_clients

    column, c = client_column(config.partition, config.client), config
    corpus = load_corpus(c.data, c.text, c.label, column, c.encoding, seed=c.seed)
    clients = deal(corpus, c.partition, c.clients, c.examples_per_client, c.seed)
    frame = count_client_labels(corpus, clients)
    left = left_out_clients(corpus, clients).items()
    few = "left out: too few training examples"
    notes = [*corpus.notes, *(f"client {name!r} {few} ({n})" for name, n in left)]
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


# ---- methods


def list_methods() -> dict[str, list[dict[str, Any]]]:
    """Return {setting: [{name, about, parameters, needs}]}, with parameters {name: default}."""
    return {setting: _entries(setting, *place) for setting, (_, *place) in REGISTRIES.items()}


def method_lines() -> list[str]:
    """Return the methods as text, a group for each setting."""
    out = []
    for setting, entries in list_methods().items():
        out += ["", f"{setting.replace('_', '-')}: {REGISTRIES[setting][0]}"]
        for entry in entries:
            words = [entry["about"]]
            words += [f"limits: {entry['needs']}"] if entry["needs"] else []
            values = ", ".join(f"{k}={_short(v)}" for k, v in entry["parameters"].items())
            words += [f"parameters: {values}"] if values else []
            out += _rows(entry["name"], words)
    return out[1:]


def _entries(setting: str, module: str, name: str) -> list[dict[str, Any]]:
    registry = getattr(importlib.import_module(module), name)
    if isinstance(registry, Mapping) and all(
        isinstance(e, type) and is_dataclass(e) for e in registry.values()
    ):
        return describe_entries(dict(registry))
    values = registry if isinstance(registry, Mapping) else dict.fromkeys(registry)
    return [
        {
            "name": entry,
            "about": _about(setting, entry, value),
            "parameters": TEXT["parameters"].get(entry, {}),
            "needs": "",
        }
        for entry, value in values.items()
    ]


def _about(setting: str, name: str, value: Any) -> str:
    from fedkit.network import Device, Link, profiles

    if name in (written := TEXT["methods"].get(setting, {})):
        return written[name]
    if isinstance(value, str):
        return value
    if isinstance(value, Link):
        return f"{profiles.describe_link(name).partition(': ')[2]}: {value.about}."
    if isinstance(value, Device):
        room = "" if value.memory is None else f", {value.memory / 1e9:g} GB to train in"
        return f"{value.slowdown:g} times the training seconds{room}: {value.basis}."
    return first_paragraph(value) if inspect.isfunction(value) else ""


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rows(name: str, words: Iterable[str], width: int = 100, indent: int = 17) -> list[str]:
    """Return wrapped lines, with the name before the first."""
    room = width - indent - 2
    lines = [row for part in words for row in textwrap.wrap(part, room, subsequent_indent="  ")]
    first = [f"  {name:<{indent - 2}}{line}" for line in lines[:1] or [""]]
    return [line.rstrip() for line in (*first, *(" " * indent + row for row in lines[1:]))]
