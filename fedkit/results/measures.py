"""What tables, plots and verdicts ask of a record: plain numbers, in one place, whoever wrote the
record.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count, tidy
from fedkit.core.record import RoundRecord, Run
from fedkit.core.stats import wilson
from fedkit.results.method_style import METHODS, look
from fedkit.results.validate_record import checked, number, whole

Runs = Iterable[Run] | Mapping[str, Run]
NEEDS_TEXT_IN_ONE_PLACE = ("majority", "frozen-pooled", "pooled", "full")
MB = 1e6  # bytes
NOT_A_DIFFERENCE = ("device", "dtype", "engine")  # settings of the machine, not of the run


def ordered(runs: Runs) -> list[Run]:
    """Baselines in the order of METHODS, then methods we do not know, then federated; otherwise as
    given.
    """
    listed = list(runs.values() if isinstance(runs, Mapping) else runs)
    places = {method: place for place, method in enumerate(m for m in METHODS if m != "federated")}
    return sorted(
        listed,
        key=lambda r: math.inf if r.method == "federated" else places.get(r.method, len(places)),
    )


def sound(runs: Runs) -> list[Run]:
    """As `ordered`, every run with the form of a record. Raises FedkitError that names the field at
    fault.
    """
    return ordered([checked(run) for run in (runs.values() if isinstance(runs, Mapping) else runs)])


def federated(runs: Runs) -> list[Run]:
    """The federated runs, as given."""
    return [run for run in ordered(runs) if run.method == "federated"]


def names(runs: list[Run], short: bool = False) -> list[str]:
    """A display name per run; runs of the same method are told apart by the settings in which they
    differ.
    """
    alike = [[other for other in runs if other.method == run.method] for run in runs]
    plain = [look(run.method).short if short else look(run.method).name for run in runs]
    return [
        name if len(same) == 1 else f"{name} ({_apart(run, same)})"
        for name, run, same in zip(plain, runs, alike)
    ]


def _apart(run: Run, alike: list[Run]) -> str:
    differ = [k for k in run.config if any(o.config.get(k) != run.config[k] for o in alike)]
    keys = [k for k in differ if k not in NOT_A_DIFFERENCE]
    twins = [o for o in alike if all(o.config.get(k) == run.config[k] for k in keys)]
    keys += [
        k for k in differ if k not in keys and any(o.config.get(k) != run.config[k] for o in twins)
    ]
    usual = RunConfig().to_dict()
    own = [key for key in keys if run.config[key] != usual.get(key)]  # its own settings say most
    said = [
        f"{key.replace('_', ' ')} {tidy(run.config[key], 24)}"
        for key in (own or keys)[: 3 if own else 2]
    ]
    return ", ".join(said) or f"no. {1 + next(i for i, other in enumerate(alike) if other is run)}"


def result(run: Run, name: str) -> float:
    """A number of the result block; NaN when it is not there."""
    return number(run.result.get(name), name)


def last(run: Run) -> RoundRecord:
    """The last round there is, else the state before round 1. Raises FedkitError for an empty
    record.
    """
    if not run.rounds and run.start is None:
        raise FedkitError(f"the {tidy(run.method)} record holds no round yet; run it first")
    return run.rounds[-1] if run.rounds else run.start


def accuracy(run: Run) -> float:
    """Test accuracy of the finished run, or of the last round of one that has not finished."""
    return result(run, "accuracy") if run.finished else number(last(run).accuracy, "accuracy")


def worst(run: Run) -> float:
    """The worst client's accuracy, from the same round as `accuracy`."""
    given = (
        run.result.get("worst_client_accuracy") if run.finished else last(run).worst_client_accuracy
    )
    return number(given, "worst_client_accuracy")


def test_size(run: Run) -> int:
    """Number of test examples; 0 when the record does not say."""
    return whole(number(run.data.get("test"), "data.test"))


def interval(run: Run) -> tuple[float, float, str]:
    """95 % interval of the accuracy and what it is over; from the number of test examples if the
    record has none.
    """
    given = run.result.get("accuracy_ci95")
    if isinstance(given, (list, tuple)) and len(given) == 2:
        over = tidy(run.result.get("accuracy_ci95_over", "test examples"))
        return number(given[0], "accuracy_ci95"), number(given[1], "accuracy_ci95"), over
    return *of_examples(accuracy(run), test_size(run)), "test examples"


def of_examples(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of `n` test examples; NaN without either."""
    return wilson(round(share * n), n) if n and not math.isnan(share) else (math.nan, math.nan)


def clients(run: Run) -> list[dict[str, Any]]:
    """The clients of the run: id, number of training examples, labels."""
    return run.data.get("clients", [])


def client_labels(run: Run) -> pd.DataFrame:
    """Who has what, as `data.partition.describe` gives it: examples, a row per client and a column
    per label.
    """
    labels = [str(label) for label in run.data.get("labels", [])]
    there = [
        {str(k): number(n, "data.clients.labels") for k, n in c.get("labels", {}).items()}
        for c in clients(run)
    ]
    rows = [[whole(counts.get(label, 0)) for label in labels] for counts in there]
    index = pd.Index([str(c["id"]) for c in clients(run)], name="client", dtype=object)
    return pd.DataFrame(
        rows, index=index, columns=pd.Index(labels, name="label", dtype=object), dtype="int64"
    )


def mb_per_client(run: Run, direction: str) -> float:
    """Mean traffic of a client over the whole run in MB, the start included. direction: uplink |
    downlink.

    NaN for methods that need all text in one place: that text would have to travel, and nobody has
    counted it.
    """
    if run.method in NEEDS_TEXT_IN_ONE_PLACE:
        return math.nan
    total = result(run, f"{direction}_bytes") if run.finished else run.total(f"{direction}_bytes")
    return total / MB / max(len(clients(run)), 1)


def base_mb(run: Run) -> float:
    """MB of the base model, which every client downloads once; NaN when the record does not say."""
    return number(run.model.get("base_bytes"), "model.base_bytes") / MB


def steps(run: Run) -> int:
    """Gradient steps over all clients."""
    return int(run.total("steps"))


def rounds(run: Run) -> str:
    """'1 round', '10 rounds': those the record holds."""
    return count(len(run.rounds), "round")
