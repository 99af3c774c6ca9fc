"""Findings about runs and methods as plain sentences, each computed from the records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fedkit.core import formatting
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import count_noun
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.difference import Difference, difference_over_seeds, find_comparable
from fedkit.results.measures import MEASURES, NEW, OWN, Measure, Runs
from fedkit.results.method_style import METHODS
from fedkit.results.methods import (
    Method,
    best_method,
    difference_to_baseline,
    fully_seeded,
    group_baselines,
    group_methods,
    has_several_methods,
    leanest_method,
)
from fedkit.results.privacy_promise import ascii_promise, unlike_promise_notes, weakest_promise
from fedkit.results.scoreboard import (
    build_method_board,
    method_board_text,
    on_front,
    promise_values,
    scoreboard,
    to_text,
)
from fedkit.results.verdict import (
    ALONE,
    UNKNOWN,
    Verdict,
    finding,
    judge,
    judge_method,
    judge_run,
    measure_name,
)

NEEDED = ("majority", "frozen-pooled", "local", "pooled")  # for a complete comparison
SENTENCES = read_packaged_words("fedkit.results", "findings.toml")


def say(key: str, **values: object) -> str:
    return SENTENCES[key].format_map(values)


def _say_gap(key: str, d: Difference | None, measure: Measure = NEW, **values: object) -> str:
    """Return the sentence on a difference, by whether it is a gain, a loss or neither."""
    if d is None:
        return ""
    values |= {"points": formatting.points(d.value), "interval": d.interval_text()}
    return say(f"{key}.{d.verdict}", measure=measure_name(measure, "en"), **values)


# ---- single runs


def verdict(runs: Runs) -> list[str]:
    """Return the findings, most important first, then warnings.

    The federated runs are compared with local only, pooled and the frozen encoder. A difference
    counts when its 95 % interval excludes zero: paired over test examples when both records hold
    `correct`, else from the intervals of the two runs.
    """
    runs = measures.check_runs(runs)
    main = measures.federated_runs(runs)
    if not main:
        return [say("none")]
    labels = [f"{name}: " if len(main) > 1 else "" for name in measures.display_names(main)]
    said = [label + sentence for run, label in zip(main, labels) for sentence in _about(run, runs)]
    seeds = {str(run.config.get("seed")) for run in main}
    return [*said, *_missing(main, runs), *([say("one_seed")] if len(seeds) == 1 else [])]


def _about(run: Run, runs: list[Run]) -> list[str]:
    found = judge_run(run, runs)
    said = [finding(found.gaps, terminal=True), _own(found)]
    for kind in ("pooled", "frozen-pooled", "frozen-local", "majority"):
        for measure in MEASURES if kind == "frozen-local" else (NEW,):
            said.append(_say_gap(kind, found.difference(kind, measure), measure))
    said += [_noise(run, runs), _level(run), _start(run), _steps(run, runs)]
    return [sentence for sentence in said if sentence]


def _own(found: Verdict) -> str:
    """Return both accuracies on own texts: alone, a client rarely meets others' labels."""
    if found.gain is None:
        return ""
    together, alone = (formatting.percent(found.daily[k]) for k in ("federated", ALONE))
    return say("own", measure=measure_name(OWN, "en"), together=together, alone=alone)


def _noise(run: Run, runs: list[Run]) -> str:
    """Warn where a protected run is compared with unprotected runs only."""
    kept = [str(r.config.get("privacy", "none")) for r in measures.federated_runs(runs)]
    protected = str(run.config.get("privacy", "none")) != "none"
    return say("noise") if protected and "none" not in kept and len(runs) > 1 else ""


def _level(run: Run) -> str:
    low, high, over = measures.accuracy_interval(run)
    values = {
        "share": formatting.percent(measures.accuracy(run)),
        "tests": f"{measures.test_size(run):,}",
        "range": formatting.percent_range(low, high),
    }
    unfinished = "" if run.finished else f", unfinished after {measures.describe_rounds(run)}"
    return say("level", over=over, state=unfinished, **values)


def _start(run: Run) -> str:
    """Return how much of the accuracy came from the head start and how much from the rounds."""
    if run.start is None or not run.rounds:
        return ""
    before = measures.as_number(run.start.accuracy)
    change = formatting.points(measures.accuracy(run) - before)
    rounds = measures.describe_rounds(run)
    return say("start", before=formatting.percent(before), rounds=rounds, change=change)


def _steps(run: Run, runs: list[Run]) -> str:
    """Warn when pooled took another number of gradient steps, which makes the comparison unfair."""
    other, ours = find_comparable(run, runs, "pooled"), measures.gradient_steps(run)
    theirs = measures.gradient_steps(other) if other else ours
    if abs(theirs - ours) <= 0.02 * ours:
        return ""
    return say("steps", theirs=f"{theirs:,}", ours=f"{ours:,}")


def _missing(main: list[Run], runs: list[Run]) -> list[str]:
    """Return what `fedkit baselines` would make, and what is there but not comparable."""
    there = [m for m in NEEDED if any(run.method == m for run in runs)]
    absent = [m for m in NEEDED if m not in there]
    unlike = [m for m in there if any(find_comparable(run, runs, m) is None for run in main)]
    other = [kind for run in main for kind in judge_run(run, runs).other_settings]
    found = {"missing": absent, "unlike": unlike, "other": dict.fromkeys(other)}
    return [say(key, names=_name_methods(kinds)) for key, kinds in found.items() if kinds]


def _name_methods(kinds: Iterable[str]) -> str:
    named = (METHODS[kind].name for kind in kinds)
    return "; ".join(name[0].lower() + name[1:] for name in named)


# ---- methods over seeds


def describe_runs(runs: Runs) -> tuple[str, list[str], dict[str, Any]]:
    """Return (plain text table, sentences, the same tables as values for JSON).

    The table is of methods where there are several methods or seeds, else of the runs themselves.
    """
    frame, listed = scoreboard(runs), measures.check_runs(runs)
    promises = [promise_values(weakest_promise([run])) for run in listed]
    rows = [row | promise for row, promise in zip(frame.to_dict(orient="records"), promises)]
    if not has_several_methods(runs):
        said = [*verdict(runs), *_unprotected_note(listed)]
        return to_text(frame), said, {"scoreboard": rows}
    board = build_method_board(runs)
    values = {"scoreboard": rows, "methods": board.to_dict(orient="records")}
    return method_board_text(board), method_findings(runs), values


def _unprotected_note(runs: list[Run]) -> list[str]:
    """Warn when a run with privacy is compared with baselines, which never have any."""
    main = measures.federated_runs(runs)
    given = [p for p in (weakest_promise([run]) for run in main) if p.given]
    if not given or len(main) == len(runs):
        return []
    return [say("unprotected", promise=ascii_promise(given[0]))]


def method_findings(runs: Runs) -> list[str]:
    """Return the findings, most important first, then warnings, each computed from the records."""
    runs = measures.check_runs(runs)
    found, others = group_methods(runs), group_baselines(runs)
    top = best_method(found)
    if top is None:
        return [say("methods.none")]
    lean = leanest_method(found, top)
    said = [_headline(found, top, lean)]
    for method in filter(None, (top, lean)):
        said += _against_baselines(method, runs, others)
    said += [*_promise_sentences(found, others, top), *_trouble_sentences(found, top)]
    kinds = {m.kind for m in others}
    absent = [METHODS[k].name.lower() for k in (ALONE, "pooled") if k not in kinds]
    said += [_front(found, top), say("missing", names="; ".join(absent)) if absent else ""]
    return [s for s in (*said, *_caution(found)) if s]


def _against_baselines(method: Method, runs: list[Run], others: list[Method]) -> list[str]:
    gaps = judge_method(method, runs).gaps
    named = {"pooled": "pooled", "frozen-pooled": "the frozen encoder, pooled"}
    pooled, frozen = (
        _say_gap("methods", difference_to_baseline(method, others, kind), name=method.name, other=o)
        for kind, o in named.items()
    )
    alone = "" if judge(gaps) == UNKNOWN else f"{method.name}: {finding(gaps, terminal=True)}"
    other = _name_methods(judge_method(method, runs).other_settings)
    return [pooled, alone, frozen, other and f"{method.name}: {say('other', names=other)}"]


def method_headline(found: list[Method]) -> str:
    """Return the headline in a sentence short enough for a figure."""
    top = best_method(found)
    if top is None:
        return say("methods.short_none")
    share, sent = formatting.percent(top.accuracy().value), describe_upload(top)
    start = say("methods.short", name=top.name, share=share, sent=sent)
    lean = leanest_method(found, top)
    if lean is None:
        return start + "."
    gap = lean.accuracy().value - top.accuracy().value
    words = f"{abs(100 * gap):.1f} points lower" if abs(gap) >= 5e-4 else "as accurate"
    return start + say("methods.short_lean", lean=lean.name, gap=words, times=_times(top, lean))


def _headline(found: list[Method], top: Method, lean: Method | None) -> str:
    mean, alike = top.accuracy(), [m for m in found if m.conditions == top.conditions]
    values = {"share": formatting.percent(mean.value), "sent": describe_upload(top)}
    start = say("methods.best", name=top.name, competing=_competing(alike), **values)
    if lean is None and len(alike) < 2:
        between = formatting.percent_range(mean.low, mean.high)
        return start + say("methods.best_alone", range=between, over=mean.over)
    if lean is None:
        return start + say("methods.best_only")
    points, inside = _against_top(lean, top, " ({})")
    values = {"less": describe_upload(lean), "times": _times(top, lean), "points": points}
    return start + say("methods.best_lean", lean=lean.name, inside=inside, **values)


def _competing(alike: list[Method]) -> str:
    """Return '12 methods', or '3 methods with 2 seeds (14 more have fewer seeds)'."""
    able = fully_seeded(alike)
    fewer = sum(m.finished for m in alike) - len(able)
    unlike = say("methods.unlike") if len({m.promise for m in alike}) > 1 else ""
    if not fewer:
        return count_noun(len(alike), "method") + unlike
    seeds, methods = count_noun(len(able[0].seeds), "seed"), count_noun(len(able), "method")
    return say("methods.competing", methods=methods, seeds=seeds, fewer=fewer) + unlike


def describe_upload(method: Method) -> str:
    """Return what a client sends in a round, in words."""
    return formatting.megabytes(method.per_visit("uplink_bytes") / measures.MB)


def _times(top: Method, lean: Method) -> str:
    times = top.per_visit("uplink_bytes") / max(lean.per_visit("uplink_bytes"), 1.0)
    return f"{times:,.0f} times" if times >= 9.5 else f"{times:.1f} times"


def _against_top(method: Method, top: Method, form: str) -> tuple[str, str]:
    """Return the points of a method against the best one, and the interval in the given form."""
    gap = difference_over_seeds(method.runs, top.runs)
    value = method.accuracy().value - top.accuracy().value if gap is None else gap.value
    return formatting.points(value), form.format(gap.interval_text()) if gap else ""


def _promise_sentences(found: list[Method], others: list[Method], top: Method) -> list[str]:
    """Name the best method under each other promise: promising less is not better."""
    alike = [m for m in found if m.conditions == top.conditions]
    kinds = list(dict.fromkeys(m.promise for m in alike))
    first = ascii_promise(top.promise).replace("none", "nothing")
    warned = top.promise.given and others
    out = [say("methods.promise", name=top.name, promise=first)] if warned else []
    for kind in sorted((k for k in kinds if k != top.promise), key=lambda k: (-k.epsilon, k.unit)):
        same = [m for m in alike if m.promise == kind]
        if (winner := best_method(same)) is None:
            continue
        points, inside = _against_top(winner, top, "; {}")
        values = {
            "promise": ascii_promise(kind).replace("none", "nothing promised"),
            "best": " does best" if len(same) > 1 else "",
            "share": formatting.percent(winner.accuracy().value),
            "points": points,
            "inside": inside,
        }
        names = {"name": winner.name, "top": top.name, "first": first}
        out.append(say("methods.other_promise", **names, **values))
    return [*out, *unlike_promise_notes(kinds)]


def _trouble_sentences(found: list[Method], top: Method) -> list[str]:
    """Name the best method under each other set of faults, attacks and deadlines."""
    out, alike = [], [m for m in found if m.task == top.task and m.conditions != top.conditions]
    for group in dict.fromkeys(m.conditions for m in alike):
        if (first := best_method([m for m in found if m.conditions == group])) is not None:
            share = first.accuracy().value
            values = {
                "trouble": first.trouble or "nothing of the kind",
                "share": formatting.percent(share),
                "points": formatting.points(share - top.accuracy().value),
            }
            out.append(say("methods.trouble", name=first.name, top=top.name, **values))
    return out


def _front(found: list[Method], top: Method) -> str:
    if len([m for m in found if m.conditions == top.conditions]) < 3:
        return ""
    on = zip(found, on_front(found))
    members = [m for m, there in on if there and m.conditions == top.conditions]
    members.sort(key=lambda m: m.per_visit("uplink_bytes"))
    shares = {m.name: formatting.percent(m.accuracy().value) for m in members}
    named = "; ".join(f"{m.name} ({shares[m.name]}, {describe_upload(m)})" for m in members)
    unlike = len({m.promise for m in members}) > 1
    axes = ", bytes sent and privacy" if unlike else " against bytes sent"
    return say("methods.front", axes=axes, names=named)


def _caution(found: Sequence[Method]) -> list[str]:
    able = {id(m) for m in fully_seeded(found)}
    waiting = [m.name for m in found if not m.finished]
    fewer = [m.name for m in found if m.finished and id(m) not in able]
    said = [say("methods.tasks")] if len({m.task for m in found}) > 1 else []
    said += [say("methods.waiting", names="; ".join(waiting))] if waiting else []
    said += [say("methods.fewer", names="; ".join(fewer))] if fewer else []
    fewest = min(len(m.seeds) for m in found)
    if fewest < 5:
        key = str(fewest) if fewest < 3 else "few"
        said.append(say(f"methods.seeds.{key}", seeds=count_noun(fewest, "seed")))
    return [*said, say("methods.picked")] if len(found) > 2 else said
