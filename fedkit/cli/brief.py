"""`fedkit brief`: the decision on one page, from run records; nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedkit.cli import console, flags
from fedkit.core.errors import FedkitError

EPILOG = """\b
Examples:
  fedkit brief runs/first runs/base
  fedkit brief runs/sweep --lang en,ja --out runs/brief
  fedkit brief runs/first runs/base --assumptions runs/brief/assumptions.toml
"""
PLAIN = str.maketrans({"\u00a0": " ", "\u2212": "-"})
MAX_RECORDS = 10_000  # more are a mistake in the folder


def brief_command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Run folders, or folders that hold run folders, such as a sweep's.",
        ),
    ],
    lang: Annotated[
        str,
        typer.Option("--lang", metavar="en|ja", help="Language of the brief; en,ja writes both."),
    ] = "en",
    assumptions: Annotated[
        Path | None,
        typer.Option(
            "--assumptions",
            metavar="FILE",
            help=(
                "TOML or JSON with your own numbers;"
                " the brief writes assumptions.toml to edit and give back."
            ),
        ),
    ] = None,
    out: Annotated[
        Path, flags.out_option("Folder for page, slides, JSON and governance pack.")
    ] = Path("runs/brief"),
    as_json: flags.Json = False,
) -> None:
    """Should these companies go on with it? One page with a recommendation by printed rules, from
    records only.

    Needs a federated run and its baselines. Writes a page for one sheet of paper, slides with
    editable charts, JSON, the assumptions about money as a file to edit, and a governance pack to
    start from with lawyers.
    """
    from fedkit.core.record import load_runs
    from fedkit.reports.brief.decide import decide
    from fedkit.reports.brief.returns import Assumptions
    from fedkit.reports.write_brief import brief_to_dict, write_briefs

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
    if as_json:
        console.print_json(
            {
                "files": [str(path) for path in written],
                "briefs": [brief_to_dict(brief) for brief in briefs],
            }
        )
    else:
        console.print_lines(
            [
                *(line for brief in briefs for line in brief_lines(brief)),
                *(f"written: {path}" for path in written),
            ]
        )


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
