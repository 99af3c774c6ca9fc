"""A round seen from the clients: download, train, upload; what cannot be right is rejected and the round goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from torch import Tensor

from fedkit.client.cohort import fit_all
from fedkit.client.train import ClientUpdate, Tick, task_of, update_of
from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.errors import FedkitError
from fedkit.model.classifier import Model, Params
from fedkit.record import ClientRecord
from fedkit.wire.payload import Payload, PayloadError, decode, encode


def visit(model: Model, clients: Sequence[ClientData], download: Payload, template: Params, config: RunConfig,
          round_number: int, prior: Tensor | None, records: list[ClientRecord], tick: Tick) -> Iterator[ClientUpdate]:  # fmt: skip
    """Yield each client's update as the server received it, as soon as it is there; append a record for each."""
    shared = opened(download, template)
    tasks = [task_of(c, shared, config, round_number, prior, len(model.labels)) for c in clients]
    for task, done in fit_all(model, tasks, config, partial(tick, round_number)):
        update = update_of(task, done)
        upload = encode(update.delta, {"client": update.client_id, "examples": update.num_examples})
        received, reason = receive(upload, template)
        records.append(ClientRecord(
            update.client_id, "ok" if received else "rejected", reason, int(update.metrics["examples"]),
            int(update.metrics["steps"]), update.metrics["seconds"], upload.nbytes, download.nbytes,
        ))  # fmt: skip
        if received:
            yield received
    order = {client.client_id: i for i, client in enumerate(clients)}
    records.sort(key=lambda record: order[record.id])


def opened(download: Payload, template: Params) -> Params:
    """The shared parameters as a client reads them. Raises FedkitError when training has driven them out of range."""
    try:
        return decode(download, template)[0]
    except PayloadError as error:
        raise FedkitError(
            f"the shared parameters cannot be used ({error}); lower --lr or --head-lr and start again"
        ) from None


def receive(upload: Payload, template: Params) -> tuple[ClientUpdate | None, str]:
    """The update in an upload, or None and the reason it was rejected."""
    try:
        delta, notes = decode(upload, template)
        name, examples = notes.get("client"), notes.get("examples")
        if not isinstance(name, str) or type(examples) is not int or not 0 < examples < 10**9:
            raise PayloadError("impossible notes: client must be text, examples a whole number from 1 to 999,999,999")
        return ClientUpdate(name, delta, examples), ""
    except PayloadError as error:
        return None, str(error)
