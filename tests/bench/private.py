"""How many examples' own gradients a second: head in closed form, the fast engine, Opacus' hooks;
beside training without.

Each pair of seconds is taken in one process, one after the other and again; medians.
usage: python tests/bench/private.py [--repeats 5] [--rows 512] [--data NAME|PATH]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from statistics import median

import torch

from fedkit.core.config import RunConfig
from fedkit.experiments.job import prepare
from fedkit.federated.local.dp_sgd import private_fit
from fedkit.federated.local.train import PrivatePlan, fit, make_task
from fedkit.privacy.noise import NoiseKey

WAYS = [
    ("head", "fast"),
    ("lora:r=8,layers=1", "fast"),
    ("lora:r=8,layers=1", "plain"),
    ("lora:r=8", "fast"),
    ("lora:r=8", "plain"),
    ("last", "plain"),
]


def seconds(what, *given) -> float:
    began = time.perf_counter()
    what(*given)
    return time.perf_counter() - began


def measured(tune: str, engine: str, rows: int, data: str, repeats: int) -> tuple[float, float]:
    """(examples a second of a private step over `rows` texts, and of usual training over them)."""
    config = RunConfig(
        data=data, tune=tune, engine=engine, clients=1, partition="iid", examples_per_client=rows
    )
    job = prepare(config)
    task = make_task(job.clients[0], job.start, config, 1, None, len(job.model.labels))
    private = replace(task, private=PrivatePlan(0.2, 0.4, 1.0, 1, 1.0, 0.1, NoiseKey.from_seed(0)))
    pairs = []
    for _ in range(repeats + 1):  # the first fills the store of what no training changes
        usual = make_task(job.clients[0], job.start, config, 1, None, len(job.model.labels))
        pairs.append(
            (
                seconds(private_fit, job.model, private, config),
                seconds(fit, job.model, usual, config),
            )
        )
    done = len(task.examples)
    return tuple(done / median(pair[i] for pair in pairs[1:]) for i in (0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--data", default="service_desk")
    given = parser.parse_args()
    print(
        f"{torch.get_num_threads()} threads; examples a second\n "
        f" {'tune':20}{'engine':8}{'private':>9}{'usual':>9}{'ratio':>7}"
    )
    for tune, engine in WAYS:
        private, usual = measured(tune, engine, given.rows, given.data, given.repeats)
        print(f"  {tune:20}{engine:8}{private:9.0f}{usual:9.0f}{private / usual:7.2f}", flush=True)


if __name__ == "__main__":
    main()
