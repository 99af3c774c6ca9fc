"""What waits between two rounds, as tensors, so that it can be kept in a file and nothing is lost
by a stop.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from fedkit.core.tensors import Params, under
from fedkit.federated.local.train import ClientUpdate


def pack(values: Any) -> Tensor:
    """JSON as bytes, uint8 (n,)."""
    return torch.tensor(list(json.dumps(values).encode()), dtype=torch.uint8)


def unpack(tensor: Tensor) -> Any:
    """The inverse of `pack`."""
    return json.loads(bytes(tensor.tolist()))


def pack_update(update: ClientUpdate, name: str) -> Params:
    """An update under `name`/..."""
    said = {k: v for k, v in vars(update).items() if k != "delta"}
    return {f"{name}/said": pack(said)} | {f"{name}/delta/{n}": t for n, t in update.delta.items()}


def unpack_update(state: Params, name: str) -> ClientUpdate:
    """The inverse of `pack_update`."""
    return ClientUpdate(delta=under(state, f"{name}/delta/"), **unpack(state[f"{name}/said"]))
