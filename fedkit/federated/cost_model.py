"""Training seconds as a model has them: for the adviser, and where time decides who counts.

They are reckoned and not measured, so that the same config decides alike on every machine and with
either engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fedkit.core.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.federated.memory_model import Texts, describe_model, uses_fast_engine
from fedkit.models.classifier import Model

# operations a second of the machine that the device profiles are relative to: two cores; by format,
# engine
RATES = {
    ("bfloat16", "fast"): 220e9,
    ("bfloat16", "plain"): 120e9,
    ("float32", "fast"): 44e9,
    ("float32", "plain"): 44e9,
}
# bytes that AdamW moves for each value and step; bytes a second of that machine's memory
MOVED, BANDWIDTH = 28, 10e9
SAMPLE = 50, 200  # clients and texts of each from which the mean length is taken


def time_decides(config: RunConfig) -> bool:
    """Whether simulated seconds change who counts, and so what is learned."""
    from fedkit.federated.strategies import make_strategy

    return (
        config.deadline is not None
        or config.faults != "none"
        or make_strategy(config.strategy).asynchronous
    )


def modelled_seconds_per_example(
    model: Model, clients: Sequence[ClientData], config: RunConfig
) -> float | None:
    """Seconds per training example of the event clock, on this machine; None: what was measured is
    used.
    """
    if config.pace is not None or not time_decides(config):
        return config.pace
    sites, texts = SAMPLE
    lengths = [len(t) for c in clients[:sites] for t in c.train.tokens[:texts]]
    return seconds_per_example(
        replace(config, engine="auto", dtype="auto"), Texts.of(lengths), len(model.labels)
    )


def seconds_per_example(config: RunConfig, texts: Texts, labels: int) -> float:
    """Training seconds per example on the machine that device profiles are relative to: a model,
    not a measurement.

    Two operations per weight and token forward, two backward in each layer that a gradient passes,
    two more where its weights are trained; frozen layers are computed once by the fast engine.
    AdamW moves MOVED bytes per value and step.
    """
    shape, trained = describe_model(config.model, config.tune, labels)
    fast, passed = uses_fast_engine(config, trained), (shape.layers - trained.lowest) / shape.layers
    whole = passed if config.tune.partition(":")[0] in ("full", "last") else 0.0
    forward = passed if fast else 1.0
    operations = 2 * shape.layer_values * texts.mean * (forward + passed + whole)
    moving = MOVED * trained.values / BANDWIDTH / config.batch_size
    # what 'auto' takes on that machine
    number = "float32" if config.dtype == "float32" else "bfloat16"
    return operations / RATES[number, "fast" if fast else "plain"] + moving
