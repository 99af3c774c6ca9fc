"""Document 5: the risk register. Which risks it lists follows from the record by RULES."""

from __future__ import annotations

from collections.abc import Callable

from fedkit.reports.governance import sections
from fedkit.reports.governance.case import Case, display_name, label_counts
from fedkit.reports.governance.document import Document
from fedkit.reports.text.risks import WORDS
from fedkit.results import measures
from fedkit.results.privacy_promise import weakest_promise

WIDE = 0.05  # width of the 95 % interval from which on the test set is called small
TWICE = 2  # how many times the examples of the smallest member the largest may have
UNEVEN = 0.05  # how far the worst member lies below the mean where it is a risk of its own


def risk_register(case: Case) -> Document:
    """Return the risk register, prefilled with what the run shows; people rate it."""
    blank, words = case.values["blank"], WORDS[case.lang]
    rows = []
    for place, key in enumerate(applicable_risks(case), 1):
        name, shows, measure = (case.fill(text, **_facts(case)) for text in words[f"risk_{key}"])
        rows.append((str(place), name, blank, blank, shows, measure, blank))
    parts = [
        sections.make_section(case, WORDS, "how"),
        sections.make_section(
            case, WORDS, "register", sections.make_table(case, WORDS, "register_table", rows)
        ),
        sections.make_section(
            case, WORDS, "own", sections.make_table(case, WORDS, "own_table", [(blank,) * 6] * 3)
        ),
        sections.make_section(case, WORDS, "review"),
    ]
    return sections.make_document(case, "05_risks", WORDS, parts)


def applicable_risks(case: Case) -> list[str]:
    """Return the keys of the risks that the record shows, in the order of RULES."""
    return [key for key, applies in RULES.items() if applies(case)]


def risk_lines(case: Case) -> list[str]:
    """Return each risk in one line: 'Risk: what the run shows'."""
    words, colon = WORDS[case.lang], ": " if case.lang == "en" else "："
    rows = [words[f"risk_{key}"] for key in applicable_risks(case)]
    return [case.fill(f"{name}{colon}{shows}", **_facts(case)) for name, shows, _ in rows]


def single_client_labels(case: Case) -> list[str]:
    """Return the labels of which only one client has any example."""
    return [label for label, (_, holders) in label_counts(case.run).items() if holders == 1]


def _facts(case: Case) -> dict[str, str]:
    """Return the values that only this document's sentences need."""
    sizes = [(client.train, client.name) for client in case.clients] or [(0, "")]
    (least, small), (most, large) = min(sizes), max(sizes)
    labels = [display_name(label, case.lang) for label in single_client_labels(case)]
    return {
        "single": case.names(labels),
        "least": case.number(least),
        "small": display_name(small, case.lang),
        "most": case.number(most),
        "large": display_name(large, case.lang),
        "failed": case.number(len(_failed(case))),
        "notes": case.number(len(case.run.data.get("notes") or [])),
    }


def _failed(case: Case) -> list[str]:
    return [c.status for r in case.run.rounds for c in r.clients if c.status not in ("ok", "away")]


def _is_set(case: Case, name: str) -> bool:
    return case.run.config.get(name) not in (None, "none")


def _unproved(case: Case) -> bool:
    """Return whether no record shows that training together is better than training alone."""
    gain = case.evidence.gain if case.evidence else None
    return gain is None or not gain.low > 0


def _small_test(case: Case) -> bool:
    if not case.run.rounds:
        return True
    low, high, _ = measures.accuracy_interval(case.run)
    return not high - low <= WIDE


def _uneven(case: Case) -> bool:
    return (
        bool(case.run.rounds)
        and measures.accuracy(case.run) - measures.lowest_client_accuracy(case.run) > UNEVEN
    )


def _sends_statistics(case: Case) -> bool:
    return case.run.start is not None and any(c.uplink_bytes for c in case.run.start.clients)


def _has_promise(case: Case) -> bool:
    return weakest_promise([case.run]).given


RULES: dict[str, Callable[[Case], bool]] = {
    "unfinished": lambda case: not case.run.finished,
    "no_noise": lambda case: not _has_promise(case),
    "noise_limits": _has_promise,
    "seeded_noise": lambda case: (
        _has_promise(case) and "noise_from=system" not in str(case.run.config.get("privacy"))
    ),
    "open_updates": lambda case: case.lock == "none",
    "masks": lambda case: case.lock == "masks",
    "key_holder": lambda case: case.lock not in ("none", "masks"),
    "statistics": lambda case: (
        _sends_statistics(case) and not _has_promise(case)
    ),  # a promise covers them too
    "counts": lambda case: True,
    "personal": lambda case: True,
    "unproved": _unproved,
    "worst": _uneven,
    "small_test": _small_test,
    "one_seed": lambda case: case.evidence is None or case.evidence.seeds < 2,
    "single_label": lambda case: bool(single_client_labels(case)),
    "uneven_sizes": lambda case: (
        max((client.train for client in case.clients), default=0)
        > TWICE * min((client.train for client in case.clients), default=0)
    ),
    "failed": lambda case: bool(_failed(case)),
    "harmful": lambda case: not _is_set(case, "robust"),
    "attacked": lambda case: _is_set(case, "attack"),
    "no_hash": lambda case: not isinstance(case.run.model.get("sha256"), str),
    "licence": lambda case: True,
    "simulated": lambda case: True,
    "leaving": lambda case: True,
    "data_notes": lambda case: bool(case.run.data.get("notes")),
}
