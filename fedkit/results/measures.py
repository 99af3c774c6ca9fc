"""Numbers of a run record for tables, figures and findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from fedkit.core.config import MACHINE_SETTINGS, RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, printable_line
from fedkit.core.record import RoundRecord, Run, check_run
from fedkit.core.stats import wilson_interval
from fedkit.results.method_style import METHODS, method_style

Runs = Iterable[Run] | Mapping[str, Run]
NEEDS_TEXT_IN_ONE_PLACE = ("majority", "frozen-pooled", "pooled", "full")
MB = 1e6  # bytes
HELD = 8  # training examples of a label that make a client its holder


def sort_runs(runs: Runs) -> list[Run]:
    """Return the runs in the order of METHODS: baselines, unknown methods, federated (stable)."""
    order = [*(method for method in METHODS if method != "federated"), "", "federated"]
    places = {method: place for place, method in enumerate(order)}
    listed = list(runs.values() if isinstance(runs, Mapping) else runs)
    return sorted(listed, key=lambda run: places.get(run.method, places[""]))


def check_runs(runs: Runs) -> list[Run]:
    """Return the runs as `sort_runs` does. Raises FedkitError for a record of the wrong form."""
    listed = list(runs.values() if isinstance(runs, Mapping) else runs)
    for run in listed:
        check_run(run)
    return sort_runs(listed)


def as_number(value: Any) -> float:
    """Return a number of a record as a float; NaN where it has none."""
    return math.nan if value is None else float(value)


def as_count(value: float) -> int:
    """Return a count as an int, at least 0; 0 for NaN."""
    return max(int(value), 0) if value == value else 0


def federated_runs(runs: Runs) -> list[Run]:
    """Return the federated runs, in the given order."""
    return [run for run in sort_runs(runs) if run.method == "federated"]


def display_names(runs: list[Run], short: bool = False) -> list[str]:
    """Return a display name per run, with what differs between runs of the same method."""
    names = []
    for run in runs:
        alike, style = [o for o in runs if o.method == run.method], method_style(run.method)
        name = style.short if short else style.name
        names.append(name if len(alike) == 1 else f"{name} ({_differing_settings(run, alike)})")
    return names


def _differing_settings(run: Run, alike: list[Run]) -> str:
    differ = [k for k in run.config if any(o.config.get(k) != run.config[k] for o in alike)]
    keys = [k for k in differ if k not in MACHINE_SETTINGS]
    twins = [o for o in alike if all(o.config.get(k) == run.config[k] for k in keys)]
    keys += [
        k for k in differ if k not in keys and any(o.config.get(k) != run.config[k] for o in twins)
    ]
    usual = RunConfig().to_dict()
    own = [key for key in keys if run.config[key] != usual.get(key)]
    said = [
        f"{printable_line(key.replace('_', ' '))} {printable_line(run.config[key], 24)}"
        for key in (own or keys)[: 3 if own else 2]
    ]
    return ", ".join(said) or f"no. {1 + next(i for i, other in enumerate(alike) if other is run)}"


def result_number(run: Run, name: str) -> float:
    """Return a number of the result block; NaN when the record does not have it."""
    return as_number(run.result.get(name))


def last_round(run: Run) -> RoundRecord:
    """Return the last round, else the state before round 1. Raises FedkitError without either."""
    if run.rounds:
        return run.rounds[-1]
    if run.start is None:
        method = printable_line(run.method)
        raise FedkitError(f"the {method} record holds no round yet; run it first")
    return run.start


def accuracy(run: Run) -> float:
    """Return the test accuracy of the finished run, or of the last round of an unfinished one."""
    if run.finished:
        return result_number(run, "accuracy")
    return as_number(last_round(run).accuracy)


def lowest_client_accuracy(run: Run) -> float:
    """Return the worst client's accuracy, from the same round as `accuracy`."""
    if run.finished:
        return result_number(run, "worst_client_accuracy")
    return as_number(last_round(run).worst_client_accuracy)


def test_size(run: Run) -> int:
    """Return the number of test examples; 0 when the record does not say."""
    return as_count(as_number(run.data.get("test")))


def accuracy_interval(run: Run) -> tuple[float, float, str]:
    """Return the 95 % interval of the accuracy and what it is over: (low, high, over).

    Computed from the number of test examples when the record has no interval.
    """
    given = run.result.get("accuracy_ci95")
    if isinstance(given, (list, tuple)) and len(given) == 2:
        over = printable_line(run.result.get("accuracy_ci95_over", "test examples"))
        return as_number(given[0]), as_number(given[1]), over
    return *share_interval(accuracy(run), test_size(run)), "test examples"


def own_accuracy(run: Run) -> float:
    """Return the accuracy on test examples like each client's own, averaged over clients."""
    if run.finished:
        return result_number(run, "own_mix_accuracy")
    return state_own_accuracy(last_round(run))


def state_own_accuracy(state: RoundRecord) -> float:
    """Return `own_accuracy` of one round; on the whole test set where it is not told by client."""
    values = [as_number(v) for v in state.client_accuracy.values()]
    return fmean(values) if values else as_number(state.accuracy)


def own_accuracy_interval(run: Run) -> tuple[float, float, str]:
    """Return the 95 % interval of `own_accuracy`, as `accuracy_interval`.

    Over the test examples of the run's own clients, where the record counts them, else over all.
    """
    given = as_count(result_number(run, "own_mix_tests"))
    return *share_interval(own_accuracy(run), given or test_size(run)), "test examples"


def own_by_client(run: Run) -> dict[str, float]:
    """Return each client's accuracy on test examples like its own, after the last round.

    Of the shared model, or of each client's own where clients train alone. Empty: not recorded.
    """
    states = run.rounds or run.states
    known = states[-1].client_accuracy.items() if states else ()
    return {str(name): as_number(value) for name, value in known}


def only_holders(run: Run) -> dict[str, str]:
    """Return {label: client} of the labels of which one client alone has any examples.

    It has at least HELD of them: fewer may be a typo.
    """
    counts = client_labels(run)
    one = counts.columns[((counts > 0).sum() == 1) & (counts.max() >= HELD)]
    return {label: str(counts[label].idxmax()) for label in one}


@dataclass(frozen=True)
class Measure:
    """One of the two measures of a run: its key, its value and its 95 % interval."""

    key: str
    of: Callable[[Run], float]
    interval: Callable[[Run], tuple[float, float, str]]


def share_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n` test examples; NaN without either."""
    if not n or math.isnan(share):
        return math.nan, math.nan
    return wilson_interval(round(share * n), n)


def clients(run: Run) -> list[dict[str, Any]]:
    """Return the clients of the run: id, number of training examples, labels."""
    return run.data.get("clients", [])


def data_key(run: Run) -> tuple:
    """Return what two runs on the same data and clients have in common, private or not."""
    dealt = [(client.get("id"), client.get("train")) for client in clients(run)]
    return (*(repr(run.data.get(k)) for k in ("sha256", "labels", "test")), repr(dealt))


def tells_labels(run: Run) -> bool:
    """Return whether the record counts each client's labels; not where privacy is promised."""
    return any("labels" in client for client in clients(run))


def client_labels(run: Run) -> pd.DataFrame:
    """Return the examples per client (rows) and label (columns), as `count_client_labels`."""
    labels = [str(label) for label in run.data.get("labels", [])]
    there = [{str(k): as_number(n) for k, n in c.get("labels", {}).items()} for c in clients(run)]
    rows = [[as_count(counts.get(label, 0)) for label in labels] for counts in there]
    index = pd.Index([str(c["id"]) for c in clients(run)], name="client", dtype=object)
    return pd.DataFrame(
        rows, index=index, columns=pd.Index(labels, name="label", dtype=object), dtype="int64"
    )


def mb_per_client(run: Run, direction: str) -> float:
    """Return the mean traffic of a client over the whole run in MB, with the start.

    direction: uplink or downlink. NaN for methods that need all text in one place: that text would
    have to travel, and its bytes were not counted.
    """
    if run.method in NEEDS_TEXT_IN_ONE_PLACE:
        return math.nan
    name = f"{direction}_bytes"
    total = result_number(run, name) if run.finished else run.total(name)
    return total / MB / max(len(clients(run)), 1)


def base_mb(run: Run) -> float:
    """Return the MB of the base model, which each client downloads once; NaN when unknown."""
    return as_number(run.model.get("base_bytes")) / MB


def gradient_steps(run: Run) -> int:
    """Return the number of gradient steps over all clients."""
    return int(run.total("steps"))


def describe_rounds(run: Run) -> str:
    """Return the number of rounds in the record in words: '1 round', '10 rounds'."""
    return count_noun(len(run.rounds), "round")


NEW = Measure("new", accuracy, accuracy_interval)  # texts new to a client: the shared test set
OWN = Measure("own", own_accuracy, own_accuracy_interval)  # a client's own daily texts
MEASURES = (NEW, OWN)
