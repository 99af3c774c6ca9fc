"""Make the shipped records: `python -m fedkit.showcase.make_records` (10 minutes on two cores).

The first n clients in alphabetical order train; the test set is always the whole one. Nothing is
chosen on the test set: the number of rounds was chosen on validation data.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkit.core.config import RunConfig
from fedkit.core.files import nan_to_none, write_file
from fedkit.core.record import ClientRecord, Run
from fedkit.showcase.records import (
    BASELINES,
    CLIENT_COUNTS,
    FOLDER,
    LEVELS,
    LINK,
    LIVE_BASELINES,
    LIVE_ROUNDS,
    LIVE_TUNE,
    ROUNDS,
    baseline_file,
    federated_file,
    live_file,
)

if TYPE_CHECKING:
    from fedkit.data.corpus import Corpus, Examples

LARGEST = 1_200_000  # bytes of all records together


def sliders_config(level: str = "none") -> RunConfig:
    """Return the settings of a federated run behind the sliders at a privacy level."""
    locks = {"privacy": LEVELS[level], "secure": "none" if level == "none" else "masks"}
    return RunConfig(tune="head", rounds=ROUNDS, link=LINK, **locks)


def live_config() -> RunConfig:
    """Return the settings of the run that a visitor starts."""
    return RunConfig(tune=LIVE_TUNE, rounds=LIVE_ROUNDS, link=LINK)


def keep_first_clients(corpus: Corpus, clients: int) -> Corpus:
    """Return the corpus with training and validation rows of its first `clients` clients by name.

    The test set stays whole; the name of the corpus states who is left. All clients: the corpus
    itself.
    """
    names = sorted(set(corpus.train.clients))
    if clients == len(names):
        return corpus
    kept = set(names[:clients])
    who = f"the first {clients} of {len(names)} companies; test reports of all {len(names)}"

    def rows_of(examples: Examples) -> Examples:
        return examples.take([row for row, one in enumerate(examples.clients) if one in kept])

    parts = {"train": rows_of(corpus.train), "validation": rows_of(corpus.validation)}
    return replace(corpus, name=f"{corpus.name} ({who})", **parts)


def make_records(folder: Path = FOLDER) -> list[Path]:
    """Run everything, write the records and return their paths.

    Raises RuntimeError if they are too large to ship.
    """
    from fedkit.data.load import load_corpus
    from fedkit.experiments.baselines import run_baselines
    from fedkit.experiments.runner import run

    corpus, paths = load_corpus("service_desk"), []
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, record: Run) -> None:
        paths.append(write_record(folder / name, record))

    for n in CLIENT_COUNTS:
        some = keep_first_clients(corpus, n)
        for level in LEVELS:
            write(federated_file(n, level), run(sliders_config(level), corpus=some))
        baselines = run_baselines(sliders_config(), corpus=some, which=list(BASELINES))
        for name, record in baselines.items():
            write(baseline_file(n, name), record)
    write(live_file("federated"), run(live_config(), corpus=corpus))
    baselines = run_baselines(live_config(), corpus=corpus, which=list(LIVE_BASELINES))
    for name, record in baselines.items():
        write(live_file(name), record)
    if (size := sum(path.stat().st_size for path in paths)) > LARGEST:
        raise RuntimeError(f"the records take {size:,} bytes, and at most {LARGEST:,} are shipped")
    return paths


def write_record(path: Path, record: Run) -> Path:
    """Write a record as JSON without spaces, which `Run.load` reads; return its path."""
    values, tight = nan_to_none(compact_record(record)), (",", ":")
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=tight)
    write_file(path, text + "\n")
    right, own = record.result["accuracy"], record.result["own_mix_accuracy"]
    print(f"{path.name}: {right:.3f} right, own {own:.3f}", file=sys.stderr)
    return path


def compact_record(record: Run) -> dict[str, Any]:
    """Return `Run.to_dict` without default values of clients, which reading fills in again."""
    usual = asdict(ClientRecord(""))
    values = record.to_dict()
    for state in filter(None, (values["start"], *values["rounds"])):
        state["clients"] = [{k: v for k, v in c.items() if v != usual[k]} for c in state["clients"]]
    return values


if __name__ == "__main__":
    make_records()
