"""The privacy block of a record: the spent budget, always with what it means."""

from __future__ import annotations

from typing import Any

from fedkit.core.record import Run
from fedkit.privacy.accounting import explain_epsilon
from fedkit.privacy.mechanisms import FEW_CLIENTS, Budget, visit_noises

TEACHING = ", which here are not secure, for teaching"


def is_budget_spent(record: Run, budget: Budget | None) -> bool:
    """Return whether one more round would exceed the epsilon of the budget."""
    return budget is not None and not budget.allows(visit_noises(record.rounds, budget))


def privacy_result(record: Run, budget: Budget | None) -> dict[str, Any]:
    """Return the record's epsilon, delta and privacy_unit, and their evidence under `privacy`."""
    if budget is None:
        return {"epsilon": None, "delta": None, "privacy_unit": None}
    visits = visit_noises(record.rounds, budget)
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
            "trust": describe_trust(record.config, budget),
            "blocks": [[b.noise, b.rate, b.steps] for b in budget.blocks(visits)],
            "accountant": "pld",
            "beside": beside,
            "unamplified": budget.unamplified(visits),
            "stopped": stopped,
            "notes": privacy_statements(record, budget),
        },
    }


def _or_none(budget: Budget, visits: list[float], accountant: str) -> float | None:
    from fedkit.core.errors import FedkitError

    try:
        return budget.epsilon(visits, accountant)
    except FedkitError:
        return None


def describe_trust(config: dict[str, Any], budget: Budget) -> str:
    """Return who must be trusted for the promise to hold, in a sentence."""
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


def privacy_statements(record: Run, budget: Budget) -> list[str]:
    """Return what the epsilon covers and does not cover, in sentences."""
    example = budget.unit == "example"
    visits = visit_noises(record.rounds, budget)
    turns = (
        f"none: clients come in turn, every {budget.turns} rounds, and may know it"
        if budget.turns
        else None
    )
    lines = explain_epsilon(
        budget.delta,
        budget.blocks(visits),
        unit=budget.unit,
        sampling=turns,
        num_units=record.data["train"] if example else budget.clients,
    )
    if budget.privacy.noise_from == "system":
        lines = [line.split(", and whoever can draw")[0] for line in lines]
    lines.append(f"trusted: {describe_trust(record.config, budget)}")
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
    elif budget.clients < FEW_CLIENTS:
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
