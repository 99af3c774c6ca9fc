"""Values and client updates as tensors, so that the state between two rounds fits in a file."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from fedkit.core.tensors import Params, select_prefix
from fedkit.federated.local.train import ClientUpdate


def pack_json(values: Any) -> Tensor:
    """Return `values` as JSON in a tensor of bytes, uint8 (n,)."""
    return torch.tensor(list(json.dumps(values).encode()), dtype=torch.uint8)


def unpack_json(tensor: Tensor) -> Any:
    """Return the values that `pack_json` packed."""
    return json.loads(bytes(tensor.tolist()))


def pack_update(update: ClientUpdate, name: str) -> Params:
    """Return an update as tensors whose names begin with `name`/."""
    values = {k: v for k, v in vars(update).items() if k != "delta"}
    return {f"{name}/said": pack_json(values)} | {
        f"{name}/delta/{n}": t for n, t in update.delta.items()
    }


def unpack_update(state: Params, name: str) -> ClientUpdate:
    """Return the update that `pack_update` packed under `name`."""
    return ClientUpdate(
        delta=select_prefix(state, f"{name}/delta/"), **unpack_json(state[f"{name}/said"])
    )
