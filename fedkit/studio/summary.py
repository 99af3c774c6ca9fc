"""What the command line prints about a run, a data set, a model: values for programs, lines for people."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fedkit.config import RunConfig
from fedkit.data.corpus import Corpus
from fedkit.data.say import count
from fedkit.errors import FedkitError
from fedkit.model.base import script_note
from fedkit.record import Run

Facts = tuple[Any, list[str]]
READY, WITH_CARE, NOT_YET = (0, "ready"), (1, "with care"), (3, "not yet")  # exit code and word
LEAST_TEST = 20  # test examples below which no accuracy means anything
WIDE = 0.10  # half an interval from which on a comparison needs luck
SAID_ONLY = (" column: guessed ", "with equal label shares", " separates its cells by ")  # notes that cast no doubt


def summary(run: Run) -> list[str]:
    """A run in a few lines."""
    from fedkit.studio import facts, privacy_words, say

    low, high, over = facts.interval(facts.checked(run))
    train, test, trained = (
        facts.number(v, "data") for v in (run.data.get("train"), run.data.get("test"), run.model.get("trainable"))
    )
    up, down = (say.megabytes(facts.mb_per_client(run, way)) for way in ("uplink", "downlink"))
    start = None if run.start is None else facts.number(run.start.accuracy, "accuracy")
    before = "" if start is None else f"; before round 1: {say.percent(start)}"
    modelled = say.seconds(facts.result(run, "simulated_seconds"))
    return [
        *(f"note: {n}" for n in run.data.get("notes") or []),
        f"{run.data.get('name')}: {count(len(facts.clients(run)), 'site')}, {train:,.0f} training and {test:,.0f} test "
        f"examples, {count(len(run.data.get('labels', [])), 'label')}",
        f"accuracy {say.percent(facts.accuracy(run))} (95 % interval {say.between(low, high)}, over {over})"
        f"{before}; worst client {say.percent(facts.worst(run))}",
        *_gained(run),
        *_models(run),
        f"traffic of a site: {up} sent, {down} received in {say.rounds(run)} ({run.config.get('tune')}: {trained:,.0f} "
        f"numbers), and once the base model, {say.megabytes(facts.base_mb(run))}",
        f"time: {say.seconds(run.total('train_seconds'))} of training, measured here{_engine(run)}; {modelled} for the rounds over "
        f"{run.config.get('link')}, modelled",
        *_refused(run),
        *privacy_words.lines(run),
    ]


def _models(run: Run) -> list[str]:
    """Whose accuracy it is, where every site ends with a model of its own."""
    if run.config.get("share", "all") == "all" and not str(run.config.get("aggregate")).startswith("fedsa"):
        return []
    return ["models: one per site, since a part of each stays there; the accuracy is the mean over the sites' models"]


def _engine(run: Run) -> str:
    name = run.environment.get("engine")
    return f" ({name} engine)" if name in ("fast", "plain") else ""


def _refused(run: Run) -> list[str]:
    """Updates that did not count, and why."""
    missed = [c for r in run.rounds for c in r.clients if c.status != "ok"]
    why = Counter(f"{c.status}: {c.reason.rpartition(': ')[2]}" for c in missed)  # without the tensor's name
    visits, out = sum(len(r.clients) for r in run.rounds), []
    if missed and len(missed) == visits:
        out.append("warning: no update counted in any round; the accuracy is that of the start")
    for reason, n in why.most_common():
        sites = {c.id for c in missed if f"{c.status}: {c.reason.rpartition(': ')[2]}" == reason}
        named = f", all by {sites.pop()}" if len(sites) == 1 else f", by {len(sites)} sites"
        out.append(
            f"warning: {n:,} of {visits:,} times a site took its turn, its update did not count ({reason}){named}"
        )
    return out


def _gained(run: Run) -> list[str]:
    """What the rounds added to the start, as far as the test set can tell."""
    from fedkit.studio import facts, say

    if run.start is None or not run.rounds:
        return []
    gain, (low, high, _) = facts.accuracy(run) - run.start.accuracy, facts.interval(run)
    told = abs(gain) > (high - low) / 2
    words = "" if told else ", which is within what chance does on this test set"
    return [f"the rounds added {say.points(gain)} points to the start{words}"]


def data_summary(corpus: Corpus) -> tuple[int, Any, list[str]]:
    """(exit code, values, lines): what was read, how labels spread, every note, and whether it can be used."""
    splits = {n: len(e) for n in ("train", "validation", "test") if (e := getattr(corpus, n)) is not None}
    counts = np.bincount(corpus.train.labels, minlength=len(corpus.labels))
    labels = {corpus.labels[i]: int(counts[i]) for i in np.argsort(-counts, kind="stable")}
    sites = dict(Counter(corpus.train.clients or ()).most_common())
    (code, verdict), reasons = readiness(corpus)
    facts = {"name": corpus.name, "source": corpus.source, "sha256": corpus.sha256, "rows": splits, "labels": labels,
             "clients": sites, "notes": list(corpus.notes), "verdict": verdict, "reasons": reasons}  # fmt: skip
    lines = [
        f"{corpus.name}: " + ", ".join(f"{n:,} rows to {use}" for use, n in _uses(splits)),
        *_counted("label", labels),
        *(_counted("site", sites) if sites else ["no client column: give one with --client, or let --partition deal"]),
        *(f"note: {n}" for n in corpus.notes),
        f"verdict: {verdict}" + (", because" if reasons else ""),
        *(f"  - {r}" for r in reasons),
    ]
    return code, facts, lines


def readiness(corpus: Corpus) -> tuple[tuple[int, str], list[str]]:
    """The verdict (exit code, word) and its reasons.

    not yet: no two sites can be made, or fewer than 20 test examples. with care: the client column makes no sites,
    an accuracy would be known to 10 points or worse, or a note says that something was dropped, changed or doubtful.
    """
    from fedkit.evaluate import wilson

    n = len(corpus.test)
    low, high = wilson(n // 2, n)
    missing, doubts = _sites_fault(corpus)
    if n < LEAST_TEST:
        missing.append(f"{count(n, 'test example')}: at least {LEAST_TEST} are needed for an accuracy to mean anything")
    elif (half := (high - low) / 2) >= WIDE:
        doubts.append(f"{n} test examples tell an accuracy to within {100 * half:.0f} points only: add examples")
    doubts += filter(None, [script_note(RunConfig.model, corpus.train.texts)])
    doubts += [note for note in corpus.notes if not any(words in note for words in SAID_ONLY)]
    return (NOT_YET if missing else WITH_CARE if doubts else READY), missing + doubts


def _sites_fault(corpus: Corpus) -> tuple[list[str], list[str]]:
    """(what stands against any two sites, what against those of the client column)."""
    from fedkit.data.partition import deal

    said = []
    for partition in ("auto", "iid"):
        try:
            deal(corpus, partition, clients=2)
            return [], said[:1]
        except FedkitError as error:
            said.append(str(error))
    return said[-1:], []


def _uses(splits: dict[str, int]) -> list[tuple[str, int]]:
    words = {"train": "train on", "validation": "choose settings on", "test": "test on"}
    return [(words[name], n) for name, n in splits.items()]


def _counted(what: str, numbers: dict[str, int], most: int = 15) -> list[str]:
    shown = list(numbers.items())[:most]
    more = f"  and {len(numbers) - most} more" if len(numbers) > most else ""
    return [f"{count(len(numbers), what)}:", *(f"{n:8,d}  {name}" for name, n in shown), *([more] if more else [])]


def who_has_what_lines(config: RunConfig, html: Path | None = None) -> Facts:
    """Clients and their commonest labels under a partition; with `html`, the picture too."""
    from fedkit.data.load import load_corpus
    from fedkit.data.partition import client_column, deal, describe, left_out

    column = client_column(config.partition, config.client)
    corpus = load_corpus(config.data, config.text, config.label, column, config.encoding, seed=config.seed)
    clients = deal(corpus, config.partition, config.clients, config.examples_per_client, config.seed)
    frame = describe(corpus, clients)
    left = left_out(corpus, clients).items()
    notes = [*corpus.notes, *(f"client {c!r} left out: too few training examples ({n})" for c, n in left)]
    lines = [*_per_site(frame), *(f"note: {n}" for n in notes)]
    if html is not None:
        lines.append(f"picture: {picture(frame, html)}")
    return {"clients": frame.to_dict(orient="index"), "notes": notes}, lines


def _per_site(frame, most: int = 50) -> list[str]:
    """A line per site: its name, its examples, its commonest labels with their shares; wrapped at 100 columns."""
    width = max(4, *(len(str(name)) for name in frame.index[:most]))
    lines = [f"{'site':{width}}  examples  labels  mostly"]
    for name, row in frame.iloc[:most].iterrows():
        there = row[row > 0].sort_values(ascending=False, kind="stable")
        mostly = ", ".join(f"{label} {100 * n / row.sum():.0f} %" for label, n in there.head(3).items())
        lines += textwrap.wrap(f"{name!s:{width}}  {row.sum():8,d}  {len(there):6d}  {mostly}", 100,
                               subsequent_indent=" " * (width + 20))  # fmt: skip
    return lines + ([f"... and {len(frame) - most} more sites"] if len(frame) > most else [])


def picture(frame, html: Path) -> Path:
    """Who has what as a self-contained page; in a folder, as who-has-what.html."""
    from fedkit.studio.plots import who_has_what

    html = html / "who-has-what.html" if html.is_dir() else html
    text = who_has_what(frame).to_html(include_plotlyjs=True)
    try:
        html.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise FedkitError(f"cannot write {html}: {error.strerror}; choose another --html") from None
    return html


def known_data() -> Facts:
    """The bundled sets and the hub shortcuts."""
    from fedkit.data.hub import HUB
    from fedkit.data.load import BUNDLED

    facts = [{"name": n, "where": "bundled", "about": ABOUT.get(n, "")} for n in BUNDLED]
    facts += [{"name": n, "where": "hub", "about": ABOUT.get(n, "")} for n in HUB]
    lines = [f"{f['name']:14s} {f['where']:8s} {f['about']}".rstrip() for f in facts]
    return facts, [
        *lines,
        "or give a .csv .tsv .xlsx .parquet .jsonl file, a folder with train.csv and test.csv, or hub:OWNER/NAME",
        "a hub set needs a network, once, and the package datasets: pip install 'fedkit[hub]'",
    ]


def known_models() -> Facts:
    """The known base models, and whether they are here."""
    from fedkit.model.base import MODELS, find_model

    facts = []
    for name, known in MODELS.items():
        try:
            here, state = True, f"here, sha256 {find_model(name).sha256[:12]} as tested"
        except FedkitError as error:
            here, state = False, str(error)
        facts.append({"name": name, "about": known.about, "here": here, "state": state})
    lines = [line for f in facts for line in (f"{f['name']}: {f['about']}", f"  {f['state']}")]
    return facts, [
        *lines,
        "or give a folder with config.json, tokenizer.json and model.safetensors, or a hub id such as OWNER/NAME",
    ]


ABOUT = {
    "service_desk": "who should handle this report? six companies of different trades, 12 labels, synthetic, English",
    "demo": "another name of service_desk",
    "plant_alarms": "what stopped the line? alarm codes of four plants, 8 labels, synthetic; codes no base model knows",
    "service_desk_ja": "the same question in Japanese: six other companies, 12 labels, synthetic; needs a model that reads Japanese",
    "banking77": "questions to a bank's help desk, 77 labels, English (Casanueva et al., 2020)",
    "clinc150": "requests to an assistant, 151 labels, English (Larson et al., 2019)",
    "ag_news": "news, 4 labels, English (Zhang et al., 2015)",
    "20newsgroups": "posts, 20 labels, English (Lang, 1995)",
}
