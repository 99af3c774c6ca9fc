"""Tuners of fedkit's own: they train parts of the base model, or small networks put into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import one_line_error

Encoder = Any  # a transformers encoder, an nn.Module; torch does not type its attributes
# last matrix of the feed-forward part in BERT, DistilBERT, ModernBERT
FEED_FORWARD = ("output.dense", "ffn.lin2", "mlp.Wo")


# what a model raises for inputs that it does not read
CANNOT_RUN = (ValueError, TypeError, RuntimeError, AttributeError, IndexError, KeyError)


class Tuner:
    """A tuning method. The head is always trained.

    frozen_base: base weights never change, so they may be stored in bf16. in_place: weights of the
    base model are trained; otherwise only added ones. default_lr: for AdamW, unless the config has
    one. needs: requirements on the base model, in a few words.
    """

    frozen_base: ClassVar[bool] = True
    in_place: ClassVar[bool] = False
    default_lr: ClassVar[float] = 3e-3
    needs: ClassVar[str] = "nothing"

    def attach(self, encoder: Encoder) -> Encoder:
        """Return the encoder with gradients required only for the tuned part.

        May change `encoder`; draws starting weights from torch's generator. Raises FedkitError if
        the model has no such part.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Head(Tuner):
    """Only the linear head is trained; the encoder stays as it came."""

    default_lr = 0.0

    def attach(self, encoder: Encoder) -> Encoder:
        return encoder.requires_grad_(False)


@dataclass(frozen=True)
class Full(Tuner):
    """Every weight is trained: the reference that adapters are measured against."""

    frozen_base, in_place = False, True
    default_lr = 1e-4
    needs = "memory for four copies of the base model, and a network that carries it every round"

    def attach(self, encoder: Encoder) -> Encoder:
        return encoder.requires_grad_(True)


@dataclass(frozen=True)
class BitFit(Tuner):
    """Only the biases of the base model are trained, those of its LayerNorms too (Ben Zaken et al.,
    2022).
    """

    frozen_base, in_place = False, True
    needs = "a base model with biases"

    def attach(self, encoder: Encoder) -> Encoder:
        encoder.requires_grad_(False)
        biases = [p for name, p in encoder.named_parameters() if name.rsplit(".", 1)[-1] == "bias"]
        if not biases:
            raise cannot_attach("bitfit", encoder, "has no biases; choose layernorm or lora")
        for bias in biases:
            bias.requires_grad_(True)
        return encoder


@dataclass(frozen=True)
class Last(Tuner):
    """The last k layers are trained whole, the others stay as they came.

    k: how many layers.
    """

    k: int = 1
    frozen_base, in_place = False, True
    default_lr = 1e-3
    needs = "a base model with a list of layers of its own each (ALBERT shares one)"

    def attach(self, encoder: Encoder) -> Encoder:
        depth = encoder.config.num_hidden_layers
        require_between("last:k", self.k, depth, ", the layers of this model")
        layers, encoder = encoder_layers("last", encoder), encoder.requires_grad_(False)
        for layer in layers[-self.k :]:
            layer.requires_grad_(True)
        return encoder


class Bottleneck(nn.Module):
    """y + up(relu(down(y))) with y = base_layer(x); x (..., in), y (..., d), in float32.

    `up` starts at zero: a no-op at first.
    """

    def __init__(self, base_layer: nn.Linear, r: int):
        super().__init__()
        self.base_layer = base_layer
        width = base_layer.out_features
        self.down, self.up = nn.Linear(width, r), nn.Linear(r, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.base_layer(x)
        return y + self.up(self.down(y.float()).relu()).to(y.dtype)


@dataclass(frozen=True)
class Adapter(Tuner):
    """A small network after each layer's feed-forward part (Houlsby et al., 2019; here as Pfeiffer
    et al., 2021).

    r: its width. layers: only the last so many layers; 0: all. Before the residual and its
    LayerNorm. PEFT has none for encoders. It starts as a no-op.
    """

    r: int = 16
    layers: int = 0
    needs = "layers whose feed-forward part ends as in BERT, DistilBERT or ModernBERT"

    def attach(self, encoder: Encoder) -> Encoder:
        require_between("adapter:r", self.r, encoder.config.hidden_size)
        top = last_layers("adapter", self.layers, encoder)
        layers, encoder = encoder_layers("adapter", encoder), encoder.requires_grad_(False)
        for layer in [layers[i] for i in top] or layers:
            inside = dict(layer.named_modules())
            place = next((p for p in FEED_FORWARD if isinstance(inside.get(p), nn.Linear)), None)
            if place is None:
                why = f"has no feed-forward output named {', '.join(FEED_FORWARD)}"
                raise cannot_attach("adapter", encoder, f"{why}; choose lora or last")
            layer.set_submodule(place, Bottleneck(inside[place], self.r))
        return encoder


def require_between(parameter: str, value: int, most: int, why: str = "") -> None:
    """Raise FedkitError unless 1 <= value <= most; parameter: such as 'last:k'."""
    if not 1 <= value <= most:
        name = parameter.partition(":")[2]
        raise FedkitError(f"tune '{parameter}={value}' given; {name} must be from 1 to {most}{why}")


def cannot_attach(name: str, encoder: Encoder, why: str) -> FedkitError:
    """Return the error for a model of this architecture that the tuner does not fit."""
    kind = encoder.config.model_type
    return FedkitError(f"tune {name!r} given; this {kind} model {why}")


def last_layers(name: str, layers: int, encoder: Encoder) -> list[int]:
    """Return the indices of the last `layers` layers; none for 0.

    name: of the tuner, for the message. Raises FedkitError if the encoder has fewer layers.
    """
    depth = encoder.config.num_hidden_layers
    if not 0 <= layers <= depth:
        raise FedkitError(
            f"tune '{name}:layers={layers}' given; this model has {depth} layers, 0 means all"
        )
    return list(range(depth - layers, depth))


def layer_number(name: str) -> int | None:
    """Return the layer number in a parameter's name; None outside the layers."""
    found = re.search(r"\.?(?:layers?|blocks?|h)\.(\d+)\.", name)
    return int(found[1]) if found else None


@torch.no_grad()
def hidden_states(encoder: Encoder) -> Tensor:
    """Return the hidden states (1, tokens, d) of a text of four tokens."""
    ids = torch.tensor([[1, 2, 1, 2]], device=next(encoder.parameters()).device)
    return encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state


def sentence_width(encoder: Encoder) -> int:
    """Return the width of the hidden states, which may be another than config.hidden_size.

    Raises FedkitError for a model that does not give one for each token of a text alone.
    """
    try:
        if (shape := hidden_states(encoder).shape)[:2] == (1, 4):
            return shape[-1]
        why = f"it gives {tuple(shape)} for four tokens"
    except CANNOT_RUN as error:
        why = one_line_error(error)[:80]
    raise FedkitError(
        f"a {encoder.config.model_type} model does not give one vector for each token, as"
        f" encoder-decoders do not ({why}); take an encoder (BERT) or a decoder (Llama) as --model"
    )


def word_rows(encoder: Encoder) -> int:
    """Return the rows of the table of word vectors; FedkitError if there is none (CANINE)."""
    try:
        return len(encoder.get_input_embeddings().weight)
    except (NotImplementedError, AttributeError):
        kind = encoder.config.model_type
        raise FedkitError(
            f"a {kind} model has no table of word vectors; take another --model, such as a BERT"
        ) from None


def drop_pooler(encoder: Encoder) -> None:
    """Take BERT's pooler away: the sentence vector is the mean over tokens, it is not trained."""
    if hasattr(encoder, "pooler"):
        encoder.pooler = nn.Identity()


def encoder_layers(name: str, encoder: Encoder) -> nn.ModuleList:
    """Return the encoder's layers, first to last. Raises FedkitError if it has no such list."""
    depth = encoder.config.num_hidden_layers
    for module in encoder.modules():
        listed = isinstance(module, nn.ModuleList) and len(module) == depth
        if listed and next(module.parameters(), None) is not None:
            return module
    why = f"has no list of {depth} layers; choose lora, bitfit or full"
    raise cannot_attach(name, encoder, why)
