"""One self-contained HTML page from records: the answer, the numbers, the pictures, and what they mean."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from fedkit.data.say import count, listing
from fedkit.errors import FedkitError
from fedkit.network import replay
from fedkit.record import Run
from fedkit.studio import facts, plots, say
from fedkit.studio.difference import partner
from fedkit.studio.facts import Runs
from fedkit.studio.page import CSS, DRAW, TEMPLATE
from fedkit.studio.table import COLUMNS, formatted, scoreboard
from fedkit.studio.theme import FONT, INK, look, tidy, untitled
from fedkit.studio.verdict import against_local, verdict

TALL = 620  # px: a figure from this height on gets the whole width


def write_report(runs: Runs, path: str | Path, title: str | None = None) -> Path:
    """Write the page about `runs` to `path` (a file, or a folder for its report.html) atomically; return its path.

    The first federated run is the one the headline is about. Raises FedkitError without a run or room to write.
    """
    runs = facts.ordered(runs)
    if not runs:
        raise FedkitError("no run to report on; give at least one run folder")
    path = Path(path)
    path = path / "report.html" if path.is_dir() else path
    html = render(runs, title or f"Federated fine-tuning on {tidy(_main(runs).data.get('name', 'your data'))}")
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(html)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise FedkitError(f"cannot write {path}: {error.strerror or error}; choose another place") from None
    return path


def render(runs: Runs, title: str) -> str:
    """The page as text. The same records give the same text."""
    runs = facts.ordered(runs)
    main, said, board = _main(runs), verdict(runs), scoreboard(runs)
    scripts = {"plotly": Markup(get_plotlyjs()), "draw": Markup(DRAW)}
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(TEMPLATE)
    return page.render(
        title=title, css=Markup(CSS.replace("__FONT__", FONT)), policy=_policy(scripts.values()), **scripts,
        asked=_asked(main), answer=said[0], verdict=said[1:], tiles=list(_tiles(main, runs)),
        figures=[_figure(fig) for fig in figures(runs)], heads=list(COLUMNS), board=_board(runs, board),
        data=_data(main), method=list(_method_notes(main, runs)), environment=_environment(main),
    )  # fmt: skip


def figures(runs: Runs) -> list[go.Figure]:
    """The pictures of the page, in its order; without a federated run, those that need none."""
    runs = facts.ordered(runs)
    main = _main(runs)
    if main.method != "federated":
        return [plots.scoreboard_bars(runs), plots.who_has_what(main)]
    against = [run for run in (partner(main, runs, m) for m in ("local", "pooled")) if run]
    out = [plots.scoreboard_bars(runs), plots.accuracy_by_round(runs), plots.traffic(runs),
           plots.accuracy_by_time(main, against=against)]  # fmt: skip
    return [*out, *([plots.round_seconds(main)] if main.rounds else []), plots.who_has_what(main)]


def _main(runs: list[Run]) -> Run:
    return (facts.federated(runs) or runs)[0]


def _policy(scripts) -> str:
    """A content security policy under which these scripts run, nothing else does, and nothing is fetched."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
            "base-uri 'none'; form-action 'none'")  # fmt: skip


def _asked(main: Run) -> str:
    sites, labels = len(facts.clients(main)), main.data.get("labels", [])
    examples = facts.number(main.data.get("train"), "data.train")
    return (
        f"Can {count(sites, 'site')} (called clients below) that keep their text to themselves train one model together, "
        f"and is it better than what each can do alone? The task: sort text into {count(len(labels), 'label')}, "
        f"with {examples:,.0f} training examples over all clients."
    )


def _tiles(main: Run, runs: list[Run]) -> Iterator[dict[str, str]]:
    """The numbers to read in ten seconds."""
    notes = {"local": f"each of {count(len(facts.clients(main)), 'client')} alone, mean", "pooled": "if all text could be in one place"}
    for method in ("federated", "local", "pooled"):
        run = main if method == main.method else partner(main, runs, method)
        if run is not None:
            low, high, over = facts.interval(run)
            note = f"{notes.get(method, 'accuracy on the test set')}; 95 % interval {say.percent(low)} to {say.percent(high)}, over {over}"
            yield {"what": look(method).name, "value": say.percent(facts.accuracy(run)), "note": note, "colour": look(method).colour}
        elif method != "federated":
            yield {"what": look(method).name, "value": "not run", "note": "run `fedkit baselines` to compare", "colour": look(method).colour}
    if main.method == "federated":
        yield from _cost_tiles(main)


def _cost_tiles(main: Run) -> Iterator[dict[str, str]]:
    down, up = facts.mb_per_client(main, "downlink"), facts.mb_per_client(main, "uplink")
    link, devices = plots.world(main, None, None)
    yield {"what": "Traffic per client", "value": say.megabytes(down + up), "colour": INK,
           "note": f"measured, {count(len(main.rounds), 'round')}: {say.megabytes(down)} in, {say.megabytes(up)} out"}  # fmt: skip
    yield {"what": "Simulated time", "value": say.seconds(replay(main, link, devices)[-1]), "colour": INK,
           "note": f"modelled, {say.link(link)}; devices: {devices}"}  # fmt: skip


def _figure(fig: go.Figure) -> dict[str, Any]:
    """A figure for the template: its texts are set by the page, its JSON holds no character that HTML could read."""
    bare = untitled(fig)
    meta = bare.layout.meta
    bare.layout.meta = None
    text = bare.to_json(engine="json")
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return {"sentence": meta["sentence"], "caption": meta["caption"], "json": Markup(text),
            "height": bare.layout.height, "wide": bare.layout.height >= TALL}  # fmt: skip


def _board(runs: list[Run], frame) -> list[dict[str, Any]]:
    return [{"cells": list(row.values()), "colour": look(run.method).colour, "main": run.method == "federated"}
            for run, row in zip(runs, formatted(frame))]  # fmt: skip


def _data(main: Run) -> dict[str, Any]:
    data, given = main.data, main.data.get("labels", [])
    split = (f"{facts.number(data.get(k), k):,.0f} {word}" for k, word in
             (("train", "to train on"), ("validation", "to choose settings on"), ("test", "held out to test on")))  # fmt: skip
    sentence = (
        f"{data.get('name', 'The data')}: {', '.join(split)}; {count(len(facts.clients(main)), 'client')}; "
        f"{count(len(given), 'label')}: {listing(given)}."
    )
    origin = f"Source: {data.get('source', 'not recorded')}. sha256 {data.get('sha256', 'not recorded')}. Dealt by: {main.config.get('partition', '?')}, seed {main.config.get('seed', '?')}."
    return {"sentence": sentence, "origin": origin, "notes": [str(n) for n in data.get("notes") or []]}


def _method_notes(main: Run, runs: list[Run]) -> Iterator[str]:
    base = facts.number(main.model.get("base_bytes"), "base_bytes") / facts.MB
    once = "" if base != base else f" of {say.megabytes(base)} per client"
    yield "Accuracy is measured on a test set that nothing was tuned on; no best round is picked on it: the last round counts."
    yield "Local only: every client trains alone; its mean over clients is shown, and each is judged on the same shared test set, also on labels it has rarely seen."
    yield "Worst client: for one shared model, the lowest accuracy over clients on test examples like their own; for local only, the lowest of the clients' own models on the whole test set."
    yield f"Bytes are the length of what was serialised, both ways, with headers and the head start. The first download of the base model{once} is not counted."
    yield "Training seconds were measured on the machine that ran this. Simulated seconds are modelled from them, from the recorded bytes, and from an assumed link and device; clients work at the same time and the server waits for the last."
    yield from _privacy(main)
    yield "A difference counts when its 95 % interval leaves out zero. The interval covers the choice of test examples (or of clients), not the luck of split, start and batches: for that, run several seeds."


def _privacy(main: Run) -> Iterator[str]:
    epsilon = facts.result(main, "epsilon")
    if epsilon != epsilon:
        yield "No differential privacy in this run: updates left each client as they were, and updates can leak text. That only the trained part travels is not a privacy guarantee."
    else:
        yield f"Differential privacy: epsilon {epsilon:.2f}, unit {main.result.get('privacy_unit', 'not recorded')}, delta {main.result.get('delta', 'not recorded')}; it covers training, not the choice of settings."


def _environment(main: Run) -> list[tuple[str, str]]:
    blocks = (("model", main.model), ("machine", main.environment), ("setting", main.config))
    return [(f"{block}: {name}", str(value)) for block, values in blocks for name, value in values.items() if value is not None]


__all__ = ["against_local", "figures", "render", "write_report"]
