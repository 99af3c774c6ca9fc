"""Tuners that add small tensors to frozen matrices: LoRA, two variants, and (IA)^3, all by PEFT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from fedkit.core.errors import FedkitError

Encoder = Any  # a transformers encoder, an nn.Module; torch does not type its attributes


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters beside frozen matrices (Hu et al., 2021): W + (alpha / r) B A.

    r: rank. alpha: scale. targets: module names joined by '|', or 'auto' for PEFT's choice for this
    architecture (query and value for BERT). layers: only the last so many layers; 0: all. B starts
    at zero: a no-op at first.
    """

    r: int = 8
    alpha: float = 16.0
    targets: str = "auto"
    layers: int = 0
    name, use_rslora, use_dora = "lora", False, False
    frozen_base, in_place = True, False
    default_lr = 3e-3
    needs = "linear layers that PEFT knows for this architecture, or that targets names"

    def attach(self, encoder: Encoder) -> Encoder:
        from peft import LoraConfig, TaskType, get_peft_model

        width = encoder.config.hidden_size
        if not 1 <= self.r <= width or not 0 < self.alpha <= 1e4:
            raise FedkitError(
                f"tune '{self.name}:r={self.r},alpha={self.alpha:g}' given; r must be from 1 to"
                f" {width}, alpha above 0 and at most 10000"
            )
        top = last_layers(self.name, self.layers, encoder)
        targets = None if self.targets == "auto" else self.targets.split("|")
        config = LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION,
            r=self.r,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # PEFT divides by it
            target_modules=targets,
            layers_to_transform=top or None,
            use_rslora=self.use_rslora,
            use_dora=self.use_dora,
        )
        try:
            return get_peft_model(encoder, config)
        except ValueError as error:
            linear = [n for n, m in encoder.named_modules() if isinstance(m, nn.Linear)]
            kinds = sorted({n.rsplit(".", 1)[-1] for n in linear})
            raise FedkitError(
                f"{self.name}: targets={self.targets!r} does not fit this model"
                f" ({str(error).splitlines()[0][:80]}); its linear layers are named:"
                f" {', '.join(kinds)}"
            ) from None


@dataclass(frozen=True)
class RsLora(Lora):
    """LoRA scaled by the root of the rank (rsLoRA: Kalajdzievski, 2023): W + (alpha / sqrt(r)) B A.

    Parameters as for lora. The step does not shrink as the rank grows: for ranks of 32 and above.
    """

    name, use_rslora = "rslora", True
    default_lr = 1e-3


@dataclass(frozen=True)
class Dora(Lora):
    """LoRA that trains the size and the direction of a matrix apart (DoRA: Liu et al., 2024).

    Parameters as for lora. m V / |V| with V = W + (alpha / r) B A; |V| and m: one length for each
    output. m starts at |W|: a no-op at first.
    """

    name, use_dora = "dora", True
    default_lr = 3e-3


@dataclass(frozen=True)
class Ia3:
    """One factor per channel of keys, values and feed-forward inputs ((IA)^3: Liu et al., 2022).

    All factors start at one: a no-op at first. For BERT the attention's output matrix counts as
    feed-forward, as in PEFT.
    """

    frozen_base, in_place = True, False
    default_lr = 3e-2
    needs = (
        "attention and feed-forward layers named as in BERT, or an architecture that PEFT knows for"
        " (IA)^3"
    )

    def attach(self, encoder: Encoder) -> Encoder:
        from peft import IA3Config, TaskType, get_peft_model

        bert = any(name.endswith("attention.self.key") for name, _ in encoder.named_modules())
        places: dict[str, Any] = {
            "target_modules": ["key", "value", "output.dense"],
            "feedforward_modules": ["output.dense"],
        }
        try:
            return get_peft_model(
                encoder,
                IA3Config(task_type=TaskType.FEATURE_EXTRACTION, **(places if bert else {})),
            )
        except ValueError:
            raise FedkitError(
                "tune 'ia3' given; PEFT does not know where it goes in a"
                f" {encoder.config.model_type} model; choose lora with targets=..., layernorm or"
                " bitfit"
            ) from None


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
