"""What training takes in memory, time and bytes, predicted from settings; no weights are read.

Counted of memory: weights in their number format, gradients and AdamW's moments, activations that
the backward pass needs (none below the lowest trained layer), attention weights, the store of
frozen states, tokens, copies of updates. Three constants were fitted to measured peaks
(`tests/bench/memory.py` prints both); they are marked below. Seconds are calculated, not measured,
so that the same config gives the same result on every machine and with either engine. Bytes are
those of an encoded random change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any

from fedkit.core.config import RunConfig
from fedkit.core.formatting import byte_size
from fedkit.data.corpus import ClientData
from fedkit.federated.local.cohort import HEAD_TEXTS, SEAT_VALUES, TRAINED_TOKENS
from fedkit.federated.methods import methods_of, time_decides
from fedkit.federated.rounds.head_start import blank_statistics
from fedkit.models.classifier import TOKENS_PER_BATCH as READ_TOKENS
from fedkit.models.classifier import Model
from fedkit.models.fast.encoder import CACHE_BYTES
from fedkit.models.fast.packing import MIN_WINDOW
from fedkit.models.geometry import Geometry, Texts, Trained, model_geometry
from fedkit.models.tuners.by_peft import Dora, Ia3, Lora, RsLora
from fedkit.models.tuners.own import Adapter, Last
from fedkit.models.tuners.registry import Full
from fedkit.wire.payload import encode_tensors
from fedkit.wire.pipeline import Context

# measured: interpreter, torch (CPU wheel), transformers, PEFT, scikit-learn, pandas, a tokenizer
BASE = 550e6
WORKSPACE = 90e6  # fitted: what the matrix library prepares and keeps
# measured with oneDNN's cache off and on: bytes that bfloat16 products keep for each new length of
# a batch
SHAPE = 7e6
MAX_SHAPES = 73  # lengths in the cache, which holds 1,024 products, about 14 for each length
SLACK = 1.6  # fitted: memory that the allocator holds for each byte that a step takes and frees
# fitted (13 by counting): copies of the trained part alive while an update is packed, checked and
# summed
COPIES = 17.0
# of them alive while a client trains: before round 1, shared now, and as the clients hold it
SERVER_COPIES = 3
# of them at a client: its start, the result, the change, the message out and the message in
CLIENT_COPIES = 5
READ_TEXTS = 128  # in one batch that is only read
TOKEN, TEXT = 36, 250  # bytes of a token id in a tuple, and of a text with its entry

# operations per second, by number format and engine, of the machine that the device profiles are
# relative to (two cores)
RATES = {
    ("bfloat16", "fast"): 220e9,
    ("bfloat16", "plain"): 120e9,
    ("float32", "fast"): 44e9,
    ("float32", "plain"): 44e9,
}
MOVED = 28  # bytes that AdamW moves for each value and step
BANDWIDTH = 10e9  # bytes per second of that machine's memory
SAMPLE = 50, 200  # the mean length is taken from so many clients, and texts of each
NAME = "client-001"  # a client name of usual length: it travels with every upload


@dataclass(frozen=True)
class Footprint:
    """Bytes by part. `work` and `exchange` are not alive together, so the larger one counts.

    work: gradients, moments and activations of a step, or of texts that are only read. exchange:
    copies of an update.
    """

    base: int
    weights: int
    data: int
    workspace: int
    store: int
    work: int
    exchange: int

    @property
    def total(self) -> int:
        kept = self.base + self.weights + self.data + self.workspace + self.store
        return kept + max(self.work, self.exchange)


def memory_shortage(needed: Footprint, memory: int | None, who: str = "this device") -> str:
    """Return why the memory does not suffice, with both numbers, or ''.

    memory: bytes free to train in; None: no limit is known.
    """
    if memory is None or needed.total <= memory:
        return ""
    return (
        f"needs {byte_size(needed.total)} of memory, {who} has {byte_size(memory)} free to train in"
    )


@dataclass(frozen=True)
class CostModel:
    """Training by `config` on texts with so many labels.

    texts: of all that is held in one process. attention: eager or sdpa, where the plain engine
    computes. sizes: (geometry, trained part); None: those of the model and the tuner. A number
    format 'auto' counts as float32 in memory, which takes more, and as bfloat16 in time. Raises
    FedkitError for an unknown model or tuner.
    """

    config: RunConfig
    texts: Texts
    labels: int
    attention: str = "sdpa"
    sizes: tuple[Geometry, Trained] | None = field(default=None, compare=False)

    @cached_property
    def _sizes(self) -> tuple[Geometry, Trained]:
        return self.sizes or model_geometry(self.config.model, self.config.tune, self.labels)

    @property
    def geometry(self) -> Geometry:
        return self._sizes[0]

    @property
    def trained(self) -> Trained:
        return self._sizes[1]

    @cached_property
    def fast(self) -> bool:
        """Whether the fast engine computes this: only LoRA pairs and the head are trained."""
        names = [n for n in self.trained.shapes if not n.startswith("head.")]
        tuner = self.trained.tuner
        plain = not tuner.frozen_base or getattr(tuner, "use_dora", False)
        return self.config.engine != "plain" and not plain and all(".lora_" in n for n in names)

    # ---- time

    @property
    def forward_operations(self) -> float:
        """Operations of one text's forward pass: two per weight of the layers and token."""
        return 2 * self.geometry.layer_values * self.texts.mean

    def operations_per_example(self) -> float:
        """Return the operations of one training example.

        Two per weight and token forward, two backward in each layer that a gradient passes, two
        more where its weights are trained; frozen layers are computed once by the fast engine.
        """
        layers = self.geometry.layers
        passed = (layers - self.trained.lowest) / layers
        whole = passed if self.trained.whole_layers else 0.0
        forward = passed if self.fast else 1.0
        return self.forward_operations * (forward + passed + whole)

    def seconds_per_example(self) -> float:
        """Return calculated training seconds per example on the machine of the device profiles.

        AdamW moves MOVED bytes per value and step.
        """
        moving = MOVED * self.trained.values / BANDWIDTH / self.config.batch_size
        # the format that 'auto' takes on that machine
        number = "float32" if self.config.dtype == "float32" else "bfloat16"
        rate = RATES[number, "fast" if self.fast else "plain"]
        return self.operations_per_example() / rate + moving

    # ---- memory

    def process_footprint(self) -> Footprint:
        """Return the peak of `fedkit run` here, server and all clients in one process."""
        visits = math.ceil(self.config.clients / self._seats)
        return self._footprint(visits, SERVER_COPIES, COPIES)

    def client_footprint(self) -> Footprint:
        """Return the peak of one client that trains alone, by the plain engine."""
        if self.config.engine != "plain":
            return replace(self, config=replace(self.config, engine="plain")).client_footprint()
        return self._footprint(1, 1, CLIENT_COPIES)

    def _footprint(self, visits: int, training: int, exchanging: float) -> Footprint:
        """Return the peak with so many copies of the trained part while training and exchanging.

        visits: groups of clients trained one after another in a round.
        """
        share = 4 * self.trained.values
        # fast: values, two moments, gradient and two copies, of each seat
        moments = 6 * self._seats if self.fast else 3
        step = SLACK * self._step() + share * (moments + training)
        data = int(self.texts.number * (TOKEN * self.texts.mean + TEXT))
        store, work = self._store() if self.fast else 0, int(max(step, SLACK * self._read()))
        kept = int(BASE), self._weights(), data, self._workspace(visits), store
        return Footprint(*kept, work, int(exchanging * share))

    @property
    def _bytes(self) -> int:
        return 2 if self.config.dtype == "bfloat16" else 4

    @property
    def _head_only(self) -> bool:
        return self.trained.lowest == self.geometry.layers

    def _workspace(self, visits: int) -> int:
        """Return what the matrix library keeps, in bfloat16 for each new length of a batch.

        At most what its cache holds. The lengths of a run are the distinct ones among all batches,
        drawn evenly from the possible ones. The fast engine's batches vary in the number of
        windows, by about a third.
        """
        if self._bytes == 4 or self._head_only:
            return int(WORKSPACE)
        config, texts = self.config, self.texts
        there = max(1.0, texts.spread or 2 * (texts.longest - texts.mean))
        if self.fast:
            rows, width = self._rows(config.batch_size * self._seats, texts)
            there = max(1.0, rows / width / 3)
        examples = config.examples_per_client or texts.number / config.clients
        each = math.ceil(examples / config.batch_size)
        batches = config.rounds * config.local_epochs * visits * each
        lengths = min(there * -math.expm1(-batches / there), MAX_SHAPES)
        return int(WORKSPACE + SHAPE * lengths)

    def _weights(self) -> int:
        """Return the bytes of the base weights.

        The fast engine holds query, key and value twice, and bfloat16 matrices in two orders.
        """
        shape, size, tuner = self.geometry, self._bytes, self.trained.tuner
        held = shape.values * (size if tuner.frozen_base else 4)
        added = 0 if tuner.in_place else 4 * self.trained.values
        again = 3 * shape.layers * shape.width**2 * size if self.fast else 0
        ordered = 2 * size * shape.layer_values if self.fast and size == 2 else 0
        cast = 2 * shape.layer_values if size == 2 and not tuner.frozen_base else 0
        return held + added + again + ordered + cast

    def _store(self) -> int:
        """Return the bytes of stored states below the lowest trained layer, or sentence vectors."""
        if self.trained.lowest == 0:
            return 0
        rows, size = (1, 4) if self._head_only else (self.texts.mean, self._bytes)
        return int(min(1.5 * self.texts.number * rows * self.geometry.width * size, CACHE_BYTES))

    @cached_property
    def _seats(self) -> int:
        """How many clients are trained at once, as in `cohort.num_seats`."""
        if not self.fast:
            return 1
        config, trained = self.config, self.trained
        room = HEAD_TEXTS // config.batch_size
        if not self._head_only:
            room = round(TRAINED_TOKENS / (config.batch_size * self.texts.mean))
        rank = max([1, *(s[0] for n, s in trained.shapes.items() if "lora_A" in n)])
        room = min(room, self.geometry.width // 6 // rank, SEAT_VALUES // trained.values)
        return max(1, min(room, config.clients))

    def _rows(self, number: int, texts: Texts) -> tuple[int, int]:
        """Return (rows of tokens of `number` texts, tokens that each attends to), with padding."""
        if not self.fast:
            return number * texts.longest, texts.longest
        width = max(MIN_WINDOW, 2 ** math.ceil(math.log2(texts.mean)))
        return width * math.ceil(number / max(1, int(width / texts.mean))), width

    def _step(self) -> int:
        """Return the bytes of one gradient step's activations.

        Those kept by every layer that a gradient passes, and those of one layer's computation.
        """
        texts, virtual = self.texts, getattr(self.trained.tuner, "tokens", 0)
        longer = Texts(texts.number, texts.mean + virtual, texts.longest + virtual)
        if self._head_only and self.fast:
            return 0
        rows, window = self._rows(self.config.batch_size * self._seats, longer)
        layers = self.geometry.layers - self.trained.lowest
        return rows * (layers * self.layer_activation_bytes(window) + self._passing(window))

    def layer_activation_bytes(self, window: int) -> int:
        """Return the bytes per token that a layer keeps for the backward pass.

        window: tokens that each attends to.
        """
        size, d, f = self._bytes, self.geometry.width, self.geometry.inner
        # under autocast the residual stream stays in float32
        stream = size if self.trained.tuner.frozen_base else 4
        # query, key, value, mixed; inputs of two LayerNorms; of gelu
        kept = 4 * d * size + 2 * d * stream + f * stream
        eager = self.fast or self.attention == "eager"
        scores = self.geometry.heads * window * size if eager else 0
        whole = (3 * d + f) * size + (stream - size) * d  # autocast keeps what it cast
        low_rank = d * size if self.fast or size == 4 else 2 * d * 4
        added = {
            Full: whole,
            Last: whole,
            Lora: low_rank,
            RsLora: low_rank,
            Dora: 4 * d * 4,
            Ia3: (3 * d + f) * 4,
            Adapter: d * 4,
        }
        return kept + scores + added.get(type(self.trained.tuner), 0)

    def _passing(self, window: int) -> int:
        """Return the bytes per token while one layer, feed-forward or attention, is computed."""
        d, eager = self.geometry.width, self.fast or self.attention == "eager"
        scores = 3 * self.geometry.heads * window if eager else 0
        attended = (7 if self.fast else 5) * d + scores
        return self._bytes * max(2 * self.geometry.inner + 2 * d, attended)

    def _read(self) -> int:
        """Return the bytes of one batch of texts only read, for the start and the scores."""
        texts = self.texts
        number = max(1, min(READ_TEXTS, READ_TOKENS // texts.longest, texts.number))
        rows, window = self._rows(number, texts)
        return rows * self._passing(window)


# ---- bytes


@dataclass(frozen=True)
class MessageBytes:
    """Bytes of one client: up and down in a later round, down in round 1, and up before it."""

    up: int
    down: int
    first_down: int
    start_up: int


def message_bytes(config: RunConfig, labels: int) -> MessageBytes:
    """Return the bytes of a client's messages.

    What is encoded is a random change of the trained tensors times their learning rate, and for the
    head start zeros.
    """
    methods = methods_of(config)
    geometry, _ = model_geometry(config.model, config.tune, labels)
    delta = _random_change(config.model, config.tune, labels, config.lr, config.head_lr)
    head = {n: t for n, t in delta.items() if n.startswith("head.")}
    context, down = Context(NAME, 1, 0, {}), methods.down
    sent, _ = methods.up.encode(delta, context, {"client": NAME, "examples": 200})
    received, _ = down.encode(delta, context)
    first, _ = (down.dense(4) if down.stages else down).encode(head, context)
    # `blank_statistics` reads only two sizes of a model
    module = SimpleNamespace(head=SimpleNamespace(in_features=geometry.width))
    sizes: Any = SimpleNamespace(labels=range(labels), module=module)
    start = encode_tensors(blank_statistics(sizes, methods.head_start.sums))
    return MessageBytes(sent.nbytes, received.nbytes, first.nbytes, start.nbytes)


@lru_cache(maxsize=2)
def _random_change(
    model: str, tune: str, labels: int, lr: float | None, head_lr: float
) -> dict[str, Any]:
    import torch

    _, trained = model_geometry(model, tune, labels)
    random, body = torch.Generator().manual_seed(0), lr or trained.tuner.default_lr
    rate = {True: head_lr, False: body}
    return {
        n: rate[n.startswith("head.")] * torch.randn(s, generator=random)
        for n, s in trained.shapes.items()
    }


# ---- where time decides what is learned


def modelled_seconds_per_example(
    model: Model, clients: Sequence[ClientData], config: RunConfig
) -> float | None:
    """Return seconds per training example for the event clock; None: measured seconds are used."""
    if config.pace is not None or not time_decides(config):
        return config.pace
    count, texts = SAMPLE
    lengths = [len(t) for c in clients[:count] for t in (c.train.tokens or ())[:texts]]
    if config.privacy != "none":  # how long the texts are is theirs
        lengths = [config.max_tokens]
    config = replace(config, engine="auto", dtype="auto")
    return CostModel(config, Texts.of(lengths), len(model.labels)).seconds_per_example()
