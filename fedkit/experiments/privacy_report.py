"""What a record says under a promise: the spent budget with what it means, and only public numbers.

Each number of a record is public by statement (`PUBLIC`), charged to the budget, computed from what
was released with noise, or left out here. Names, settings and what the test set says of the
released model stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.record import RoundRecord, Run
from fedkit.data.corpus import Examples
from fedkit.models.metrics import Score
from fedkit.privacy.accounting import explain_epsilon
from fedkit.privacy.mechanisms import FEW_CLIENTS, Budget, visit_noises
from fedkit.results.privacy_promise import format_epsilon

PUBLIC = (  # what the record lets stand and keeps out
    (
        "taken as public: sites' names and when each took part, how many examples each has, names"
        " of labels, a hash of the whole data (it confirms a complete guess), bytes, seconds and"
        " memory as measured"
    ),
    (
        "taken as public: the test examples, also where they are sites' own: accuracies on them are"
        " exact"
    ),
    (
        "not in the record, as nothing protects it: sites' labels, notes that count rows, how many"
        " rows were drawn, accuracy on validation data"
    ),
)
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
TEACHING = ", which here are not secure, for teaching"


def is_budget_spent(record: Run, budget: Budget | None) -> bool:
    """Return whether one more round would exceed the epsilon of the budget."""
    return budget is not None and not budget.allows(visit_noises(record.rounds, budget))


def privacy_result(record: Run, budget: Budget | None) -> dict[str, Any]:
    """Return the record's epsilon, delta and privacy_unit, and their evidence under `privacy`."""
    if budget is None:
        return {"epsilon": None, "delta": None, "privacy_unit": None}
    visits = visit_noises(record.rounds, budget)
    spent = budget.epsilon(visits)
    beside = {name: _or_none(budget, visits, name) for name in ("rdp", "prv")}
    wanted = record.config["rounds"]
    stopped = (
        f"the budget was spent after round {len(record.rounds)} of {wanted}"
        if len(record.rounds) < wanted
        else ""
    )
    return {
        "epsilon": spent,
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
            "missed": ""
            if budget.is_kept(visits)
            else f"epsilon {format_epsilon(spent)} is more than the {budget.eps:g} asked for",
            "notes": privacy_statements(record, budget),
        },
    }


def _or_none(budget: Budget, visits: list[float], accountant: str) -> float | None:
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
            " their shares of the noise, enough with the fewest that may arrive: with fewer no sum"
            " is opened, and the epsilon here counts what did arrive"
        )
    return "the server, which sees every update and adds the noise"


def privacy_statements(record: Run, budget: Budget) -> list[str]:
    """Return what the epsilon covers and does not cover, in sentences."""
    example = budget.unit == "example"
    visits = visit_noises(record.rounds, budget)
    sampling = None
    if budget.turns:
        sampling = f"none: clients come in turn, every {budget.turns} rounds, and may know it"
    elif not budget.amplified and budget.rate < 1:
        sampling = "drawn, but the server knows who takes part: every round counts in full for all"
    lines = explain_epsilon(
        budget.delta,
        budget.blocks(visits),
        unit=budget.unit,
        sampling=sampling,
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
    lines += PUBLIC
    if any(b.rate < 1 and b.steps for b in budget.blocks(visits)):
        seen = f"has epsilon {format_epsilon(budget.unamplified(visits))}"
        lines.append(
            f"amplified by sampling: which rows a site drew is its secret; whoever knew it {seen}"
            if example
            else "amplified by sampling, against those who see the models alone: whoever knows who"
            f" took part (the server, the network, readers of this record's rounds) {seen}"
        )
    if example:
        lines.append(
            "not covered: people, where one has several texts, and texts that stand there more than"
            " once: k of them together have about k times the epsilon"
        )
    elif not budget.amplified:
        lines.append("not hidden from the server: which sites take part, only what they learned is")
    if not example and budget.clients < FEW_CLIENTS:
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


# ---- what may stand in the record


def public_data(data: dict[str, Any], from_texts: Iterable[str]) -> dict[str, Any]:
    """Return the record's `data` block without counts of labels and without notes that count rows.

    from_texts: the notes that depend on the clients' texts and labels.
    """
    counting = {note for note in from_texts if re.search(r"\d", QUOTED.sub("", note))}
    return data | {
        "clients": [{"id": c["id"], "train": c["train"]} for c in data["clients"]],
        "notes": [note for note in data["notes"] if note not in counting],
    }


def public_score(score: Score, test: Examples) -> Score:
    """Return the score with clients' accuracies only where the test set names rows of their own.

    Test examples weighted by a client's label mix would tell that mix.
    """
    named = set(test.clients or ())
    return replace(score, own={c: share for c, share in score.own.items() if c in named})


def public_round(latest: RoundRecord, budget: Budget) -> RoundRecord:
    """Return the round without accuracy on clients' data and without errors of bare updates."""
    error = None if budget.unit == "client" else latest.aggregation_error
    return replace(latest, validation_accuracy=None, aggregation_error=error)
