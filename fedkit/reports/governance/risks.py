"""Which risks the register lists: rules on the record. templates/risks names them in words."""

from __future__ import annotations

from fedkit.reports.governance.case import Case
from fedkit.results import measures
from fedkit.results.privacy_promise import weakest_promise

WIDE = 0.05  # width of the 95 % interval from which on the test set is called small
TWICE = 2  # how many times the examples of the smallest member the largest may have
UNEVEN = 0.05  # how far the worst member lies below the mean where it is a risk of its own
# risks for the people whom the texts are about
TO_PEOPLE = {"no_noise", "noise_limits", "seeded_noise", "open_updates", "masks", "key_holder"}
TO_PEOPLE |= {"statistics", "counts", "personal", "worst", "harmful", "leaving"}


def applicable_risks(case: Case) -> list[str]:
    """Return the keys of the risks that the record shows, in the order of `check_risks`."""
    return [key for key, applies in check_risks(case).items() if applies]


def check_risks(case: Case) -> dict[str, bool]:
    """Return for each risk whether the record shows it."""
    run, evidence = case.run, case.evidence
    promised = weakest_promise([run]).given
    low, high, _ = measures.accuracy_interval(run) if run.rounds else (0.0, 1.0, "")
    sizes = [client.train for client in case.clients] or [0]
    robust, attack = (run.config.get(key) not in (None, "none") for key in ("robust", "attack"))
    statistics = run.start is not None and any(c.uplink_bytes for c in run.start.clients)
    return {
        "unfinished": not run.finished,
        "no_noise": not promised,
        "noise_limits": promised,
        "seeded_noise": promised and "noise_from=system" not in str(run.config.get("privacy")),
        "open_updates": case.lock == "none",
        "masks": case.lock == "masks",
        "key_holder": case.lock not in ("none", "masks"),
        "statistics": statistics and not promised,  # a promise covers them too
        "counts": True,
        "personal": True,
        # no record shows that training together is better than training alone
        "unproved": not (evidence and evidence.gain and evidence.gain.low > 0),
        "worst": bool(run.rounds)
        and measures.accuracy(run) - measures.lowest_client_accuracy(run) > UNEVEN,
        "small_test": not high - low <= WIDE,
        "one_seed": evidence is None or evidence.seeds < 2,
        "single_label": bool(single_client_labels(case)),
        "uneven_sizes": max(sizes) > TWICE * min(sizes),
        "failed": count_failed(case) > 0,
        "harmful": not robust,
        "attacked": attack,
        "no_hash": not isinstance(run.model.get("sha256"), str),
        "licence": True,
        "simulated": True,
        "leaving": True,
        "data_notes": bool(run.data.get("notes")),
    }


def single_client_labels(case: Case) -> list[str]:
    """Return the labels of which only one client has any example."""
    return [label for label, (_, holders) in case.labels.items() if holders == 1]


def count_failed(case: Case) -> int:
    """Return how many updates that were asked for did not count."""
    return sum(c.status not in ("ok", "away") for r in case.run.rounds for c in r.clients)
