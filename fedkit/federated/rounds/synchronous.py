"""A round in which the server waits: for the last client, or until the deadline; what cannot be
right is rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch

from fedkit.core.record import ClientRecord
from fedkit.core.tensors import Params
from fedkit.data.corpus import ClientData
from fedkit.federated.local.cohort import fit_all
from fedkit.federated.local.train import ClientUpdate
from fedkit.federated.rounds.exchange import Exchange
from fedkit.federated.rounds.faults import Fate
from fedkit.federated.rounds.participant import ABSENT, Participants, Visit
from fedkit.federated.rounds.sampling import chosen
from fedkit.federated.rounds.state import pack_update, unpack_update


class Waiting:
    """The clients as a server sees them that waits in every round.

    pending: updates that came after the deadline, and count in the next round.
    """

    def __init__(self, sites: Participants, state: Params):
        self.sites, self.config = sites, sites.config
        self.pending = [unpack_update(state, f"late/{i}") for i in range(int(state.get("late", 0)))]

    def visit(
        self, exchange: Exchange, number: int, records: list[ClientRecord]
    ) -> Iterator[ClientUpdate]:
        """Yield each update that counts, as soon as it is there; append a record for each
        client.
        """
        carried, self.pending = self.pending, []
        yield from carried
        clients = chosen(self.sites.clients, self.config, exchange.budget, number, exchange.entropy)
        fates = {c.client_id: self.sites.fate(number, c.client_id) for c in clients}
        exchange.seal([name for name, fate in fates.items() if fate.kind not in ABSENT])
        visits = self._visits(exchange, clients, fates, number)
        for one in (
            self._in_time(list(visits), number) if self.config.deadline is not None else visits
        ):
            reason = exchange.accept(one.upload, one.record.id) if one.record.status == "ok" else ""
            records.append(
                replace(one.record, status="rejected", reason=reason) if reason else one.record
            )
            if one.record.status == "ok" and one.upload.update:
                yield one.upload.update
        yield from exchange.opened(records)
        order = {client.client_id: i for i, client in enumerate(clients)}
        records.sort(key=lambda record: order[record.id])

    def state(self) -> Params:
        """What the next round needs, as tensors."""
        out = {"late": torch.tensor(len(self.pending))} if self.pending else {}
        for i, update in enumerate(self.pending):
            out |= pack_update(update, f"late/{i}")
        return out

    def _visits(
        self,
        exchange: Exchange,
        clients: Sequence[ClientData],
        fates: Mapping[str, Fate],
        number: int,
    ) -> Iterator[Visit]:
        tasks, sent = [], {}
        for client in clients:
            name = client.client_id
            if fates[name].kind in ABSENT:
                yield Visit(ClientRecord(name, "away", ABSENT[fates[name].kind]))
                continue
            task, sent[name] = self.sites.task(exchange, client, number)
            if fates[name].kind == "crash":
                yield Visit(self.sites.crashed(client, sent[name], fates[name]))
            else:
                tasks.append(task)
        for task, done in fit_all(
            self.sites.model, tasks, self.config, partial(self.sites.tick, number)
        ):
            yield self.sites.sent(exchange, task, done, number, sent[task.name], fates[task.name])

    def _in_time(self, visits: list[Visit], number: int) -> Iterator[Visit]:
        """The visits, with what the deadline makes of those that came too late."""
        there = [v.record for v in visits if v.record.status != "away"]
        end = dict(zip((r.id for r in there), self.sites.ends(there, number)))
        for one in visits:
            if one.record.status == "ok" and end[one.record.id] > self.config.deadline:
                carry = self.config.late == "carry"
                reason = "came after the deadline" + ("; counts in the next round" if carry else "")
                if carry:
                    self.pending.append(replace(one.upload.update, staleness=1))
                one = Visit(replace(one.record, status="late", reason=reason), one.upload)
            yield one
