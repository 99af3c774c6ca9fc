"""The top of the report on one run: the question, the answer and the most important numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fedkit import plots
from fedkit.core import formatting
from fedkit.core.formatting import count_noun, printable_line
from fedkit.core.record import Run
from fedkit.network import profiles, replay
from fedkit.plots.theme import INK
from fedkit.results import measures
from fedkit.results.difference import find_comparable
from fedkit.results.method_style import METHODS
from fedkit.results.privacy_promise import format_delta, format_epsilon, weakest_promise


def run_question(main: Run) -> str:
    """Return the question, for readers who have never heard of federated learning."""
    clients, labels = len(measures.clients(main)), len(main.data.get("labels", []))
    examples = measures.as_number(main.data.get("train"))
    return (
        f"Can {count_noun(clients, 'site')} (called clients below)"
        " that keep their text to themselves train one model together,"
        " and is it better than what each can do alone?"
        f" The task: sort text into {count_noun(labels, 'label')},"
        f" with {examples:,.0f} training examples in all."
    )


def split_answer(sentence: str) -> tuple[str, str, str]:
    """Split a verdict into the words before, in and after its last brackets, which hold the
    interval.
    """
    match = re.fullmatch(r"(.*)( \([^()]*\))([^()]*)", sentence)
    if match is None:
        return sentence, "", ""
    before, inside, after = match.groups()
    return (before, inside + after, "") if after == "." else (before, inside, after)


def run_tiles(main: Run, runs: list[Run]) -> Iterator[dict[str, str]]:
    """Yield the most important numbers, as values of the page's tiles."""
    for method in ("federated", "local", "pooled"):
        run = main if method == main.method else find_comparable(main, runs, method)
        if run is not None:
            yield _tile(method, formatting.percent(measures.accuracy(run)), _accuracy_note(run))
        elif method != "federated":
            yield _tile(method, "not run", "fedkit baselines makes it")
    if main.method == "federated":
        yield from _cost_tiles(main)
        yield privacy_tile(main)


def _accuracy_note(run: Run) -> str:
    clients = count_noun(len(measures.clients(run)), "client")
    what = {"local": f"mean of {clients} alone", "pooled": "were all text in one place"}.get(
        run.method, "test accuracy"
    )
    low, high, over = measures.accuracy_interval(run)
    return f"{what}; 95 % interval {formatting.percent_range(low, high)}, over {over}"


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
        return _tile(
            "Privacy", "none", "only sums are read" if p.sealed else "no epsilon is promised"
        )
    block = main.result.get("privacy")
    trust = block.get("trust", "not recorded") if isinstance(block, dict) else "not recorded"
    who = printable_line(trust, 200)
    return _tile(
        "Privacy",
        f"\u03b5 {format_epsilon(p.epsilon)}",
        f"per {p.unit}, \u03b4 {format_delta(p.delta)}; trusted: {who}",
    )


def _tile(what: str, value: str, note: str) -> dict[str, str]:
    known = METHODS.get(what)
    colour, name = (known.colour, known.short) if known else (INK, what)
    return {"what": name, "value": value, "note": note, "colour": colour}
