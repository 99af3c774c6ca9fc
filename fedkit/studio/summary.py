"""What the command line prints about a run, a data set, a model: values for programs, lines for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fedkit.config import RunConfig
from fedkit.data.corpus import Corpus
from fedkit.errors import FedkitError
from fedkit.record import Run

Facts = tuple[Any, list[str]]


def summary(run: Run) -> list[str]:
    """A finished run in a few lines."""
    result, sites = run.result, len(run.data["clients"])
    low, high = result["accuracy_ci95"]
    return [
        *(f"note: {n}" for n in run.data["notes"]),
        f"{run.data['name']}: {sites} sites, {run.data['train']} training and {run.data['test']} test examples, "
        f"{len(run.data['labels'])} labels; {run.model['tune']} trains {run.model['trainable']:,} of {run.model['parameters']:,} parameters",
        f"accuracy {result['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%} over test examples), "
        f"worst client {result['worst_client_accuracy']:.1%}, start {run.start.accuracy:.1%}",
        f"sent per client: {result['uplink_bytes'] / sites / 1e6:.2f} MB up, {result['downlink_bytes'] / sites / 1e6:.2f} MB down "
        f"(the base model, {run.model['base_bytes'] / 1e6:.0f} MB once per site, not counted)",
        f"seconds: {result['train_seconds']:.1f} training, measured here; {result['simulated_seconds']:.1f} simulated over {run.config['link']}",
    ]  # fmt: skip


def data_summary(corpus: Corpus) -> Facts:
    """What was read, how labels spread, and every note."""
    splits = {n: len(e) for n in ("train", "validation", "test") if (e := getattr(corpus, n)) is not None}
    counts = np.bincount(corpus.train.labels, minlength=len(corpus.labels))
    labels = {corpus.labels[i]: int(counts[i]) for i in np.argsort(-counts, kind="stable")}
    sites = sorted(set(corpus.train.clients or ()))
    verdict = "use with care" if corpus.notes else "ready"
    facts = {"name": corpus.name, "source": corpus.source, "sha256": corpus.sha256, "rows": splits, "labels": labels,
             "clients": sites, "notes": list(corpus.notes), "verdict": verdict}  # fmt: skip
    shown = list(labels.items())[:15]
    lines = [
        f"{corpus.name}: " + ", ".join(f"{n} {k} rows" for k, n in splits.items()) + f"; {len(labels)} labels"
        + (f"; {len(sites)} sites" if sites else "; no client column"),
        *(f"  {n:6d}  {name}" for name, n in shown),
        *([f"  ... and {len(labels) - len(shown)} more labels"] if len(labels) > len(shown) else []),
        *(f"note: {n}" for n in corpus.notes), f"verdict: {verdict}",
    ]  # fmt: skip
    return facts, lines


def who_has_what_lines(config: RunConfig, html: Path | None = None) -> Facts:
    """Clients x labels under a partition; with `html`, the picture too."""
    from fedkit.data.load import load_corpus
    from fedkit.data.partition import client_column, deal, describe, left_out

    column = client_column(config.partition, config.client)
    corpus = load_corpus(config.data, config.text, config.label, column, config.encoding, seed=config.seed)
    clients = deal(corpus, config.partition, config.clients, config.examples_per_client, config.seed)
    frame = describe(corpus, clients)
    notes = [*corpus.notes, *(f"client {c!r} left out: only {n} training examples" for c, n in left_out(corpus, clients).items())]
    lines = [frame.iloc[:50].to_string(max_cols=14), *(f"note: {n}" for n in notes)]
    if html is not None:
        lines.append(f"picture: {picture(frame, html)}")
    return {"clients": frame.to_dict(orient="index"), "notes": notes}, lines


def picture(frame, html: Path) -> Path:
    """Who has what as a self-contained page."""
    from fedkit.studio.plots import who_has_what

    try:
        html.parent.mkdir(parents=True, exist_ok=True)
        who_has_what(frame).write_html(html, include_plotlyjs=True)
    except OSError as error:
        raise FedkitError(f"cannot write {html}: {error.strerror}; choose another --html") from None
    return html


def known_data() -> Facts:
    """The bundled sets and the hub shortcuts."""
    from fedkit.data.hub import HUB
    from fedkit.data.load import BUNDLED

    facts = [{"name": n, "where": "bundled"} for n in BUNDLED] + [{"name": n, "where": "hub"} for n in HUB]
    lines = [f"{f['name']:15s} {f['where']}" for f in facts]
    return facts, [*lines, "or a file (csv tsv xlsx parquet jsonl), a folder with train.csv and test.csv, or hub:owner/name"]


def known_models() -> Facts:
    """The known base models, and whether they are here."""
    from fedkit.model.base import MODELS, find_model

    facts = []
    for name, known in MODELS.items():
        try:
            state = f"here, sha256 {find_model(name).sha256[:12]}... as expected"
        except FedkitError as error:
            state = str(error)
        facts.append({"name": name, "about": known.about, "state": state})
    lines = [f"{f['name']:10s} {f['about']}; {f['state']}" for f in facts]
    return facts, [*lines, "or a local folder, or a hub id such as owner/name when the hub is reachable"]
