"""One client's part of a round: its task, its faults, and its upload; the config decides all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import Params
from fedkit.data.corpus import ClientData, Examples
from fedkit.federated.cost_model import modelled_seconds_per_example
from fedkit.federated.interfaces import Strategy
from fedkit.federated.local.cohort import fit_all
from fedkit.federated.local.train import (
    FitResult,
    PrivatePlan,
    Task,
    Tick,
    client_rng,
    logit_adjustment,
    make_task,
)
from fedkit.federated.methods import methods_of
from fedkit.federated.rounds.exchange import Exchange
from fedkit.federated.rounds.faults import LATE_FACTOR, Fate, draw_fate
from fedkit.federated.rounds.messages import Tampering, Upload
from fedkit.federated.rounds.private_statistics import released_label_counts
from fedkit.models.classifier import Model
from fedkit.models.metrics import mean_loss
from fedkit.network import World
from fedkit.network.replay import has_crashed

ABSENT = {
    "away": "away this round",
    "left": "has left for good",
    "not yet here": "has not joined yet",
}


@dataclass(frozen=True)
class Visit:
    """One client in one round: its record, and its upload if it sent one."""

    record: ClientRecord
    upload: Upload | None = None


class SimulatedClients:
    """All clients of a run with their simulated devices and links.

    figures: names of the numbers that a client reports: steps, loss, validation.
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
        self.faults, self.attack = methods_of(config).faults, methods_of(config).attack
        self.attackers = self.attack.draw_attackers(len(clients), config.seed)
        self.world = World.from_config(config, list(self.place))
        self.pace = modelled_seconds_per_example(model, clients, config)

    def fate(self, number: int, client: str) -> Fate:
        """Return what happens to the client in round `number`."""
        return draw_fate(self.faults, self.config.seed, number, client)

    def visits(
        self,
        exchange: Exchange,
        clients: Sequence[ClientData],
        fates: Mapping[str, Fate],
        turn: int,
        number: int,
    ) -> Iterator[Visit]:
        """Yield each client's visit in round `number` as it ends.

        turn: seeds its training: the round, or how often the client was visited.
        """
        tasks, downlinks = [], {}
        for client in clients:
            name, fate = client.client_id, fates[client.client_id]
            if fate.kind in ABSENT:
                yield Visit(ClientRecord(name, "away", ABSENT[fate.kind]))
                continue
            task, downlinks[name] = self.prepare_task(exchange, client, turn)
            if fate.kind == "crash":
                yield Visit(self.crash_record(client, downlinks[name], fate))
            else:
                tasks.append(task)
        for task, done in fit_all(self.model, tasks, self.config, partial(self.tick, number)):
            downlink, fate = downlinks[task.name], fates[task.name]
            yield self.upload_result(exchange, task, done, turn, downlink, fate)

    def prepare_task(self, exchange: Exchange, client: ClientData, number: int) -> tuple[Task, int]:
        """Return (a client's task, the bytes of its download). number: of the round or visit."""
        start, nbytes = exchange.download(client.client_id)
        labels = len(self.model.labels)
        if self.place[client.client_id] in self.attackers:
            rng = self._rng(client.client_id, number)
            poisoned = self.attack.poison_labels(client.train.labels, labels, rng)
            client = replace(client, train=replace(client.train, labels=poisoned))
        task = make_task(client, start, self.config, number, self.prior, labels, exchange.frozen)
        margin = self.strategy.logit_margin(np.bincount(client.train.labels, minlength=labels))
        adjust = task.adjust if margin is None else margin
        shift = exchange.gradient_shift(client.client_id)
        task = replace(task, adjust=adjust, pull=self.strategy.pull, shift=shift)
        return self._private(task, exchange, number), nbytes

    def _private(self, task: Task, exchange: Exchange, number: int) -> Task:
        """Return the task with its DP-SGD plan, where each example is protected."""
        budget = exchange.budget
        if budget is None or budget.unit != "example":
            return task
        sigma = 0.0 if budget.trust_sum else budget.noise * budget.clip
        key, scale = exchange.key, budget.scale * len(task.examples)
        steps = budget.rate, budget.steps, scale, budget.head_lr
        own_key = key.child("visit", number, task.name)
        plan = PrivatePlan(budget.clip, sigma, *steps, own_key, budget.trust_sum)
        labels, count = task.examples.labels, len(self.model.labels)
        counts = released_label_counts(labels, count, self.config, budget, task.name, key)
        adjust = logit_adjustment(self.config.loss, counts, self.prior)
        return replace(task, private=plan, adjust=adjust)

    def upload_result(
        self,
        exchange: Exchange,
        task: Task,
        done: FitResult,
        number: int,
        downlink: int,
        fate: Fate,
    ) -> Visit:
        """Send a client's result; return its visit with what the server received."""
        figures, tampering = self._figures(task, done), self._tampering(task.name, number)
        upload = exchange.upload(
            task.name, task.start, done, len(task.examples), figures, tampering
        )
        status, reason = ("rejected", upload.reason) if upload.reason else ("ok", "")
        if fate.kind == "lost":
            status, reason = "lost", "the upload was lost"
        elif fate.kind == "twice" and status == "ok":
            reason = "came twice, counted once"
        nbytes = upload.nbytes * (2 if fate.kind == "twice" else 1)
        work = None if self.pace is None else done.examples * self.pace
        took = done.examples, done.steps, done.seconds
        record = ClientRecord(task.name, status, reason, *took, nbytes, downlink, work)
        if fate.kind == "late":
            record = replace(record, delay=LATE_FACTOR * self.end_seconds([record], number)[0])
        return Visit(record, upload)

    def crash_record(self, client: ClientData, downlink: int, fate: Fate) -> ClientRecord:
        """Return the record of a client that stops in training; nothing is computed for it."""
        assert self.pace is not None  # with faults, the clock's model is used
        work = fate.part * self.config.local_epochs * len(client.train) * self.pace
        lost = ClientRecord(client.client_id, "lost", "crashed in training")
        return replace(lost, downlink_bytes=downlink, work_seconds=work)

    def end_seconds(self, records: Sequence[ClientRecord], number: int) -> list[float]:
        """Return when each upload arrives or its training breaks off.

        In simulated seconds since the round began.
        """
        if not records:
            return []
        places = [self.place[r.id] for r in records]
        down, work, up = zip(*((r.downlink_bytes, r.work_seconds, r.uplink_bytes) for r in records))
        ends = self.world.visit_ends(number, places, list(down), list(work), list(up))
        return [float(end[1 if has_crashed(r) else 2]) + r.delay for end, r in zip(ends, records)]

    def _tampering(self, client: str, number: int) -> Tampering | None:
        if self.place[client] not in self.attackers:
            return None
        rng, attack = self._rng(client, number), self.attack
        return Tampering(
            partial(attack.poison_delta, rng=rng), partial(attack.corrupt_body, rng=rng)
        )

    def _rng(self, client: str, number: int) -> np.random.Generator:
        return client_rng(self.config.seed + 1_000_003, number, client)

    def _figures(self, task: Task, done: FitResult) -> dict[str, float]:
        held = self.clients[self.place[task.name]].validation
        figures = {
            "steps": lambda: float(done.steps),
            "loss": lambda: self._loss(task.start, task.examples),
            "validation": lambda: self._loss(done.params, held if len(held) else task.examples),
        }
        return {name: figures[name]() for name in self.figures}

    def _loss(self, params: Params, examples: Examples) -> float:
        """Return the mean cross-entropy at these parameters; a billion where it is not a number."""
        self.model.load_params(params)
        loss = mean_loss(self.model.predict(examples), examples.labels)
        return loss if np.isfinite(loss) else 1e9
