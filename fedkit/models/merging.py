"""Add matrices to the frozen weights, for aggregation methods that need more than an adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from fedkit.models.classifier import Model

# suffix of a tensor (out, in) that is added to the frozen matrix of an adapted layer
MERGED = ".merged"


def zero_merged(model: Model, layers: list[str]) -> dict[str, Tensor]:
    """Return {name: zeros (out, in), float32} for the adapted layers."""
    return {layer + MERGED: torch.zeros(_base_weight(model, layer).shape) for layer in layers}


def apply_merged(model: Model, params: Mapping[str, Tensor]) -> None:
    """Set every frozen matrix to its original value plus its tensor in `params`, if there is one.

    Rounded to the base model's number format. The fast engine reads its matrices again.
    """
    wanted = {n.removesuffix(MERGED): t for n, t in params.items() if n.endswith(MERGED)}
    if wanted.keys() == model.merged.keys() and all(wanted[n] is model.merged[n] for n in wanted):
        return
    with torch.no_grad():
        for layer in wanted.keys() | model.merged.keys():
            matrix = _base_weight(model, layer)
            came = model.original_weights.setdefault(layer, matrix.detach().clone())
            added = wanted.get(layer)
            matrix.copy_(came if added is None else came.float() + added.to(matrix.device))
    model.merged = wanted
    if model.fast_encoder is not None:
        model.fast_encoder.read_layers()


def _base_weight(model: Model, layer: str) -> Tensor:
    return model.module.encoder.get_submodule(layer).base_layer.weight
