"""The uploads of a round under a lock: sealed at the clients, added up by the server, opened as one mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from fedkit.client.private import stepped
from fedkit.client.train import CENTRE, ClientUpdate
from fedkit.config import RunConfig
from fedkit.model.classifier import Params
from fedkit.record import ClientRecord
from fedkit.server.guard import Guard
from fedkit.server.vault import Owed, Vault
from fedkit.wire.compress import Context, Wire
from fedkit.wire.payload import PayloadError
from fedkit.wire.privacy import Budget
from fedkit.wire.secure import TooFew, make_lock

SUM = "the sum of all"  # stands for the sender of an update that nobody can tell apart


class Sealing:
    """What `--secure` does in a round; nothing where it is 'none'.

    heaviest: the largest weight of a client, known to all. rates: learning rates, for a server that takes the step.
    noise: the multiplier that the opened sum carries, None if none was owed to it.
    """

    def __init__(self, config: RunConfig, wire: Wire, budget: Budget | None, guard: Guard | None, heaviest: float,
                 rates: dict[str, float], entropy: int):  # fmt: skip
        self.config, self.wire, self.budget, self.guard = config, wire, budget, guard
        self.heaviest, self.rates, self.entropy = heaviest, rates, entropy
        self.on = config.secure != "none"
        self.vault: Vault | None = None
        self.noise: float | None = None

    def open(self, chosen: Sequence[str], template: Params, number: int) -> None:
        """Before the uploads of a round: those who take part agree on how. template: what each of them sends."""
        self.vault = self.noise = None
        if self.on and len(chosen) > 1:
            size = len(self.wire.project(template, self._context(number))[0])
            lock = make_lock(self.config.secure)
            self.vault = Vault(lock, chosen, size, self.entropy, number, self.heaviest, self._owed())

    def seal(self, delta: Params, context: Context, examples: int) -> tuple[bytes, Params]:
        """(a client's upload, its new memory of what was lost). Raises PayloadError for what does not fit."""
        if self.vault is None:
            raise PayloadError("alone in its round, and a sum of one hides nothing")
        vector, memory = self.wire.project(delta, context)
        weight = float(examples) if self.config.weights == "examples" else 1.0
        return self.vault.seal(context.sender, vector.numpy(), weight), memory

    def take(self, client: str, body: bytes) -> str:
        """Take an upload into the sum; why it cannot be, or ''."""
        try:
            self.vault.add(client, body)
        except PayloadError as error:
            return str(error)
        return ""

    def opened(
        self, records: list[ClientRecord], begin: Params, names: Sequence[str], number: int
    ) -> Iterator[ClientUpdate]:
        """The mean of a round as one update, once all are there; `records` gets the bytes that the lock took."""
        if self.vault is None:
            return
        costs: Mapping[str, tuple[int, int]] = {}
        try:
            done = self.vault.result()
            costs, self.noise = done.costs, done.noise
            vector = torch.from_numpy(done.mean).float()
            mean = self.wire.restore(vector, {n: begin[n] for n in names}, self._context(number))
            if self.budget and self.budget.trust_sum:  # the server takes the step
                mean = stepped(mean, begin.get(CENTRE), self.budget, self.rates, done.weight)
            yield ClientUpdate(SUM, mean, max(1, round(done.weight)), weight=done.weight)
        except TooFew as error:
            lose(records, f"too few arrived: {error}")
        except PayloadError as error:  # a hostile client can spoil a sum that nobody looks into
            lose(records, f"the sum cannot be used: {error}")
        charge(records, self.vault.setup, costs)

    def _owed(self) -> Owed | None:
        """The noise that the sum must carry: of clipped updates, or of clipped gradients over rate x `heaviest`."""
        if self.guard:
            return Owed(self.guard.clip, self.guard.multiplier)
        if self.budget and self.budget.trust_sum:
            share = self.budget.clip / (self.budget.rate * self.heaviest)
            return Owed(share, self.budget.noise, int(self.heaviest))
        return None

    def _context(self, number: int) -> Context:
        return Context("server", number, self.config.seed, {})


def lose(records: list[ClientRecord], reason: str) -> None:
    """Nothing came of the uploads of a round."""
    for i, record in enumerate(records):
        if record.status == "ok":
            records[i] = replace(record, status="lost", reason=reason)


def charge(records: list[ClientRecord], *costs: Mapping[str, tuple[int, int]]) -> None:
    """Add what a lock made each client send and receive besides its upload."""
    for i, record in enumerate(records):
        sent, received = (sum(cost.get(record.id, (0, 0))[way] for cost in costs) for way in (0, 1))
        records[i] = replace(
            record, uplink_bytes=record.uplink_bytes + sent, downlink_bytes=record.downlink_bytes + received
        )
