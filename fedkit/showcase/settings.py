"""Names and settings of the shipped records."""

from __future__ import annotations

from fedkit.core.files import REPOSITORY

FOLDER = REPOSITORY / "data" / "showcase"
# how many of the bundled clients, in alphabetical order
CLIENT_COUNTS = (2, 3, 4, 5, 6)
LEVELS = {
    "none": "none",
    "eps8": "example:eps=8,trust=sum",
    "eps3": "example:eps=3,trust=sum",
    "eps1": "example:eps=1,trust=sum",
}
BASELINES = ("majority", "frozen-pooled", "frozen-local", "local", "pooled")
# with the live run's settings; the others train no encoder and are shared
LIVE_BASELINES = ("local", "pooled")
LIVE_TUNE, LIVE_ROUNDS = "lora:r=8,layers=2", 3  # under a minute on two cores
# of the runs behind the sliders: better than 20 on validation data, without privacy and at eps=8
ROUNDS = 30
LINK = "10mbps/40ms"
LANG = "FEDKIT_SHOWCASE_LANG"  # environment: the language that the page opens in


def federated_file(clients: int, level: str) -> str:
    """Return the file name of a federated run behind the sliders."""
    return f"n{clients}.federated.{level}.json"


def baseline_file(clients: int, name: str) -> str:
    """Return the file name of a baseline with so many clients."""
    return f"n{clients}.{name}.json"


def live_file(name: str) -> str:
    """Return the file name of a record with the live run's settings."""
    return f"live.{name}.json"


def all_files() -> list[str]:
    """Return the names of all shipped files."""
    sliders = [federated_file(n, level) for n in CLIENT_COUNTS for level in LEVELS]
    baselines = [baseline_file(n, name) for n in CLIENT_COUNTS for name in BASELINES]
    return [*sliders, *baselines, *(live_file(name) for name in ("federated", *LIVE_BASELINES))]
