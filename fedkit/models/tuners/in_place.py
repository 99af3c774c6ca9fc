"""Tuners inside the base model: bottleneck adapters, biases, LayerNorms or last layers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from torch import Tensor, nn

from fedkit.core.errors import FedkitError
from fedkit.models.tuners.lora import Encoder, last_layers

# last matrix of the feed-forward part in BERT, DistilBERT, ModernBERT
FEED_FORWARD = ("output.dense", "ffn.lin2", "mlp.Wo")


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
class Adapter:
    """A small network after each layer's feed-forward part (Houlsby et al., 2019; here as Pfeiffer
    et al., 2021).

    r: its width. layers: only the last so many layers; 0: all. Before the residual and its
    LayerNorm. PEFT has none for encoders. It starts as a no-op.
    """

    r: int = 16
    layers: int = 0
    frozen_base, in_place = True, False
    default_lr = 3e-3
    needs = "layers whose feed-forward part ends as in BERT, DistilBERT or ModernBERT"

    def attach(self, encoder: Encoder) -> Encoder:
        width = encoder.config.hidden_size
        if not 1 <= self.r <= width:
            raise FedkitError(f"tune 'adapter:r={self.r}' given; r must be from 1 to {width}")
        top = last_layers("adapter", self.layers, encoder)
        layers, encoder = encoder_layers("adapter", encoder), encoder.requires_grad_(False)
        for layer in [layers[i] for i in top] or layers:
            inside = dict(layer.named_modules())
            place = next((p for p in FEED_FORWARD if isinstance(inside.get(p), nn.Linear)), None)
            if place is None:
                raise FedkitError(
                    f"tune 'adapter' given; the layers of a {encoder.config.model_type} model have"
                    f" no feed-forward output named {', '.join(FEED_FORWARD)}; choose lora or last"
                )
            layer.set_submodule(place, Bottleneck(inside[place], self.r))
        return encoder


@dataclass(frozen=True)
class BitFit:
    """Only the biases of the base model are trained, those of its LayerNorms too (Ben Zaken et al.,
    2022).
    """

    frozen_base, in_place = False, True
    default_lr = 3e-3
    needs = "a base model with biases"

    def attach(self, encoder: Encoder) -> Encoder:
        encoder.requires_grad_(False)
        biases = [p for name, p in encoder.named_parameters() if name.rsplit(".", 1)[-1] == "bias"]
        if not biases:
            raise FedkitError(
                f"tune 'bitfit' given; this {encoder.config.model_type} model has no biases; "
                "choose layernorm or lora"
            )
        for bias in biases:
            bias.requires_grad_(True)
        return encoder


@dataclass(frozen=True)
class LayerNorm:
    """Only the scales and shifts of the LayerNorms are trained (LN tuning: Qi et al., 2022),
    through PEFT.

    PEFT trains copies, which start as the originals: a no-op at first.
    """

    # not every device can apply a float32 LayerNorm to bf16 states
    frozen_base, in_place = False, False
    default_lr = 3e-3
    needs = "a base model with LayerNorm or RMSNorm layers that have weights"

    def attach(self, encoder: Encoder) -> Encoder:
        from peft import LNTuningConfig, TaskType, get_peft_model

        norms = [name for name, module in encoder.named_modules() if _is_norm(module)]
        if not norms:
            raise FedkitError(
                f"tune 'layernorm' given; this {encoder.config.model_type} model has no LayerNorm"
                " with weights; choose bitfit or lora"
            )
        with warnings.catch_warnings():
            # PEFT warns that it does not know a LayerNorm's width, which it does not need
            warnings.simplefilter("ignore", UserWarning)
            return get_peft_model(
                encoder, LNTuningConfig(task_type=TaskType.FEATURE_EXTRACTION, target_modules=norms)
            )


@dataclass(frozen=True)
class Last:
    """The last k layers are trained whole, the others stay as they came.

    k: how many layers.
    """

    k: int = 1
    frozen_base, in_place = False, True
    default_lr = 1e-3
    needs = "a base model with a list of layers of its own each (ALBERT shares one)"

    def attach(self, encoder: Encoder) -> Encoder:
        depth = encoder.config.num_hidden_layers
        if not 1 <= self.k <= depth:
            raise FedkitError(
                f"tune 'last:k={self.k}' given; k must be from 1 to {depth}, the layers of this"
                " model"
            )
        layers, encoder = encoder_layers("last", encoder), encoder.requires_grad_(False)
        for layer in layers[-self.k :]:
            layer.requires_grad_(True)
        return encoder


def encoder_layers(name: str, encoder: Encoder) -> nn.ModuleList:
    """Return the encoder's layers, first to last.

    name: of the tuner, for the message. Raises FedkitError if the encoder has no such list.
    """
    depth = encoder.config.num_hidden_layers
    for module in encoder.modules():
        if (
            isinstance(module, nn.ModuleList)
            and len(module) == depth
            and any(True for _ in module.parameters())
        ):
            return module
    raise FedkitError(
        f"tune {name!r} given; this {encoder.config.model_type} model has no list of {depth}"
        " layers; choose lora, bitfit or full"
    )


def _is_norm(module: nn.Module) -> bool:
    known = isinstance(module, nn.LayerNorm) or type(module).__name__.endswith("RMSNorm")
    return known and any(True for _ in module.parameters())
