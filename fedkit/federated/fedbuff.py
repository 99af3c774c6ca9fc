"""FedBuff: asynchronous averaging with a buffer (Nguyen et al., 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedkit.federated.interfaces import Strategy, UpdateSummary, staleness_discount
from fedkit.federated.local.train import ClientUpdate


@dataclass(frozen=True)
class FedBuff(Strategy):
    """Asynchronous: a step whenever `buffer` updates are there, each divided by (1 +
    staleness)^power (Nguyen et al., 2022).

    buffer: 0 for half of the clients. lr: of the server. Clients never wait: who has sent starts
    again at once.
    """

    buffer: int = 0
    power: float = 0.5
    lr: float = 1.0
    plain_mean = asynchronous = True
    needs = "devices and link decide the order; --aggregate mean, no --deadline"

    def update_weight(self, update: ClientUpdate, base: float) -> float:
        return base * staleness_discount(update, self.power)

    def mean_scale(self, arrived: Sequence[UpdateSummary]) -> float:
        """Return the factor that divides by the weights without staleness.

        Old updates then make a smaller step, not only a smaller share.
        """
        return self.lr * sum(a.weight for a in arrived) / sum(a.base for a in arrived)

    def buffer_size(self, clients: int) -> int:
        return min(self.buffer or math.ceil(clients / 2), clients)
