"""Document 5: the risk register. Which risks stand in it follows from the record, by the rules at
the foot.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fedkit.reports.governance import sections as sections_module
from fedkit.reports.governance.case import Case, held, name_of
from fedkit.reports.governance.document import Document
from fedkit.reports.text.risks import WORDS
from fedkit.results import measures
from fedkit.results.privacy_promise import weakest_promise

WIDE = 0.05  # width of the 95 % interval from which on the test set is called small
TWICE = 2  # how many times the examples of the smallest member the largest may have
UNEVEN = 0.05  # how far the worst member lies below the mean where it is a risk of its own


def risks(case: Case) -> Document:
    """Risk register: rated by people, prefilled with what the run shows."""
    blank, said = case.values["blank"], WORDS[case.lang]
    rows = []
    for place, key in enumerate(found(case), 1):
        name, shows, measure = (case.say(text, **_more(case)) for text in said[f"risk_{key}"])
        rows.append((str(place), name, blank, blank, shows, measure, blank))
    sections = [
        sections_module.section(case, WORDS, "how"),
        sections_module.section(
            case, WORDS, "register", sections_module.table(case, WORDS, "register_table", rows)
        ),
        sections_module.section(
            case, WORDS, "own", sections_module.table(case, WORDS, "own_table", [(blank,) * 6] * 3)
        ),
        sections_module.section(case, WORDS, "review"),
    ]
    return sections_module.document(case, "05_risks", WORDS, sections)


def found(case: Case) -> list[str]:
    """The risks that this record gives reason to name, in the order of RULES."""
    return [key for key, applies in RULES.items() if applies(case)]


def risks_shown(case: Case) -> list[str]:
    """Each risk with what the run shows of it, in a line: 'Risk: what the run shows'."""
    said, colon = WORDS[case.lang], ": " if case.lang == "en" else "："
    told = [said[f"risk_{key}"] for key in found(case)]
    return [case.say(f"{name}{colon}{shows}", **_more(case)) for name, shows, _ in told]


def single(case: Case) -> list[str]:
    """Labels of which only one member has any example."""
    return [label for label, (_, sites) in held(case.run).items() if sites == 1]


def _more(case: Case) -> dict[str, str]:
    """Facts that only this document tells."""
    sizes = [(m.train, m.name) for m in case.members] or [(0, "")]
    (least, small), (most, large) = min(sizes), max(sizes)
    labels = [name_of(label, case.lang) for label in single(case)]
    return {
        "single": case.names(labels),
        "least": case.number(least),
        "small": name_of(small, case.lang),
        "most": case.number(most),
        "large": name_of(large, case.lang),
        "failed": case.number(len(_failed(case))),
        "notes": case.number(len(case.run.data.get("notes") or [])),
    }


def _failed(case: Case) -> list[str]:
    return [c.status for r in case.run.rounds for c in r.clients if c.status not in ("ok", "away")]


def _set(case: Case, name: str) -> bool:
    return case.run.config.get(name) not in (None, "none")


def _unproved(case: Case) -> bool:
    """Whether no record here shows that training together is better than training alone."""
    gain = case.evidence.gain if case.evidence else None
    return gain is None or not gain.low > 0


def _small_test(case: Case) -> bool:
    low, high, _ = (
        measures.accuracy_interval(case.run) if case.run.rounds else (math.nan, math.nan, "")
    )
    return not high - low <= WIDE


def _uneven(case: Case) -> bool:
    return (
        bool(case.run.rounds)
        and measures.accuracy(case.run) - measures.worst_client_accuracy(case.run) > UNEVEN
    )


def _statistics(case: Case) -> bool:
    return case.run.start is not None and any(c.uplink_bytes for c in case.run.start.clients)


def _given(case: Case) -> bool:
    return weakest_promise([case.run]).given


RULES: dict[str, Callable[[Case], bool]] = {
    "unfinished": lambda case: not case.run.finished,
    "no_noise": lambda case: not _given(case),
    "noise_limits": _given,
    "seeded_noise": lambda case: (
        _given(case) and "noise_from=system" not in str(case.run.config.get("privacy"))
    ),
    "open_updates": lambda case: case.lock == "none",
    "masks": lambda case: case.lock == "masks",
    "key_holder": lambda case: case.lock not in ("none", "masks"),
    "statistics": lambda case: _statistics(case) and not _given(case),  # a promise covers them too
    "counts": lambda case: True,
    "personal": lambda case: True,
    "unproved": _unproved,
    "worst": _uneven,
    "small_test": _small_test,
    "one_seed": lambda case: case.evidence is None or case.evidence.seeds < 2,
    "single_label": lambda case: bool(single(case)),
    "uneven_sizes": lambda case: (
        max((m.train for m in case.members), default=0)
        > TWICE * min((m.train for m in case.members), default=0)
    ),
    "failed": lambda case: bool(_failed(case)),
    "harmful": lambda case: not _set(case, "robust"),
    "attacked": lambda case: _set(case, "attack"),
    "no_hash": lambda case: not isinstance(case.run.model.get("sha256"), str),
    "licence": lambda case: True,
    "simulated": lambda case: True,
    "leaving": lambda case: True,
    "data_notes": lambda case: bool(case.run.data.get("notes")),
}
