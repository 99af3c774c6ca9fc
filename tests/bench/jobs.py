"""The jobs that are timed, and the kit doing them. Everybody trains the same examples, steps and
tuned parameters.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fedkit.core.config import RunConfig

YARDSTICK = RunConfig(clients=8, examples_per_client=64, rounds=3, partition="iid", batch_size=16)


@dataclass(frozen=True)
class Timed:
    """A job and how the peers write it: layers with adapters, counted from the top (0: none),
    epochs per round.
    """

    title: str
    tune: str
    layers: int
    epochs: int


JOBS = {
    "lora": Timed("LoRA r=8 on query and value in every layer", "lora:r=8,alpha=16", 6, 1),
    "last": Timed("LoRA in the last two layers, and the head", "lora:r=8,alpha=16,layers=2", 2, 5),
    "head": Timed("the head only", "head", 0, 5),
}


def config_of(name: str, data: str, seed: int = 0, engine: str = "auto") -> RunConfig:
    from dataclasses import replace

    job = JOBS[name]
    return replace(
        YARDSTICK, data=data, tune=job.tune, local_epochs=job.epochs, seed=seed, engine=engine
    )


def kit(name: str, data: str, judge: bool) -> dict:
    """The job by fedkit: seconds in the rounds, the start exchange included and nothing computed
    before.
    """
    from fedkit.core.memory import peak_rss_bytes
    from fedkit.experiments.job import prepare
    from fedkit.federated.algorithm import federate
    from fedkit.federated.rounds.head_start import compute_head_start
    from fedkit.models.metrics import score_logits

    job = prepare(config_of(name, data))
    began = time.perf_counter()
    job.model.load_params(job.start)
    shared, prior, _ = compute_head_start(job.model, job.clients, job.config)
    started = time.perf_counter() - began
    records = []
    for done in federate(job.model, job.clients, shared, job.config, prior):
        shared = done.shared
        records += done.clients
    seconds, peak = time.perf_counter() - began, peak_rss_bytes()
    began = time.perf_counter()
    job.model.load_params(shared)
    accuracy = (
        score_logits(job.model.predict(job.test), job.test, job.clients).accuracy if judge else None
    )
    judged = time.perf_counter() - began
    tokens = (
        sum(len(t) for c in job.clients for t in c.train.tokens)
        * job.config.rounds
        * job.config.local_epochs
    )
    layers = [
        p.numel()
        for n, p in job.model.module.named_parameters()
        if ".layer." in n and "lora_" not in n
    ]
    return {
        "seconds": seconds,
        "start_seconds": started,
        "judging_seconds": judged,
        "accuracy": accuracy,
        "peak_rss_bytes": peak,
        "examples": sum(r.examples for r in records),
        "steps": sum(r.steps for r in records),
        "tokens": tokens,
        "flops": 4 * sum(layers) * tokens if name == "lora" else None,
        "gflops": matrix_rate(),
        "engine": job.model.engine,
        "dtype": str(job.model.dtype).removeprefix("torch."),
    }


def matrix_rate(dtype: str = "bfloat16", size: int = 1536, repeats: int = 15) -> float:
    """Median measured rate of a square matrix product, in GFLOP/s."""
    from statistics import median

    import torch

    a = torch.randn(size, size).to(getattr(torch, dtype))
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / median(seconds) / 1e9
