"""Check that a record, which may come from any file, has the form that tables and plots need."""

from __future__ import annotations

import math
from typing import Any

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line
from fedkit.core.record import RoundRecord, Run

# fields of a client in a round
COUNTED = ("examples", "steps", "train_seconds", "uplink_bytes", "downlink_bytes")
HUGE = 1e18  # bytes, seconds, examples: beyond this a record is wrong


def check_record(run: Run) -> Run:
    """Return the run itself if it has the form of a record.

    Raises FedkitError that names the field at fault.
    """
    _demand(isinstance(run.method, str), "method", "a name")
    for name in ("config", "environment", "data", "model", "result"):
        _demand(isinstance(getattr(run, name), dict), name, "a table")
    _check_data(run.data)
    states = (*([run.start] if run.start else []), *run.rounds)
    first = 0 if run.start else 1
    numbered = [r.round for r in states] == list(range(first, first + len(states)))
    _demand(numbered, "rounds", "numbers 0 or 1, 2, ...")
    for r in states:
        _check_round(r)
    return run


def _check_data(data: dict[str, Any]) -> None:
    lists = isinstance(data.get("labels", []), list) and isinstance(data.get("notes") or [], list)
    _demand(lists, "data", "lists of labels and notes")
    clients = data.get("clients", [])
    named = isinstance(clients, list) and all(isinstance(c, dict) and "id" in c for c in clients)
    labelled = named and all(isinstance(c.get("labels", {}), dict) for c in clients)
    _demand(labelled, "data.clients", "a list of clients")


def _check_round(r: RoundRecord) -> None:
    where = f"round {r.round}"
    shares = [as_number(getattr(r, name), name) for name in ("accuracy", "worst_client_accuracy")]
    _demand(not any(share < 0 or share > 1 for share in shares), where, "accuracies from 0 to 1")
    counts = [as_number(getattr(c, name), name) for c in r.clients for name in COUNTED]
    _demand(all(count >= 0 for count in counts), where, "bytes, steps and seconds from 0 on")
    named = all(isinstance(c.id, str) and isinstance(c.status, str) for c in r.clients)
    _demand(named, where, "clients with a name and a status")


def _demand(fine: bool, field: str, expected: str) -> None:
    if not fine:
        raise FedkitError(f"damaged run record: {field}: expected {expected}")


def as_number(value: Any, what: str) -> float:
    """Return `value` as a float; NaN for None and for numbers that no run can reach.

    Raises FedkitError for anything that is not a number.
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FedkitError(
            f"damaged run record: {what} is {printable_line(repr(value))}, expected a number"
        )
    return float(value) if abs(value) < HUGE else math.nan


def as_count(value: float) -> int:
    """Return a count as an int, at least 0; 0 for NaN."""
    return max(int(value), 0) if value == value else 0
