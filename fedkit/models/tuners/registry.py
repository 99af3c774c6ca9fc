"""Registry of tuners: each marks the trainable part of the model, by PEFT where PEFT has it.

To add one: a small frozen dataclass of parameters with a method `attach`, and a line in `TUNERS`.
"""

from __future__ import annotations

from fedkit.core.spec import build_entry
from fedkit.models.tuners.by_peft import Dora, Ia3, LayerNorm, Lora, Prefix, Prompt, PTuning, RsLora
from fedkit.models.tuners.own import Adapter, BitFit, Full, Head, Last, Tuner


def make_tuner(spec: str) -> Tuner:
    """Return the tuner that 'name:key=value,...' describes.

    Raises FedkitError, with the allowed names, for anything else.
    """
    return build_entry("tune", TUNERS, spec)


TUNERS: dict[str, type[Tuner]] = {
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
