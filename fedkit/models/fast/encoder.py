"""The encoder once more, for speed: many clients' texts in one batch, every client with its own
adapters.

A BERT-like encoder is read into a list of layers that work on packed tokens (`packed.py`). The
frozen matrices are shared; the low-rank adapters of G clients stand side by side in one matrix, and
a mask leaves each token those of the client that owns it. The plain path (`classifier.py`) defines
the result; this one is tested to equal it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from fedkit.models.fast.autograd import AdaptedLinear, FrozenLinear, WindowAttention
from fedkit.models.fast.cache import FeatureCache
from fedkit.models.fast.packing import (
    PackedTexts,
    Tokens,
    WindowBlock,
    concatenated_ranges,
    pack_texts,
)

if TYPE_CHECKING:
    pass

# trainable tensors with a leading dimension: one copy per client, (G, *shape)
GroupedParams = dict[str, Tensor]


class Unsupported(Exception):
    """This model or tuner cannot be computed by the fast engine; the message says why."""


@dataclass(frozen=True)
class LowRankPair:
    """Where a low-rank pair acts: names of A and B among the trainable tensors, its scale, its rows
    of the output.
    """

    a: str
    b: str
    scale: float
    rows: slice


class GroupedLinear:
    """Frozen linear layers that read the same input, as one matrix, with the adapters that hang on
    them.
    """

    def __init__(self, layers: list[nn.Module], names: dict[nn.Module, str]):
        bases = [getattr(layer, "base_layer", layer) for layer in layers]
        self.frozen = FrozenLinear(
            torch.cat([b.weight.detach() for b in bases]),
            torch.cat([b.bias.detach() for b in bases]),
        )
        self.adapters, start = [], 0
        for layer, base in zip(layers, bases):
            rows = slice(start, start + base.out_features)
            start = rows.stop
            if layer is not base:
                if (name := names.get(layer)) is None:
                    raise Unsupported("a layer is wrapped in something other than LoRA")
                self.adapters.append(
                    LowRankPair(
                        f"{name}.lora_A.weight",
                        f"{name}.lora_B.weight",
                        layer.scaling["default"],
                        rows,
                    )
                )

    def __call__(self, x: Tensor, params: GroupedParams, own: Tensor | None) -> Tensor:
        """x: (T, in) -> (T, out). own: (T, G * r), 1 in the columns of the client that owns the
        token; None when there is one client.
        """
        if not self.adapters:
            return AdaptedLinear.apply(x, self.frozen, None, [], None)
        # (adapters * G * r, in)
        a = torch.cat([params[p.a].flatten(0, 1) for p in self.adapters]).to(x.dtype)
        # (out, G * r) each
        b = [(p.scale * params[p.b]).transpose(0, 1).flatten(1).to(x.dtype) for p in self.adapters]
        return AdaptedLinear.apply(x, self.frozen, own, [p.rows for p in self.adapters], a, *b)


class EncoderLayer:
    """One transformer layer: attention, then a feed-forward network, each with a residual and a
    LayerNorm after it.
    """

    def __init__(self, layer: nn.Module, names: dict[nn.Module, str]):
        inner, after = layer.attention.self, layer.attention.output
        self.heads = inner.num_attention_heads
        self.qkv = GroupedLinear([inner.query, inner.key, inner.value], names)
        self.out, self.norm_out = GroupedLinear([after.dense], names), after.LayerNorm
        self.up, self.act = (
            GroupedLinear([layer.intermediate.dense], names),
            layer.intermediate.intermediate_act_fn,
        )
        self.down, self.norm_down = (
            GroupedLinear([layer.output.dense], names),
            layer.output.LayerNorm,
        )

    def __call__(
        self,
        x: Tensor,
        blocks: Sequence[WindowBlock],
        biases: list[Tensor],
        params: GroupedParams,
        own: Tensor | None,
    ) -> Tensor:
        mixed = WindowAttention.apply(self.qkv(x, params, own), blocks, self.heads, *biases)
        x = self.norm_out(self.out(mixed, params, own) + x)
        return self.norm_down(self.down(self.act(self.up(x, params, own)), params, own) + x)

    def adapters(self) -> list[LowRankPair]:
        return [a for linear in (self.qkv, self.out, self.up, self.down) for a in linear.adapters]


class FastEncoder:
    """A frozen encoder with low-rank adapters. Raises Unsupported, with the reason, for what it
    cannot compute.

    module: a TextClassifier. trainable: the names of its trained tensors. pad: the id of the
    padding token.
    """

    def __init__(self, module: nn.Module, trainable: Iterable[str], pad: int, device: torch.device):
        adapted = {m: n for n, m in module.encoder.named_modules() if hasattr(m, "lora_A")}
        base = module.encoder.get_base_model() if adapted else module.encoder
        try:
            self.embeddings, self.source = base.embeddings, (base.encoder.layer, adapted)
            self.read_layers()
            reserved = (
                self.embeddings.position_embeddings.padding_idx
            )  # RoBERTa counts places from after its padding id
        except AttributeError as error:
            raise Unsupported(f"it is not built like BERT ({error})") from None
        self.pad_id, self.device, self.dtype = pad, device, self.layers[0].qkv.frozen.weight.dtype
        self.first_place = 0 if reserved is None else reserved + 1
        trained = [i for i, layer in enumerate(self.layers) if layer.adapters()]
        # everything below this layer is frozen
        self.lowest_trained = min(trained, default=len(self.layers))
        known = {name for layer in self.layers for a in layer.adapters() for name in (a.a, a.b)}
        if other := sorted(n for n in trainable if n not in known and not n.startswith("head.")):
            raise Unsupported(
                f"it trains {other[0]}, and only low-rank adapters and the head are computed"
                " together"
            )
        whole = self.lowest_trained == len(self.layers)
        self.cache = FeatureCache(
            self._cached_vectors if whole else self._cached_states,
            (lambda n: 1) if whole else (lambda n: n),
            device,
        )

    def read_layers(self) -> None:
        """Take the frozen matrices as they are now; only those of adapted layers may have
        changed.
        """
        modules, adapted = self.source
        self.layers = [EncoderLayer(module, adapted) for module in modules]

    def features(
        self, texts: Sequence[Tokens], params: GroupedParams, owner: np.ndarray | None = None
    ) -> Tensor:
        """Unit-length sentence vectors (n, d), float32, of n texts.

        owner: (n,), whose adapters each text passes through: a row of `params`; None when there is
        only one.
        """
        if self.lowest_trained == len(self.layers):
            return self.cache.get(texts)
        if torch.is_grad_enabled():
            return self._mean_of_layers(pack_texts(texts, self.device), texts, params, owner)
        return self._retry_alone(
            texts, lambda packed: self._mean_of_layers(packed, texts, params, owner)
        )

    def _mean_of_layers(
        self,
        packed: PackedTexts,
        texts: Sequence[Tokens],
        params: GroupedParams,
        owner: np.ndarray | None,
    ) -> Tensor:
        own = None
        if owner is not None:
            owners = packed.spread_to_rows(np.repeat(owner, packed.lengths), 0)
            groups, rank, _ = params[self.layers[self.lowest_trained].adapters()[0].a].shape
            own = torch.eye(groups, dtype=self.dtype, device=self.device).repeat_interleave(
                rank, 1
            )[owners]
        return _mean_vectors(
            self._run_layers(
                slice(self.lowest_trained, None),
                self._trained_input(texts, packed),
                packed,
                params,
                own,
            ),
            packed,
        )

    def _retry_alone(
        self, texts: Sequence[Tokens], compute: Callable[[PackedTexts], Tensor]
    ) -> Tensor:
        """`compute` a layout; if something in it is not finite, once more with every text alone in
        its window.

        A text whose values overflow would otherwise make those of its neighbours NaN too.
        """
        found = compute(pack_texts(texts, self.device))
        return (
            found if found.isfinite().all() else compute(pack_texts(texts, self.device, alone=True))
        )

    def _run_layers(
        self,
        which: slice,
        x: Tensor,
        packed: PackedTexts,
        params: GroupedParams,
        own: Tensor | None,
    ) -> Tensor:
        heads = self.layers[0].heads
        biases = [block.bias(heads, x.dtype) for block in packed.blocks]
        for layer in self.layers[which]:
            x = layer(x, packed.blocks, biases, params, own)
        return x

    def _trained_input(self, texts: Sequence[Tokens], packed: PackedTexts) -> Tensor:
        """Hidden states (T, d) below the lowest trained layer."""
        if self.lowest_trained == 0:
            return self._embed(texts, packed)
        states = self.cache.get(texts)
        return states.new_zeros(packed.size, states.shape[1]).index_copy_(
            0, packed.token_rows, states
        )

    @torch.no_grad()
    def _embed(self, texts: Sequence[Tokens], packed: PackedTexts) -> Tensor:
        ids = packed.spread_to_rows(np.concatenate(texts), self.pad_id)
        places = packed.spread_to_rows(
            self.first_place + concatenated_ranges(np.zeros_like(packed.lengths), packed.lengths), 0
        )
        return self.embeddings(input_ids=ids[None], position_ids=places[None])[0]

    @torch.no_grad()
    def _frozen_states(self, texts: Sequence[Tokens], packed: PackedTexts) -> Tensor:
        return self._run_layers(
            slice(0, self.lowest_trained), self._embed(texts, packed), packed, {}, None
        )

    def _cached_states(self, texts: Sequence[Tokens]) -> Tensor:
        """Rows for the store: the hidden state of every token, text after text."""
        return self._retry_alone(
            texts, lambda packed: self._frozen_states(texts, packed)[packed.token_rows]
        )

    def _cached_vectors(self, texts: Sequence[Tokens]) -> Tensor:
        """Rows for the store when no layer is trained: the sentence vectors themselves."""
        return self._retry_alone(
            texts, lambda packed: _mean_vectors(self._frozen_states(texts, packed), packed)
        )


def _mean_vectors(x: Tensor, packed: PackedTexts) -> Tensor:
    """Mean over each text's tokens, unit length, float32: (T, d) -> (n, d)."""
    sums = x.new_zeros(len(packed.lengths) + 1, x.shape[1], dtype=torch.float32).index_add(
        0, packed.text_of_row, x.float()
    )
    return nn.functional.normalize(
        sums[:-1] / torch.from_numpy(packed.lengths).to(x.device).unsqueeze(1), dim=-1
    )
