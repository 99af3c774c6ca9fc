"""What a server adds to the frozen matrices themselves, for the aggregation methods that need more
than an adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from fedkit.models.classifier import Model

# ends the name of a tensor (out, in) that is added to the frozen matrix of an adapted layer
MERGED = ".merged"


def blank(model: Model, layers: list[str]) -> dict[str, Tensor]:
    """Zeros for each adapted layer, float32 (out, in)."""
    return {layer + MERGED: torch.zeros(_matrix(model, layer).shape) for layer in layers}


def merge(model: Model, params: Mapping[str, Tensor]) -> None:
    """Make every frozen matrix what it was when it came, plus its tensor in `params`; without one,
    what it was.

    Rounded to the base model's number format. The fast engine reads its matrices anew.
    """
    wanted = {n.removesuffix(MERGED): t for n, t in params.items() if n.endswith(MERGED)}
    if wanted.keys() == model.merged.keys() and all(wanted[n] is model.merged[n] for n in wanted):
        return
    with torch.no_grad():
        for layer in wanted.keys() | model.merged.keys():
            matrix = _matrix(model, layer)
            came = model.came.setdefault(layer, matrix.detach().clone())
            added = wanted.get(layer)
            matrix.copy_(came if added is None else came.float() + added.to(matrix.device))
    model.merged = wanted
    if model.stack is not None:
        model.stack.read()


def _matrix(model: Model, layer: str) -> Tensor:
    return model.module.encoder.get_submodule(layer).base_layer.weight
