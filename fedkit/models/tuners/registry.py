"""What is tuned: each tuner marks the trainable part of the model, through PEFT wherever PEFT has
it.

To add one: a small frozen dataclass of parameters with one verb `attach`, and a line in `TUNERS`.
The methods are in `lowrank.py` (beside frozen matrices), `prompts.py` (virtual tokens) and
`parts.py` (parts of the base model).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

from fedkit.core.spec import build_entry
from fedkit.models.tuners.in_place import Adapter, BitFit, Last, LayerNorm
from fedkit.models.tuners.lora import Dora, Ia3, Lora, RsLora
from fedkit.models.tuners.prompts import Prefix, Prompt, PTuning


class Tuner(Protocol):
    """Marks what is trained. The head is always trained."""

    frozen_base: bool  # True: base weights never change, so they may be stored in bf16
    # True: weights of the base model itself are trained; False: all that is trained was added to it
    in_place: bool
    default_lr: float  # AdamW rate that suits it, unless the config names one
    needs: str  # what it asks of the base model, in a few words

    def attach(self, encoder: nn.Module) -> nn.Module:
        """The encoder with only its tuned part requiring gradients. Raises FedkitError if this
        model has no such part.

        May change `encoder`; draws its starting weights from torch's generator.
        """
        ...


@dataclass(frozen=True)
class Head:
    """Only the linear head is trained; the encoder stays as it came."""

    frozen_base, in_place = True, False
    default_lr = 0.0
    needs = "nothing"

    def attach(self, encoder: nn.Module) -> nn.Module:
        return encoder.requires_grad_(False)


@dataclass(frozen=True)
class Full:
    """Every weight is trained: the reference that adapters are measured against."""

    frozen_base, in_place = False, True
    default_lr = 1e-4
    needs = "memory for four copies of the base model, and a network that carries it every round"

    def attach(self, encoder: nn.Module) -> nn.Module:
        return encoder.requires_grad_(True)


def make_tuner(spec: str) -> Tuner:
    """The tuner that 'name:key=value,...' describes. Raises FedkitError naming what is allowed."""
    return build_entry("tune", TUNERS, spec)


TUNERS: dict[str, type] = {
    "lora": Lora,
    "rslora": RsLora,
    "dora": Dora,
    "ia3": Ia3,
    "prefix": Prefix,
    "prompt": Prompt,
    "ptuning": PTuning,
    "adapter": Adapter,
    "bitfit": BitFit,
    "layernorm": LayerNorm,
    "last": Last,
    "head": Head,
    "full": Full,
}
