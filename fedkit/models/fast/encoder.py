"""The fast engine's encoder: texts of many clients in one batch, each with its client's adapters.

A BERT-like encoder is read into a list of layers that work on packed tokens (`packing.py`). The
frozen matrices are shared. The low-rank adapters of G clients are concatenated into one matrix, and
a mask selects for each token those of its client. The plain model (`classifier.py`) is the
reference, and tests compare the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedkit.models.fast.autograd import AdaptedLinear, FrozenLinear, WindowAttention
from fedkit.models.fast.packing import (
    PackedTexts,
    Tokens,
    WindowBlock,
    concatenated_ranges,
    pack_texts,
)

CACHE_BYTES = 512 * 1024**2  # texts beyond it are computed again when needed
# trainable tensors of G clients, (G, *shape) each
GroupedParams = dict[str, Tensor]


class Unsupported(Exception):
    """The fast engine does not support this model or tuner; the message says why."""


@dataclass(frozen=True)
class LowRankPair:
    """One LoRA pair. a, b: names of A and B among the trainable tensors. rows: of the output."""

    a: str
    b: str
    scale: float
    rows: slice


class GroupedLinear:
    """Frozen linear layers with the same input, as one matrix, and their LoRA pairs.

    names: {layer wrapped by PEFT: its name}. Raises Unsupported for a wrapper other than LoRA.
    """

    def __init__(self, layers: list[Any], names: dict[nn.Module, str]):
        bases = [getattr(layer, "base_layer", layer) for layer in layers]
        self.frozen = FrozenLinear(
            torch.cat([b.weight.detach() for b in bases]),
            torch.cat([b.bias.detach() for b in bases]),
        )
        self.pairs: list[LowRankPair] = []
        start = 0
        for layer, base in zip(layers, bases):
            rows = slice(start, start + base.out_features)
            start = rows.stop
            if layer is not base:
                if (name := names.get(layer)) is None:
                    raise Unsupported("a layer is wrapped in something other than LoRA")
                a, b, scale = f"{name}.lora_A.weight", f"{name}.lora_B.weight", layer.scaling
                self.pairs.append(LowRankPair(a, b, scale["default"], rows))

    def __call__(self, x: Tensor, params: GroupedParams, owner_mask: Tensor | None) -> Tensor:
        """Return (T, out) for x (T, in).

        owner_mask: (T, G * r), 1 in the columns of each token's client; None if there is only one.
        """
        if not self.pairs:
            return AdaptedLinear.apply(x, self.frozen, None, [], None)
        # (adapters * G * r, in)
        a = torch.cat([params[p.a].flatten(0, 1) for p in self.pairs]).to(x.dtype)
        # (out, G * r) each
        b = [(p.scale * params[p.b]).transpose(0, 1).flatten(1).to(x.dtype) for p in self.pairs]
        return AdaptedLinear.apply(x, self.frozen, owner_mask, [p.rows for p in self.pairs], a, *b)


class EncoderLayer:
    """A transformer layer: attention, then a feed-forward network, each with residual and norm."""

    def __init__(self, layer: Any, names: dict[nn.Module, str]):
        inner, after = layer.attention.self, layer.attention.output
        self.heads = inner.num_attention_heads
        self.qkv = GroupedLinear([inner.query, inner.key, inner.value], names)
        self.out, self.norm_out = GroupedLinear([after.dense], names), after.LayerNorm
        self.up = GroupedLinear([layer.intermediate.dense], names)
        self.act = layer.intermediate.intermediate_act_fn
        self.down = GroupedLinear([layer.output.dense], names)
        self.norm_down = layer.output.LayerNorm

    def __call__(
        self,
        x: Tensor,
        blocks: Sequence[WindowBlock],
        biases: list[Tensor],
        params: GroupedParams,
        owner_mask: Tensor | None,
    ) -> Tensor:
        mixed = WindowAttention.apply(self.qkv(x, params, owner_mask), blocks, self.heads, *biases)
        x = self.norm_out(self.out(mixed, params, owner_mask) + x)
        inner = self.act(self.up(x, params, owner_mask))
        return self.norm_down(self.down(inner, params, owner_mask) + x)

    def low_rank_pairs(self) -> list[LowRankPair]:
        return [a for linear in (self.qkv, self.out, self.up, self.down) for a in linear.pairs]


class FastEncoder:
    """A frozen encoder with low-rank adapters. Raises Unsupported, with the reason, if it cannot.

    module: a TextClassifier. trainable: names of its trained tensors. pad_id: of the padding token.
    """

    def __init__(self, module: Any, trainable: Iterable[str], pad_id: int, device: torch.device):
        adapted = {m: n for n, m in module.encoder.named_modules() if hasattr(m, "lora_A")}
        base = module.encoder.get_base_model() if adapted else module.encoder
        try:
            self.embeddings, self.source = base.embeddings, (base.encoder.layer, adapted)
            self.read_layers()
            # RoBERTa counts positions from after its padding id
            reserved = self.embeddings.position_embeddings.padding_idx
        except AttributeError as error:
            raise Unsupported(f"it is not built like BERT ({error})") from None
        self.pad_id, self.device = pad_id, device
        self.dtype = self.layers[0].qkv.frozen.weight.dtype
        self.first_position = 0 if reserved is None else reserved + 1
        trained = [i for i, layer in enumerate(self.layers) if layer.low_rank_pairs()]
        # all layers below this one are frozen
        self.lowest_trained = min(trained, default=len(self.layers))
        pairs = [pair for layer in self.layers for pair in layer.low_rank_pairs()]
        known = {name for pair in pairs for name in (pair.a, pair.b)}
        if other := sorted(n for n in trainable if n not in known and not n.startswith("head.")):
            raise Unsupported(
                f"it trains {other[0]}, and only low-rank adapters and the head are computed"
                " together"
            )
        whole = self.lowest_trained == len(self.layers)
        width = self.layers[0].up.frozen.weight.shape[1]
        most = CACHE_BYTES // (width * (4 if whole else self.dtype.itemsize))
        count = (lambda n: 1) if whole else (lambda n: n)
        self.cache = FeatureCache(self._cached_rows, count, device, most)

    def read_layers(self) -> None:
        """Read the frozen matrices again; only those of adapted layers may have changed."""
        modules, adapted = self.source
        self.layers = [EncoderLayer(module, adapted) for module in modules]

    def features(
        self, texts: Sequence[Tokens], params: GroupedParams, owner: np.ndarray | None = None
    ) -> Tensor:
        """Return unit-length sentence vectors (n, d), float32, of n texts.

        owner: (n,), the client of each text: an index into `params`; None if there is only one.
        """
        if self.lowest_trained == len(self.layers):
            return self.cache.get(texts)
        return self._compute(texts, slice(self.lowest_trained, len(self.layers)), params, owner)

    @torch.no_grad()
    def _cached_rows(self, texts: Sequence[Tokens]) -> Tensor:
        """Return rows for the cache, text after text: the hidden state of every token, or the
        sentence vector if no layer is trained.
        """
        return self._compute(texts, slice(0, self.lowest_trained), {})

    def _compute(
        self,
        texts: Sequence[Tokens],
        which: slice,
        params: GroupedParams,
        owner: np.ndarray | None = None,
        alone: bool = False,
    ) -> Tensor:
        """Return what these layers make of the texts: after the last one, sentence vectors.

        If it is not finite and no gradient is needed, it is computed again with one text in each
        window: otherwise a text whose values overflow would make those in the same window NaN.
        """
        packed, owner_mask = pack_texts(texts, self.device, alone), None
        if owner is not None:
            owners = packed.spread_to_rows(np.repeat(owner, packed.lengths), 0)
            groups, rank, _ = params[self.layers[which.start].low_rank_pairs()[0].a].shape
            one_hot = torch.eye(groups, dtype=self.dtype, device=self.device)
            owner_mask = one_hot.repeat_interleave(rank, 1)[owners]
        if which.start == 0:
            x = self._embed(texts, packed)
        else:  # hidden states below the lowest trained layer
            kept = self.cache.get(texts)
            x = kept.new_zeros(packed.size, kept.shape[1])
            x = x.index_copy_(0, packed.token_rows, kept)
        biases = [block.bias(self.layers[0].heads, x.dtype) for block in packed.blocks]
        for layer in self.layers[which]:
            x = layer(x, packed.blocks, biases, params, owner_mask)
        whole = which.stop == len(self.layers)
        out = _mean_vectors(x, packed) if whole else x[packed.token_rows]
        if alone or torch.is_grad_enabled() or out.isfinite().all():
            return out
        return self._compute(texts, which, params, owner, alone=True)

    @torch.no_grad()
    def _embed(self, texts: Sequence[Tokens], packed: PackedTexts) -> Tensor:
        ids = packed.spread_to_rows(np.concatenate(texts), self.pad_id)
        counts = concatenated_ranges(np.zeros_like(packed.lengths), packed.lengths)
        positions = packed.spread_to_rows(self.first_position + counts, 0)
        # BigBird's own token types are cut from a table of one text's length
        places = {"position_ids": positions[None], "token_type_ids": torch.zeros_like(ids)[None]}
        return self.embeddings(input_ids=ids[None], **places)[0]


class FeatureCache:
    """Cache of rows of width d by text (token ids), at most `budget` rows.

    Keeps the first texts that are asked for, or those that are planned. compute: texts -> rows of
    all of them, text after text. count: number of a text's tokens -> number of its rows.
    """

    def __init__(
        self,
        compute: Callable[[list[Tokens]], Tensor],
        count: Callable[[int], int],
        device: torch.device,
        budget: int,
    ):
        self.compute, self.count, self.device, self.budget = compute, count, device, budget
        self.group_of: dict[Tokens, list[Tokens]] | None = None
        self.clear()

    def clear(self) -> None:
        self.starts: dict[Tokens, int] = {}
        self.rows: Any = None  # a Tensor (rows, d) from the first text on
        self.used = 0

    def plan(self, groups: Iterable[Sequence[Tokens]]) -> None:
        """Keep the texts of the first `groups` that fit, each group computed as a batch of its own.

        The last bits of a text's rows depend on its batch. Planned, they do not depend on what was
        asked before, and a run that was stopped and resumed has the same. No other text is kept.
        """
        self.clear()
        self.group_of, rows = {}, 0
        for group in groups:
            new = [t for t in dict.fromkeys(group) if t not in self.group_of]
            rows += sum(self.count(len(t)) for t in new)
            if rows > self.budget:
                return
            self.group_of |= dict.fromkeys(new, new)

    def get(self, texts: Sequence[Tokens]) -> Tensor:
        """Return the rows of `texts`, one text after another: (sum of counts, d)."""
        fresh: Any = None
        begin: dict[Tokens, int] = {}
        missing, planned = self._missing(texts), self.group_of or {}
        for group in {id(g): g for t in missing if (g := planned.get(t))}.values():
            self._keep(group, self.compute(group), self.budget)
        if missing := self._missing(missing):
            fresh = self.compute(missing)
            begin = self._keep(missing, fresh, self.budget if self.group_of is None else 0)
        counts = np.array([self.count(len(t)) for t in texts])
        kept = np.array([t in self.starts for t in texts])
        starts = np.array([self.starts[t] if k else begin[t] for t, k in zip(texts, kept)])
        if kept.all():
            return self.rows[self._index(starts, counts)]
        out, places = fresh.new_empty(counts.sum(), fresh.shape[1]), np.cumsum(counts) - counts
        for which, source in ((kept, self.rows), (~kept, fresh)):
            rows = self._index(starts[which], counts[which])
            out[self._index(places[which], counts[which])] = source[rows]
        return out

    def _missing(self, texts: Iterable[Tokens]) -> list[Tokens]:
        return [t for t in dict.fromkeys(texts) if t not in self.starts]

    def _keep(self, texts: list[Tokens], fresh: Tensor, most: int) -> dict[Tokens, int]:
        """Keep new texts up to `most` rows in all; return {text: its first row in `fresh`}."""
        ends = np.cumsum([0, *(self.count(len(t)) for t in texts)])
        fit = max(0, int(np.searchsorted(self.used + ends, most, side="right")) - 1)
        used, rows = self.used, int(ends[fit])
        if self.rows is None or used + rows > len(self.rows):
            # at least doubling, so that growing is cheap
            room = max(used + rows, min(2 * used, self.budget))
            grown = fresh.new_empty(room, fresh.shape[1])
            grown[:used] = fresh[:0] if self.rows is None else self.rows[:used]
            self.rows = grown
        self.rows[used : used + rows] = fresh[:rows]
        self.starts.update(zip(texts[:fit], (used + ends[:fit]).tolist()))
        self.used += rows
        return dict(zip(texts, ends.tolist()))

    def _index(self, starts: np.ndarray, counts: np.ndarray) -> Tensor:
        return torch.from_numpy(concatenated_ranges(starts, counts)).to(self.device)


def _mean_vectors(x: Tensor, packed: PackedTexts) -> Tensor:
    """Return the mean over each text's tokens, unit length, float32: (T, d) -> (n, d)."""
    sums = x.new_zeros(len(packed.lengths) + 1, x.shape[1], dtype=torch.float32)
    sums = sums.index_add(0, packed.text_of_row, x.float())
    lengths = torch.from_numpy(packed.lengths).to(x.device).unsqueeze(1)
    return nn.functional.normalize(sums[:-1] / lengths, dim=-1)
