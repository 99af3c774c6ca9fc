"""The text classifier: a base encoder, mean pooling, normalisation and a linear head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples
from fedkit.models.base import ModelSource
from fedkit.models.fast.packing import Tokens
from fedkit.models.tuners.by_peft import max_positions
from fedkit.models.tuners.own import Tuner

if TYPE_CHECKING:
    from fedkit.models.fast.encoder import FastEncoder

ATTENTION_KINDS = ("eager", "sdpa")
# suffix of a tensor (out, in) that is added to the frozen matrix of an adapted layer
MERGED = ".merged"
TOKENS_PER_BATCH = 8_192  # of inference
GROUP_TEXTS = 64  # planned to be computed together: more gains nothing, and not all may be needed


class TextClassifier(nn.Module):
    """logits = head(normalise(mean over tokens of encoder(text))).

    encoder: a transformers encoder, perhaps wrapped by PEFT; its own pooler is not used.
    """

    def __init__(self, encoder: nn.Module, hidden: int, num_labels: int):
        super().__init__()
        self.encoder: Any = encoder  # torch does not type its attributes
        self.head = nn.Linear(hidden, num_labels)

    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return unit-length sentence vectors (batch, d), float32; virtual tokens are left out."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        hidden = hidden[:, -input_ids.shape[1] :]  # (batch, tokens, d); real tokens come last
        mask = attention_mask.unsqueeze(-1)  # (batch, tokens, 1)
        mean = (hidden.float() * mask).sum(1) / mask.sum(1)  # (batch, d)
        return nn.functional.normalize(mean, dim=-1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.head(self.features(input_ids, attention_mask))  # (batch, labels)


def without_peft(encoder: Any) -> nn.Module:
    """Return the encoder without its PEFT wrapper."""
    return encoder.get_base_model() if hasattr(encoder, "get_base_model") else encoder


class Model:
    """A base model in memory with its tuned part and tokenizer, shared by all clients in turn.

    labels: names, in the order of the logits. source: where the base model came from.
    """

    def __init__(
        self,
        module: TextClassifier,
        tokenizer,
        tuner: Tuner,
        labels: tuple[str, ...],
        source: ModelSource,
        device: torch.device,
        dtype: torch.dtype,
        attention: str,
        tune: str,
    ):
        self.module, self.tokenizer, self.tuner = module.to(device), tokenizer, tuner
        self.labels, self.source, self.tune = labels, source, tune
        self.device, self.dtype, self.attention = device, dtype, attention
        self.trainable = {peft_name(n): p for n, p in module.named_parameters() if p.requires_grad}
        self.pad_id = tokenizer.pad_token_id or 0
        self.fast_encoder: FastEncoder | None = None  # None: computed by the plain engine
        self.merged: Params = {}  # added to frozen matrices now, see `apply_merged`
        self.original_weights: Params = {}  # of those matrices

    def params(self) -> Params:
        """Return a copy of the trainable tensors, float32 on the CPU."""
        return {n: p.detach().float().cpu().clone() for n, p in self.trainable.items()}

    def load_params(self, params: Params) -> None:
        """Overwrite the trainable tensors in place, and merge `params` into the frozen matrices."""
        apply_merged(self, params)
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(params[name])

    def use_attention(self, name: str) -> None:
        """Select the attention implementation; eager and sdpa differ in the last bits.

        Raises FedkitError for an unknown name.
        """
        if name not in ATTENTION_KINDS:
            known = ", ".join(ATTENTION_KINDS)
            raise FedkitError(f"attention {str(name)[:40]!r} is not known; choose one of: {known}")
        self.module.encoder.set_attn_implementation(name)
        self.attention = name

    @property
    def adapter_scale(self) -> float:
        """LoRA's factor of B A: alpha / r, or alpha / sqrt(r); 1 without LoRA."""
        for module in self.module.encoder.modules():
            if isinstance(scaling := getattr(module, "scaling", None), dict):
                return scaling["default"]
        return 1.0

    @property
    def engine(self) -> str:
        """The engine that trains this model: 'fast' (clients together, see fast/) or 'plain'."""
        return "fast" if self.fast_encoder else "plain"

    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.module.parameters())

    def num_trainable(self) -> int:
        return sum(p.numel() for p in self.trainable.values())

    def tokenize(self, examples: Examples, max_tokens: int) -> Examples:
        """Return the examples with token ids, each text cut to `max_tokens`.

        Raises FedkitError if the model reads fewer.
        """
        limit, virtual = max_positions(self.module.encoder), getattr(self.tuner, "tokens", 0)
        if limit is not None and max_tokens + virtual > limit:
            tokens = f" besides the {virtual} virtual tokens of tune {self.tune!r}"
            raise FedkitError(
                f"max-tokens {max_tokens} given; {self.source.name} reads at most"
                f" {limit - virtual}{tokens if virtual else ''}"
            )
        if examples.tokens is not None:
            return examples
        texts = list(examples.texts)
        read = self.tokenizer(texts, truncation=True, max_length=max_tokens) if texts else {}
        # a tokenizer without special tokens leaves nothing of some texts
        return examples.with_tokens([t or [self.pad_id] for t in read.get("input_ids", ())])

    def plan_features(self, parts: Iterable[Examples]) -> None:
        """Plan which texts are encoded together, so that their vectors do not depend on the past.

        See `FeatureCache.plan`. No group has texts of two parts.
        """
        if self.fast_encoder is not None and self.fast_encoder.lowest_trained:
            self.fast_encoder.cache.plan(
                tokens[i : i + GROUP_TEXTS]
                for tokens in map(_token_ids, parts)
                for i in range(0, len(tokens), GROUP_TEXTS)
            )

    def batch(self, examples: Examples, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return (input_ids, attention_mask) of rows, int64, each (len(rows), longest text)."""
        tokens = _token_ids(examples)
        return self.pad_batch([tokens[i] for i in rows])

    def pad_batch(self, texts: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        """Return (input_ids, attention_mask) of texts given as token ids, padded to the longest."""
        longest = max(map(len, texts))
        ids = torch.tensor([[*t, *[self.pad_id] * (longest - len(t))] for t in texts])
        mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in texts])
        return ids.to(self.device), mask.to(self.device)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits (batch, labels), float32."""
        with self.precision():
            return self.module(ids, mask).float()

    def features(self, examples: Examples) -> np.ndarray:
        """Return sentence vectors (n, d), float32, unit length."""
        out = np.zeros((len(examples), self.module.head.in_features), np.float32)
        tokens, own = _token_ids(examples), {n: p.detach()[None] for n, p in self.trainable.items()}
        with torch.no_grad(), self.precision():
            for rows in batches_by_length(examples, 128, TOKENS_PER_BATCH):
                texts = [tokens[i] for i in rows]
                if self.fast_encoder is None:
                    vectors = self.module.features(*self.pad_batch(texts))
                else:
                    vectors = self.fast_encoder.features(texts, own)
                out[rows] = vectors.float().cpu().numpy()
        return out

    def predict(self, examples: Examples) -> np.ndarray:
        """Return logits (n, labels), float32."""
        weight, bias = (p.detach().cpu().numpy() for p in self.module.head.parameters())
        return self.features(examples) @ weight.T + bias

    def precision(self):
        mixed = self.dtype == torch.bfloat16 and not self.tuner.frozen_base
        return torch.autocast(self.device.type, torch.bfloat16, enabled=mixed)


def zero_merged(model: Model, layers: list[str]) -> dict[str, Tensor]:
    """Return {name: zeros (out, in), float32} for the adapted layers."""
    return {layer + MERGED: torch.zeros(_base_weight(model, layer).shape) for layer in layers}


def apply_merged(model: Model, params: Mapping[str, Tensor]) -> None:
    """Set every frozen matrix to its original value plus its tensor in `params`, if there is one.

    Rounded to the base model's number format. The fast engine reads its matrices again.
    """
    wanted = {n.removesuffix(MERGED): t for n, t in params.items() if n.endswith(MERGED)}
    if wanted.keys() == model.merged.keys() and all(wanted[n] is model.merged[n] for n in wanted):
        return
    with torch.no_grad():
        for layer in wanted.keys() | model.merged.keys():
            matrix = _base_weight(model, layer)
            came = model.original_weights.setdefault(layer, matrix.detach().clone())
            added = wanted.get(layer)
            matrix.copy_(came if added is None else came.float() + added.to(matrix.device))
    model.merged = wanted
    if model.fast_encoder is not None:
        model.fast_encoder.read_layers()


def _base_weight(model: Model, layer: str) -> Tensor:
    adapted = model.module.encoder.get_submodule(layer)
    # GPT-2 keeps it (in, out)
    return adapted.base_layer.weight.T if adapted.fan_in_fan_out else adapted.base_layer.weight


def batches_by_length(examples: Examples, texts: int, tokens: int) -> Iterator[np.ndarray]:
    """Yield row numbers in batches of at most `texts` texts and, with padding, `tokens` tokens.

    Shortest texts first, so that there is little padding. A batch has at least one text.
    """
    lengths = np.array([len(t) for t in _token_ids(examples)], dtype=int)
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        longest = lengths[order[start : start + texts]]
        fit = int(np.count_nonzero(longest * np.arange(1, len(longest) + 1) <= tokens))
        yield order[start : start + max(1, fit)]
        start += max(1, fit)


def peft_name(name: str) -> str:
    """Return a parameter's name in PEFT's files, such as 'base_model...lora_A.weight'."""
    name = name.removeprefix("encoder.").replace(".default.", ".").removesuffix(".default")
    return name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def _token_ids(examples: Examples) -> tuple[Tokens, ...]:
    assert examples.tokens is not None, "tokenize the examples first"
    return examples.tokens
