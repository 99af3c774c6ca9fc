"""q-FedAvg: clients that the model serves badly count more (Li et al., 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedkit.federated.interfaces import Strategy, UpdateSummary
from fedkit.federated.local.train import ClientUpdate


@dataclass(frozen=True)
class QFedAvg(Strategy):
    """q-fair: clients with a higher loss before training count more, loss^q (q-FedAvg: Li et al.,
    2020).

    lr: of the clients, 1 / L in the paper; its step is sum_i F_i^q L delta_i / sum_i (q F_i^(q-1)
    L^2 ||delta_i||^2 + L F_i^q).
    """

    q: float = 0.2
    lr: float = 1.0
    plain_mean = needs_norms = True
    reports = ("loss",)
    needs = "every client counts alike but for its loss; --weights is not used"

    def update_weight(self, update: ClientUpdate, base: float) -> float:
        return (update.metrics["loss"] + 1e-10) ** self.q

    def mean_scale(self, arrived: Sequence[UpdateSummary]) -> float:
        steep, q = 1 / self.lr, self.q
        norms = sum(
            q * (a.loss + 1e-10) ** (q - 1) * steep**2 * a.square + steep * a.weight
            for a in arrived
        )
        return steep * sum(a.weight for a in arrived) / norms
