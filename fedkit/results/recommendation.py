"""Findings about methods as plain sentences: the most accurate one, and a much cheaper one."""

from __future__ import annotations

import math
from typing import Any

from fedkit.core import formatting
from fedkit.core.formatting import count_noun
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.findings import verdict
from fedkit.results.measures import Runs
from fedkit.results.method_board import build_method_board, method_board_text, on_front
from fedkit.results.method_style import METHODS
from fedkit.results.methods import (
    Method,
    difference_over_seeds,
    difference_to_baseline,
    fully_seeded,
    group_baselines,
    group_methods,
    has_several_methods,
)
from fedkit.results.privacy_promise import ascii_promise, unlike_promise_notes, weakest_promise
from fedkit.results.scoreboard import scoreboard, to_text

NEARLY = 0.01  # accuracy: one point
EPSILON = ("epsilon", "delta", "privacy_unit")
COMPARED = (
    ("pooled", "pooled"),
    ("local", "local only"),
    ("frozen-pooled", "the frozen encoder, pooled"),
)


def best_method(found: list[Method]) -> Method | None:
    """Return the most accurate finished method with all seeds; None without one.

    Methods without faults, attacks and deadlines come first, if there are any.
    """
    done = [m for m in fully_seeded(found) if not math.isnan(m.accuracy().value)]
    done = [m for m in done if not m.trouble] or done
    return max(done, key=lambda m: m.accuracy().value) if done else None


def leanest_method(found: list[Method], top: Method) -> Method | None:
    """Return the method that sends least per visit, and less than `top`; None without one.

    It is within one point of the accuracy of `top`, has the same conditions and promises as much.
    """
    level = top.accuracy().value - NEARLY
    alike = [m for m in fully_seeded(found) if m.conditions == top.conditions]
    fit = [m for m in alike if m.accuracy().value >= level and m.promise.covers(top.promise)]
    fit = [m for m in fit if m.per_visit("uplink_bytes") < top.per_visit("uplink_bytes")]
    return min(fit, key=lambda m: m.per_visit("uplink_bytes")) if fit else None


def method_findings(runs: Runs) -> list[str]:
    """Return the findings, most important first, then warnings, each computed from the records."""
    runs = measures.check_runs(runs)
    found, others = group_methods(runs), group_baselines(runs)
    top = best_method(found)
    if top is None:
        return ["No method here has finished yet, so nothing is said about which is best."]
    lean = leanest_method(found, top)
    said = [_headline(found, top, lean)]
    for method in filter(None, (top, lean)):
        said += [_against(method, others, kind, name) for kind, name in COMPARED]
    after = (
        *_promise_sentences(found, others, top),
        *_trouble_sentences(found, top),
        _front(found, top),
        *_missing(others),
    )
    return [s for s in (*said, *after, *_caution(found)) if s]


def describe_runs(runs: Runs) -> tuple[str, list[str], dict[str, Any]]:
    """Return (plain text table, sentences, the same tables as values for JSON).

    The table is of methods where there are several methods or seeds, else of the runs themselves.
    """
    frame, listed = scoreboard(runs), measures.check_runs(runs)
    values = {
        "scoreboard": [
            row | _promise_values(run) for row, run in zip(frame.to_dict(orient="records"), listed)
        ]
    }
    if not has_several_methods(runs):
        return to_text(frame), [*verdict(runs), *_unprotected_note(listed)], values
    board = build_method_board(runs)
    values["methods"] = board.to_dict(orient="records")
    return method_board_text(board), method_findings(runs), values


def _promise_values(run: Run) -> dict[str, Any]:
    """Return a run's promise for JSON; None where nothing is promised."""
    p = weakest_promise([run])
    return (
        {"epsilon": p.epsilon, "delta": p.delta, "privacy_unit": p.unit}
        if p.given
        else dict.fromkeys(EPSILON)
    )


def _unprotected_note(runs: list[Run]) -> list[str]:
    """Warn when a run with privacy is compared with baselines, which never have any."""
    given = [
        p for p in (weakest_promise([run]) for run in measures.federated_runs(runs)) if p.given
    ]
    if not given or len(measures.federated_runs(runs)) == len(runs):
        return []
    return [
        f"The federated run promises {ascii_promise(given[0])}; what it is compared with promises"
        " nothing."
    ]


def method_headline(found: list[Method]) -> str:
    """Return the headline in a sentence short enough for a figure."""
    top = best_method(found)
    if top is None:
        return "No method has finished yet."
    sent = describe_upload(top)
    start = (
        f"{top.name} is the most accurate ({formatting.percent(top.accuracy().value)}) and sends"
        f" {sent} a round"
    )
    lean = leanest_method(found, top)
    if lean is None:
        return start + "."
    gap = lean.accuracy().value - top.accuracy().value
    return f"{start}; {lean.name} is {_gap(gap)} and sends {_times(top, lean)} less."


def _gap(difference: float) -> str:
    return f"{abs(100 * difference):.1f} points lower" if abs(difference) >= 5e-4 else "as accurate"


def _headline(found: list[Method], top: Method, lean: Method | None) -> str:
    mean, sent = top.accuracy(), describe_upload(top)
    start = (
        f"{top.name} is the most accurate of {_competing(found, top)}{_unlike(found, top)}:"
        f" {formatting.percent(mean.value)}, sending {sent} per client and round"
    )
    if lean is None:
        if len([m for m in found if m.conditions == top.conditions]) < 2:
            return (
                f"{start} (95 % interval {formatting.percent_range(mean.low, mean.high)}, over"
                f" {mean.over})."
            )
        return f"{start}; nothing that sends less comes within one point of it."
    gap = difference_over_seeds(lean.runs, top.runs)
    less = describe_upload(lean)
    value = lean.accuracy().value - mean.value if gap is None else gap.value
    inside = f" ({gap.interval_text()})" if gap else ""
    return (
        f"{start}. {lean.name} sends {less}, {_times(top, lean)} less, at"
        f" {formatting.points(value)} points{inside}."
    )


def _unlike(found: list[Method], top: Method) -> str:
    """Return words for methods with unlike promises, which accuracy alone does not rank."""
    unlike = len({m.promise for m in found if m.conditions == top.conditions}) > 1
    return " with unlike promises of privacy" if unlike else ""


def _competing(found: list[Method], top: Method) -> str:
    """Return '12 methods', or '3 methods with 2 seeds (14 more have fewer seeds)'."""
    found = [m for m in found if m.conditions == top.conditions]
    able, fewer = fully_seeded(found), sum(m.finished for m in found) - len(fully_seeded(found))
    if not fewer:
        return count_noun(len(found), "method")
    seeds = count_noun(len(able[0].seeds), "seed")
    return f"{count_noun(len(able), 'method')} with {seeds} ({fewer} more have fewer seeds)"


def describe_upload(method: Method) -> str:
    """Return what a client sends in a round, in words."""
    return formatting.megabytes(method.per_visit("uplink_bytes") / measures.MB)


def _times(top: Method, lean: Method) -> str:
    times = top.per_visit("uplink_bytes") / max(lean.per_visit("uplink_bytes"), 1.0)
    return f"{times:,.0f} times" if times >= 9.5 else f"{times:.1f} times"


def _against(method: Method, others: list[Method], kind: str, name: str) -> str:
    gap = difference_to_baseline(method, others, kind)
    if gap is None:
        return ""
    verb = "is above" if gap.above else "is below" if gap.below else "is not shown to differ from"
    points = formatting.points(gap.value)
    return f"{method.name} {verb} {name}: {points} points ({gap.interval_text()})."


def _promise_sentences(found: list[Method], others: list[Method], top: Method) -> list[str]:
    """Name the best method under each promise that differs from that of `top`.

    A method is not better for promising less.
    """
    alike = [m for m in found if m.conditions == top.conditions]
    kinds = list(dict.fromkeys(m.promise for m in alike))
    first = ascii_promise(top.promise).replace("none", "nothing")
    out = [
        f"{top.name} promises {first}, the methods that it is compared with above promise nothing."
    ] * (top.promise.given and bool(others))
    for kind in sorted((k for k in kinds if k != top.promise), key=lambda k: (-k.epsilon, k.unit)):
        if (winner := best_method([m for m in alike if m.promise == kind])) is None:
            continue
        gap = difference_over_seeds(winner.runs, top.runs)
        value = winner.accuracy().value - top.accuracy().value if gap is None else gap.value
        inside = f"; {gap.interval_text()}" if gap else ""
        which = " does best" if sum(m.promise == kind for m in alike) > 1 else ""
        out.append(
            f"With {ascii_promise(kind).replace('none', 'nothing promised')}: {winner.name}{which},"
            f" {formatting.percent(winner.accuracy().value)} ({formatting.points(value)} points"
            f" against {top.name}, which promises {first}{inside})."
        )
    return [*out, *unlike_promise_notes(kinds)]


def _trouble_sentences(found: list[Method], top: Method) -> list[str]:
    """Name the best method under each other set of faults, attacks and deadlines.

    A method is not better for having had fewer of them.
    """
    out = []
    for group in dict.fromkeys(
        m.conditions for m in found if m.task == top.task and m.conditions != top.conditions
    ):
        if (first := best_method([m for m in found if m.conditions == group])) is not None:
            change = formatting.points(first.accuracy().value - top.accuracy().value)
            out.append(
                f"With {first.trouble or 'nothing of the kind'}: {first.name} does best,"
                f" {formatting.percent(first.accuracy().value)} ({change} points against"
                f" {top.name})."
            )
    return out


def _front(found: list[Method], top: Method) -> str:
    if len([m for m in found if m.conditions == top.conditions]) < 3:
        return ""
    members = [
        m for m, there in zip(found, on_front(found)) if there and m.conditions == top.conditions
    ]
    members.sort(key=lambda m: m.per_visit("uplink_bytes"))
    named = "; ".join(
        f"{m.name} ({formatting.percent(m.accuracy().value)}, {describe_upload(m)})"
        for m in members
    )
    axes = (
        ", bytes sent and privacy"
        if len({m.promise for m in members}) > 1
        else " against bytes sent"
    )
    return f"On the Pareto front of accuracy{axes}, the fewest bytes first: {named}."


def _missing(others: list[Method]) -> list[str]:
    kinds = {m.kind for m in others}
    absent = [METHODS[k].name.lower() for k in ("local", "pooled") if k not in kinds]
    return [f"Missing here: {'; '.join(absent)}. `fedkit baselines` makes them."] if absent else []


def _caution(found: list[Method]) -> list[str]:
    said = []
    if len({m.task for m in found}) > 1:
        said.append(
            "These methods are not all on the same data dealt alike: compare within one kind of"
            " data only."
        )
    if waiting := [m.name for m in found if not m.finished]:
        said.append(f"Not finished, so not on the front: {'; '.join(waiting)}.")
    able = {id(m) for m in fully_seeded(found)}
    if fewer := [m.name for m in found if m.finished and id(m) not in able]:
        said.append(f"Fewer seeds than the others, so not compared with them: {'; '.join(fewer)}.")
    fewest = min(len(m.seeds) for m in found)
    if fewest == 1:
        said.append(
            "One seed for some methods: their intervals do not cover the luck of split, start and"
            " batches."
        )
    elif fewest == 2:
        said.append(
            "Two seeds are too few for an interval that says anything; three tell large"
            " differences, five small ones."
        )
    elif fewest < 5:
        said.append(
            f"{count_noun(fewest, 'seed')} make wide intervals; five or more would tell small"
            " differences."
        )
    if len(found) > 2:
        said.append(
            "The most accurate was picked by looking at the test set, which flatters it a little;"
            " to decide, run it again with seeds that were not used here."
        )
    return said
