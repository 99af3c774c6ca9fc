"""`fedkit brief`: the decision on one page, from run records; nothing is trained."""

from __future__ import annotations

from pathlib import Path

from fedkit.cli import console
from fedkit.core.errors import FedkitError

PLAIN = str.maketrans({"\u00a0": " ", "\u2212": "-"})
MAX_RECORDS = 10_000  # more are a mistake in the folder


def brief_command(
    runs: list[Path],
    lang: str = "en",
    assumptions: Path | None = None,
    out: Path = Path("runs/brief"),
    as_json: bool = False,
) -> None:
    """Should these companies go on with it? One page with a recommendation by printed rules, from
    records only.

    Needs a federated run and its baselines. Writes a page for one sheet of paper, slides with
    editable charts, JSON, the assumptions about money as a file to edit, and a governance pack to
    start from with lawyers.
    """
    from fedkit.core.record import load_runs
    from fedkit.reports.brief.returns import Assumptions
    from fedkit.reports.write_brief import brief_to_dict, decide, write_briefs

    langs = parse_languages(lang)
    assumed = Assumptions.load(assumptions) if assumptions else Assumptions()
    records = load_runs(runs)
    if len(records) > MAX_RECORDS:
        raise FedkitError(
            f"{len(records):,} records given, and at most {MAX_RECORDS:,} are read;"
            " name fewer folders"
        )
    briefs = [decide(records, name, assumed) for name in langs]
    written = write_briefs(briefs, records, out, assumed)
    files = [str(path) for path in written]
    values = {"files": files, "briefs": [brief_to_dict(brief) for brief in briefs]}
    lines = [line for brief in briefs for line in brief_lines(brief)]
    console.print_result(as_json, values, [*lines, *(f"written: {name}" for name in files)])


def parse_languages(text: str) -> list[str]:
    """Return the languages that 'en', 'ja' or 'en,ja' names; FedkitError for any other."""
    from fedkit.reports.text.brief import require_language

    return list(dict.fromkeys(require_language(name.strip()) for name in text.split(",")))


def brief_lines(brief) -> list[str]:
    """Return the verdict, its reason and each rule with its result, as lines for a terminal.

    Only signs that old code pages have are used.
    """
    met = {True: brief.ui["met"], False: brief.ui["not_met"]}
    said = [
        f"{brief.verdict_name}: {brief.headline}",
        *(f"  [{met[rule.met]}] {rule.text}: {rule.found}" for rule in brief.rules),
        brief.returns.sentence,
        "",
    ]
    return [line.translate(PLAIN) for line in said]
