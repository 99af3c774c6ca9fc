"""What settings contradict each other, and notes on settings that do not act as written.

`check_methods` needs only the config and runs before any data is read; the others need the clients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from packaging.version import Version

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.data.corpus import ClientData
from fedkit.federated.aggregation.lora_pairs import LORA_B
from fedkit.federated.cost_model import CostModel, memory_shortage
from fedkit.federated.methods import Methods, methods_of, time_decides
from fedkit.federated.rounds.head_start import privacy_budget
from fedkit.federated.rounds.sampling import cohort_size
from fedkit.federated.rounds.secure_sum import may_lose_uploads
from fedkit.models.geometry import Texts
from fedkit.network import World, parse_device
from fedkit.privacy.mechanisms import FEW_CLIENTS, Ftrl
from fedkit.wire.secure_aggregation.registry import Masks

LATE = ("drop", "carry")
WEAK_EPSILON = 10.0  # above it, the promise is one in name only


def check_methods(config: RunConfig) -> None:
    """Refuse methods that cannot be parsed or do not go together. Raises FedkitError."""
    methods = methods_of(config)
    for name in ("deadline", "pace"):
        value = getattr(config, name)
        if value is not None and not (0 < value <= 1e9 and math.isfinite(value)):
            raise FedkitError(f"{name} {value:g} given; write seconds above 0, for example 0.5")
    if config.late not in LATE:
        raise FedkitError(f"late {config.late!r} is not known; choose one of: {', '.join(LATE)}")
    if methods.privacy.unit == "example" and (problem := opacus_problem()):
        raise FedkitError(f"privacy {config.privacy!r} refused: {problem}")
    words = vars(config) | _culprits(config, methods)
    for sentence in said("fedkit.federated", "conflicts.toml", find_conflicts(config), **words):
        raise FedkitError(sentence)


def said(package: str, table: str, there: Mapping[str, bool], **words: Any) -> Iterator[str]:
    """Yield the sentence of each row of a table of words that is there.

    A row is a sentence, or what does not go together, why, and how to mend it.
    """
    rows: dict[str, Any] = read_packaged_table(package, table)
    for name, is_there in there.items():
        if is_there:
            row = rows[name]
            text = row if isinstance(row, str) else f"{row[0]} {row[1]}; {row[2]}"
            yield text.format(**words)


def opacus_problem() -> str:
    """Return why the installed opacus and peft must not train privately together; "" if they may.

    Before opacus 1.6, the hooks on LoRA layers of peft 0.14 and newer give wrong gradients without
    any error (meta-pytorch/opacus, issue 820).
    """
    opacus, peft = (Version(version(name)) for name in ("opacus", "peft"))
    if opacus >= Version("1.6") or peft < Version("0.14"):
        return ""
    return (
        f"opacus {opacus} with peft {peft} trains LoRA wrong without an error (opacus issue 820);"
        " install opacus 1.6 or newer: pip install -c constraints.txt opacus"
    )


def check_budget(config: RunConfig, clients: Sequence[ClientData]) -> None:
    """Refuse a budget that not even one round keeps, and too few clients to sum.

    Raises FedkitError.
    """
    budget = privacy_budget(config, len(clients))
    units = (
        sum(len(c.train) for c in clients) if budget and budget.unit == "example" else len(clients)
    )
    if budget and budget.delta * units >= 1:
        raise FedkitError(
            f"privacy delta={budget.delta:g} given, and there are {units:,} {budget.unit}s:"
            " publishing one of them whole would count as private; use at most 1 / (10 n), here"
            f" delta={1 / (10 * units):.1g}"
        )
    if config.secure != "none" and len(clients) < 2:
        raise FedkitError(
            f"secure {config.secure!r} given with one client; a sum of one hides nothing"
        )


def check_clients(config: RunConfig, clients: int) -> None:
    """Refuse attacks and robust rules that need more clients. Raises FedkitError."""
    methods = methods_of(config)
    methods.attack.draw_attackers(clients, config.seed)
    methods.robust.check(cohort_size(clients, config.clients_per_round))


def check_memory(config: RunConfig, clients: Sequence[ClientData], labels: int) -> None:
    """Refuse training that does not fit the memory of a client's device.

    Of each kind of device, the client with the most texts counts. Raises FedkitError.
    """
    names = World.from_config(config, [c.client_id for c in clients]).devices
    for name in dict.fromkeys(names):
        memory = parse_device(name).memory
        if memory is None:
            continue
        held = [
            (c.train.tokens or ()) + (c.validation.tokens or ())
            for c, device in zip(clients, names)
            if device == name
        ]
        texts = Texts.of(len(t) for t in max(held, key=len))
        needed = CostModel(config, texts, labels).client_footprint()
        if reason := memory_shortage(needed, memory, f"a site ({name})"):
            raise FedkitError(
                f"tune {config.tune!r} {reason}; use a smaller --tune, --batch-size or"
                " --max-tokens, or other --devices"
            )


def privacy_notes(config: RunConfig, clients: Sequence[ClientData]) -> list[str]:
    """Return sentences on what the promise means for these clients."""
    budget, masks = privacy_budget(config, len(clients)), isinstance(methods_of(config).lock, Masks)
    if budget is None:
        return list(said("fedkit.federated", "privacy_notes.toml", {"masks": masks}))
    few, server_knows = len(clients) < FEW_CLIENTS, not budget.amplified
    there = {
        "masks": masks,
        "no_eps": not (budget.privacy.eps or budget.privacy.noise),
        "weak": budget.eps > WEAK_EPSILON,
        "all_rows": budget.unit == "example" and budget.rate == 1,
        "drawn_rows": budget.unit == "example" and budget.rate != 1,
        "server_knows": server_knows and budget.rate < 1,
        "may_lose": (server_knows or budget.trust_sum) and may_lose_uploads(config),
        "few_clients": budget.unit == "client" and few,
    }
    sure, noise = 1 / (1 + math.exp(-min(budget.eps, 700))), budget.noise / budget.cohort
    words = {"config": config, "budget": budget, "clients": len(clients)}
    table = said(
        "fedkit.federated", "privacy_notes.toml", there, sure=sure, cohort_noise=noise, **words
    )
    return list(table)


def server_notes(config: RunConfig, clients: Sequence[str] = ()) -> list[str]:
    """Return sentences on settings that do not act as written, and on what the seed draws."""
    methods, notes = methods_of(config), []
    attackers = sorted(methods.attack.draw_attackers(len(clients), config.seed)) if clients else []
    if attackers:
        names = ", ".join(clients[i] for i in attackers)
        notes.append(f"attack {config.attack}: by {names}, drawn by the seed")
    if attackers and config.robust != "none" and 2 * len(attackers) >= len(clients):
        notes.append(
            f"{len(attackers)} of {len(clients)} sites attack: no robust rule bears half or more"
        )
    if _has_own_loss(methods) and config.loss != RunConfig.loss:
        notes.append(
            f"loss {config.loss} not used: strategy {config.strategy} has a loss of its own"
        )
    if config.pace is not None and not time_decides(config):
        notes.append("pace: the clock uses it in place of the measured training seconds")
    return notes


def find_conflicts(config: RunConfig) -> dict[str, bool]:
    """Return for each row of conflicts.toml whether it is there, in their order."""
    methods = methods_of(config)
    rule = methods.aggregator
    return {
        **_server_conflicts(config, methods),
        **_privacy_conflicts(config, methods),
        **_client_privacy_conflicts(config, methods),
        **_secure_conflicts(config, methods),
        "download": rule.needs_both and bool(methods.down.stages),
    }


def _server_conflicts(config: RunConfig, methods: Methods) -> dict[str, bool]:
    strategy, rule, robust = methods.strategy, methods.aggregator, methods.robust
    one_by_one, parted = rule.needs_both or rule.own_means, config.share != "all"
    carry, not_mean = config.late == "carry", config.aggregate != "mean" or parted
    asynchronous, figures = strategy.asynchronous, strategy.reports or methods.weights.reports
    return {
        "plain_mean": strategy.plain_mean and one_by_one,
        "controls": strategy.uses_controls and not_mean,
        "no_deadline": asynchronous and config.deadline is not None,
        "no_cohort": asynchronous and config.clients_per_round is not None,
        "mixed_ages": asynchronous and not_mean,
        "robust_changes": robust.individual and one_by_one,
        "robust_rounds": robust.individual and asynchronous,
        "robust_words": robust.individual and bool(figures),
        "late_alone": carry and config.deadline is None,
        "late_mixes": carry and (one_by_one or parted),
    }


def _privacy_conflicts(config: RunConfig, methods: Methods) -> dict[str, bool]:
    privacy, strategy = methods.privacy, methods.strategy
    promised, example = bool(privacy.unit), privacy.unit == "example"
    shares_noise = _shares_noise(methods)
    return {
        "private_async": promised and strategy.asynchronous,
        "private_controls": promised and strategy.uses_controls,
        "private_figures": promised and bool(_figures_asked(methods)),
        "private_margin": example and _has_own_loss(methods),
        "private_equations": promised and "feature_products" in methods.head_start.sums,
        "sum_open": shares_noise and config.secure == "none",
        "sum_cohort": shares_noise and config.clients_per_round is not None,
        "sum_weights": shares_noise and config.weights != "examples",
        "sum_epochs": shares_noise and config.local_epochs != 1,
    }


def _client_privacy_conflicts(config: RunConfig, methods: Methods) -> dict[str, bool]:
    rule, stages, client = methods.aggregator, methods.up.stages, methods.privacy.unit == "client"
    stays = config.share != "all" or bool(rule.local_names([LORA_B]))
    turns = isinstance(methods.privacy, Ftrl)
    return {
        "client_weights": client and config.weights != "uniform",
        "client_late": client and config.late == "carry",
        "client_aggregate": client and (rule.needs_both or rule.own_means),
        "client_robust": client and methods.robust.individual,
        "client_wire": client and any(map(_may_expand, stages)),
        "client_coder": client and any(stage.role == "code" for stage in stages),
        "client_share": client and stays,
        "client_turns": turns and config.clients_per_round is None,
    }


def _secure_conflicts(config: RunConfig, methods: Methods) -> dict[str, bool]:
    secure, privacy, strategy = config.secure != "none", methods.privacy, methods.strategy
    rule, stages = methods.aggregator, methods.up.stages
    more_than_a_sum = (
        strategy.asynchronous or strategy.uses_controls or strategy.reports or strategy.needs_norms
    )
    owes = privacy.unit == "client" or _shares_noise(methods)
    matrices = rule.needs_both or rule.own_means or bool(rule.listed_ranks())
    return {
        "secure_robust": secure and methods.robust.individual,
        "secure_aggregate": secure and matrices,
        "secure_strategy": secure and bool(more_than_a_sum),
        "secure_weights": secure and bool(methods.weights.reports),
        "secure_late": secure and config.late == "carry",
        "secure_wire": secure and not all(stage.linear for stage in stages),
        "secure_noise_wire": secure and owes and bool(stages),
        "secure_quantile": secure and bool(getattr(privacy, "quantile", 0.0)),
        "secure_ftrl": secure and isinstance(privacy, Ftrl),
    }


def _shares_noise(methods: Methods) -> bool:
    return getattr(methods.privacy, "trust", "") == "sum"


def _figures_asked(methods: Methods) -> list[str]:
    reports = {*methods.strategy.reports, *methods.weights.reports}
    return sorted({"loss", "validation"} & reports)


def _has_own_loss(methods: Methods) -> bool:
    return methods.strategy.logit_margin(np.zeros(1)) is not None


def _may_expand(stage: Any) -> bool:
    return getattr(stage, "expands", True)


def _culprits(config: RunConfig, methods: Methods) -> dict[str, str]:
    """Return what the rows of conflicts.toml name besides settings; '' where there is no such."""
    stages = list(zip(config.wire.split("+"), methods.up.stages))
    reports = f"strategy {config.strategy!r}" if methods.strategy.reports else ""
    return {
        "reporting": reports or f"weights {config.weights!r}",
        "asked": next(iter(_figures_asked(methods)), ""),
        "expanding": next((word for word, stage in stages if _may_expand(stage)), ""),
        "unsummable": next((word for word, stage in stages if not stage.linear), ""),
    }
