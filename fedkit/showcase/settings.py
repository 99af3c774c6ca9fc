"""What the shipped records are called: one place for the maker, the loader and the sliders."""

from __future__ import annotations

from fedkit.core.files import REPOSITORY

FOLDER = REPOSITORY / "data" / "showcase"
# the first so many of the bundled companies in the order of the alphabet
CLIENT_COUNTS = (2, 3, 4, 5, 6)
LEVELS = {
    "none": "none",
    "eps8": "example:eps=8,trust=sum",
    "eps3": "example:eps=3,trust=sum",
    "eps1": "example:eps=1,trust=sum",
}
# what a company can do by itself; the better one, in daily work, is what counts
ALONE = ("local", "frozen-local")
BASELINES = ("majority", "frozen-pooled", "frozen-local", "local", "pooled")
# of the live run's own settings; the others train no encoder and are shared
LIVE_BASELINES = ("local", "pooled")
LIVE_TUNE, LIVE_ROUNDS = "lora:r=8,layers=2", 3  # under a minute on two cores
# of the runs behind the sliders: on validation data better than 20 without privacy and at eps=8
ROUNDS = 30
LINK = "10mbps/40ms"
LANG = "FEDKIT_SHOWCASE_LANG"  # environment: the language that the page opens in


def federated_file(clients: int, level: str) -> str:
    """The file of a federated run behind the sliders."""
    return f"n{clients}.federated.{level}.json"


def baseline_file(clients: int, name: str) -> str:
    """The file of a baseline of so many companies."""
    return f"n{clients}.{name}.json"


def live_file(name: str) -> str:
    """The file of a record with the live run's settings."""
    return f"live.{name}.json"


def all_files() -> list[str]:
    """All files that are shipped."""
    sliders = [federated_file(n, level) for n in CLIENT_COUNTS for level in LEVELS]
    baselines = [baseline_file(n, name) for n in CLIENT_COUNTS for name in BASELINES]
    return [*sliders, *baselines, *(live_file(name) for name in ("federated", *LIVE_BASELINES))]
