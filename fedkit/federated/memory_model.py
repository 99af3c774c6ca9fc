"""Model of the memory that training takes: for a run on this machine, and for one client alone.

Counted, in bytes: weights in their number format, gradients and AdamW's moments, activations that
the backward pass needs (none below the lowest trained layer), attention weights, the store of
frozen states, tokens, copies of updates. Three constants were fitted to measured peaks
(`tests/bench/memory.py` prints both); they are marked below.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.federated.local.cohort import HEAD_TEXTS, SEAT_VALUES, TRAINED_TOKENS
from fedkit.models.base import find_model
from fedkit.models.classifier import TOKENS_PER_BATCH as READ_TOKENS
from fedkit.models.fast.encoder import CACHE_BYTES
from fedkit.models.fast.packing import MIN_WINDOW
from fedkit.models.tuners.registry import Tuner, make_tuner

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


@dataclass(frozen=True)
class Texts:
    """Number of texts, and tokens in the mean and in the longest, both after truncation.

    spread: number of different lengths without the shortest and longest 1 %; None: not known.
    """

    number: int
    mean: float
    longest: int
    spread: int | None = None

    @classmethod
    def of(cls, lengths: Iterable[int], number: int | None = None) -> Texts:
        """Return the figures from token counts. number: of all texts, if these are a sample."""
        tokens = np.asarray(list(lengths))
        if not len(tokens):
            raise FedkitError("no texts given; at least one is needed to predict memory")
        low, high = np.percentile(tokens, (1, 99))
        count = len(tokens) if number is None else number
        return cls(count, float(tokens.mean()), int(tokens.max()), int(high - low) + 1)


@dataclass(frozen=True)
class Geometry:
    """Sizes of a base model.

    layers: their number. width: of the hidden states. inner: width inside the feed-forward part.
    heads: of the attention. layer_values, values: weights in the layers, and in all.
    """

    layers: int
    width: int
    inner: int
    heads: int
    layer_values: int
    values: int


@dataclass(frozen=True)
class Trained:
    """What a tuner trains.

    shapes: by name, the head included. lowest: the lowest layer that a gradient must reach.
    """

    shapes: dict[str, tuple[int, ...]]
    lowest: int
    tuner: Tuner

    @property
    def values(self) -> int:
        return sum(map(math.prod, self.shapes.values()))


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
        return (
            self.base
            + self.weights
            + self.data
            + self.workspace
            + self.store
            + max(self.work, self.exchange)
        )


def process_footprint(
    config: RunConfig, texts: Texts, labels: int, attention: str = "sdpa"
) -> Footprint:
    """Return the peak of `fedkit run` on this machine, server and all clients in one process.

    texts: of all clients and the test set. config.dtype 'auto' counts as float32, which takes more.
    attention: eager or sdpa, where the plain engine computes. Raises FedkitError for an unknown
    model or tuner.
    """
    shape, trained = model_geometry(config.model, config.tune, labels)
    size, fast = _bytes(config), uses_fast_engine(config, trained)
    seats = _seats(config, texts, shape, trained) if fast else 1
    share = 4 * trained.values
    step = _step(config, texts, shape, trained, seats, fast, attention)
    # fast: values, two moments, gradient and two copies, of each seat
    moments = share * (6 * seats if fast else 3)
    read = _read(texts, shape, size, fast, attention)
    work = max(SLACK * step + moments + SERVER_COPIES * share, SLACK * read)
    kept = _workspace(config, texts, shape, trained, seats, fast, math.ceil(config.clients / seats))
    return Footprint(
        int(BASE),
        _weights(shape, trained, size, fast),
        _data(texts),
        kept,
        _store(texts, shape, trained, size) if fast else 0,
        int(work),
        int(COPIES * share),
    )


def client_footprint(
    config: RunConfig, texts: Texts, labels: int, attention: str = "sdpa"
) -> Footprint:
    """Return the peak of one client that trains alone, by the plain engine. texts: its own."""
    shape, trained = model_geometry(config.model, config.tune, labels)
    size, share = _bytes(config), 4 * trained.values
    # 4 * share: the parameters that it started from
    step = SLACK * _step(config, texts, shape, trained, 1, False, attention) + 4 * share
    work = max(step, SLACK * _read(texts, shape, size, False, attention))
    kept = _workspace(config, texts, shape, trained, 1, False, 1)
    return Footprint(
        int(BASE),
        _weights(shape, trained, size, False),
        _data(texts),
        kept,
        0,
        int(work),
        CLIENT_COPIES * share,
    )


def memory_shortage(needed: Footprint, memory: int | None, who: str = "this device") -> str:
    """Return why the memory does not suffice, with both numbers, or ''.

    memory: bytes free to train in; None: no limit is known.
    """
    from fedkit.core.formatting import megabytes

    if memory is None or needed.total <= memory:
        return ""
    return (
        f"needs {megabytes(needed.total / 1e6)} of memory, {who} has {megabytes(memory / 1e6)} free"
        " to train in"
    )


# ---- what is trained


def model_geometry(model: str, tune: str, labels: int) -> tuple[Geometry, Trained]:
    """Return the base model's sizes and what `tune` trains in it; no weights are read."""
    base, shapes, lowest = _skeleton(find_location(model), tune, labels)
    return base, Trained(dict(shapes), lowest, make_tuner(tune))


@lru_cache(maxsize=64)
def find_location(model: str) -> str:
    """Return the folder of the base model. Raises FedkitError if it is not on this machine."""
    return find_model(model).location


@lru_cache(maxsize=256)
def _skeleton(location: str, tune: str, labels: int) -> tuple[Geometry, tuple, int]:
    """Return (geometry, ((name, shape), ...), lowest trained layer), without reading weights."""
    import torch
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    from fedkit.models.classifier import TextClassifier, peft_name

    tuner = make_tuner(tune)
    plan = AutoConfig.from_pretrained(location, local_files_only=True, trust_remote_code=False)
    logging.set_verbosity_error()
    # a tuner with virtual tokens runs the model once, which needs values
    empty = not hasattr(tuner, "tokens")
    with (
        torch.device("meta" if empty else "cpu"),
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # notes to PEFT's developers
        encoder = AutoModel.from_config(plan)
        if hasattr(encoder, "pooler"):
            encoder.pooler = None
        sizes = [(n, p.numel()) for n, p in encoder.named_parameters()]
        module = TextClassifier(tuner.attach(encoder), plan.hidden_size, labels)
    shapes = tuple(
        (peft_name(n), tuple(p.shape)) for n, p in module.named_parameters() if p.requires_grad
    )
    inner = getattr(plan, "intermediate_size", None) or 4 * plan.hidden_size
    inside = sum(n for name, n in sizes if _layer(name) is not None)
    geometry = Geometry(
        plan.num_hidden_layers,
        plan.hidden_size,
        inner,
        plan.num_attention_heads,
        inside,
        sum(n for _, n in sizes),
    )
    body = [_layer(name) for name, _ in shapes if not name.startswith("head.")]
    lowest = min((0 if i is None else i for i in body), default=geometry.layers)
    return geometry, shapes, lowest


def _layer(name: str) -> int | None:
    """Return the layer number in a parameter's name; None outside the layers."""
    found = re.search(r"\.?(?:layers?|blocks?|h)\.(\d+)\.", name)
    return int(found[1]) if found else None


def uses_fast_engine(config: RunConfig, trained: Trained) -> bool:
    """Return whether the fast engine computes this: only LoRA pairs and the head are trained."""
    names = [n for n in trained.shapes if not n.startswith("head.")]
    plain = not trained.tuner.frozen_base or getattr(trained.tuner, "use_dora", False)
    return config.engine != "plain" and not plain and all(".lora_" in n for n in names)


# ---- the parts


def _bytes(config: RunConfig) -> int:
    return 2 if config.dtype == "bfloat16" else 4


def _workspace(
    config: RunConfig,
    texts: Texts,
    shape: Geometry,
    trained: Trained,
    seats: int,
    fast: bool,
    visits: int,
) -> int:
    """Return what the matrix library keeps, in bfloat16 for every new length of a trained batch.

    At most what its cache holds. The lengths of a run are the distinct ones among all batches,
    drawn evenly from the possible ones. visits: groups of clients trained one after another in a
    round. The fast engine's batches vary in the number of windows, by about a third.
    """
    if _bytes(config) == 4 or (trained.lowest == shape.layers):
        return int(WORKSPACE)
    there = max(1.0, texts.spread or 2 * (texts.longest - texts.mean))
    if fast:
        rows, width = _rows(config.batch_size * seats, texts, fast)
        there = max(1.0, rows / width / 3)
    examples = config.examples_per_client or texts.number / config.clients
    batches = config.rounds * config.local_epochs * visits * math.ceil(examples / config.batch_size)
    lengths = min(there * -math.expm1(-batches / there), MAX_SHAPES)
    return int(WORKSPACE + SHAPE * lengths)


def _weights(shape: Geometry, trained: Trained, size: int, fast: bool) -> int:
    """Return the bytes of the base weights.

    The fast engine holds query, key and value twice, and bfloat16 matrices in two orders.
    """
    held = shape.values * (size if trained.tuner.frozen_base else 4)
    added = 0 if trained.tuner.in_place else 4 * trained.values
    again = 3 * shape.layers * shape.width**2 * size if fast else 0
    ordered = 2 * size * shape.layer_values if fast and size == 2 else 0
    cast = 2 * shape.layer_values if size == 2 and not trained.tuner.frozen_base else 0
    return held + added + again + ordered + cast


def _data(texts: Texts) -> int:
    return int(texts.number * (TOKEN * texts.mean + TEXT))


def _store(texts: Texts, shape: Geometry, trained: Trained, size: int) -> int:
    """Return the bytes of stored states below the lowest trained layer, or of sentence vectors."""
    if trained.lowest == 0:
        return 0
    rows, width = (1, 4) if trained.lowest == shape.layers else (texts.mean, size)
    return int(min(1.5 * texts.number * rows * shape.width * width, CACHE_BYTES))


def _seats(config: RunConfig, texts: Texts, shape: Geometry, trained: Trained) -> int:
    """Return how many clients are trained at once, as in `cohort.num_seats`."""
    room = HEAD_TEXTS // config.batch_size
    if trained.lowest < shape.layers:
        room = round(TRAINED_TOKENS / (config.batch_size * texts.mean))
    rank = max([1, *(s[0] for n, s in trained.shapes.items() if "lora_A" in n)])
    return max(
        1, min(room, shape.width // 6 // rank, SEAT_VALUES // trained.values, config.clients)
    )


def _rows(number: int, texts: Texts, fast: bool) -> tuple[int, int]:
    """Return (rows of tokens of `number` texts, tokens that each attends to), with padding."""
    if not fast:
        return number * texts.longest, texts.longest
    width = max(MIN_WINDOW, 2 ** math.ceil(math.log2(texts.mean)))
    return width * math.ceil(number / max(1, int(width / texts.mean))), width


def _step(
    config: RunConfig,
    texts: Texts,
    shape: Geometry,
    trained: Trained,
    seats: int,
    fast: bool,
    attention: str,
) -> int:
    """Return the bytes of one gradient step's activations.

    Those kept by every layer that a gradient passes, and those of one layer's computation.
    """
    virtual = getattr(trained.tuner, "tokens", 0)
    longer = Texts(texts.number, texts.mean + virtual, texts.longest + virtual)
    if trained.lowest == shape.layers and fast:
        return 0
    rows, window = _rows(config.batch_size * seats, longer, fast)
    size = _bytes(config)
    kept = (shape.layers - trained.lowest) * layer_activation_bytes(
        config, shape, trained, fast, window, attention
    )
    return rows * (kept + _passing(shape, size, window, fast, attention))


def layer_activation_bytes(
    config: RunConfig, shape: Geometry, trained: Trained, fast: bool, window: int, attention: str
) -> int:
    """Return the bytes per token that a layer keeps for the backward pass."""
    size, d, f = _bytes(config), shape.width, shape.inner
    # under autocast the residual stream stays in float32
    stream = size if trained.tuner.frozen_base else 4
    # query, key, value, mixed; inputs of two LayerNorms; of gelu
    kept = 4 * d * size + 2 * d * stream + f * stream
    scores = shape.heads * window * size if fast or attention == "eager" else 0
    return kept + scores + _extra(config.tune.partition(":")[0], size, stream, d, f, fast)


def _extra(tune: str, size: int, stream: int, d: int, f: int, fast: bool) -> int:
    """Return the additional bytes per token of a layer with trained parts."""
    return {
        "full": (3 * d + f) * size + (stream - size) * d,  # autocast keeps what it cast
        "last": (3 * d + f) * size + (stream - size) * d,
        "lora": d * size if fast or size == 4 else 2 * d * 4,
        "rslora": d * size if fast or size == 4 else 2 * d * 4,
        "dora": 4 * d * 4,
        "ia3": (3 * d + f) * 4,
        "adapter": d * 4,
    }.get(tune, 0)


def _passing(shape: Geometry, size: int, window: int, fast: bool, attention: str) -> int:
    """Return the bytes per token while one layer, feed-forward part or attention, is computed."""
    d, scores = shape.width, 3 * shape.heads * window if fast or attention == "eager" else 0
    return size * max(2 * shape.inner + 2 * d, (7 if fast else 5) * d + scores)


def _read(texts: Texts, shape: Geometry, size: int, fast: bool, attention: str) -> int:
    """Return the bytes of one batch of texts that are only read, for the start and the scores."""
    number = max(1, min(READ_TEXTS, READ_TOKENS // texts.longest, texts.number))
    rows, window = _rows(number, texts, fast)
    return rows * _passing(shape, size, window, fast, attention)
