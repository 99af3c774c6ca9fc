"""How long would Run take, and how much memory? At once: from the pace of the runs before, else
from a formula.

A rough guess, and said to be one; `fedkit sweep --estimate` measures instead (see
`fedkit.experiments.estimate`).
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fedkit.core import formatting
from fedkit.core.config import RunConfig, parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run

TOGETHER = 8  # clients in one batch, about
SETUP, PER_ROUND = 1.0, 0.15  # seconds besides: reading the model; packing, aggregating, writing
EFFICIENCY = 0.35  # of the speed of one large product of matrices that a whole step reaches


@dataclass(frozen=True)
class Size:
    """Of a base model: hidden width, layers, width of the feed-forward part, all weights."""

    hidden: int = 384
    layers: int = 6
    inner: int = 1536
    weights: int = 22_700_000

    def flops(self, tokens: float) -> float:
        """Multiplications and additions of one text's way through the layers, forward."""
        each = 8 * self.hidden**2 + 4 * self.hidden * self.inner + 4 * tokens * self.hidden
        return self.layers * tokens * each


@dataclass(frozen=True)
class RunEstimate:
    """seconds: of the whole run. peak: bytes of memory of this process. basis: where the guess
    comes from.
    """

    seconds: float
    peak: float
    basis: str

    def __str__(self) -> str:
        return (
            f"about {formatting.seconds(max(self.seconds, 0.1))} and"
            f" {formatting.megabytes(self.peak / 1e6)} of memory ({self.basis})"
        )


def estimate_run(
    config: RunConfig, train: int, held: int, words: float, before: Sequence[Run] = ()
) -> RunEstimate:
    """The run that `config` describes. train: examples of all clients; held: examples that every
    round is judged on; words: of a typical text. before: records made on this machine, the
    latest last.
    """
    share = config.clients_per_round
    drawn = (
        1.0 if share is None else share if share < 1 else min(share / max(config.clients, 1), 1.0)
    )
    seen = train * drawn * config.local_epochs * config.rounds  # examples that are trained on
    like = [r for r in before if r.rounds and alike(r, config)]
    if like:
        return _from(like[-1], config, seen)
    size, tokens = size_of(config.model), min(1.4 * words + 2, config.max_tokens)
    forward = size.flops(tokens) / (EFFICIENCY * flops_per_second())
    passes = {"head": 0.0, "full": 3.0}.get(parse_spec(config.tune)[0], 2.2)
    seconds = (
        forward * (seen * passes + train + (config.rounds + 1) * held)
        + SETUP
        + PER_ROUND * config.rounds
    )
    return RunEstimate(
        seconds, _memory(config, size, train + held, tokens), "an estimate from the model's size"
    )


def alike(run: Run, config: RunConfig) -> bool:
    """Was this run made with the same model and way of tuning, so that its pace tells?"""
    then = run.config
    same = all(
        then.get(k) == getattr(config, k) for k in ("model", "max_tokens", "batch_size", "data")
    )
    return same and parse_spec(str(then.get("tune")))[0] == parse_spec(config.tune)[0]


def _from(run: Run, config: RunConfig, seen: float) -> RunEstimate:
    trained, took = run.total("examples", run.rounds), run.total("train_seconds", run.rounds)
    rest = max(sum(r.seconds for r in run.rounds) - took, 0.0) / len(run.rounds)
    first = run.start.seconds if run.start else 0.0
    seconds = seen * took / max(trained, 1) + config.rounds * rest + first
    peak = run.result.get("peak_rss_bytes") or resident()
    return RunEstimate(seconds, peak, "an estimate from the run before")


def _memory(config: RunConfig, size: Size, train: int, tokens: float) -> float:
    """The kit's own prediction where that is quick, else a rough formula."""
    # reading that takes seconds: Run may, opening a panel may not
    if "transformers.modeling_utils" in sys.modules:
        from fedkit.federated.memory_model import Texts, process_footprint

        with contextlib.suppress(FedkitError):
            texts = Texts(train, tokens, min(int(2 * tokens) + 1, config.max_tokens))
            return max(process_footprint(config, texts, labels=20).total, resident())
    full = parse_spec(config.tune)[0] == "full"
    weights = 4 * size.weights * (4 if full else 1)
    batch = config.batch_size * (1 if full else min(TOGETHER, config.clients))
    return (
        resident()
        + weights
        + 4 * batch * tokens * size.layers * (10 * size.hidden + 2 * size.inner)
    )


def resident() -> int:
    """Bytes of memory that this process holds now."""
    import psutil

    return psutil.Process().memory_info().rss


@lru_cache(maxsize=8)
def size_of(model: str) -> Size:
    """The size of a base model from its files, without reading its weights; that of minilm where it
    is not known.
    """
    from fedkit.models.base import MODELS

    folder = Path(model)
    try:
        if model in MODELS:
            import importlib.util

            known = MODELS[model]
            folder = Path(importlib.util.find_spec(known.package).origin).parent / known.folder
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = (folder / "model.safetensors").stat().st_size // 4
        return Size(
            int(told["hidden_size"]),
            int(told["num_hidden_layers"]),
            int(told.get("intermediate_size", 4 * told["hidden_size"])),
            weights,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Size()


@lru_cache(maxsize=1)
def flops_per_second() -> float:
    """Of one product of matrices in float32 on this machine: measured once, in some
    milliseconds.
    """
    import torch

    a, best = torch.ones(384, 384), math.inf
    for _ in range(4):  # the first warms up
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * 384**3 / best
