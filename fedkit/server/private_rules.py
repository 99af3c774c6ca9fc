"""What a promise of privacy does not go with: refused before any data is read, with the reason."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.errors import FedkitError
from fedkit.server.aggregate import make_aggregator
from fedkit.server.heads import make_head_start
from fedkit.server.robust import make_robust
from fedkit.server.strategy import make_strategy
from fedkit.server.weights import make_weights
from fedkit.wire.compress import make_wire
from fedkit.wire.privacy import budget_of, make_privacy
from fedkit.wire.secure import make_lock

WEAK = 10.0  # an epsilon above which the promise is one in name only


def check_privacy(config: RunConfig) -> None:
    """Refuse combinations that break the promise of --privacy or cannot be summed under --secure. Raises FedkitError."""
    privacy, strategy = make_privacy(config.privacy), make_strategy(config.strategy)
    make_lock(config.secure)
    for wrong, why in (
        *_any(config, privacy, strategy),
        *_client(config, privacy),
        *_sealed(config, privacy, strategy),
    ):
        if wrong:
            raise FedkitError(why)


def _any(config: RunConfig, privacy, strategy):
    given = f"privacy {config.privacy!r}"
    if not privacy.unit:
        return
    asks = sorted({"loss", "validation"} & {*strategy.reports, *make_weights(config.weights).reports})
    yield strategy.asynchronous, (
        f"{given} with strategy {config.strategy!r}: how often a site takes part is not known beforehand, so the budget "
        "is not either; use another --strategy")  # fmt: skip
    yield strategy.controls, (
        f"{given} with strategy {config.strategy!r}: its control variates are gradients that nothing protects; use "
        "another --strategy")  # fmt: skip
    yield bool(asks), (
        f"{given}: sites would be asked for their {asks[0] if asks else ''}, which nothing protects; use another --strategy "
        "and --weights examples or uniform")  # fmt: skip
    yield privacy.unit == "example" and strategy.margin(np.zeros(1)) is not None, (
        f"{given} with strategy {config.strategy!r}: its loss depends on the counts of a site's labels, so every "
        "example's gradient would; use another --strategy")  # fmt: skip
    yield "feature_products" in make_head_start(config.head_start).sums, (
        f"{given} with head-start {config.head_start!r}: equations solved with noisy sums magnify the noise; use --head-start "
        "class-means or zero")  # fmt: skip
    sums = getattr(privacy, "trust", "") == "sum"
    yield (
        sums and config.secure == "none",
        (
            f"{given}: sites add only shares of the noise, so nobody may see one of them; add --secure masks, or use trust=site"
        ),
    )
    yield sums and config.clients_per_round is not None, (
        f"{given} with clients-per-round {config.clients_per_round}: who is drawn is known to the server, and the sum needs "
        "everyone's share of the noise; leave it out")  # fmt: skip
    yield (
        sums and config.weights != "examples",
        (
            f"{given} with weights {config.weights!r}: the sum of gradients counts every example alike; use --weights examples"
        ),
    )
    yield (
        sums and config.local_epochs != 1,
        (
            f"{given} with local-epochs {config.local_epochs}: sites make one gradient a round; leave it out and use more --rounds"
        ),
    )


def _client(config: RunConfig, privacy):
    if privacy.unit != "client":
        return
    given, rule, wire = f"privacy {config.privacy!r}", make_aggregator(config.aggregate), make_wire(config.wire)
    yield config.weights != "uniform", (
        f"{given} with weights {config.weights!r}: a client that weighs more than others moves the mean further than the "
        "noise was made for; use --weights uniform")  # fmt: skip
    yield (
        config.late == "carry",
        (f"{given} with late 'carry': a client could count twice in one round; use --late drop"),
    )
    yield rule.both or rule.own_means, (
        f"{given} with aggregate {config.aggregate!r}, which uses each client's tensors otherwise than in a mean; "
        "use --aggregate mean or ffa")  # fmt: skip
    yield make_robust(config.robust).individual, (
        f"{given} with robust {config.robust!r}: how far one client moves such a rule is not bounded by the clip; "
        "use --robust none")  # fmt: skip
    expands = next(
        (s for s, stage in zip(config.wire.split("+"), wire.stages) if getattr(stage, "expands", True)), None
    )
    yield expands is not None, (
        f"{given} with wire {config.wire!r}: updates are clipped before they are compressed, and {expands!r} can make them "
        "longer again, beyond what the noise was made for; use topk, lowrank, sign, zstd, or none")  # fmt: skip
    yield privacy.unit == "client" and config.privacy.startswith("ftrl") and config.clients_per_round is None, (
        f"{given}: with every client in every round there is nothing that later rounds could take back; add "
        "--clients-per-round, or use privacy client")  # fmt: skip


def _sealed(config: RunConfig, privacy, strategy):
    if config.secure == "none":
        return
    given, rule, wire = f"secure {config.secure!r}", make_aggregator(config.aggregate), make_wire(config.wire)
    bad = next((s for s, stage in zip(config.wire.split("+"), wire.stages) if not stage.linear), None)
    yield make_robust(config.robust).individual, (
        f"{given} with robust {config.robust!r}, which has to see every update, and the server sees the sum alone; use one of "
        "the two")  # fmt: skip
    yield (
        rule.both or rule.own_means or bool(rule.listed()),
        (
            f"{given} with aggregate {config.aggregate!r}, which needs every client's matrices; use --aggregate mean or ffa"
        ),
    )
    yield bool(strategy.asynchronous or strategy.controls or strategy.reports or strategy.norms), (
        f"{given} with strategy {config.strategy!r}, which needs more of each client than a sum; use fedavg, fedprox, "
        "fedavgm, fedadagrad, fedadam or fedyogi")  # fmt: skip
    yield (
        bool(make_weights(config.weights).reports),
        (f"{given} with weights {config.weights!r}, which asks every client for a figure; use examples or uniform"),
    )
    yield config.late == "carry", f"{given} with late 'carry': a sealed update fits no other round; use --late drop"
    yield bad is not None, (
        f"{given} with wire {config.wire!r}: {bad!r} makes scales or places of each client's own, and such cannot be summed "
        "unread; use randk, sketch or none")  # fmt: skip
    owes = privacy.unit == "client" or getattr(privacy, "trust", "") == "sum"
    yield owes and bool(wire.stages), (
        f"{given} with privacy {config.privacy!r} and wire {config.wire!r}: the noise is made for what is clipped, not for what "
        "is left of it; use --wire none")  # fmt: skip
    yield (
        bool(getattr(privacy, "quantile", 0.0)),
        (
            f"{given} with privacy {config.privacy!r}: adaptive clipping asks every client for a figure; leave quantile out"
        ),
    )
    yield (
        config.privacy.startswith("ftrl"),
        (f"{given} with privacy {config.privacy!r}: its noise is made by the server alone; use privacy client"),
    )


def check_budget(config: RunConfig, clients: Sequence[ClientData]) -> None:
    """Refuse a budget that not even one round keeps, and a number of clients that cannot be. Raises FedkitError."""
    budget = budget_of(config, len(clients))
    units = sum(len(c.train) for c in clients) if budget and budget.unit == "example" else len(clients)
    if budget and budget.delta * units >= 1:
        raise FedkitError(
            f"privacy delta={budget.delta:g} given, and there are {units:,} {budget.unit}s: publishing one of them whole would "
            f"count as private; use at most 1 / (10 n), here delta={1 / (10 * units):.1g}"
        )
    if config.secure != "none" and len(clients) < 2:
        raise FedkitError(f"secure {config.secure!r} given with one client; a sum of one hides nothing")


def privacy_notes(config: RunConfig, clients: Sequence[ClientData]) -> list[str]:
    """What the promise means here, in a sentence each."""
    budget, out = budget_of(config, len(clients)), []
    if config.secure.startswith("masks"):
        out.append("secure: masks here are not secure, for teaching: all secrets come from one seed, in one process")
    if budget is None:
        return out
    if not (budget.privacy.eps or budget.privacy.noise):
        out.append(f"privacy: no eps given, {budget.eps:g} is used")
    if budget.eps > WEAK:
        sure = 1 / (1 + math.exp(-min(budget.eps, 700)))
        out.append(
            f"privacy: epsilon {budget.eps:g} promises next to nothing: by itself it lets an attacker be right {sure:.4%} of the time"
        )
    if budget.unit == "example":
        drawn = "takes all its rows" if budget.rate == 1 else f"draws each row with probability {budget.rate:g}"
        out.append(
            f"privacy: batch-size {config.batch_size} not used; each of the {budget.whole} steps of a site {drawn}"
        )
    if budget.unit == "client" and len(clients) < 100:
        out.append(
            f"privacy: for {len(clients)} clients a promise to whole clients costs noise of {budget.noise / budget.cohort:.2f} "
            "times the clip on every mean: little can be learned"
        )
    return out
