"""Rounds in which the server does not wait: it steps when enough updates are there, and who has
sent starts again.

Nothing here depends on how long this machine takes: the order of arrival is that of the event clock
(network.py), so the same config gives the same run. A client is trained when it downloads; what it
sends waits until its simulated arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial

from fedkit.core.record import ClientRecord
from fedkit.core.tensors import Params, under
from fedkit.federated.local.cohort import fit_all
from fedkit.federated.local.train import ClientUpdate
from fedkit.federated.rounds.exchange import Exchange, Upload
from fedkit.federated.rounds.participant import ABSENT, Participants, Visit
from fedkit.federated.rounds.state import pack, pack_update, unpack, unpack_update

# visits per client and step that come to nothing, before the server steps without its full number
MOST = 20


@dataclass(frozen=True)
class Flight:
    """A client at work. version: the round whose parameters it has. arrival: simulated seconds
    since round 1 began.
    """

    visit: Visit
    version: int
    arrival: float


class Flying:
    """The clients as a server sees them that does not wait. clock: simulated seconds since round 1
    began, at its last step.
    """

    def __init__(self, sites: Participants, state: Params):
        self.sites, self.flights = sites, {}
        self.need = sites.strategy.size(len(sites.clients))
        self.clock, self.resting, self.visits = (
            0.0,
            list(range(len(sites.clients))),
            [0] * len(sites.clients),
        )
        if state:
            self._restore(state)

    def visit(
        self, exchange: Exchange, number: int, records: list[ClientRecord]
    ) -> Iterator[ClientUpdate]:
        """Yield updates in the order of their arrival until there are enough; a record for each
        visit that ended.
        """
        resting, self.resting = self.resting, []
        for place in resting:
            self._launch(place, exchange, number, records)
        counted = ended = 0
        while counted < self.need and self.flights and ended < MOST * len(self.sites.clients):
            place = min(self.flights, key=lambda p: (self.flights[p].arrival, p))
            flight = self.flights.pop(place)
            record, upload = flight.visit.record, flight.visit.upload
            self.clock, ended = flight.arrival, ended + 1
            records.append(replace(record, staleness=number - flight.version))
            if record.status == "ok":
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
        client = self.sites.clients[place]
        name, absent = client.client_id, self.sites.fate(number, client.client_id).kind
        if absent in ABSENT:
            records.append(ClientRecord(name, "away", ABSENT[absent], began=self.clock))
            self.resting.append(place)
            return
        self.visits[place] += 1
        turn = self.visits[place]
        fate = self.sites.fate(turn, name)
        task, downlink = self.sites.task(exchange, client, turn)
        if fate.kind == "crash":
            visit = Visit(self.sites.crashed(client, downlink, fate))
        else:
            ((_, done),) = fit_all(
                self.sites.model, [task], self.sites.config, partial(self.sites.tick, number)
            )
            visit = self.sites.sent(exchange, task, done, turn, downlink, fate)
        visit = replace(visit, record=replace(visit.record, began=self.clock))
        self.flights[place] = Flight(
            visit, number, self.clock + self.sites.ends([visit.record], number)[0]
        )

    # ---- what it remembers

    def state(self) -> Params:
        """What the next round needs, as tensors."""
        out = {"clock": pack({"clock": self.clock, "resting": self.resting, "visits": self.visits})}
        for place, flight in self.flights.items():
            name, upload = f"flight/{place}", flight.visit.upload
            said = {
                "record": asdict(flight.visit.record),
                "version": flight.version,
                "arrival": flight.arrival,
            }
            if upload is not None:
                said |= {"nbytes": upload.nbytes, "reason": upload.reason, "slot": upload.slot}
                out |= {f"{name}/memory/{n}": t for n, t in upload.memory.items()}
                out |= pack_update(upload.update, f"{name}/update") if upload.update else {}
            out[f"{name}/said"] = pack(said)
        return out

    def _restore(self, state: Params) -> None:
        kept = unpack(state["clock"])
        self.clock, self.resting, self.visits = kept["clock"], kept["resting"], kept["visits"]
        for key in [
            n
            for n in state
            if n.startswith("flight/") and n.count("/") == 2 and n.endswith("/said")
        ]:
            place, name, said = (
                int(key.split("/")[1]),
                key.removesuffix("/said"),
                unpack(state[key]),
            )
            upload = None
            if "nbytes" in said:
                update = (
                    unpack_update(state, f"{name}/update")
                    if f"{name}/update/said" in state
                    else None
                )
                upload = Upload(
                    place,
                    said["nbytes"],
                    update,
                    said["reason"],
                    said["slot"],
                    under(state, f"{name}/memory/"),
                )
            self.flights[place] = Flight(
                Visit(ClientRecord(**said["record"]), upload), said["version"], said["arrival"]
            )
