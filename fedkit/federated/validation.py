"""Checks of settings that contradict each other, and notes on settings that do not act as written.

`check_server` and `check_privacy` need only the config and run before any data is read; the others
need the clients.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version

import numpy as np
from packaging.version import Version

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.data.corpus import ClientData
from fedkit.federated.aggregation.aggregators import make_aggregator
from fedkit.federated.aggregation.lora_pairs import LORA_B
from fedkit.federated.aggregation.robust import make_robust
from fedkit.federated.aggregation.weighting import make_weights
from fedkit.federated.local.train import sgd_momentum
from fedkit.federated.rounds.attacks import make_attack
from fedkit.federated.rounds.faults import parse_faults
from fedkit.federated.rounds.head_start import privacy_budget
from fedkit.federated.rounds.sampling import cohort_size
from fedkit.federated.rounds.secure_sum import may_lose_uploads
from fedkit.federated.strategies import Strategy, make_strategy
from fedkit.models.head_starts import make_head_start
from fedkit.privacy.mechanisms import Privacy, make_privacy
from fedkit.wire.pipeline import make_wire
from fedkit.wire.secure_aggregation.registry import make_lock

LATE = ("drop", "carry")
WEAK_EPSILON = 10.0  # above it, the promise is one in name only
Conflicts = Iterator[tuple[bool, str]]  # (whether the settings contradict, the reason)


def check_server(config: RunConfig) -> None:
    """Refuse a strategy, robust rule, faults or deadline that cannot work, alone or together.

    Raises FedkitError.
    """
    conflicts = list(_server_conflicts(config))
    make_attack(config.attack), parse_faults(config.faults), sgd_momentum(config)
    for name in ("deadline", "pace"):
        value = getattr(config, name)
        if value is not None and not (0 < value <= 1e9 and math.isfinite(value)):
            raise FedkitError(f"{name} {value:g} given; write seconds above 0, for example 0.5")
    if config.late not in LATE:
        raise FedkitError(f"late {config.late!r} is not known; choose one of: {', '.join(LATE)}")
    _refuse(conflicts)


def check_privacy(config: RunConfig) -> None:
    """Refuse settings that break the promise of --privacy or cannot be summed under --secure.

    Raises FedkitError.
    """
    privacy, strategy = make_privacy(config.privacy), make_strategy(config.strategy)
    make_lock(config.secure)
    if privacy.unit == "example" and (problem := opacus_problem()):
        raise FedkitError(f"privacy {config.privacy!r} refused: {problem}")
    _refuse(
        [
            *_privacy_conflicts(config, privacy, strategy),
            *_client_privacy_conflicts(config, privacy),
            *_secure_conflicts(config, privacy, strategy),
        ]
    )


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
    make_attack(config.attack).draw_attackers(clients, config.seed)
    make_robust(config.robust).check(cohort_size(clients, config.clients_per_round))


def check_memory(config: RunConfig, clients: Sequence[ClientData], labels: int) -> None:
    """Refuse training that does not fit the memory of a client's device.

    Of each kind of device, the client with the most texts counts. Raises FedkitError.
    """
    from fedkit.federated.memory_model import Texts, client_footprint, memory_shortage
    from fedkit.network import World, parse_device

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
        if reason := memory_shortage(
            client_footprint(config, texts, labels), memory, f"a site ({name})"
        ):
            raise FedkitError(
                f"tune {config.tune!r} {reason}; use a smaller --tune, --batch-size or"
                " --max-tokens, or other --devices"
            )


def privacy_notes(config: RunConfig, clients: Sequence[ClientData]) -> list[str]:
    """Return sentences on what the promise means for these clients."""
    budget, out = privacy_budget(config, len(clients)), []
    if config.secure.startswith("masks"):
        out.append(
            "secure: masks here are not secure, for teaching: all secrets lie in one process, and"
            " their keys are agreed on by toy arithmetic"
        )
    if budget is None:
        return out
    if not (budget.privacy.eps or budget.privacy.noise):
        out.append(f"privacy: no eps given, {budget.eps:g} is used")
    if budget.eps > WEAK_EPSILON:
        sure = 1 / (1 + math.exp(-min(budget.eps, 700)))
        out.append(
            f"privacy: epsilon {budget.eps:g} promises next to nothing: by itself it lets an"
            f" attacker be right {sure:.4%} of the time"
        )
    if budget.unit == "example":
        drawn = (
            "takes all its rows"
            if budget.rate == 1
            else f"draws each row with probability {budget.rate:g}"
        )
        out.append(
            f"privacy: batch-size {config.batch_size} not used; each of the"
            f" {budget.total_steps} steps of a site {drawn}"
        )
    if not budget.amplified and budget.rate < 1:
        out.append(
            "privacy: the server knows who takes part, so drawing sites buys no privacy: every"
            " round counts in full"
        )
    if (not budget.amplified or budget.trust_sum) and may_lose_uploads(config):
        out.append(
            "privacy: uploads may be lost, so sites add noise that is enough with as few as"
            f" --secure {config.secure} can do with"
        )
    if budget.unit == "client" and len(clients) < 100:
        out.append(
            f"privacy: for {len(clients)} clients a promise to whole clients costs noise of"
            f" {budget.noise / budget.cohort:.2f} times the clip on every mean: little can be"
            " learned"
        )
    return out


def server_notes(config: RunConfig, clients: Sequence[str] = ()) -> list[str]:
    """Return sentences on settings that do not act as written, and on what the seed draws."""
    attackers = (
        sorted(make_attack(config.attack).draw_attackers(len(clients), config.seed))
        if clients
        else []
    )
    notes = (
        [
            f"attack {config.attack}: by {', '.join(clients[i] for i in attackers)}, drawn by the"
            " seed"
        ]
        if attackers
        else []
    )
    if attackers and config.robust != "none" and 2 * len(attackers) >= len(clients):
        notes.append(
            f"{len(attackers)} of {len(clients)} sites attack: no robust rule bears half or more"
        )
    if (
        make_strategy(config.strategy).logit_margin(np.zeros(1)) is not None
        and config.loss != RunConfig.loss
    ):
        notes.append(
            f"loss {config.loss} not used: strategy {config.strategy} has a loss of its own"
        )
    if config.pace is not None:
        from fedkit.federated.cost_model import time_decides

        if not time_decides(config):
            notes.append("pace: the clock uses it in place of the measured training seconds")
    return notes


def _refuse(conflicts: Iterable[tuple[bool, str]]) -> None:
    """Raise FedkitError with the reason of the first conflict that is there."""
    for wrong, why in conflicts:
        if wrong:
            raise FedkitError(why)


def _server_conflicts(config: RunConfig) -> Conflicts:
    strategy, rule = make_strategy(config.strategy), make_aggregator(config.aggregate)
    robust, weights = make_robust(config.robust), make_weights(config.weights)
    one_by_one = rule.needs_both or rule.own_means
    reporting = (
        f"strategy {config.strategy!r}" if strategy.reports else f"weights {config.weights!r}"
    )
    yield (
        strategy.plain_mean and one_by_one,
        (
            f"strategy {config.strategy!r} works on the plain mean, and aggregate"
            f" {config.aggregate!r} makes another; use --aggregate mean or ffa"
        ),
    )
    yield (
        strategy.uses_controls and (config.aggregate != "mean" or config.share != "all"),
        (
            f"strategy {config.strategy!r} needs every tensor of every client; use --aggregate"
            " mean and --share all"
        ),
    )
    yield (
        strategy.asynchronous and config.deadline is not None,
        (
            f"deadline {config.deadline} given with strategy {config.strategy!r}, which does"
            " not wait; leave --deadline out"
        ),
    )
    yield (
        strategy.asynchronous and config.clients_per_round is not None,
        (
            f"clients-per-round {config.clients_per_round} given with strategy"
            f" {config.strategy!r}, whose clients all work all the time; leave it out"
        ),
    )
    yield (
        strategy.asynchronous and (config.aggregate != "mean" or config.share != "all"),
        (
            f"strategy {config.strategy!r} mixes parameters of several ages; use --aggregate"
            " mean and --share all"
        ),
    )
    yield (
        robust.individual and one_by_one,
        (
            f"robust {config.robust!r} changes the updates, and aggregate {config.aggregate!r}"
            " needs them as they are; use --aggregate mean or ffa"
        ),
    )
    yield (
        robust.individual and strategy.asynchronous,
        (
            f"robust {config.robust!r} compares a whole round's updates, and strategy"
            f" {config.strategy!r} has no rounds; use another --strategy"
        ),
    )
    yield (
        robust.individual and bool(strategy.reports or weights.reports),
        (
            f"robust {config.robust!r} takes nobody's word, and"
            f" {reporting} asks sites for figures of their own; use"
            " one of the two"
        ),
    )
    yield (
        config.late == "carry" and config.deadline is None,
        "late 'carry' given without --deadline; give both",
    )
    yield (
        config.late == "carry" and (one_by_one or config.share != "all"),
        (
            f"late 'carry' mixes parameters of two rounds, and aggregate {config.aggregate!r}"
            f" or --share {config.share!r} does not allow it; use --late drop"
        ),
    )


def _privacy_conflicts(config: RunConfig, privacy: Privacy, strategy: Strategy) -> Conflicts:
    if not privacy.unit:
        return
    given = f"privacy {config.privacy!r}"
    asks = sorted(
        {"loss", "validation"} & {*strategy.reports, *make_weights(config.weights).reports}
    )
    yield (
        strategy.asynchronous,
        (
            f"{given} with strategy {config.strategy!r}: how often a site takes part is not known"
            " beforehand, so the budget is not either; use another --strategy"
        ),
    )
    yield (
        strategy.uses_controls,
        (
            f"{given} with strategy {config.strategy!r}: its control variates are gradients that"
            " nothing protects; use another --strategy"
        ),
    )
    yield (
        bool(asks),
        (
            f"{given}: sites would be asked for their {asks[0] if asks else ''}, which nothing"
            " protects; use another --strategy and --weights examples or uniform"
        ),
    )
    yield (
        privacy.unit == "example" and strategy.logit_margin(np.zeros(1)) is not None,
        (
            f"{given} with strategy {config.strategy!r}: its loss depends on the counts of a site's"
            " labels, so every example's gradient would; use another --strategy"
        ),
    )
    yield (
        "feature_products" in make_head_start(config.head_start).sums,
        (
            f"{given} with head-start {config.head_start!r}: equations solved with noisy sums"
            " magnify the noise; use --head-start class-means or zero"
        ),
    )
    sums = getattr(privacy, "trust", "") == "sum"
    yield (
        sums and config.secure == "none",
        (
            f"{given}: sites add only shares of the noise, so nobody may see one of them; add"
            " --secure masks, or use trust=site"
        ),
    )
    yield (
        sums and config.clients_per_round is not None,
        (
            f"{given} with clients-per-round {config.clients_per_round}: who is drawn is known to"
            " the server, and the sum needs everyone's share of the noise; leave it out"
        ),
    )
    yield (
        sums and config.weights != "examples",
        (
            f"{given} with weights {config.weights!r}: the sum of gradients counts every example"
            " alike; use --weights examples"
        ),
    )
    yield (
        sums and config.local_epochs != 1,
        (
            f"{given} with local-epochs {config.local_epochs}: sites make one gradient a round;"
            " leave it out and use more --rounds"
        ),
    )


def _client_privacy_conflicts(config: RunConfig, privacy: Privacy) -> Conflicts:
    if privacy.unit != "client":
        return
    given = f"privacy {config.privacy!r}"
    rule, wire = make_aggregator(config.aggregate), make_wire(config.wire)
    yield (
        config.weights != "uniform",
        (
            f"{given} with weights {config.weights!r}: a client that weighs more than others moves"
            " the mean further than the noise was made for; use --weights uniform"
        ),
    )
    yield (
        config.late == "carry",
        f"{given} with late 'carry': a client could count twice in one round; use --late drop",
    )
    yield (
        rule.needs_both or rule.own_means,
        (
            f"{given} with aggregate {config.aggregate!r}, which uses each client's tensors"
            " otherwise than in a mean; use --aggregate mean or ffa"
        ),
    )
    yield (
        make_robust(config.robust).individual,
        (
            f"{given} with robust {config.robust!r}: how far one client moves such a rule is not"
            " bounded by the clip; use --robust none"
        ),
    )
    expands = next(
        (
            s
            for s, stage in zip(config.wire.split("+"), wire.stages)
            if getattr(stage, "expands", True)
        ),
        None,
    )
    yield (
        expands is not None,
        (
            f"{given} with wire {config.wire!r}: updates are clipped before they are compressed,"
            f" and {expands!r} can make them longer again, beyond what the noise was made for; use"
            " topk, lowrank, sign, or none"
        ),
    )
    yield (
        any(stage.role == "code" for stage in wire.stages),
        (
            f"{given} with wire {config.wire!r}: how short an update becomes by coding tells of it,"
            " and bytes are published; leave the coder out"
        ),
    )
    yield (
        config.share != "all" or bool(rule.local_names([LORA_B])),
        (
            f"{given} with share {config.share!r} and aggregate {config.aggregate!r}: what stays at"
            " a site is trained without noise, and how well its model does is published; use"
            " --share all and --aggregate mean or ffa"
        ),
    )
    yield (
        privacy.unit == "client"
        and config.privacy.startswith("ftrl")
        and config.clients_per_round is None,
        (
            f"{given}: with every client in every round there is nothing that later rounds could"
            " take back; add --clients-per-round, or use privacy client"
        ),
    )


def _secure_conflicts(config: RunConfig, privacy: Privacy, strategy: Strategy) -> Conflicts:
    if config.secure == "none":
        return
    given = f"secure {config.secure!r}"
    rule, wire = make_aggregator(config.aggregate), make_wire(config.wire)
    bad = next(
        (s for s, stage in zip(config.wire.split("+"), wire.stages) if not stage.linear), None
    )
    yield (
        make_robust(config.robust).individual,
        (
            f"{given} with robust {config.robust!r}, which has to see every update, and the server"
            " sees the sum alone; use one of the two"
        ),
    )
    yield (
        rule.needs_both or rule.own_means or bool(rule.listed_ranks()),
        (
            f"{given} with aggregate {config.aggregate!r}, which needs every client's matrices; use"
            " --aggregate mean or ffa"
        ),
    )
    yield (
        bool(
            strategy.asynchronous
            or strategy.uses_controls
            or strategy.reports
            or strategy.needs_norms
        ),
        (
            f"{given} with strategy {config.strategy!r}, which needs more of each client than a"
            " sum; use fedavg, fedprox, fedavgm, fedadagrad, fedadam or fedyogi"
        ),
    )
    yield (
        bool(make_weights(config.weights).reports),
        (
            f"{given} with weights {config.weights!r}, which asks every client for a figure; use"
            " examples or uniform"
        ),
    )
    yield (
        config.late == "carry",
        f"{given} with late 'carry': a sealed update fits no other round; use --late drop",
    )
    yield (
        bad is not None,
        (
            f"{given} with wire {config.wire!r}: {bad!r} makes scales or places of each client's"
            " own, and such cannot be summed unread; use randk, sketch or none"
        ),
    )
    owes = privacy.unit == "client" or getattr(privacy, "trust", "") == "sum"
    yield (
        owes and bool(wire.stages),
        (
            f"{given} with privacy {config.privacy!r} and wire {config.wire!r}: the noise is made"
            " for what is clipped, not for what is left of it; use --wire none"
        ),
    )
    yield (
        bool(getattr(privacy, "quantile", 0.0)),
        (
            f"{given} with privacy {config.privacy!r}: adaptive clipping asks every client for a"
            " figure; leave quantile out"
        ),
    )
    yield (
        config.privacy.startswith("ftrl"),
        (
            f"{given} with privacy {config.privacy!r}: its noise is made by the server alone; use"
            " privacy client"
        ),
    )
