"""What the numbers say, in plain sentences. Every sentence is computed from records; none is true
by habit.
"""

from __future__ import annotations

from fedkit.core import formatting
from fedkit.core.record import Run
from fedkit.results import measures
from fedkit.results.difference import Difference, difference, partner
from fedkit.results.measures import Runs
from fedkit.results.method_style import METHODS

UNKNOWN = "Whether federation helped is not known: there is no local only run to compare with."
NEEDED = ("majority", "frozen-pooled", "local", "pooled")  # without these a comparison is not whole


def verdict(runs: Runs) -> list[str]:
    """The findings, most important first: federated against local only, pooled, the frozen encoder;
    then warnings.

    A difference counts when its 95 % interval leaves out zero: paired over test examples when both
    records hold `correct`, else from the intervals of the two runs.
    """
    runs = measures.sound(runs)
    main = measures.federated(runs)
    if not main:
        return [
            "There is no federated run here, so nothing is said about federation; start one with"
            " `fedkit run`."
        ]
    labels = [f"{name}: " if len(main) > 1 else "" for name in measures.names(main)]
    said = [label + sentence for run, label in zip(main, labels) for sentence in _about(run, runs)]
    return [*said, *_missing(main, runs), *_caution(main)]


def against_local(run: Run, runs: Runs) -> Difference | None:
    """Federated minus local only, or None when there is no such record to compare with."""
    other = partner(run, measures.ordered(runs), "local")
    return difference(run, other) if other else None


def _about(run: Run, runs: list[Run]) -> list[str]:
    pairs = [(tell, other) for tell, method in COMPARED if (other := partner(run, runs, method))]
    said = [tell(difference(run, other)) for tell, other in pairs]
    said[1:1] = [_own_mix(run, runs)]  # beside the headline: it is the everyday of a client
    said = said if partner(run, runs, "local") else [UNKNOWN, *said]
    return [
        sentence
        for sentence in (*said, _noise(run, runs), _level(run), _start(run), _steps(run, runs))
        if sentence
    ]


def _noise(run: Run, runs: list[Run]) -> str:
    """Said of a protected run that stands among unprotected ones: what of a difference is
    federation's is not told apart.
    """
    protected = str(run.config.get("privacy", "none")) != "none"
    without = [
        r for r in measures.federated(runs) if str(r.config.get("privacy", "none")) == "none"
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
            f" ({d.interval()})."
        )
    if d.value > 0:
        return (
            f"It is not shown that federation helped here: {formatting.points(d.value)} points over"
            f" local only ({d.interval()}), which may be chance; more test examples, clients or"
            " seeds would tell."
        )
    why = "so clients do better alone" if d.below else "so it is not above local only beyond chance"
    return (
        f"Federation did not help here: {formatting.points(d.value)} points against local only"
        f" ({d.interval()}), {why}."
    )


def _pooled(d: Difference) -> str:
    found = f"{formatting.points(d.value)} points against pooled ({d.interval()})."
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
        f" pooled text: {formatting.points(d.value)} points ({d.interval()})."
    )


def _frozen_local(d: Difference) -> str:
    """Said only when it is bad news: a client alone has this cheap way as well."""
    if d.above:
        return ""
    verb = "loses to" if d.below else "is not above, beyond the interval,"
    return (
        f"Federated {verb} clients that fit a frozen encoder with logistic regression alone: "
        f"{formatting.points(d.value)} points ({d.interval()})."
    )


def _majority(d: Difference) -> str:
    found = f"{formatting.points(d.value)} points against the majority class ({d.interval()})"
    return "" if d.above else f"Nothing was learned: {found}."


def _level(run: Run) -> str:
    low, high, over = measures.interval(run)
    state = "" if run.finished else f", unfinished after {measures.rounds(run)}"
    return (
        f"Federated is right on {formatting.percent(measures.accuracy(run))} of"
        f" {measures.test_size(run):,} test examples (95 % interval"
        f" {formatting.between(low, high)}, over {over}){state}."
    )


def _own_mix(run: Run, runs: list[Run]) -> str:
    """A client alone is asked, on the shared test set, about labels it rarely meets: here is its
    everyday.
    """
    other = partner(run, runs, "local")
    together, alone = (
        measures.result(r, "own_mix_accuracy") if r else float("nan") for r in (run, other)
    )
    if together != together or alone != alone:
        return ""
    return (
        "On test examples like each client's own, the shared model is right on"
        f" {formatting.percent(together)} and a client's own model on {formatting.percent(alone)},"
        " averaged over clients."
    )


def _start(run: Run) -> str:
    """How much came from the head start, and how much from the rounds."""
    if run.start is None or not run.rounds:
        return ""
    before = measures.number(run.start.accuracy, "accuracy")
    change = formatting.points(measures.accuracy(run) - before)
    return (
        f"Before training it stood at {formatting.percent(before)}; {measures.rounds(run)} changed"
        f" that by {change} points."
    )


def _steps(run: Run, runs: list[Run]) -> str:
    """A comparison with pooled is fair at the same number of gradient steps."""
    other = partner(run, runs, "pooled")
    if other is None or abs(measures.steps(other) - measures.steps(run)) <= 0.02 * measures.steps(
        run
    ):
        return ""
    return (
        f"Pooled took {measures.steps(other):,} gradient steps and federated"
        f" {measures.steps(run):,}: that comparison is not like with like."
    )


def _missing(main: list[Run], runs: list[Run]) -> list[str]:
    absent = [m for m in NEEDED if not any(run.method == m for run in runs)]
    unlike = [
        m for m in NEEDED if m not in absent and any(partner(run, runs, m) is None for run in main)
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
    """What the interval does not cover."""
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
