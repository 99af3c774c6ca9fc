"""Does the fast engine learn as well as the plain one? The yardstick job by both, seed
after seed.
"""

from __future__ import annotations


def seeds(count: int, data: str) -> dict:
    from jobs import config_of

    from fedkit.experiments.runner import run

    found = [
        {e: run(config_of("lora", data, seed, e)).result["accuracy"] for e in ("plain", "fast")}
        for seed in range(count)
    ]
    points = [100 * (f["fast"] - f["plain"]) for f in found]
    return {"accuracies": found, "points": points, "mean_points": sum(points) / count}
