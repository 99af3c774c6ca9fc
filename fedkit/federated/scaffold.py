"""SCAFFOLD: stochastic controlled averaging (Karimireddy et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedkit.core.tensors import CONTROL_SUFFIX, Params
from fedkit.federated.interfaces import State, Strategy


@dataclass(frozen=True)
class Scaffold(Strategy):
    """Clients' gradients are corrected by control variates, which travel too: c - c_i (Karimireddy
    et al., 2020).

    c_i becomes the mean gradient of the client's steps; with plain SGD that is the paper's option
    II, c_i - c + (w_start - w_end) / (K lr), and it means something under AdamW as well. lr: of the
    server.
    """

    lr: float = 1.0
    plain_mean = uses_controls = True
    needs = "twice the traffic; --aggregate mean, --share all"

    def init(self, shared: Params, clients: int) -> State:
        controls = {n + CONTROL_SUFFIX: torch.zeros_like(t) for n, t in shared.items()}
        return controls | {"clients": torch.tensor(float(clients))}

    def broadcast(self, state: State) -> Params:
        return {n: t for n, t in state.items() if n.endswith(CONTROL_SUFFIX)}

    def server_change(self, delta: Params, state: State, arrived: int) -> tuple[Params, State]:
        """c moves by |arrived| / clients times the mean change of the clients' c_i."""
        share = arrived / float(state["clients"])
        moved = {n: state[n] + share * t for n, t in delta.items() if n.endswith(CONTROL_SUFFIX)}
        return {n: self.lr * t for n, t in delta.items() if n not in moved}, state | moved
