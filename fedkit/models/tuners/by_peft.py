"""Tuners that PEFT attaches: LoRA, two variants, (IA)^3, LayerNorms, and virtual tokens.

Virtual tokens are trained vectors that a frozen encoder reads with the text. None of them starts as
a no-op: even untrained ones get attention. They take positions from the text (see `max_positions`),
which `Model.tokenize` checks. Prompts come before the text, so hidden states are of virtual and
real tokens; the sentence vector is the mean over the real ones.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from fedkit.core.errors import FedkitError
from fedkit.models.tuners.own import (
    CANNOT_RUN,
    Encoder,
    Tuner,
    cannot_attach,
    hidden_states,
    last_layers,
    layer_number,
    require_between,
)

MIN_TEXT_TOKENS = 4  # that must still fit, the smallest value of --max-tokens
# names of query and value; of all three in one; in DeepSeek
PROJECTIONS = (
    r"(to_|w_?)?(q|v|query|value)(_?(proj|lin|linear|layer|head))?",
    r"(to_|w_?)?(qkv|query_key_value)(_?(proj|lin|linear|layer))?|c_attn|in_proj|att_proj|w_?pack",
    r"(q|kv)_b_proj",
)


def wrap(encoder: Encoder, config: str, **settings: Any) -> Encoder:
    """Return the encoder wrapped by PEFT with a config of this class of `peft`."""
    import peft

    kind = getattr(peft, config)
    task = peft.TaskType.FEATURE_EXTRACTION
    return peft.get_peft_model(encoder, kind(task_type=task, **settings))


@dataclass(frozen=True)
class Lora(Tuner):
    """Low-rank adapters beside frozen matrices (Hu et al., 2021): W + (alpha / r) B A.

    r: rank. alpha: scale. targets: module names joined by '|', or 'auto' for PEFT's choice for this
    architecture (query and value for BERT), else the attention's projections by name. layers: only
    the last so many layers; 0: all. B starts at zero: a no-op at first.
    """

    r: int = 8
    alpha: float = 16.0
    targets: str = "auto"
    layers: int = 0
    name, use_rslora, use_dora = "lora", False, False
    needs = "linear layers named as attention's usually are, or that targets names"

    def attach(self, encoder: Encoder) -> Encoder:
        width = encoder.config.hidden_size
        if not 1 <= self.r <= width or not 0 < self.alpha <= 1e4:
            raise FedkitError(
                f"tune '{self.name}:r={self.r},alpha={self.alpha:g}' given; r must be from 1 to"
                f" {width}, alpha above 0 and at most 10000"
            )
        top = last_layers(self.name, self.layers, encoder)
        linear = linear_layers(encoder)
        names = auto_targets(encoder) if self.targets == "auto" else self.targets.split("|")
        chosen = [n for n in linear if any(f".{n}".endswith(f".{name}") for name in names)]
        chosen = [n for n in chosen if not top or layer_number(n) in top]
        if not chosen:
            own = "|".join(sorted({n.rsplit(".", 1)[-1] for n in linear}))
            where = f" in its last {self.layers} layers" if top else ""
            other = f"name some of its own: --tune '{self.name}:targets={own}'"
            why = f"has no linear layer of targets={self.targets!r}{where}"
            raise cannot_attach(self.name, encoder, f"{why}; {other if own else 'choose full'}")
        return wrap(
            encoder,
            "LoraConfig",
            r=self.r,
            lora_alpha=self.alpha,
            target_modules=chosen if top else names,
            # GPT-2 keeps its matrices (in, out)
            fan_in_fan_out=any(type(linear[n]).__name__ == "Conv1D" for n in chosen),
            use_rslora=self.use_rslora,
            use_dora=self.use_dora,
        )


def linear_layers(encoder: Encoder) -> dict[str, nn.Module]:
    """Return the layers that LoRA can adapt, by name; Conv1D is GPT-2's linear layer."""
    kinds = ("Linear", "Conv1D")
    return {n: m for n, m in encoder.named_modules() if type(m).__name__ in kinds}


def auto_targets(encoder: Encoder) -> list[str]:
    """Return the last parts of the names of the attention's query and value layers, sorted.

    PEFT's if it knows the architecture, else by PROJECTIONS, else all linear layers of the
    attention.
    """
    last = {name: name.rsplit(".", 1)[-1] for name in linear_layers(encoder)}
    groups = [[n for n in last.values() if n in _known_targets(encoder)]]
    groups += [[n for n in last.values() if re.fullmatch(p, n, re.I)] for p in PROJECTIONS]
    groups += [[n for path, n in last.items() if "att" in path.rpartition(".")[0].lower()]]
    return sorted(set(next(filter(None, groups), [])))


def target_notes(encoder: Encoder, tuner: Tuner) -> Iterator[str]:
    """Yield a note on where LoRA went, if neither the user nor PEFT's table said so."""
    if isinstance(tuner, Lora) and tuner.targets == "auto" and not _known_targets(encoder):
        adapted = (n for n, m in encoder.named_modules() if hasattr(m, "lora_A"))
        names = "|".join(sorted({n.rsplit(".", 1)[-1] for n in adapted}))
        kind = encoder.config.model_type
        yield f"tune {tuner.name!r} adapts targets={names} of this {kind} model, by their names"


def _known_targets(encoder: Encoder) -> Collection[str]:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as known

    return known.get(encoder.config.model_type, ())


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


@dataclass(frozen=True)
class Ia3(Tuner):
    """One factor per channel of keys, values and feed-forward inputs ((IA)^3: Liu et al., 2022).

    All factors start at one: a no-op at first. For BERT the attention's output matrix counts as
    feed-forward, as in PEFT.
    """

    default_lr = 3e-2
    needs = (
        "attention and feed-forward layers named as in BERT, or an architecture that PEFT knows for"
        " (IA)^3"
    )

    def attach(self, encoder: Encoder) -> Encoder:
        bert = any(name.endswith("attention.self.key") for name, _ in encoder.named_modules())
        inner = ["output.dense"]
        places = {"target_modules": ["key", "value", *inner], "feedforward_modules": inner}
        try:
            return wrap(encoder, "IA3Config", **(places if bert else {}))
        except ValueError:
            kind = encoder.config.model_type
            raise FedkitError(
                f"tune 'ia3' given; PEFT does not know where it goes in a {kind} model; choose lora"
                " with targets=..., layernorm or bitfit"
            ) from None


@dataclass(frozen=True)
class LayerNorm(Tuner):
    """Only the scales and shifts of the LayerNorms are trained (LN tuning: Qi et al., 2022),
    through PEFT.

    PEFT trains copies, which start as the originals: a no-op at first.
    """

    frozen_base = False  # not every device can apply a float32 LayerNorm to bf16 states
    needs = "a base model with LayerNorm or RMSNorm layers that have weights"

    def attach(self, encoder: Encoder) -> Encoder:
        norms = [
            name
            for name, module in encoder.named_modules()
            if isinstance(module, nn.LayerNorm) or type(module).__name__.endswith("RMSNorm")
            if next(module.parameters(), None) is not None
        ]
        if not norms:
            why = "has no LayerNorm with weights; choose bitfit or lora"
            raise cannot_attach("layernorm", encoder, why)
        with warnings.catch_warnings():
            # PEFT warns that it does not know a LayerNorm's width, which it does not need
            warnings.simplefilter("ignore", UserWarning)
            return wrap(encoder, "LNTuningConfig", target_modules=norms)


class VirtualTokens(Tuner):
    """Base of the tuners with virtual tokens."""

    name: ClassVar[str]
    config: ClassVar[str]  # class of `peft`
    reads: ClassVar[str] = "virtual tokens"
    default_lr = 3e-2
    needs = (
        "a model that takes input vectors in place of token ids, and positions left for the virtual"
        " tokens"
    )
    tokens: int

    def settings(self, encoder: Encoder) -> dict[str, Any]:
        """Return what PEFT's config needs besides the number of tokens."""
        return {"token_dim": encoder.get_input_embeddings().embedding_dim}

    def attach(self, encoder: Encoder) -> Encoder:
        most = max(1, min(max_positions(encoder) or 10_000, 10_000) - MIN_TEXT_TOKENS)
        require_between(f"{self.name}:tokens", self.tokens, most)
        before = hidden_states(encoder)
        try:
            sizes = encoder.config
            depth, heads = sizes.num_hidden_layers, sizes.num_attention_heads
            settings = {"num_layers": depth, "num_attention_heads": heads, **self.settings(encoder)}
            wrapped = wrap(encoder, self.config, num_virtual_tokens=self.tokens, **settings)
            after = hidden_states(wrapped)
            works = not torch.allclose(after[:, -before.shape[1] :], before)
        except CANNOT_RUN:
            works = False
        if not works:  # some architectures fail, others ignore virtual tokens
            why = f"does not read {self.reads}; choose lora, adapter or bitfit"
            raise cannot_attach(self.name, encoder, why)
        return wrapped


@dataclass(frozen=True)
class Prompt(VirtualTokens):
    """Trained word vectors before every text (prompt tuning: Lester et al., 2021).

    tokens: how many; they start as those of words drawn at random.
    """

    tokens: int = 10
    name, config = "prompt", "PromptTuningConfig"

    def settings(self, encoder: Encoder) -> dict[str, Any]:
        return super().settings(encoder) | {"prompt_tuning_init": "SAMPLE_VOCAB"}


@dataclass(frozen=True)
class PTuning(VirtualTokens):
    """Vectors before every text that a small network computes (p-tuning: Liu et al., 2021).

    tokens: how many. hidden: width of the network, which has three layers.
    """

    tokens: int = 10
    hidden: int = 64
    name, config = "ptuning", "PromptEncoderConfig"
    default_lr = 1e-3

    def settings(self, encoder: Encoder) -> dict[str, Any]:
        return super().settings(encoder) | {"encoder_hidden_size": self.hidden}

    def attach(self, encoder: Encoder) -> Encoder:
        require_between("ptuning:hidden", self.hidden, 4096)
        return super().attach(encoder)


@dataclass(frozen=True)
class Prefix(VirtualTokens):
    """Trained keys and values before those of the text, in every layer (prefix tuning: Li and
    Liang, 2021).

    tokens: how many in each layer.
    """

    tokens: int = 10
    name, config, reads = "prefix", "PrefixTuningConfig", "past keys and values"
    needs = (
        "attention that takes past keys and values (BERT, RoBERTa, ELECTRA), and positions left for"
        " the prefix"
    )

    def settings(self, encoder: Encoder) -> dict[str, Any]:
        return {"token_dim": encoder.config.hidden_size}


def max_positions(encoder: Encoder) -> int | None:
    """Return how many tokens the encoder can read, virtual ones included; None if unknown.

    RoBERTa's table has more rows than that: its positions start after its padding id.
    """
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - reserved
    most = getattr(encoder.config, "max_position_embeddings", None) or 0
    return most if most > 0 else None  # XLNet says -1 for any length
