"""Estimate the time and memory of a run at once: from the pace of earlier runs, else by a formula.

The estimate is rough; `fedkit sweep --estimate` measures instead (`fedkit.experiments.estimate`).
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

CLIENTS_PER_BATCH = 8  # roughly, where several clients train in one batch
SETUP_SECONDS = 1.0  # reading the model
ROUND_SECONDS = 0.15  # packing, aggregating and writing in a round
EFFICIENCY = 0.35  # speed of a whole training step as a share of that of one large matrix product


@dataclass(frozen=True)
class ModelSize:
    """Size of a base model; the defaults are those of minilm."""

    hidden: int = 384
    layers: int = 6
    inner: int = 1536  # width of the feed-forward part
    weights: int = 22_700_000  # all of them

    def flops(self, tokens: float) -> float:
        """Return the multiplications and additions of one text's forward pass."""
        each = 8 * self.hidden**2 + 4 * self.hidden * self.inner + 4 * tokens * self.hidden
        return self.layers * tokens * each


@dataclass(frozen=True)
class RunEstimate:
    """Estimated seconds of a whole run, peak memory of this process in bytes, and their basis."""

    seconds: float
    peak_bytes: float
    basis: str

    def __str__(self) -> str:
        return (
            f"about {formatting.seconds(max(self.seconds, 0.1))} and"
            f" {formatting.megabytes(self.peak_bytes / 1e6)} of memory ({self.basis})"
        )


def estimate_run(
    config: RunConfig, train: int, held: int, words: float, before: Sequence[Run] = ()
) -> RunEstimate:
    """Estimate the run that `config` describes.

    train: training examples of all clients; held: examples of the test set; words: of a typical
    text; before: records made on this machine, the latest last.
    """
    share = config.clients_per_round
    if share is None:
        drawn = 1.0
    else:
        drawn = share if share < 1 else min(share / max(config.clients, 1), 1.0)
    seen = train * drawn * config.local_epochs * config.rounds  # examples that are trained on
    like = [r for r in before if r.rounds and is_comparable(r, config)]
    if like:
        return _estimate_from_run(like[-1], config, seen)
    size, tokens = read_model_size(config.model), min(1.4 * words + 2, config.max_tokens)
    forward = size.flops(tokens) / (EFFICIENCY * flops_per_second())
    passes = {"head": 0.0, "full": 3.0}.get(parse_spec(config.tune)[0], 2.2)
    seconds = (
        forward * (seen * passes + train + (config.rounds + 1) * held)
        + SETUP_SECONDS
        + ROUND_SECONDS * config.rounds
    )
    return RunEstimate(
        seconds,
        _estimate_memory(config, size, train + held, tokens),
        "an estimate from the model's size",
    )


def is_comparable(run: Run, config: RunConfig) -> bool:
    """Return whether the run has the model and tuning of `config`, so that its pace applies."""
    then = run.config
    same = all(
        then.get(k) == getattr(config, k) for k in ("model", "max_tokens", "batch_size", "data")
    )
    return same and parse_spec(str(then.get("tune")))[0] == parse_spec(config.tune)[0]


def _estimate_from_run(run: Run, config: RunConfig, seen: float) -> RunEstimate:
    trained, took = run.total("examples", run.rounds), run.total("train_seconds", run.rounds)
    rest = max(sum(r.seconds for r in run.rounds) - took, 0.0) / len(run.rounds)
    first = run.start.seconds if run.start else 0.0
    seconds = seen * took / max(trained, 1) + config.rounds * rest + first
    peak_bytes = run.result.get("peak_rss_bytes") or resident_bytes()
    return RunEstimate(seconds, peak_bytes, "an estimate from the run before")


def _estimate_memory(config: RunConfig, size: ModelSize, train: int, tokens: float) -> float:
    """Return fedkit's own prediction of memory in bytes where it is quick, else a rough formula."""
    # importing transformers takes seconds, which opening a panel must not
    if "transformers.modeling_utils" in sys.modules:
        from fedkit.federated.memory_model import Texts, process_footprint

        with contextlib.suppress(FedkitError):
            texts = Texts(train, tokens, min(int(2 * tokens) + 1, config.max_tokens))
            return max(process_footprint(config, texts, labels=20).total, resident_bytes())
    full = parse_spec(config.tune)[0] == "full"
    weights = 4 * size.weights * (4 if full else 1)
    batch = config.batch_size * (1 if full else min(CLIENTS_PER_BATCH, config.clients))
    return (
        resident_bytes()
        + weights
        + 4 * batch * tokens * size.layers * (10 * size.hidden + 2 * size.inner)
    )


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    import psutil

    return psutil.Process().memory_info().rss


@lru_cache(maxsize=8)
def read_model_size(model: str) -> ModelSize:
    """Return the size of a base model from its files, without its weights; minilm's if unknown."""
    from fedkit.models.base import MODELS

    folder = Path(model)
    try:
        if model in MODELS:
            import importlib.util

            known = MODELS[model]
            folder = Path(importlib.util.find_spec(known.package).origin).parent / known.folder
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = (folder / "model.safetensors").stat().st_size // 4
        return ModelSize(
            int(values["hidden_size"]),
            int(values["num_hidden_layers"]),
            int(values.get("intermediate_size", 4 * values["hidden_size"])),
            weights,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ModelSize()


@lru_cache(maxsize=1)
def flops_per_second() -> float:
    """Return the speed of one float32 matrix product here, measured once in some milliseconds."""
    import torch

    a, best = torch.ones(384, 384), math.inf
    for _ in range(4):  # the first warms up
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * 384**3 / best
