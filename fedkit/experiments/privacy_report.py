"""What of a privacy budget a record has spent, and how it is told: the number never without what it
means.
"""

from __future__ import annotations

from typing import Any

from fedkit.core.record import Run
from fedkit.privacy.accounting import explain
from fedkit.privacy.mechanisms import FEW, Budget, visits_of

TEACHING = ", which here are not secure, for teaching"


def is_spent(record: Run, budget: Budget | None) -> bool:
    """Whether one more round would go beyond the epsilon that was given."""
    return budget is not None and not budget.allows(visits_of(record.rounds, budget))


def told(record: Run, budget: Budget | None) -> dict[str, Any]:
    """The record's epsilon, delta and privacy_unit, and under `privacy` all that they rest on."""
    if budget is None:
        return {"epsilon": None, "delta": None, "privacy_unit": None}
    visits = visits_of(record.rounds, budget)
    beside = {name: _or_none(budget, visits, name) for name in ("rdp", "prv")}
    wanted = record.config["rounds"]
    stopped = (
        f"the budget was spent after round {len(record.rounds)} of {wanted}"
        if len(record.rounds) < wanted
        else ""
    )
    return {
        "epsilon": budget.epsilon(visits),
        "delta": budget.delta,
        "privacy_unit": budget.unit,
        "privacy": {
            "noise": budget.noise,
            "rate": budget.rate,
            "steps": budget.steps,
            "clip": budget.clip,
            "start": budget.start,
            "visits": len(visits),
            "turns": budget.turns,
            "trust": trust(record.config, budget),
            "blocks": [[b.noise, b.rate, b.steps] for b in budget.blocks(visits)],
            "accountant": "pld",
            "beside": beside,
            "unamplified": budget.unamplified(visits),
            "stopped": stopped,
            "notes": notes(record, budget),
        },
    }


def _or_none(budget: Budget, visits: list[float], accountant: str) -> float | None:
    from fedkit.core.errors import FedkitError

    try:
        return budget.epsilon(visits, accountant)
    except FedkitError:
        return None


def trust(config: dict[str, Any], budget: Budget) -> str:
    """Who must be trusted for the promise to hold, in a sentence."""
    sealed = config.get("secure", "none")
    if budget.unit == "example" and not budget.trust_sum:
        return "nobody: every site adds all the noise itself, before anything leaves it"
    if sealed != "none":
        return (
            "that the server sees nothing but sums"
            f" ({sealed}{TEACHING if sealed.startswith('masks') else ''}), and that the sites add"
            " their shares of the noise: those that do not arrive take theirs with them, and the"
            " epsilon here counts what did arrive"
        )
    return "the server, which sees every update and adds the noise"


def notes(record: Run, budget: Budget) -> list[str]:
    """What the number says and does not say, in sentences."""
    example = budget.unit == "example"
    visits = visits_of(record.rounds, budget)
    turns = (
        f"none: clients come in turn, every {budget.turns} rounds, and may know it"
        if budget.turns
        else None
    )
    lines = explain(
        budget.delta,
        budget.blocks(visits),
        unit=budget.unit,
        sampling=turns,
        num_units=record.data["train"] if example else budget.clients,
    )
    if budget.privacy.noise_from == "system":
        lines = [line.split(", and whoever can draw")[0] for line in lines]
    lines.append(f"trusted: {trust(record.config, budget)}")
    if budget.privacy.noise_from == "seed":
        lines.append(
            "for study: this run's noise follows its seed, which stands in its record;"
            " noise_from=system for real use"
        )
    if example:
        lines.append("taken as public: how many examples each site has, the names of the labels")
        lines.append(
            "not covered: people, where one has several texts, and texts that stand there more than"
            " once: k of them together have about k times the epsilon"
        )
    elif budget.clients < FEW:
        lines.append(
            f"{budget.clients} clients: whoever knows that a company is a member knows its unit;"
            " such a promise means much where members are many and not known"
        )
    if record.config.get("secure", "none").startswith("masks") and (
        budget.trust_sum or not example
    ):
        lines.append(
            "masks add noise in whole numbers: the epsilon by rdp is proven for that, the one by"
            " pld all but"
        )
    return lines
