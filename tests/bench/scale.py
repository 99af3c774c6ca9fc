"""What many clients cost: the same trained examples per round, drawn from more and more clients."""

from __future__ import annotations

import time
from dataclasses import replace

from jobs import YARDSTICK

TRAINED = 1600  # examples per round, whoever trains them
EACH = 16  # examples of a client, where there are clients enough
ROUNDS = 3


def scale(clients: int, data: str) -> dict:
    """`clients` clients, 1,600 trained examples a round: 10 clients x 160, else 100 clients x 16
    drawn in each round.
    """
    import numpy as np

    from fedkit.core.memory import peak_rss_bytes
    from fedkit.data.corpus import ClientData
    from fedkit.experiments.job import prepare
    from fedkit.federated.algorithm import federate
    from fedkit.federated.rounds.head_start import compute_head_start

    each = max(EACH, TRAINED // clients)
    config = replace(YARDSTICK, data=data, clients=8, rounds=ROUNDS)
    job = prepare(config)
    everything, rng = job.pooled().train, np.random.default_rng(0)
    dealt = [
        ClientData(
            f"client-{i:05d}",
            everything.take(rng.integers(0, len(everything), each)),
            everything.take([]),
        )
        for i in range(clients)
    ]
    config = replace(config, clients=clients, clients_per_round=float(TRAINED // each))
    job = replace(job, config=config, clients=dealt)

    began = time.perf_counter()
    job.model.load_params(job.start)
    shared, prior, _ = compute_head_start(job.model, job.clients, config)
    started = time.perf_counter() - began
    times, trained = [], 0
    began = time.perf_counter()
    for done in federate(job.model, job.clients, shared, config, prior):
        trained += sum(c.examples for c in done.clients)
        times.append(time.perf_counter() - began)
        began = time.perf_counter()
    return {
        "clients": clients,
        "start_seconds": started,
        "round_seconds": times,
        "examples": trained,
        "ms_per_example": 1e3 * sum(times) / trained,
        "peak_rss_bytes": peak_rss_bytes(),
    }
