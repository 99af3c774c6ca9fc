"""What the numbers say, in plain sentences. Every sentence is computed from records; none is true by habit."""

from __future__ import annotations

from fedkit.record import Run
from fedkit.studio import facts, say
from fedkit.studio.difference import Difference, difference, partner
from fedkit.studio.facts import Runs
from fedkit.studio.theme import METHODS

NEEDED = ("majority", "frozen-pooled", "local", "pooled")  # without these a comparison is not whole


def verdict(runs: Runs) -> list[str]:
    """The findings, most important first: federated against local only, pooled, the frozen encoder; then warnings.

    A difference counts when its 95 % interval leaves out zero: paired over test examples when both records hold
    `correct`, else from the intervals of the two runs.
    """
    runs = facts.ordered(runs)
    main = facts.federated(runs)
    if not main:
        return ["There is no federated run here, so nothing is said about federation; start one with `fedkit run`."]
    said = [
        sentence for run, name in zip(main, facts.names(main)) for sentence in _about(run, name, runs, len(main) > 1)
    ]
    return [*said, *_missing(main, runs), *_caution(main)]


def against_local(run: Run, runs: Runs) -> Difference | None:
    """Federated minus local only, or None when there is no such record to compare with."""
    other = partner(run, facts.ordered(runs), "local")
    return difference(run, other) if other else None


def _about(run: Run, name: str, runs: list[Run], several: bool) -> list[str]:
    compared = ((_local, "local"), (_pooled, "pooled"), (_frozen, "frozen-pooled"), (_majority, "majority"))
    pairs = [(tell, other) for tell, m in compared if (other := partner(run, runs, m))]
    said = [tell(difference(run, other)) for tell, other in pairs] + [_level(run), _start(run), *_steps(run, runs)]
    return [f"{name}: {sentence}" if several else sentence for sentence in said if sentence]


def _local(d: Difference) -> str:
    if d.above:
        return f"Federation helped here: {say.points(d.value)} points over local only ({_interval(d)})."
    why = "so clients do better alone" if d.below else "so it is not above local only beyond chance"
    return f"Federation did not help here: {say.points(d.value)} points against local only ({_interval(d)}), {why}."


def _pooled(d: Difference) -> str:
    if d.below:
        return (
            f"Keeping text at the clients costs accuracy: {say.points(d.value)} points against pooled ({_interval(d)})."
        )
    if d.above:
        return f"Federated is above pooled, {say.points(d.value)} points ({_interval(d)})."
    return f"No difference to pooled beyond the interval: {say.points(d.value)} points ({_interval(d)})."


def _frozen(d: Difference) -> str:
    rest = f"{say.points(d.value)} points against a frozen encoder with logistic regression on pooled text ({_interval(d)})"
    if d.above:
        return f"Federated tuning beats the cheap way: {rest}."
    return f"Federated tuning {'loses to' if d.below else 'does not beat'} the cheap way: {rest}."


def _majority(d: Difference) -> str:
    return (
        ""
        if d.above
        else f"Nothing was learned: {say.points(d.value)} points against the majority class ({_interval(d)})."
    )


def _interval(d: Difference) -> str:
    if d.low != d.low or d.high != d.high:
        return "95 % interval not known"
    return f"95 % interval {say.points(d.low)} to {say.points(d.high)}, {d.over}"


def _level(run: Run) -> str:
    low, high, over = facts.interval(run)
    state = "" if run.finished else f", unfinished after {len(run.rounds)} rounds"
    return (f"Federated is right on {say.percent(facts.accuracy(run))} of {facts.test_size(run):,} test examples"
            f" (95 % interval {say.percent(low)} to {say.percent(high)}, over {over}){state}.")  # fmt: skip


def _start(run: Run) -> str:
    """How much came from the head start, and how much from the rounds."""
    if run.start is None or not run.rounds:
        return ""
    gain = facts.accuracy(run) - facts.number(run.start.accuracy, "accuracy")
    verb = "added" if gain > 0 else "changed accuracy by"
    return f"Before training it stood at {say.percent(run.start.accuracy)}; {len(run.rounds)} rounds {verb} {say.points(gain)} points."


def _steps(run: Run, runs: list[Run]) -> list[str]:
    """A comparison with pooled is fair at the same number of gradient steps."""
    other = partner(run, runs, "pooled")
    if other is None or abs(facts.steps(other) - facts.steps(run)) <= 0.02 * facts.steps(run):
        return []
    return [
        f"Pooled took {facts.steps(other):,} gradient steps and federated {facts.steps(run):,}: not a like comparison."
    ]


def _missing(main: list[Run], runs: list[Run]) -> list[str]:
    absent = [m for m in NEEDED if not any(run.method == m for run in runs)]
    unlike = [m for m in NEEDED if m not in absent and any(partner(run, runs, m) is None for run in main)]
    said = []
    if absent:
        without = " Without local only nobody can say whether federation helped." if "local" in absent else ""
        said.append(f"Missing here: {_list(absent)}; `fedkit baselines` makes them.{without}")
    if unlike:
        said.append(f"Not compared, because made from other data or other clients: {_list(unlike)}.")
    return said


def _list(methods: list[str]) -> str:
    named = (METHODS[m].name for m in methods)
    return ", ".join(name[0].lower() + name[1:] for name in named)


def _caution(main: list[Run]) -> list[str]:
    """What the interval does not cover."""
    seeds = {str(run.config.get("seed")) for run in main}
    if len(seeds) > 1:
        return []
    return ["One seed: the intervals do not cover the luck of the split, the start and the order of batches."]
