"""Run every check over one table and say whether it is fit for federated fine-tuning.

Verdicts: ready: nothing in the way. care: it can be used, and someone should look at the reasons.
not yet: something has to be fixed first. Facts that need no action are findings of level "note" and
leave the verdict at ready.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace

from fedkit.data.columns import Columns
from fedkit.data.read_rows import RawTable
from fedkit.quality.checks.clients import check_label_skew, check_tiny_clients
from fedkit.quality.checks.duplicates import (
    check_duplicates_across_clients,
    check_exact_duplicates,
    check_leakage,
    check_near_across_clients,
    check_near_duplicates,
    check_near_leakage,
)
from fedkit.quality.checks.encoding_damage import (
    check_control_characters,
    check_encoding_damage,
    check_formulas,
    check_html_or_markup,
)
from fedkit.quality.checks.label_errors import check_suspicious_labels
from fedkit.quality.checks.labels import (
    check_conflicting_labels,
    check_imbalance,
    check_label_in_text,
    check_rare_labels,
    check_single_label,
    check_too_many_labels,
    check_unseen_labels,
)
from fedkit.quality.checks.languages import check_language
from fedkit.quality.checks.lengths import check_long_texts, check_text_length
from fedkit.quality.checks.missing import (
    check_blank_text,
    check_constant_text,
    check_missing_client,
    check_missing_label,
    check_missing_text,
    check_placeholder_labels,
)
from fedkit.quality.checks.power import check_few_examples, smallest_points
from fedkit.quality.checks.spellings import check_client_spellings, check_label_spellings
from fedkit.quality.finding import LEVELS, CheckOptions, Finding
from fedkit.quality.personal import check_personal
from fedkit.quality.table_view import excerpt, view_of

CheckFunction = Callable[[RawTable, CheckOptions], Iterable[Finding]]
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
        findings += map(_shown, check(table, options))
    ordered = tuple(
        sorted(findings, key=lambda f: (-LEVELS.index(f.level), -f.count / max(f.of, 1)))
    )
    verdict, reasons = verdict_of(ordered)
    usable = table.frame[view_of(table).usable & view_of(table).train]
    sizes = [
        {str(k): int(n) for k, n in usable[role].value_counts().items() if k}
        for role in ("label", "client")
    ]
    return Quality(
        table.name,
        table.source,
        table.sha256,
        table.columns,
        len(table.frame),
        *sizes,
        ordered,
        verdict,
        reasons,
        tuple(table.notes),
        time.perf_counter() - began,
        smallest_points(table),
    )


def verdict_of(findings: tuple[Finding, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the verdict and its reasons: any stop means not yet, any care means care.

    findings: the worst first.
    """
    worst = max((LEVELS.index(f.level) for f in findings), default=0)
    verdict = ("ready", "care", "not yet")[worst]
    if not worst:
        return verdict, ("Nothing was found that stands in the way.",)
    reasons = [f.what for f in findings if LEVELS.index(f.level) == worst]
    more = len(reasons) - MOST_REASONS
    return verdict, (
        *reasons[:MOST_REASONS],
        *([f"And {more} more of this weight."] if more > 0 else []),
    )


def _shown(finding: Finding) -> Finding:
    """Return the finding in whole sentences, its examples on one line, personal data masked."""
    words = {name: as_sentence(getattr(finding, name)) for name in ("what", "why", "mend")}
    return replace(
        finding, **words, examples=tuple(excerpt(example) for example in finding.examples)
    )


_VERBS = {
    "are": "is",
    "have": "has",
    "hold": "holds",
    "look": "looks",
    "repeat": "repeats",
    "stand": "stands",
}
_SINGLE = re.compile(
    rf"^(1 (?:[a-z-]+ ?){{1,4}}(?:\([^)]*\) ?)?(?:of \d[\d,]* )?)({'|'.join(_VERBS)})\b"
)


def as_sentence(words: str) -> str:
    """Return `words` with a capital letter, a full stop, and a singular verb where it is one."""
    words = _SINGLE.sub(lambda found: found[1] + _VERBS[found[2]], words)
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?", "。")) else ".")


def to_dict(quality: Quality) -> dict:
    """Return the result as plain Python values for JSON, with the exit code."""
    return {
        **asdict(quality),
        "findings": [_plain(f) for f in quality.findings],
        "exit": EXIT[quality.verdict],
    }


def _plain(finding: Finding) -> dict:
    return {
        **finding.__dict__,
        "numbers": dict(finding.numbers),
        "rows": list(finding.rows),
        "examples": list(finding.examples),
    }


CHECKS: dict[str, CheckFunction] = {
    "missing-text": check_missing_text,
    "missing-label": check_missing_label,
    "missing-client": check_missing_client,
    "blank-text": check_blank_text,
    "placeholder-labels": check_placeholder_labels,
    "constant-text": check_constant_text,
    "exact-duplicates": check_exact_duplicates,
    "duplicates-across-clients": check_duplicates_across_clients,
    "leakage": check_leakage,
    "near-duplicates": check_near_duplicates,
    "near-duplicates-across-clients": check_near_across_clients,
    "near-leakage": check_near_leakage,
    "conflicting-labels": check_conflicting_labels,
    "single-label": check_single_label,
    "rare-labels": check_rare_labels,
    "too-many-labels": check_too_many_labels,
    "unseen-labels": check_unseen_labels,
    "imbalance": check_imbalance,
    "label-in-text": check_label_in_text,
    "label-spellings": check_label_spellings,
    "client-spellings": check_client_spellings,
    "text-length": check_text_length,
    "long-texts": check_long_texts,
    "personal-data": check_personal,
    "language": check_language,
    "encoding-damage": check_encoding_damage,
    "html-or-markup": check_html_or_markup,
    "formulas": check_formulas,
    "control-characters": check_control_characters,
    "suspicious-labels": check_suspicious_labels,
    "few-examples": check_few_examples,
    "label-skew": check_label_skew,
    "tiny-clients": check_tiny_clients,
}
