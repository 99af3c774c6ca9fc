"""Registry of tuners: each marks the trainable part of the model, by PEFT where PEFT has it.

To add one: a small frozen dataclass of parameters with a method `attach`, and a line in `TUNERS`.
The methods are in `lora.py` (added to frozen matrices), `prompts.py` (virtual tokens) and
`in_place.py` (inside the base model).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fedkit.core.spec import build_entry
from fedkit.models.tuners.in_place import Adapter, BitFit, Last, LayerNorm
from fedkit.models.tuners.lora import Dora, Encoder, Ia3, Lora, RsLora
from fedkit.models.tuners.prompts import Prefix, Prompt, PTuning


class Tuner(Protocol):
    """A tuning method. The head is always trained.

    frozen_base: base weights never change, so they may be stored in bf16. in_place: weights of the
    base model are trained; otherwise only added ones. default_lr: for AdamW, unless the config has
    one. needs: requirements on the base model, in a few words.
    """

    @property
    def frozen_base(self) -> bool: ...

    @property
    def in_place(self) -> bool: ...

    @property
    def default_lr(self) -> float: ...

    @property
    def needs(self) -> str: ...

    def attach(self, encoder: Encoder) -> Encoder:
        """Return the encoder with gradients required only for the tuned part.

        May change `encoder`; draws starting weights from torch's generator. Raises FedkitError if
        the model has no such part.
        """
        ...


@dataclass(frozen=True)
class Head:
    """Only the linear head is trained; the encoder stays as it came."""

    frozen_base, in_place = True, False
    default_lr = 0.0
    needs = "nothing"

    def attach(self, encoder: Encoder) -> Encoder:
        return encoder.requires_grad_(False)


@dataclass(frozen=True)
class Full:
    """Every weight is trained: the reference that adapters are measured against."""

    frozen_base, in_place = False, True
    default_lr = 1e-4
    needs = "memory for four copies of the base model, and a network that carries it every round"

    def attach(self, encoder: Encoder) -> Encoder:
        return encoder.requires_grad_(True)


def make_tuner(spec: str) -> Tuner:
    """Return the tuner that 'name:key=value,...' describes.

    Raises FedkitError, with the allowed names, for anything else.
    """
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
