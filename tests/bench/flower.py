"""The yardstick job on Flower's simulation engine; each of its actors keeps the model and the data
in memory.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache

os.environ.update(FLWR_TELEMETRY_ENABLED="0", RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0")


@lru_cache(maxsize=1)
def world(name: str, data: str):
    """Made once in every process that trains."""
    import torch
    from bare import World

    torch.set_num_threads(1)  # Ray runs as many actors side by side as there are processors
    return World(name, data)


def flower(name: str, data: str, judge: bool) -> dict:
    """The job as Flower's own examples are written: message API, federated averaging, virtual
    clients.
    """
    import psutil
    from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp
    from flwr.serverapp.strategy import FedAvg
    from flwr.simulation import run_simulation
    from jobs import config_of

    config, out = config_of(name, data), {}
    client_app, server_app = ClientApp(), ServerApp()

    @client_app.train()
    def train(message, context):
        mine = world(name, data)
        mine.load(message.content["arrays"].to_torch_state_dict())
        client = int(context.node_config["partition-id"])
        steps = mine.train(client)
        metrics = MetricRecord({"num-examples": len(mine.clients[client].train), "steps": steps})
        return Message(
            RecordDict({"arrays": ArrayRecord(mine.shared()), "metrics": metrics}), reply_to=message
        )

    @server_app.main()
    def main(grid, context):
        strategy = FedAvg(
            fraction_train=1.0,
            fraction_evaluate=0.0,
            min_train_nodes=config.clients,
            min_available_nodes=config.clients,
        )
        initial = ArrayRecord(world(name, data).shared())
        began = time.perf_counter()
        result = strategy.start(grid=grid, initial_arrays=initial, num_rounds=config.rounds)
        out["seconds"] = time.perf_counter() - began
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        out["peak_rss_bytes"] = sum(p.memory_info().rss for p in processes)
        out["arrays"] = result.arrays.to_torch_state_dict()

    run_simulation(
        server_app,
        client_app,
        num_supernodes=config.clients,
        backend_config={"client_resources": {"num_cpus": 1}},
    )
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    mine = world(name, data)
    mine.load(out.pop("arrays"))
    examples = config.rounds * config.local_epochs * sum(len(c.train) for c in mine.clients)
    accuracy, judged = mine.accuracy() if judge else (None, 0.0)
    return {
        **out,
        "judging_seconds": judged,
        "accuracy": accuracy,
        "examples": examples,
        "steps": None,
    }
