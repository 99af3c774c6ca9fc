"""Run records whose numbers can be checked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from fedkit.core.record import ClientRecord, RoundRecord, Run

DATA = {
    "name": "tiny",
    "source": "by hand",
    "sha256": "ab",
    "labels": ["yes", "no"],
    "notes": [],
    "train": 30,
    "validation": 8,
    "test": 100,
    "clients": [
        {"id": "east", "train": 10, "labels": {"yes": 10}},
        {"id": "west", "train": 20, "labels": {"yes": 5, "no": 15}},
    ],
}


CONFIG = {
    "rounds": 2,
    "link": "8mbps/0ms",
    "devices": "as-measured",
    "seed": 0,
    "partition": "column:site",
}


def block(
    accuracy: float,
    correct: str | None = None,
    over: str = "test examples",
    half: float = 0.1,
    **more,
) -> dict:
    """The result block of a record."""
    bounds = [accuracy - half, accuracy + half]
    return {
        "accuracy": accuracy,
        "accuracy_ci95": bounds,
        "accuracy_ci95_over": over,
        "macro_f1": accuracy,
        "worst_client_accuracy": max(0.0, accuracy - 0.2),
        "uplink_bytes": 0,
        "downlink_bytes": 0,
        "peak_rss_bytes": 5_000_000,
        "epsilon": None,
        "simulated_seconds": None,
        "correct": correct,
        **more,
    }


def forget_digests(folder: Path) -> None:
    """Rewrite run.json as an older version wrote it: without digests, so that what is changed by
    hand reaches the checks behind them.
    """
    path = folder / "run.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["digest"], values["files"]
    path.write_text(json.dumps(values), encoding="utf-8")


def baseline(
    method: str,
    accuracy: float,
    correct: str | None = None,
    over: str = "test examples",
    half: float = 0.1,
) -> Run:
    """A finished baseline of one round, ten steps and three seconds."""
    last = RoundRecord(
        1,
        accuracy,
        1.0,
        max(0.0, accuracy - 0.2),
        clients=(ClientRecord("east", steps=10, train_seconds=3.0),),
    )
    return Run(
        method,
        CONFIG,
        {"python": "3"},
        DATA,
        {"name": "m"},
        None,
        (last,),
        block(accuracy, correct, over, half),
    )


def federated(
    accuracy: float = 0.8, correct: str | None = None, half: float = 0.05, **config
) -> Run:
    """A finished run of two rounds: each client moves 1 MB up and 2 MB down a round, and trains one
    second.
    """
    sent = tuple(
        ClientRecord(i, "ok", "", 10, 5, 1.0, 1_000_000, 2_000_000) for i in ("east", "west")
    )
    rounds = (
        RoundRecord(1, accuracy - 0.1, 1.0, 0.5, clients=sent),
        RoundRecord(2, accuracy, 1.0, 0.6, clients=sent),
    )
    totals = {"uplink_bytes": 4_000_000, "downlink_bytes": 8_000_000, "simulated_seconds": 8.0}
    model = {"name": "m", "base_bytes": 50_000_000}
    start = RoundRecord(0, 0.5, 1.0, 0.4)
    result = block(accuracy, correct, half=half, **totals)
    return Run("federated", CONFIG | config, {"python": "3"}, DATA, model, start, rounds, result)


def everything(local: float = 0.5) -> list[Run]:
    """Federated first and baselines upside down: the order in which nobody should see them."""
    others = [
        ("pooled", 0.82),
        ("local", local),
        ("frozen-local", 0.3),
        ("frozen-pooled", 0.7),
        ("majority", 0.2),
    ]
    return [
        federated(),
        *(baseline(m, a, over="clients" if "local" in m else "test examples") for m, a in others),
    ]


def one(
    accuracy: float,
    kb: float,
    seconds: float = 1.0,
    peak: int = 500,
    seed: int = 0,
    error=None,
    **config,
) -> Run:
    """A finished run of two rounds, two visits each; and one exchange of 500 kB per client before
    round 1.
    """
    sent = tuple(
        ClientRecord(i, "ok", "", 10, 5, seconds, int(1e3 * kb), int(2e3 * kb))
        for i in ("east", "west")
    )
    rounds = tuple(
        RoundRecord(r, accuracy, 1.0, 0.5, clients=sent, aggregation_error=error) for r in (1, 2)
    )
    start = RoundRecord(
        0,
        0.5,
        1.0,
        0.4,
        clients=tuple(ClientRecord(i, uplink_bytes=500_000) for i in ("east", "west")),
    )
    totals = {
        "uplink_bytes": int(4e3 * kb) + 1_000_000,
        "downlink_bytes": int(8e3 * kb),
        "simulated_seconds": 8.0,
    }
    result = block(accuracy, half=0.03, **totals) | {"peak_rss_bytes": peak * 10**6}
    model = {"name": "m", "base_bytes": 90_000_000}
    return Run(
        "federated",
        CONFIG | {"seed": seed} | config,
        {"python": "3"},
        DATA,
        model,
        start,
        rounds,
        result,
    )


def pooled(accuracy: float, seed: int) -> Run:
    run = baseline("pooled", accuracy)
    return replace(run, config=run.config | {"seed": seed})


def many(count: int = 12) -> list[Run]:
    """`count` methods x 3 seeds with three baselines: the more bytes, the more accurate, but for
    every third.
    """
    runs = []
    for seed in range(3):
        for i in range(count):
            accuracy = 0.6 + 0.02 * i - 0.05 * (i % 3 == 2) + 0.002 * seed
            runs.append(
                one(
                    accuracy,
                    3.0 * 1.8**i,
                    0.1 * i + 0.1,
                    500 + 50 * i,
                    seed,
                    error=0.1 / (i + 1),
                    tune=f"lora:r={i + 1}",
                )
            )
        runs += [pooled(0.84 + 0.001 * seed, seed)]
        for name, accuracy in (("local", 0.5), ("majority", 0.1)):
            runs.append(replace(baseline(name, accuracy), config=CONFIG | {"seed": seed}))
    return runs


# by epsilon, by seed
ACCURACY = {1.0: (0.50, 0.52, 0.54), 4.0: (0.70, 0.74, 0.72), 16.0: (0.80, 0.84, 0.82)}


def private(epsilon: float, accuracy: float, seed: int = 0, unit: str = "example", **config) -> Run:
    """A finished run that promises `epsilon`."""
    run = federated(
        accuracy, seed=seed, **{"privacy": f"{unit}:eps={epsilon:g},delta=1e-5", **config}
    )
    spent = {
        "epsilon": 0.9996 * epsilon,
        "delta": 1e-5,
        "privacy_unit": unit,
        "privacy": {
            "trust": "nobody",
            "stopped": "",
            "notes": ["unit: one text", "trusted: nobody"],
        },
    }
    return replace(run, result=run.result | spent)


def private_runs(**more) -> list[Run]:
    """Three epsilons x three seeds, the same without privacy (0.90), and each site alone (0.60)."""
    runs = [
        private(e, a, s, **more) for e, by_seed in ACCURACY.items() for s, a in enumerate(by_seed)
    ]
    runs += [federated(0.90 + 0.01 * s, seed=s) for s in range(3)]
    alone = [baseline("local", 0.60 + 0.01 * s, over="clients") for s in range(3)]
    return runs + [replace(run, config=run.config | {"seed": s}) for s, run in enumerate(alone)]


# by the clock, or drawn at random: never twice the same
MEASURED = {"seconds", "train_seconds", "simulated_seconds", "peak_rss_bytes", "account", "digest"}


def unmeasured(value, measured=frozenset(MEASURED)):
    """A record's values without what the clock and the memory meter said."""
    if isinstance(value, dict):
        return {k: unmeasured(v, measured) for k, v in value.items() if k not in measured}
    if isinstance(value, (list, tuple)):
        return [unmeasured(v, measured) for v in value]
    return value
