"""Rounds in which the server waits for the last client, or until the deadline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from fedkit.core.record import ClientRecord
from fedkit.core.tensors import Params
from fedkit.federated.local.train import ClientUpdate
from fedkit.federated.rounds.exchange import Exchange
from fedkit.federated.rounds.messages import pack_update, unpack_update
from fedkit.federated.rounds.participant import ABSENT, SimulatedClients, Visit
from fedkit.federated.rounds.sampling import choose_clients


class SynchronousRounds:
    """Rounds of a server that waits for all clients of a round, or until the deadline.

    pending: updates that came after the deadline, and count in the next round.
    """

    def __init__(self, clients: SimulatedClients, state: Params):
        self.clients, self.config = clients, clients.config
        self.pending = [unpack_update(state, f"late/{i}") for i in range(int(state.get("late", 0)))]

    def collect_updates(
        self, exchange: Exchange, number: int, records: list[ClientRecord]
    ) -> Iterator[ClientUpdate]:
        """Yield each update that counts as it arrives; append a record for each client."""
        carried, self.pending = self.pending, []
        yield from carried
        clients = choose_clients(
            self.clients.clients, self.config, exchange.budget, number, exchange.key
        )
        fates = {c.client_id: self.clients.fate(number, c.client_id) for c in clients}
        exchange.open_sealing([name for name, fate in fates.items() if fate.kind not in ABSENT])
        visits = self.clients.visits(exchange, clients, fates, number, number)
        if self.config.deadline is not None:
            visits = self._apply_deadline(list(visits), number, self.config.deadline)
        for visit in visits:
            record, upload = visit.record, visit.upload
            if record.status != "ok":
                records.append(record)
                continue
            assert upload is not None
            reason = exchange.accept(upload, record.id)
            records.append(replace(record, status="rejected", reason=reason) if reason else record)
            if upload.update:
                yield upload.update
        yield from exchange.open_sealed(records)
        order = {client.client_id: i for i, client in enumerate(clients)}
        records.sort(key=lambda record: order[record.id])

    def state(self) -> Params:
        """Return what the next round needs, as tensors."""
        out = {"late": torch.tensor(len(self.pending))} if self.pending else {}
        for i, update in enumerate(self.pending):
            out |= pack_update(update, f"late/{i}")
        return out

    def _apply_deadline(self, visits: list[Visit], number: int, deadline: float) -> Iterator[Visit]:
        """Yield the visits; those that end after `deadline` (seconds) are late."""
        there = [v.record for v in visits if v.record.status != "away"]
        end = dict(zip((r.id for r in there), self.clients.end_seconds(there, number)))
        carry = self.config.late == "carry"
        for visit in visits:
            if visit.record.status == "ok" and end[visit.record.id] > deadline:
                reason = "came after the deadline" + ("; counts in the next round" if carry else "")
                if carry:
                    assert visit.upload is not None and visit.upload.update is not None
                    self.pending.append(replace(visit.upload.update, staleness=1))
                visit = Visit(replace(visit.record, status="late", reason=reason), visit.upload)
            yield visit
