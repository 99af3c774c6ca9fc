"""Model of training seconds, for the adviser and where time decides which updates count.

The seconds are calculated, not measured, so that the same config gives the same result on every
machine and with either engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fedkit.core.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.federated.memory_model import Texts, model_geometry, uses_fast_engine
from fedkit.models.classifier import Model

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


def time_decides(config: RunConfig) -> bool:
    """Return whether simulated seconds decide which updates count, and so what is learned."""
    from fedkit.federated.strategies import make_strategy

    return (
        config.deadline is not None
        or config.faults != "none"
        or make_strategy(config.strategy).asynchronous
    )


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
    return seconds_per_example(
        replace(config, engine="auto", dtype="auto"), Texts.of(lengths), len(model.labels)
    )


def seconds_per_example(config: RunConfig, texts: Texts, labels: int) -> float:
    """Return modelled training seconds per example on the machine of the device profiles.

    Two operations per weight and token forward, two backward in each layer that a gradient passes,
    two more where its weights are trained; frozen layers are computed once by the fast engine.
    AdamW moves MOVED bytes per value and step.
    """
    shape, trained = model_geometry(config.model, config.tune, labels)
    fast, passed = uses_fast_engine(config, trained), (shape.layers - trained.lowest) / shape.layers
    whole = passed if config.tune.partition(":")[0] in ("full", "last") else 0.0
    forward = passed if fast else 1.0
    operations = 2 * shape.layer_values * texts.mean * (forward + passed + whole)
    moving = MOVED * trained.values / BANDWIDTH / config.batch_size
    # the format that 'auto' takes on that machine
    number = "float32" if config.dtype == "float32" else "bfloat16"
    return operations / RATES[number, "fast" if fast else "plain"] + moving
