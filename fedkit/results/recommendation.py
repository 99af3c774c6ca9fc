"""What a board of methods says, in sentences: the most accurate, the one that sends far less for
nearly as much.
"""

from __future__ import annotations

import math
from typing import Any

from fedkit.core import formatting
from fedkit.core.formatting import count
from fedkit.core.record import Run
from fedkit.results import measures, method_board
from fedkit.results import scoreboard as scoreboard_module
from fedkit.results.findings import verdict
from fedkit.results.measures import Runs
from fedkit.results.method_board import on_front
from fedkit.results.method_style import METHODS
from fedkit.results.methods import (
    Method,
    against,
    baselines,
    complete,
    methods,
    over_seeds,
    several,
)
from fedkit.results.privacy_promise import differing, plainly, promise
from fedkit.results.scoreboard import scoreboard

NEARLY = 0.01  # accuracy: one point
EPSILON = ("epsilon", "delta", "privacy_unit")
COMPARED = (
    ("pooled", "pooled"),
    ("local", "local only"),
    ("frozen-pooled", "the frozen encoder, pooled"),
)


def best(found: list[Method]) -> Method | None:
    """The most accurate finished method with all seeds, of those that nothing befell if there are
    any; None without one.
    """
    done = [m for m in complete(found) if not math.isnan(m.accuracy().value)]
    done = [m for m in done if not m.trouble] or done
    return max(done, key=lambda m: m.accuracy().value) if done else None


def leanest(found: list[Method], top: Method) -> Method | None:
    """The method that sends least per visit, and less than `top`, within one point of its accuracy;
    of the same conditions, and promising as much.
    """
    level, alike = (
        top.accuracy().value - NEARLY,
        [m for m in complete(found) if m.conditions == top.conditions],
    )
    fit = [m for m in alike if m.accuracy().value >= level and m.promise.covers(top.promise)]
    fit = [m for m in fit if m.per_visit("uplink_bytes") < top.per_visit("uplink_bytes")]
    return min(fit, key=lambda m: m.per_visit("uplink_bytes")) if fit else None


def words(runs: Runs) -> list[str]:
    """The findings, most important first, then warnings. Every sentence is computed."""
    runs = measures.sound(runs)
    found, others = methods(runs), baselines(runs)
    top = best(found)
    if top is None:
        return ["No method here has finished yet, so nothing is said about which is best."]
    lean = leanest(found, top)
    said = [_headline(found, top, lean)]
    for method in filter(None, (top, lean)):
        said += [_against(method, others, kind, name) for kind, name in COMPARED]
    after = (
        *_promised(found, others, top),
        *_troubled(found, top),
        _front(found, top),
        *_missing(others),
    )
    return [s for s in (*said, *after, *_caution(found)) if s]


def board_of(runs: Runs) -> tuple[str, list[str], dict[str, Any]]:
    """(table in plain characters, sentences, the same board as values for JSON).

    Of methods where there are several, or several seeds; else of the runs themselves.
    """
    frame, listed = scoreboard(runs), measures.sound(runs)
    values = {
        "scoreboard": [
            row | _numbers(run) for row, run in zip(frame.to_dict(orient="records"), listed)
        ]
    }
    if not several(runs):
        return scoreboard_module.to_text(frame), [*verdict(runs), *_without(listed)], values
    methods_board = method_board.board(runs)
    return (
        method_board.to_text(methods_board),
        words(runs),
        {**values, "methods": methods_board.to_dict(orient="records")},
    )


def _numbers(run: Run) -> dict[str, Any]:
    """A run's promise for JSON; None where nothing is promised."""
    p = promise([run])
    return (
        {"epsilon": p.epsilon, "delta": p.delta, "privacy_unit": p.unit}
        if p.given
        else dict.fromkeys(EPSILON)
    )


def _without(runs: list[Run]) -> list[str]:
    """Said where a run with privacy stands beside baselines, which never have any."""
    given = [p for p in (promise([run]) for run in measures.federated(runs)) if p.given]
    if not given or len(measures.federated(runs)) == len(runs):
        return []
    return [
        f"The federated run promises {plainly(given[0])}; what it is compared with promises"
        " nothing."
    ]


def finding(found: list[Method]) -> str:
    """The headline in a sentence short enough for a figure."""
    top = best(found)
    if top is None:
        return "No method has finished yet."
    sent = sent_by(top)
    start = (
        f"{top.name} is the most accurate ({formatting.percent(top.accuracy().value)}) and sends"
        f" {sent} a round"
    )
    lean = leanest(found, top)
    if lean is None:
        return start + "."
    gap = lean.accuracy().value - top.accuracy().value
    return f"{start}; {lean.name} is {_gap(gap)} and sends {_times(top, lean)} less."


def _gap(difference: float) -> str:
    return f"{abs(100 * difference):.1f} points lower" if abs(difference) >= 5e-4 else "as accurate"


def _headline(found: list[Method], top: Method, lean: Method | None) -> str:
    mean, sent = top.accuracy(), sent_by(top)
    start = (
        f"{top.name} is the most accurate of {_competing(found, top)}{_unlike(found, top)}:"
        f" {formatting.percent(mean.value)}, sending {sent} per client and round"
    )
    if lean is None:
        if len([m for m in found if m.conditions == top.conditions]) < 2:
            return (
                f"{start} (95 % interval {formatting.between(mean.low, mean.high)}, over"
                f" {mean.over})."
            )
        return f"{start}; nothing that sends less comes within one point of it."
    gap = over_seeds(lean.runs, top.runs)
    less = sent_by(lean)
    value = lean.accuracy().value - mean.value if gap is None else gap.value
    inside = f" ({gap.interval()})" if gap else ""
    return (
        f"{start}. {lean.name} sends {less}, {_times(top, lean)} less, at"
        f" {formatting.points(value)} points{inside}."
    )


def _unlike(found: list[Method], top: Method) -> str:
    """Said at once where methods differ in their promise: accuracy alone does not rank them."""
    unlike = len({m.promise for m in found if m.conditions == top.conditions}) > 1
    return " with unlike promises of privacy" if unlike else ""


def _competing(found: list[Method], top: Method) -> str:
    """'12 methods', or '3 methods with 2 seeds (14 more have fewer)'; of the same conditions."""
    found = [m for m in found if m.conditions == top.conditions]
    able, fewer = complete(found), sum(m.finished for m in found) - len(complete(found))
    if not fewer:
        return count(len(found), "method")
    return (
        f"{count(len(able), 'method')} with {count(len(able[0].seeds), 'seed')} ({fewer} more have"
        " fewer seeds)"
    )


def sent_by(method: Method) -> str:
    """What a client sends in a round, in words."""
    return formatting.megabytes(method.per_visit("uplink_bytes") / measures.MB)


def _times(top: Method, lean: Method) -> str:
    times = top.per_visit("uplink_bytes") / max(lean.per_visit("uplink_bytes"), 1.0)
    return f"{times:,.0f} times" if times >= 9.5 else f"{times:.1f} times"


def _against(method: Method, others: list[Method], kind: str, name: str) -> str:
    gap = against(method, others, kind)
    if gap is None:
        return ""
    verb = "is above" if gap.above else "is below" if gap.below else "is not shown to differ from"
    return f"{method.name} {verb} {name}: {formatting.points(gap.value)} points ({gap.interval()})."


def _promised(found: list[Method], others: list[Method], top: Method) -> list[str]:
    """Who does best under each promise that differs from that of `top`: a method is not better for
    promising less.
    """
    alike = [m for m in found if m.conditions == top.conditions]
    kinds = list(dict.fromkeys(m.promise for m in alike))
    first = plainly(top.promise).replace("none", "nothing")
    out = [
        f"{top.name} promises {first}, the methods that it is compared with above promise nothing."
    ] * (top.promise.given and bool(others))
    for kind in sorted((k for k in kinds if k != top.promise), key=lambda k: (-k.epsilon, k.unit)):
        if (winner := best([m for m in alike if m.promise == kind])) is None:
            continue
        gap = over_seeds(winner.runs, top.runs)
        value = winner.accuracy().value - top.accuracy().value if gap is None else gap.value
        inside = f"; {gap.interval()}" if gap else ""
        which = " does best" if sum(m.promise == kind for m in alike) > 1 else ""
        out.append(
            f"With {plainly(kind).replace('none', 'nothing promised')}: {winner.name}{which},"
            f" {formatting.percent(winner.accuracy().value)} ({formatting.points(value)} points"
            f" against {top.name}, which promises {first}{inside})."
        )
    return [*out, *differing(kinds)]


def _troubled(found: list[Method], top: Method) -> list[str]:
    """Under what else runs were made, and who does best there: no method is better for having met
    less.
    """
    out = []
    for group in dict.fromkeys(
        m.conditions for m in found if m.task == top.task and m.conditions != top.conditions
    ):
        if (first := best([m for m in found if m.conditions == group])) is not None:
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
        f"{m.name} ({formatting.percent(m.accuracy().value)}, {sent_by(m)})" for m in members
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
    able = {id(m) for m in complete(found)}
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
            f"{count(fewest, 'seed')} make wide intervals; five or more would tell small"
            " differences."
        )
    if len(found) > 2:
        said.append(
            "The most accurate was picked by looking at the test set, which flatters it a little;"
            " to decide, run it again with seeds that were not used here."
        )
    return said
