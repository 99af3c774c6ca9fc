"""Rounds in which the server does not wait: it steps when enough updates have arrived.

The order of arrival is that of the event clock (`fedkit.network`) and does not depend on how long
this machine takes, so the same config gives the same run. A client is trained when it downloads;
its upload is held until its simulated arrival, and then the client starts again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from fedkit.core.record import ClientRecord
from fedkit.core.tensors import Params, select_prefix
from fedkit.federated.local.train import ClientUpdate
from fedkit.federated.rounds.exchange import Exchange
from fedkit.federated.rounds.faults import Fate
from fedkit.federated.rounds.messages import (
    Upload,
    pack_json,
    pack_update,
    unpack_json,
    unpack_update,
)
from fedkit.federated.rounds.participant import ABSENT, SimulatedClients, Visit

# visits per client and step that come to nothing, before the server steps without its full number
MAX_VISITS_PER_CLIENT = 20


@dataclass(frozen=True)
class Flight:
    """A client at work. version: the round whose parameters it has. arrival: simulated seconds
    since round 1 began.
    """

    visit: Visit
    version: int
    arrival: float


class AsynchronousRounds:
    """Rounds of a server that steps whenever enough updates have arrived.

    clock: simulated seconds from the start of round 1 to the server's last step.
    """

    def __init__(self, clients: SimulatedClients, state: Params):
        self.clients = clients
        self.flights: dict[int, Flight] = {}  # by the client's place
        count = len(clients.clients)
        self.need = clients.strategy.buffer_size(count)
        self.clock, self.resting, self.visits = 0.0, list(range(count)), [0] * count
        if state:
            self._restore(state)

    def collect_updates(
        self, exchange: Exchange, number: int, records: list[ClientRecord]
    ) -> Iterator[ClientUpdate]:
        """Yield updates in the order of arrival until there are enough; append a record for each
        visit that ended.
        """
        resting, self.resting = self.resting, []
        for place in resting:
            self._launch(place, exchange, number, records)
        counted = ended = 0
        most = MAX_VISITS_PER_CLIENT * len(self.clients.clients)
        while counted < self.need and self.flights and ended < most:
            place = min(self.flights, key=lambda p: (self.flights[p].arrival, p))
            flight = self.flights.pop(place)
            record, upload = flight.visit.record, flight.visit.upload
            self.clock, ended = flight.arrival, ended + 1
            records.append(replace(record, staleness=number - flight.version))
            if record.status == "ok":
                assert upload is not None and upload.update is not None
                counted += 1
                exchange.accept(upload)
                yield replace(upload.update, staleness=number - flight.version)
            if counted < self.need:
                self._launch(place, exchange, number, records)
            else:
                self.resting.append(place)  # it starts again from what the server makes of this

    def _launch(
        self, place: int, exchange: Exchange, number: int, records: list[ClientRecord]
    ) -> None:
        client = self.clients.clients[place]
        name, absent = client.client_id, self.clients.fate(number, client.client_id).kind
        if absent in ABSENT:
            records.append(ClientRecord(name, "away", ABSENT[absent], began=self.clock))
            self.resting.append(place)
            return
        self.visits[place] += 1
        turn = self.visits[place]
        fate = self.clients.fate(turn, name)
        fates = {name: Fate() if fate.kind in ABSENT else fate}
        (visit,) = self.clients.visits(exchange, [client], fates, turn, number)
        visit = replace(visit, record=replace(visit.record, began=self.clock))
        (seconds,) = self.clients.end_seconds([visit.record], number)
        self.flights[place] = Flight(visit, number, self.clock + seconds)

    # ---- saved state

    def state(self) -> Params:
        """Return what the next round needs, as tensors."""
        clock = {"clock": self.clock, "resting": self.resting, "visits": self.visits}
        out = {"clock": pack_json(clock)}
        for place, flight in self.flights.items():
            name, upload = f"flight/{place}", flight.visit.upload
            values = {
                "record": asdict(flight.visit.record),
                "version": flight.version,
                "arrival": flight.arrival,
            }
            if upload is not None:
                values |= {"nbytes": upload.nbytes, "reason": upload.reason, "slot": upload.slot}
                out |= {f"{name}/memory/{n}": t for n, t in upload.memory.items()}
                out |= pack_update(upload.update, f"{name}/update") if upload.update else {}
            out[f"{name}/said"] = pack_json(values)
        return out

    def _restore(self, state: Params) -> None:
        clock = unpack_json(state["clock"])
        self.clock, self.resting, self.visits = clock["clock"], clock["resting"], clock["visits"]
        for key in state:
            if not (key.startswith("flight/") and key.count("/") == 2 and key.endswith("/said")):
                continue
            place, name = int(key.split("/")[1]), key.removesuffix("/said")
            values, upload = unpack_json(state[key]), None
            if "nbytes" in values:
                there = f"{name}/update/said" in state
                update = unpack_update(state, f"{name}/update") if there else None
                memory = select_prefix(state, f"{name}/memory/")
                nbytes, reason, slot = values["nbytes"], values["reason"], values["slot"]
                upload = Upload(place, nbytes, update, reason, slot, memory)
            visit = Visit(ClientRecord(**values["record"]), upload)
            self.flights[place] = Flight(visit, values["version"], values["arrival"])
