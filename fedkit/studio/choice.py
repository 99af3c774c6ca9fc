"""What a board of methods says, in sentences: the most accurate, the one that sends far less for nearly as much."""

from __future__ import annotations

import math
from typing import Any

from fedkit.data.say import count
from fedkit.studio import board, facts, say, table
from fedkit.studio.board import on_front
from fedkit.studio.facts import Runs
from fedkit.studio.seeds import Method, against, baselines, complete, methods, over_seeds, several
from fedkit.studio.table import scoreboard
from fedkit.studio.theme import METHODS
from fedkit.studio.verdict import verdict

NEARLY = 0.01  # accuracy: one point
COMPARED = (("pooled", "pooled"), ("local", "local only"), ("frozen-pooled", "the frozen encoder, pooled"))


def best(found: list[Method]) -> Method | None:
    """The most accurate finished method with all seeds, of those that nothing befell if there are any; None without one."""
    done = [m for m in complete(found) if not math.isnan(m.accuracy().value)]
    done = [m for m in done if not m.trouble] or done
    return max(done, key=lambda m: m.accuracy().value) if done else None


def leanest(found: list[Method], top: Method) -> Method | None:
    """The method of the same conditions that sends least per visit, and less than `top`, within one point of its accuracy."""
    level = top.accuracy().value - NEARLY
    fit = [m for m in complete(found) if m.conditions == top.conditions and m.accuracy().value >= level]
    fit = [m for m in fit if m.per_visit("uplink_bytes") < top.per_visit("uplink_bytes")]
    return min(fit, key=lambda m: m.per_visit("uplink_bytes")) if fit else None


def words(runs: Runs) -> list[str]:
    """The findings, most important first, then warnings. Every sentence is computed."""
    runs = facts.sound(runs)
    found, others = methods(runs), baselines(runs)
    top = best(found)
    if top is None:
        return ["No method here has finished yet, so nothing is said about which is best."]
    lean = leanest(found, top)
    said = [_headline(found, top, lean)]
    for method in filter(None, (top, lean)):
        said += [_against(method, others, kind, name) for kind, name in COMPARED]
    return [s for s in (*said, *_troubled(found, top), _front(found, top), *_missing(others), *_caution(found)) if s]


def board_of(runs: Runs) -> tuple[str, list[str], dict[str, Any]]:
    """(table in plain characters, sentences, the same board as values for JSON).

    Of methods where there are several, or several seeds; else of the runs themselves.
    """
    frame = scoreboard(runs)
    values = {"scoreboard": frame.to_dict(orient="records")}
    if not several(runs):
        return table.to_text(frame), verdict(runs), values
    methods_board = board.board(runs)
    return board.to_text(methods_board), words(runs), {**values, "methods": methods_board.to_dict(orient="records")}


def finding(found: list[Method]) -> str:
    """The headline in a sentence short enough for a figure."""
    top = best(found)
    if top is None:
        return "No method has finished yet."
    sent = sent_by(top)
    start = f"{top.name} is the most accurate ({say.percent(top.accuracy().value)}) and sends {sent} a round"
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
        f"{top.name} is the most accurate of {_competing(found, top)}: {say.percent(mean.value)}, sending {sent} "
        "per client and round"
    )
    if lean is None:
        if len([m for m in found if m.conditions == top.conditions]) < 2:
            return f"{start} (95 % interval {say.between(mean.low, mean.high)}, over {mean.over})."
        return f"{start}; nothing that sends less comes within one point of it."
    gap = over_seeds(lean.runs, top.runs)
    less = sent_by(lean)
    value = lean.accuracy().value - mean.value if gap is None else gap.value
    inside = f" ({gap.interval()})" if gap else ""
    return f"{start}. {lean.name} sends {less}, {_times(top, lean)} less, at {say.points(value)} points{inside}."


def _competing(found: list[Method], top: Method) -> str:
    """'12 methods', or '3 methods with 2 seeds (14 more have fewer)'; of the same conditions."""
    found = [m for m in found if m.conditions == top.conditions]
    able, fewer = complete(found), sum(m.finished for m in found) - len(complete(found))
    if not fewer:
        return count(len(found), "method")
    return f"{count(len(able), 'method')} with {count(len(able[0].seeds), 'seed')} ({fewer} more have fewer seeds)"


def sent_by(method: Method) -> str:
    """What a client sends in a round, in words."""
    return say.megabytes(method.per_visit("uplink_bytes") / facts.MB)


def _times(top: Method, lean: Method) -> str:
    times = top.per_visit("uplink_bytes") / max(lean.per_visit("uplink_bytes"), 1.0)
    return f"{times:,.0f} times" if times >= 9.5 else f"{times:.1f} times"


def _against(method: Method, others: list[Method], kind: str, name: str) -> str:
    gap = against(method, others, kind)
    if gap is None:
        return ""
    verb = "is above" if gap.above else "is below" if gap.below else "is not shown to differ from"
    return f"{method.name} {verb} {name}: {say.points(gap.value)} points ({gap.interval()})."


def _troubled(found: list[Method], top: Method) -> list[str]:
    """Under what else runs were made, and who does best there: no method is better for having met less."""
    out = []
    for group in dict.fromkeys(m.conditions for m in found if m.task == top.task and m.conditions != top.conditions):
        if (first := best([m for m in found if m.conditions == group])) is not None:
            change = say.points(first.accuracy().value - top.accuracy().value)
            out.append(f"With {first.trouble or 'nothing of the kind'}: {first.name} does best, "
                       f"{say.percent(first.accuracy().value)} ({change} points against {top.name}).")  # fmt: skip
    return out


def _front(found: list[Method], top: Method) -> str:
    if len([m for m in found if m.conditions == top.conditions]) < 3:
        return ""
    members = [m for m, there in zip(found, on_front(found)) if there and m.conditions == top.conditions]
    members.sort(key=lambda m: m.per_visit("uplink_bytes"))
    named = "; ".join(f"{m.name} ({say.percent(m.accuracy().value)}, {sent_by(m)})" for m in members)
    return f"On the Pareto front of accuracy against bytes sent, the fewest bytes first: {named}."


def _missing(others: list[Method]) -> list[str]:
    kinds = {m.kind for m in others}
    absent = [METHODS[k].name.lower() for k in ("local", "pooled") if k not in kinds]
    return [f"Missing here: {'; '.join(absent)}. `fedkit baselines` makes them."] if absent else []


def _caution(found: list[Method]) -> list[str]:
    said = []
    if len({m.task for m in found}) > 1:
        said.append("These methods are not all on the same data dealt alike: compare within one kind of data only.")
    if waiting := [m.name for m in found if not m.finished]:
        said.append(f"Not finished, so not on the front: {'; '.join(waiting)}.")
    able = {id(m) for m in complete(found)}
    if fewer := [m.name for m in found if m.finished and id(m) not in able]:
        said.append(f"Fewer seeds than the others, so not compared with them: {'; '.join(fewer)}.")
    fewest = min(len(m.seeds) for m in found)
    if fewest == 1:
        said.append("One seed for some methods: their intervals do not cover the luck of split, start and batches.")
    elif fewest == 2:
        said.append(
            "Two seeds are too few for an interval that says anything; three tell large differences, five small ones."
        )
    elif fewest < 5:
        said.append(f"{count(fewest, 'seed')} make wide intervals; five or more would tell small differences.")
    if len(found) > 2:
        said.append(
            "The most accurate was picked by looking at the test set, which flatters it a little; to decide, run it "
            "again with seeds that were not used here."
        )
    return said
