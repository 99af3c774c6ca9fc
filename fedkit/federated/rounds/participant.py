"""One client's part of a round: its work, what befalls it, and what the server receives.
Deterministic in the config.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import Params
from fedkit.data.corpus import ClientData, Examples
from fedkit.federated.cost_model import modelled_seconds_per_example
from fedkit.federated.local.train import Fit, Steps, Task, Tick, adjustment, client_rng, task_of
from fedkit.federated.rounds.attacks import make_attack
from fedkit.federated.rounds.exchange import Exchange, Harm, Upload
from fedkit.federated.rounds.faults import LATE_FACTOR, Fate, fate, parse_faults
from fedkit.federated.rounds.private_statistics import known_counts
from fedkit.federated.strategies import Strategy
from fedkit.models.classifier import Model
from fedkit.models.metrics import mean_loss
from fedkit.network import World
from fedkit.network.timeline import crashed

ABSENT = {
    "away": "away this round",
    "left": "has left for good",
    "not yet here": "has not joined yet",
}


@dataclass(frozen=True)
class Visit:
    """One client in one round: what the record says, and what it sent if anything came of it."""

    record: ClientRecord
    upload: Upload | None = None


class Participants:
    """All clients, with their computers and lines. figures: what the server asks them to say of
    themselves.
    """

    def __init__(
        self,
        model: Model,
        clients: Sequence[ClientData],
        config: RunConfig,
        strategy: Strategy,
        figures: Sequence[str],
        prior: Tensor | None,
        tick: Tick,
    ):
        self.model, self.clients, self.config, self.strategy = model, clients, config, strategy
        self.figures, self.prior, self.tick = figures, prior, tick
        self.place = {c.client_id: i for i, c in enumerate(clients)}
        self.faults, self.attack = parse_faults(config.faults), make_attack(config.attack)
        self.attackers = self.attack.who(len(clients), config.seed)
        self.world, self.pace = (
            World.of(config, list(self.place)),
            modelled_seconds_per_example(model, clients, config),
        )

    def fate(self, number: int, client: str) -> Fate:
        """What happens to the client in a round."""
        return fate(self.faults, self.config.seed, number, client)

    def task(self, exchange: Exchange, client: ClientData, number: int) -> tuple[Task, int]:
        """(a client's work, the bytes of its download). number: of the round, or of its visits."""
        start, nbytes = exchange.download(client.client_id)
        labels = len(self.model.labels)
        if self.place[client.client_id] in self.attackers:
            harmed = self.attack.labels(
                client.train.labels, labels, self._rng(client.client_id, number)
            )
            client = replace(client, train=replace(client.train, labels=harmed))
        task = task_of(client, start, self.config, number, self.prior, labels, exchange.frozen)
        margin = self.strategy.margin(np.bincount(client.train.labels, minlength=labels))
        shift = exchange.shift(client.client_id) if self.strategy.controls else None
        adjust = task.adjust if margin is None else margin
        task = replace(task, adjust=adjust, pull=self.strategy.pull, shift=shift)
        return self._private(task, exchange, number), nbytes

    def _private(self, task: Task, exchange: Exchange, number: int) -> Task:
        """The task as DP-SGD does it, where each example is protected."""
        budget = exchange.budget
        if budget is None or budget.unit != "example":
            return task
        stream = (exchange.entropy, number, zlib.crc32(task.name.encode()))
        sigma = 0.0 if budget.trust_sum else budget.noise * budget.clip
        steps = Steps(
            budget.clip,
            sigma,
            budget.rate,
            budget.steps,
            budget.scale * len(task.examples),
            budget.head_lr,
            stream,
            budget.trust_sum,
        )
        counts = known_counts(
            task.examples.labels,
            len(self.model.labels),
            self.config,
            budget,
            task.name,
            exchange.entropy,
        )
        return replace(task, private=steps, adjust=adjustment(self.config.loss, counts, self.prior))

    def sent(
        self, exchange: Exchange, task: Task, done: Fit, number: int, downlink: int, fate: Fate
    ) -> Visit:
        """What comes of a client's work."""
        figures = self._say(task, done)
        upload = exchange.upload(
            task.name, task.start, done, len(task.examples), figures, self._harm(task.name, number)
        )
        status, reason = ("rejected", upload.reason) if upload.reason else ("ok", "")
        if fate.kind == "lost":
            status, reason = "lost", "the upload was lost"
        elif fate.kind == "twice" and status == "ok":
            reason = "came twice, counted once"
        nbytes = upload.nbytes * (2 if fate.kind == "twice" else 1)
        work = None if self.pace is None else done.examples * self.pace
        record = ClientRecord(
            task.name,
            status,
            reason,
            done.examples,
            done.steps,
            done.seconds,
            nbytes,
            downlink,
            work,
        )
        if fate.kind == "late":
            record = replace(record, delay=LATE_FACTOR * self.ends([record], number)[0])
        return Visit(record, upload)

    def crashed(self, client: ClientData, downlink: int, fate: Fate) -> ClientRecord:
        """A client that stops in its training after a part of it; nothing is computed for it."""
        work = fate.part * self.config.local_epochs * len(client.train) * self.pace
        return ClientRecord(
            client.client_id,
            "lost",
            "crashed in training",
            downlink_bytes=downlink,
            work_seconds=work,
        )

    def ends(self, records: Sequence[ClientRecord], number: int) -> list[float]:
        """Simulated seconds after the round began at which the upload of each is there, or its
        training broke off.
        """
        if not records:
            return []
        places = [self.place[r.id] for r in records]
        down, work, up = zip(*((r.downlink_bytes, r.work_seconds, r.uplink_bytes) for r in records))
        ends = self.world.ends(number, places, list(down), list(work), list(up))
        return [float(end[1 if crashed(r) else 2]) + r.delay for end, r in zip(ends, records)]

    def _harm(self, client: str, number: int) -> Harm | None:
        if self.place[client] not in self.attackers:
            return None
        rng = self._rng(client, number)
        return Harm(partial(self.attack.delta, rng=rng), partial(self.attack.body, rng=rng))

    def _rng(self, client: str, number: int) -> np.random.Generator:
        return client_rng(self.config.seed + 1_000_003, number, client)

    def _say(self, task: Task, done: Fit) -> dict[str, float]:
        held = self.clients[self.place[task.name]].validation
        say = {
            "steps": lambda: float(done.steps),
            "loss": lambda: self._loss(task.start, task.examples),
            "validation": lambda: self._loss(done.params, held if len(held) else task.examples),
        }
        return {name: say[name]() for name in self.figures}

    def _loss(self, params: Params, examples: Examples) -> float:
        """Mean cross-entropy at these parameters; a billion where it is not a number."""
        self.model.load_params(params)
        loss = mean_loss(self.model.predict(examples), examples.labels)
        return loss if np.isfinite(loss) else 1e9
