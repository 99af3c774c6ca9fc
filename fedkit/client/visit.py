"""A round seen from the clients: download, train, upload; what cannot be right is rejected and the round goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from fedkit.client.cohort import fit_all
from fedkit.client.train import ClientUpdate, Tick, task_of
from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.model.classifier import Model
from fedkit.record import ClientRecord

if TYPE_CHECKING:
    from fedkit.server.exchange import Exchange


def visit(model: Model, clients: Sequence[ClientData], exchange: Exchange, config: RunConfig, round_number: int,
          prior: Tensor | None, records: list[ClientRecord], tick: Tick) -> Iterator[ClientUpdate]:  # fmt: skip
    """Yield each client's update as the server received it, as soon as it is there; append a record for each."""
    tasks, sent = [], {}
    for client in clients:
        start, sent[client.client_id] = exchange.download(client.client_id)
        tasks.append(task_of(client, start, config, round_number, prior, len(model.labels), exchange.frozen))
    for task, done in fit_all(model, tasks, config, partial(tick, round_number)):
        update, reason, nbytes = exchange.upload(task.name, task.start, done, len(task.examples))
        status = "ok" if update else "rejected"
        records.append(
            ClientRecord(task.name, status, reason, done.examples, done.steps, done.seconds, nbytes, sent[task.name])
        )
        if update:
            yield update
    order = {client.client_id: i for i, client in enumerate(clients)}
    records.sort(key=lambda record: order[record.id])
