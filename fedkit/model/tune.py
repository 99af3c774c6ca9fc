"""What is tuned: each tuner marks the trainable part of the model, through PEFT wherever PEFT has it.

To add one: a small frozen dataclass of parameters with one verb `attach`, and a line in `TUNERS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

from fedkit.errors import FedkitError
from fedkit.registry import build


class Tuner(Protocol):
    """Marks what is trained. The head is always trained."""

    frozen_base: bool  # True: base weights never change, so they may be stored in bf16
    default_lr: float  # AdamW rate that suits it, unless the config names one

    def attach(self, encoder: nn.Module) -> nn.Module:
        """The encoder with only its tuned part requiring gradients."""
        ...


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters beside frozen matrices (Hu et al., 2021): W + (alpha / r) B A.

    r: rank. alpha: scale. targets: module names joined by '|', or 'auto' for PEFT's choice for this architecture
    (query and value for BERT). layers: only the last so many layers; 0: all.
    """

    r: int = 8
    alpha: float = 16.0
    targets: str = "auto"
    layers: int = 0
    frozen_base = True
    default_lr = 3e-3

    def attach(self, encoder: nn.Module) -> nn.Module:
        from peft import LoraConfig, TaskType, get_peft_model

        width = encoder.config.hidden_size
        if not 1 <= self.r <= width or not 0 < self.alpha <= 1e4:
            raise FedkitError(
                f"tune 'lora:r={self.r},alpha={self.alpha:g}' given; r must be from 1 to {width}, alpha above 0 "
                "and at most 10000"
            )
        depth = encoder.config.num_hidden_layers
        if not 0 <= self.layers <= depth:
            raise FedkitError(f"tune 'lora:layers={self.layers}' given; this model has {depth} layers, 0 means all")
        top = list(range(depth - self.layers, depth)) if self.layers else None
        targets = None if self.targets == "auto" else self.targets.split("|")
        config = LoraConfig(
            TaskType.FEATURE_EXTRACTION,
            r=self.r,
            lora_alpha=self.alpha,
            target_modules=targets,
            layers_to_transform=top,
        )
        try:
            return get_peft_model(encoder, config)
        except ValueError as error:
            kinds = sorted({n.rsplit(".", 1)[-1] for n, m in encoder.named_modules() if isinstance(m, nn.Linear)})
            raise FedkitError(
                f"lora: targets={self.targets!r} does not fit this model ({str(error).splitlines()[0][:80]}); "
                f"its linear layers are named: {', '.join(kinds)}"
            ) from None


@dataclass(frozen=True)
class Head:
    """Only the linear head is trained; the encoder stays as it came."""

    frozen_base = True
    default_lr = 0.0

    def attach(self, encoder: nn.Module) -> nn.Module:
        return encoder.requires_grad_(False)


@dataclass(frozen=True)
class Full:
    """Every weight is trained: the reference that adapters are measured against."""

    frozen_base = False
    default_lr = 1e-4

    def attach(self, encoder: nn.Module) -> nn.Module:
        return encoder.requires_grad_(True)


def make_tuner(spec: str) -> Tuner:
    """The tuner that 'name:key=value,...' describes. Raises FedkitError naming what is allowed."""
    return build("tune", TUNERS, spec)


TUNERS: dict[str, type] = {
    "lora": Lora,
    "head": Head,
    "full": Full,
}
