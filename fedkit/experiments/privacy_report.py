"""What a record says under a promise: the spent budget with what it means, and only public numbers.

Each number of a record is public by statement (`PUBLIC`), charged to the budget, computed from what
was released with noise, or left out here. Names, settings and what the test set says of the
released model stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.record import RoundRecord, Run
from fedkit.data.corpus import Examples
from fedkit.federated.methods import methods_of
from fedkit.federated.validation import said
from fedkit.models.metrics import Score
from fedkit.privacy.accounting import explain_epsilon
from fedkit.privacy.mechanisms import FEW_CLIENTS, Budget, visit_noises
from fedkit.results.privacy_promise import format_epsilon
from fedkit.wire.secure_aggregation.registry import Masks

TABLE = "fedkit.experiments", "privacy_statements.toml"
# what the record lets stand and keeps out
PUBLIC = tuple(said(*TABLE, dict.fromkeys(("public", "public_test", "not_in_record"), True)))
LEFT_OUT = re.compile(r"^(client .* left out: too few training examples) \(\d+\)$", re.DOTALL)
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def is_budget_spent(record: Run, budget: Budget | None) -> bool:
    """Return whether one more round would exceed the epsilon of the budget."""
    return budget is not None and not budget.allows(visit_noises(record.rounds, budget))


def privacy_result(record: Run, budget: Budget | None) -> dict[str, Any]:
    """Return the record's epsilon, delta and privacy_unit, and their evidence under `privacy`."""
    if budget is None:
        return {"epsilon": None, "delta": None, "privacy_unit": None}
    visits = visit_noises(record.rounds, budget)
    spent, made, wanted = budget.epsilon(visits), len(record.rounds), record.config["rounds"]
    missed = f"epsilon {format_epsilon(spent)} is more than the {budget.eps:g} asked for"
    stopped = f"the budget was spent after round {made} of {wanted}"
    return {
        "epsilon": spent,
        "delta": budget.delta,
        "privacy_unit": budget.unit,
        "privacy": {
            **{n: getattr(budget, n) for n in ("noise", "rate", "steps", "clip", "start")},
            "visits": len(visits),
            "turns": budget.turns,
            "trust": describe_trust(record.config, budget),
            "blocks": [[b.noise, b.rate, b.steps] for b in budget.blocks(visits)],
            "accountant": "pld",
            "beside": {name: _or_none(budget, visits, name) for name in ("rdp", "prv")},
            "unamplified": budget.unamplified(visits),
            "stopped": stopped if made < wanted else "",
            "missed": "" if budget.is_kept(visits) else missed,
            "notes": privacy_statements(record, budget),
        },
    }


def _or_none(budget: Budget, visits: list[float], accountant: str) -> float | None:
    with suppress(FedkitError):
        return budget.epsilon(visits, accountant)
    return None


def describe_trust(config: dict[str, Any], budget: Budget) -> str:
    """Return who must be trusted for the promise to hold, in a sentence."""
    nobody = budget.unit == "example" and not budget.trust_sum
    sealed, masked = config.get("secure", "none") != "none", has_masks(config)
    there = {
        "trust_nobody": nobody,
        "trust_masks": not nobody and masked,
        "trust_sums": not nobody and sealed and not masked,
        "trust_server": not nobody and not sealed,
    }
    return next(said(*TABLE, there, secure=config.get("secure")))


def has_masks(config: dict[str, Any]) -> bool:
    """Return whether uploads are summed under masks, which here are for teaching."""
    return isinstance(methods_of(RunConfig.from_dict(config)).lock, Masks)


def privacy_statements(record: Run, budget: Budget) -> list[str]:
    """Return what the epsilon covers and does not cover, in sentences."""
    example, noise_from = budget.unit == "example", budget.privacy.noise_from
    visits = visit_noises(record.rounds, budget)
    sampling = None
    if budget.turns:
        sampling = f"none: clients come in turn, every {budget.turns} rounds, and may know it"
    elif not budget.amplified and budget.rate < 1:
        sampling = "drawn, but the server knows who takes part: every round counts in full for all"
    blocks = budget.blocks(visits)
    units = record.data["train"] if example else budget.clients
    lines = explain_epsilon(
        budget.delta, blocks, unit=budget.unit, sampling=sampling, num_units=units
    )
    if noise_from == "system":
        lines = [line.split(", and whoever can draw")[0] for line in lines]
    amplified = any(b.rate < 1 and b.steps for b in blocks)
    there = {
        "trusted": True,
        "seeded": noise_from == "seed",
        **dict.fromkeys(("public", "public_test", "not_in_record"), True),
        "amplified_rows": amplified and example,
        "amplified_clients": amplified and not example,
        "not_people": example,
        "not_hidden": not example and not budget.amplified,
        "few_clients": not example and budget.clients < FEW_CLIENTS,
        "masks": has_masks(record.config) and (budget.trust_sum or not example),
    }
    words = {
        "trust": describe_trust(record.config, budget),
        "seen": f"has epsilon {format_epsilon(budget.unamplified(visits))}" if amplified else "",
        "clients": budget.clients,
    }
    return [*lines, *said(*TABLE, there, **words)]


# ---- what may stand in the record


def public_data(data: dict[str, Any], from_texts: Iterable[str]) -> dict[str, Any]:
    """Return the record's `data` block without counts of labels and without notes that count rows.

    from_texts: the notes that depend on the clients' texts and labels. Of a client that is left out
    it is said that it has too few examples, not how many.
    """
    counting = {note for note in from_texts if re.search(r"\d", QUOTED.sub("", note))}
    kept = (note for note in data["notes"] if note not in counting)
    return data | {
        "clients": [{"id": c["id"], "train": c["train"]} for c in data["clients"]],
        "notes": [LEFT_OUT.sub(r"\1", note) for note in kept],
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
