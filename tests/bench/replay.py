"""How long a redraw of the time axis takes: 100 rounds of 100 clients, with and without what makes
it harder.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.network import replay as redraw

ROUNDS = CLIENTS = 100
CASES = {
    "one link": {"link": "dsl"},
    "mixes": {"link": "dsl=0.5,4g=0.5", "devices": "old-pc=0.7,gpu-server=0.3"},
    "deadline": {"link": "dsl", "deadline": 8.0},
    "server line": {"link": "dsl", "server_link": "20mbps"},
    "all of them": {
        "link": "dsl=0.4,4g=0.3,satellite=0.3",
        "devices": "old-pc=0.7,gpu-server=0.3",
        "deadline": 40.0,
        "server_link": "20mbps",
    },
}


def synthetic(seed: int = 0) -> Run:
    """A record of unlike clients; nothing was trained."""
    rng = random.Random(seed)
    ids = [f"client {i}" for i in range(CLIENTS)]
    rounds = tuple(
        RoundRecord(
            n,
            0.5,
            1.0,
            0.5,
            clients=tuple(
                ClientRecord(
                    i,
                    train_seconds=rng.uniform(1, 9),
                    uplink_bytes=rng.randint(40_000, 60_000),
                    downlink_bytes=50_000,
                )
                for i in ids
            ),
        )
        for n in range(1, ROUNDS + 1)
    )
    return Run("federated", {}, {}, {"clients": [{"id": i} for i in ids]}, {}, None, rounds)


def replay(repeats: int, data: str) -> dict:
    """Median milliseconds of each case (wall, processor), and of a round's bars, made when asked
    for. data: not used.
    """
    run = synthetic()
    last = redraw(run).rounds[-1]
    work = {name: partial(redraw, run, **world) for name, world in CASES.items()}
    work["one round's bars"] = lambda: type(last).visits.func(last)  # past its cache
    return {
        "rounds": ROUNDS,
        "clients": CLIENTS,
        "repeats": repeats,
        "milliseconds": {name: _milliseconds(one, repeats) for name, one in work.items()},
    }


def _milliseconds(work: Callable[[], object], repeats: int) -> list[float]:
    """[median of the wall clock, median of the processor's]: the second says what it takes beside
    other work.
    """
    spent = []
    for _ in range(repeats):
        began = time.perf_counter(), time.process_time()
        work()
        spent.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return [1e3 * median(column) for column in zip(*spent)]


def table(milliseconds: dict[str, list[float]]) -> list[str]:
    head = f"  {'':18}{'wall ms':>9}{'processor ms':>14}"
    return [
        head,
        *(f"  {name:18}{wall:9.2f}{cpu:14.2f}" for name, (wall, cpu) in milliseconds.items()),
    ]
