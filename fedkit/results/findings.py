"""Findings about single runs as plain sentences, each computed from the records."""

from __future__ import annotations

from fedkit.core import formatting
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.difference import Difference, accuracy_difference, find_comparable
from fedkit.results.measures import Runs
from fedkit.results.method_style import METHODS

UNKNOWN = "Whether federation helped is not known: there is no local only run to compare with."
NEEDED = ("majority", "frozen-pooled", "local", "pooled")  # for a complete comparison


def verdict(runs: Runs) -> list[str]:
    """Return the findings, most important first, then warnings.

    The federated runs are compared with local only, pooled and the frozen encoder. A difference
    counts when its 95 % interval excludes zero: paired over test examples when both records hold
    `correct`, else from the intervals of the two runs.
    """
    runs = measures.check_runs(runs)
    main = measures.federated_runs(runs)
    if not main:
        return [
            "There is no federated run here, so nothing is said about federation;"
            " start one with `fedkit run`."
        ]
    labels = [f"{name}: " if len(main) > 1 else "" for name in measures.display_names(main)]
    said = [label + sentence for run, label in zip(main, labels) for sentence in _about(run, runs)]
    return [*said, *_missing(main, runs), *_caution(main)]


def difference_to_local(run: Run, runs: Runs) -> Difference | None:
    """Return federated minus local only, or None when there is no comparable record."""
    other = find_comparable(run, measures.sort_runs(runs), "local")
    return accuracy_difference(run, other) if other else None


def _about(run: Run, runs: list[Run]) -> list[str]:
    pairs = [
        (tell, other) for tell, method in COMPARED if (other := find_comparable(run, runs, method))
    ]
    said = [tell(accuracy_difference(run, other)) for tell, other in pairs]
    said[1:1] = [_own_mix(run, runs)]  # right after the headline
    said = said if find_comparable(run, runs, "local") else [UNKNOWN, *said]
    return [
        sentence
        for sentence in (*said, _noise(run, runs), _level(run), _start(run), _steps(run, runs))
        if sentence
    ]


def _noise(run: Run, runs: list[Run]) -> str:
    """Warn when a protected run is compared with unprotected runs only.

    The effect of federation and the effect of the noise cannot be separated there.
    """
    protected = str(run.config.get("privacy", "none")) != "none"
    without = [
        r for r in measures.federated_runs(runs) if str(r.config.get("privacy", "none")) == "none"
    ]
    if not protected or without or len(runs) < 2:
        return ""
    return (
        "The noise of its privacy is in these differences too: the same run with --privacy none"
        " tells how much of them."
    )


def _local(d: Difference) -> str:
    if d.above:
        return (
            f"Federation helped here: {formatting.points(d.value)} points over local only"
            f" ({d.interval_text()})."
        )
    if d.value > 0:
        return (
            f"It is not shown that federation helped here: {formatting.points(d.value)} points over"
            f" local only ({d.interval_text()}), which may be chance;"
            " more test examples, clients or seeds would tell."
        )
    why = "so clients do better alone" if d.below else "so it is not above local only beyond chance"
    return (
        f"Federation did not help here: {formatting.points(d.value)} points against local only"
        f" ({d.interval_text()}), {why}."
    )


def _pooled(d: Difference) -> str:
    found = f"{formatting.points(d.value)} points against pooled ({d.interval_text()})."
    if d.below:
        return f"Keeping text at the clients costs accuracy: {found}"
    return (
        f"Federated is above pooled: {found}"
        if d.above
        else f"No difference beyond the interval: {found}"
    )


def _frozen(d: Difference) -> str:
    verb = "beats" if d.above else "loses to" if d.below else "does not beat"
    return (
        f"Federated tuning {verb} the cheap way of a frozen encoder with logistic regression on"
        f" pooled text: {formatting.points(d.value)} points ({d.interval_text()})."
    )


def _frozen_local(d: Difference) -> str:
    """Return a sentence only for bad news: a client alone can fit this cheap baseline as well."""
    if d.above:
        return ""
    verb = "loses to" if d.below else "is not above, beyond the interval,"
    return (
        f"Federated {verb} clients that fit a frozen encoder with logistic regression alone: "
        f"{formatting.points(d.value)} points ({d.interval_text()})."
    )


def _majority(d: Difference) -> str:
    found = f"{formatting.points(d.value)} points against the majority class ({d.interval_text()})"
    return "" if d.above else f"Nothing was learned: {found}."


def _level(run: Run) -> str:
    low, high, over = measures.accuracy_interval(run)
    state = "" if run.finished else f", unfinished after {measures.describe_rounds(run)}"
    return (
        f"Federated is right on {formatting.percent(measures.accuracy(run))} of"
        f" {measures.test_size(run):,} test examples (95 % interval"
        f" {formatting.percent_range(low, high)}, over {over}){state}."
    )


def _own_mix(run: Run, runs: list[Run]) -> str:
    """Compare both models on test examples with the label mix of each client.

    On the shared test set a client alone is tested on labels that it rarely meets.
    """
    other = find_comparable(run, runs, "local")
    together, alone = (
        measures.result_number(r, "own_mix_accuracy") if r else float("nan") for r in (run, other)
    )
    if together != together or alone != alone:
        return ""
    return (
        "On test examples like each client's own, the shared model is right on"
        f" {formatting.percent(together)} and a client's own model on {formatting.percent(alone)},"
        " averaged over clients."
    )


def _start(run: Run) -> str:
    """Return how much of the accuracy came from the head start and how much from the rounds."""
    if run.start is None or not run.rounds:
        return ""
    before = measures.as_number(run.start.accuracy)
    change = formatting.points(measures.accuracy(run) - before)
    return (
        f"Before training it stood at {formatting.percent(before)};"
        f" {measures.describe_rounds(run)} changed that by {change} points."
    )


def _steps(run: Run, runs: list[Run]) -> str:
    """Warn when pooled took another number of gradient steps, which makes the comparison unfair."""
    other = find_comparable(run, runs, "pooled")
    if other is None:
        return ""
    theirs, ours = measures.gradient_steps(other), measures.gradient_steps(run)
    if abs(theirs - ours) <= 0.02 * ours:
        return ""
    return (
        f"Pooled took {theirs:,} gradient steps and federated {ours:,}:"
        " that comparison is not like with like."
    )


def _missing(main: list[Run], runs: list[Run]) -> list[str]:
    absent = [m for m in NEEDED if not any(run.method == m for run in runs)]
    unlike = [
        m
        for m in NEEDED
        if m not in absent and any(find_comparable(run, runs, m) is None for run in main)
    ]
    said = []
    if absent:
        said.append(f"Missing here: {_list(absent)}. `fedkit baselines` makes them.")
    if unlike:
        said.append(
            f"Not compared, because made from other data or other clients: {_list(unlike)}."
        )
    return said


def _list(methods: list[str]) -> str:
    named = (METHODS[m].name for m in methods)
    return "; ".join(name[0].lower() + name[1:] for name in named)


def _caution(main: list[Run]) -> list[str]:
    """Return what the interval does not cover."""
    seeds = {str(run.config.get("seed")) for run in main}
    if len(seeds) > 1:
        return []
    return [
        "One seed: the intervals do not cover the luck of the split, the start and the order of"
        " batches."
    ]


COMPARED = (
    (_local, "local"),
    (_pooled, "pooled"),
    (_frozen, "frozen-pooled"),
    (_frozen_local, "frozen-local"),
    (_majority, "majority"),
)
