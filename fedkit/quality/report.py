"""Run every check over one table and say whether it is fit for federated fine-tuning.

Verdicts: ready: nothing in the way. care: it can be used, and someone should look at the reasons.
not yet: something has to be fixed first. Facts that need no action are findings of level "note" and
leave the verdict at ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial

from fedkit.data.columns import Columns
from fedkit.data.load import RawTable
from fedkit.quality.checks import cells, clients, duplicates, labels, spellings, texts
from fedkit.quality.finding import LEVELS, CheckOptions, Finding, view_of

CHECKS: dict[str, Callable[[RawTable, CheckOptions], Iterable[Finding]]] = {
    "missing-text": partial(cells.check_missing, "text"),
    "missing-label": partial(cells.check_missing, "label"),
    "missing-client": partial(cells.check_missing, "client"),
    "blank-text": cells.check_blank_text,
    "placeholder-labels": cells.check_placeholder_labels,
    "constant-text": cells.check_constant_text,
    "exact-duplicates": duplicates.check_exact_duplicates,
    "duplicates-across-clients": duplicates.check_duplicates_across_clients,
    "leakage": duplicates.check_leakage,
    "near-duplicates": duplicates.check_near_duplicates,
    "near-duplicates-across-clients": duplicates.check_near_across_clients,
    "near-leakage": duplicates.check_near_leakage,
    "conflicting-labels": labels.check_conflicting_labels,
    "single-label": labels.check_single_label,
    "rare-labels": labels.check_rare_labels,
    "too-many-labels": labels.check_too_many_labels,
    "unseen-labels": labels.check_unseen_labels,
    "imbalance": labels.check_imbalance,
    "label-in-text": labels.check_label_in_text,
    "label-spellings": partial(spellings.check_spellings, "label"),
    "client-spellings": partial(spellings.check_spellings, "client"),
    "text-length": texts.check_text_length,
    "long-texts": texts.check_long_texts,
    "personal-data": cells.check_personal,
    "language": texts.check_language,
    "encoding-damage": cells.check_encoding_damage,
    "html-or-markup": cells.check_html_or_markup,
    "formulas": cells.check_formulas,
    "control-characters": cells.check_control_characters,
    "suspicious-labels": labels.check_suspicious_labels,
    "few-examples": clients.check_few_examples,
    "label-skew": clients.check_label_skew,
    "tiny-clients": clients.check_tiny_clients,
}
MOST_REASONS = 8
# left out with CheckOptions(slow=False): trains models on the rows
SLOW = frozenset(["suspicious-labels"])
# what `fedkit check` exits with; 2 is for input that cannot be read
EXIT = {"ready": 0, "care": 1, "not yet": 3}


@dataclass(frozen=True)
class Quality:
    """The result of all checks on a data set.

    findings: the worst first. verdict: ready | care | not yet. labels, clients: usable training
    rows of each. reasons: sentences behind the verdict. seconds: duration of the checks.
    smallest_difference: the smallest difference in accuracy, in points, that the test set can show;
    None: none at all.
    """

    name: str
    source: str
    sha256: str
    columns: Columns
    rows: int
    labels: dict[str, int]
    clients: dict[str, int]
    findings: tuple[Finding, ...]
    verdict: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    smallest_difference: float | None


def assess(table: RawTable, options: CheckOptions | None = None) -> Quality:
    """Run every check of CHECKS over `table` and return the result with its verdict."""
    options = options or CheckOptions()
    began = time.perf_counter()
    findings: list[Finding] = []
    for kind, check in CHECKS.items():
        if kind in SLOW and not options.slow:
            continue
        if options.tell:
            options.tell(f"checking: {kind.replace('-', ' ')}")
        findings += check(table, options)
    findings.sort(key=lambda f: (-LEVELS.index(f.level), -f.count / max(f.of, 1)))
    verdict, reasons = verdict_of(findings)
    usable = table.frame[view_of(table).in_train]
    sizes = {
        role: {str(k): int(n) for k, n in usable[role].value_counts().items() if k}
        for role in ("label", "client")
    }
    return Quality(
        table.name,
        table.source,
        table.sha256,
        table.columns,
        len(table.frame),
        sizes["label"],
        sizes["client"],
        tuple(findings),
        verdict,
        reasons,
        tuple(table.notes),
        time.perf_counter() - began,
        clients.smallest_points(table),
    )


def verdict_of(findings: list[Finding]) -> tuple[str, tuple[str, ...]]:
    """Return the verdict and its reasons: any stop means not yet, any care means care.

    findings: the worst first.
    """
    worst = max((LEVELS.index(f.level) for f in findings), default=0)
    verdict = ("ready", "care", "not yet")[worst]
    if not worst:
        return verdict, ("Nothing was found that stands in the way.",)
    reasons = [f.what for f in findings if LEVELS.index(f.level) == worst]
    if (more := len(reasons) - MOST_REASONS) > 0:
        reasons[MOST_REASONS:] = [f"And {more} more of this weight."]
    return verdict, tuple(reasons)


def to_dict(quality: Quality) -> dict:
    """Return the result as plain Python values for JSON, with the exit code."""
    findings = [
        vars(f) | {"numbers": dict(f.numbers), "rows": list(f.rows), "examples": list(f.examples)}
        for f in quality.findings
    ]
    return {**asdict(quality), "findings": findings, "exit": EXIT[quality.verdict]}
