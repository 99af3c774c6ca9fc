"""Tuners with virtual tokens: trained vectors that a frozen encoder reads with the text, by PEFT.

None of them starts as a no-op: even untrained virtual tokens get attention. They take positions
from the text (see `max_positions`), which `Model.tokenize` checks. Prompts come before the text, so
hidden states are of virtual and real tokens; the sentence vector is the mean over the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fedkit.core.errors import FedkitError
from fedkit.models.tuners.lora import Encoder

MIN_TEXT_TOKENS = 4  # that must still fit, the smallest value of --max-tokens


@dataclass(frozen=True)
class Prompt:
    """Trained word vectors before every text (prompt tuning: Lester et al., 2021).

    tokens: how many; they start as those of words drawn at random.
    """

    tokens: int = 10
    frozen_base, in_place = True, False
    default_lr = 3e-2
    needs = (
        "a model that takes input vectors in place of token ids, and positions left for the virtual"
        " tokens"
    )

    def attach(self, encoder: Encoder) -> Encoder:
        from peft import PromptTuningConfig, PromptTuningInit

        start = PromptTuningInit.SAMPLE_VOCAB
        return _with_virtual_tokens(
            "prompt", encoder, self.tokens, PromptTuningConfig, prompt_tuning_init=start
        )


@dataclass(frozen=True)
class PTuning:
    """Vectors before every text that a small network computes (p-tuning: Liu et al., 2021).

    tokens: how many. hidden: width of the network, which has three layers.
    """

    tokens: int = 10
    hidden: int = 64
    frozen_base, in_place = True, False
    default_lr = 1e-3
    needs = Prompt.needs

    def attach(self, encoder: Encoder) -> Encoder:
        from peft import PromptEncoderConfig

        if not 1 <= self.hidden <= 4096:
            raise FedkitError(
                f"tune 'ptuning:hidden={self.hidden}' given; hidden must be from 1 to 4096"
            )
        return _with_virtual_tokens(
            "ptuning", encoder, self.tokens, PromptEncoderConfig, encoder_hidden_size=self.hidden
        )


@dataclass(frozen=True)
class Prefix:
    """Trained keys and values before those of the text, in every layer (prefix tuning: Li and
    Liang, 2021).

    tokens: how many in each layer.
    """

    tokens: int = 10
    frozen_base, in_place = True, False
    default_lr = 3e-2
    needs = (
        "attention that takes past keys and values (BERT, RoBERTa, ELECTRA), and positions left for"
        " the prefix"
    )

    def attach(self, encoder: Encoder) -> Encoder:
        from peft import PrefixTuningConfig

        heads, width = encoder.config.num_attention_heads, encoder.config.hidden_size
        return _with_virtual_tokens(
            "prefix",
            encoder,
            self.tokens,
            PrefixTuningConfig,
            num_attention_heads=heads,
            token_dim=width,
        )


def max_positions(encoder: Encoder) -> int | None:
    """Return how many tokens the encoder can read, virtual ones included; None if unknown.

    RoBERTa's table has more rows than that: its positions start after its padding id.
    """
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return module.num_embeddings - (
                0 if module.padding_idx is None else module.padding_idx + 1
            )
    return getattr(encoder.config, "max_position_embeddings", None)


def _with_virtual_tokens(
    name: str, encoder: Encoder, tokens: int, kind: type, **settings: Any
) -> Encoder:
    """Return the encoder wrapped by PEFT with a config of this kind.

    Raises FedkitError if the architecture does not read virtual tokens.
    """
    from peft import TaskType, get_peft_model

    most = max(1, min(max_positions(encoder) or 10_000, 10_000) - MIN_TEXT_TOKENS)
    if not 1 <= tokens <= most:
        raise FedkitError(f"tune '{name}:tokens={tokens}' given; tokens must be from 1 to {most}")
    sizes = {
        "num_layers": encoder.config.num_hidden_layers,
        "num_attention_heads": encoder.config.num_attention_heads,
        "token_dim": encoder.get_input_embeddings().embedding_dim,
    }
    before = _hidden_states(encoder)
    try:
        wrapped = get_peft_model(
            encoder,
            kind(
                task_type=TaskType.FEATURE_EXTRACTION,
                num_virtual_tokens=tokens,
                **(sizes | settings),
            ),
        )
        after = _hidden_states(wrapped)
        works = not torch.allclose(after[:, -before.shape[1] :], before)
    except (ValueError, TypeError, RuntimeError, AttributeError, IndexError, KeyError):
        works = False
    if not works:  # some architectures fail, others ignore virtual tokens
        raise FedkitError(
            f"tune {name!r} given; a {encoder.config.model_type} model does not read"
            f" {'past keys and values' if name == 'prefix' else 'virtual tokens'}; choose lora,"
            " adapter or bitfit"
        )
    return wrapped


@torch.no_grad()
def _hidden_states(encoder: Encoder) -> torch.Tensor:
    """Return the hidden states (1, tokens, d) of a text of two tokens."""
    ids = torch.tensor([[1, 2]], device=next(encoder.parameters()).device)
    return encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
