"""Named tensors as one vector: its length, a part of it by name, and a generator to draw noise for
it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def square_of(params: Params) -> float:
    """Squared L2 norm of all tensors as one vector, summed in float64."""
    return sum(t.double().square().sum().item() for t in params.values())


def norm_of(params: Params) -> float:
    """L2 norm of all tensors as one vector."""
    return math.sqrt(square_of(params))


def under(state: Params, start: str) -> Params:
    """The tensors whose names begin with `start`, without it."""
    return {n.removeprefix(start): t for n, t in state.items() if n.startswith(start)}


def torch_rng(rng: np.random.Generator) -> torch.Generator:
    """A CPU generator of torch's that follows numpy's: the next number of `rng` is its seed."""
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


# the mean sentence vector as released, shape (d,): private training of the head is about it
CENTRE = "centre"


# the end of a control variate's name: that of its tensor, and this (see strategy.Scaffold)
CONTROL = ".control"


# trainable tensors only, under PEFT's names, the head as head.weight and head.bias
Params = dict[str, Tensor]
