"""Sizes of texts, of a base model and of what a tuner trains in it, without reading weights."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from inspect import signature
from pathlib import Path

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.models.base import find_model, weight_files
from fedkit.models.tuners.own import Last, drop_pooler, layer_number, sentence_width, word_rows
from fedkit.models.tuners.registry import Full, Head, Tuner, make_tuner


@dataclass(frozen=True)
class Texts:
    """Number of texts, and tokens in the mean and in the longest, both after truncation.

    spread: number of different lengths without the shortest and longest 1 %; None: not known.
    """

    number: int
    mean: float
    longest: int
    spread: int | None = None

    @classmethod
    def of(cls, lengths: Iterable[int], number: int | None = None) -> Texts:
        """Return the figures from token counts. number: of all texts, if these are a sample."""
        tokens = np.asarray(list(lengths))
        if not len(tokens):
            raise FedkitError("no texts given; at least one is needed to predict memory")
        low, high = np.percentile(tokens, (1, 99))
        count = len(tokens) if number is None else number
        return cls(count, float(tokens.mean()), int(tokens.max()), int(high - low) + 1)


@dataclass(frozen=True)
class Geometry:
    """Sizes of a base model.

    layers: their number. width: of the hidden states. inner: width inside the feed-forward part.
    heads: of the attention. layer_values, values: weights in the layers, and in all.
    """

    layers: int
    width: int
    inner: int
    heads: int
    layer_values: int
    values: int


@dataclass(frozen=True)
class Trained:
    """What a tuner trains.

    shapes: by name, the head included. lowest: the lowest layer that a gradient must reach.
    """

    shapes: dict[str, tuple[int, ...]]
    lowest: int
    tuner: Tuner

    @property
    def values(self) -> int:
        return sum(map(math.prod, self.shapes.values()))

    @property
    def whole_layers(self) -> bool:
        """Whether every weight of the trained layers is trained."""
        return isinstance(self.tuner, (Full, Last))


def model_geometry(model: str, tune: str, labels: int) -> tuple[Geometry, Trained]:
    """Return the base model's sizes and what `tune` trains in it; no weights are read."""
    base, shapes, lowest = _skeleton(find_location(model), tune, labels)
    return base, Trained(dict(shapes), lowest, make_tuner(tune))


def rough_geometry(model: str, tune: str, labels: int) -> tuple[Geometry, Trained]:
    """Return about the same at once, from the model's configuration; transformers is not loaded.

    Raises OSError, ValueError or KeyError for a model without the files of a BERT.
    """
    folder = Path(find_location(model))
    plan = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layers, width = int(plan["num_hidden_layers"]), int(plan["hidden_size"])
    inner = int(plan.get("intermediate_size") or 4 * width)
    values = sum(file.stat().st_size for file in weight_files(folder)) // 4
    within = layers * (4 * width**2 + 2 * width * inner)
    geometry = Geometry(layers, width, inner, int(plan["num_attention_heads"]), within, values)
    tuner = make_tuner(tune)
    shapes: dict[str, tuple[int, ...]] = {"head.weight": (labels, width)}
    if isinstance(tuner, Full):
        shapes["encoder"] = (values,)
    return geometry, Trained(shapes, layers if isinstance(tuner, Head) else 0, tuner)


@lru_cache(maxsize=64)
def find_location(model: str) -> str:
    """Return the folder of the base model. Raises FedkitError if it is not on this machine."""
    return find_model(model).location


@lru_cache(maxsize=256)
def _skeleton(location: str, tune: str, labels: int) -> tuple[Geometry, tuple, int]:
    """Return (geometry, ((name, shape), ...), lowest trained layer), without reading weights."""
    import torch
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    from fedkit.models.classifier import TextClassifier, peft_name

    tuner = make_tuner(tune)
    plan = AutoConfig.from_pretrained(location, local_files_only=True, trust_remote_code=False)
    logging.set_verbosity_error()
    # a tuner with virtual tokens runs the model once, which needs values
    empty = not hasattr(tuner, "tokens")
    with (
        torch.device("meta" if empty else "cpu"),
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # notes to PEFT's developers
        encoder = AutoModel.from_config(plan)
        drop_pooler(encoder)
        word_rows(encoder)
        sizes = [(n, p.numel()) for n, p in encoder.named_parameters()]
        if "decoder_input_ids" in signature(encoder.forward).parameters:
            with torch.device("cpu"):  # run once, since some of them cannot be used
                sentence_width(AutoModel.from_config(plan))
        # OPT's hidden states may leave it narrower than they are in its layers
        width = getattr(plan, "word_embed_proj_dim", plan.hidden_size)
        module = TextClassifier(tuner.attach(encoder), width, labels)
    trained = ((n, p) for n, p in module.named_parameters() if p.requires_grad)
    shapes = tuple((peft_name(n), tuple(p.shape)) for n, p in trained)
    inner = getattr(plan, "intermediate_size", None) or 4 * plan.hidden_size
    geometry = Geometry(
        plan.num_hidden_layers,
        width,
        inner,
        getattr(plan, "num_attention_heads", 1),  # Mamba has none
        sum(n for name, n in sizes if layer_number(name) is not None),
        sum(n for _, n in sizes),
    )
    body = [layer_number(name) for name, _ in shapes if not name.startswith("head.")]
    lowest = min((0 if i is None else i for i in body), default=geometry.layers)
    return geometry, shapes, lowest
