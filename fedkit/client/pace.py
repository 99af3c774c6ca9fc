"""Training seconds where time decides who counts: reckoned, so that the same config decides alike on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.model.classifier import Model

RATE = 4e11  # floating-point operations per second: half of what two cores with bfloat16 were measured at


def time_decides(config: RunConfig) -> bool:
    """Whether simulated seconds change who counts, and so what is learned."""
    from fedkit.server.strategy import make_strategy

    return config.deadline is not None or config.faults != "none" or make_strategy(config.strategy).asynchronous


def pace(model: Model, clients: Sequence[ClientData], config: RunConfig) -> float | None:
    """Seconds per training example on this machine by the clock's model; None: what was measured is used.

    4 floating-point operations per parameter of the encoder's layers and token (forward, and back to the adapters), 6
    where the encoder itself is tuned, at RATE.
    """
    if config.pace is not None or not time_decides(config):
        return config.pace
    layers = sum(p.numel() for n, p in model.module.encoder.named_parameters() if "layer" in n)
    tokens = float(np.mean([len(t) for c in clients[:50] for t in c.train.tokens[:200]]))
    return (6 if model.tuner.in_place else 4) * layers * tokens / RATE
