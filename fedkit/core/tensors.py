"""Named tensors treated as one vector, and the names that the package gives to some of them."""

from __future__ import annotations

import math

from torch import Tensor

# trainable tensors only, under PEFT's names; the head is head.weight and head.bias
Params = dict[str, Tensor]

# name of the mean sentence vector as released, shape (d,): private training of the head is about it
CENTRE_NAME = "centre"

# end of the name of a control variate, after that of its tensor (see federated.strategies.Scaffold)
CONTROL_SUFFIX = ".control"


def squared_norm(params: Params) -> float:
    """Return the squared L2 norm of all tensors as one vector, summed in float64."""
    return sum(t.double().square().sum().item() for t in params.values())


def l2_norm(params: Params) -> float:
    """Return the L2 norm of all tensors as one vector."""
    return math.sqrt(squared_norm(params))


def select_prefix(state: Params, prefix: str) -> Params:
    """Return the tensors whose names begin with `prefix`, under their names without it."""
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
