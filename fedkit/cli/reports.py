"""`fedkit check`: can a data file be used? `fedkit brief`: the decision, from run records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from fedkit.cli import console
from fedkit.cli.flags import DEFAULTS
from fedkit.core.errors import FedkitError

PLAIN = str.maketrans({"\u00a0": " ", "\u2212": "-"})  # signs that old code pages lack
MAX_RECORDS = 10_000  # more are a mistake in the folder


def check_command(
    file: str,
    text: str | None = None,
    label: str | None = None,
    client: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
    encoding: str | None = None,
    model: str = DEFAULTS.model,
    mask: bool = False,
    out: Path | None = None,
    as_json: bool = False,
) -> None:
    """Can this file be used? Says what was found, in which rows, why it matters and how to mend it.

    The file itself is never changed. With --out, a cleaned copy, a list of rows to look at and a
    report are written.
    """
    with console.progress_line(f"reading {file} ...") as line:
        from fedkit.data.load import read_rows
        from fedkit.quality.finding import CheckOptions
        from fedkit.quality.report import EXIT, assess, to_dict
        from fedkit.reports.check_report import check_lines, write_checked

        if mask and out is None:
            raise FedkitError(
                "--mask given without --out; name the folder for the masked copy: --out DIR"
            )
        table = read_rows(file, text, label, client, encoding, sheet, header_row)
        quality = assess(table, CheckOptions(model=model, tell=line.update))
        written = write_checked(table, quality, out, mask) if out else None
    flags = {"text": text, "label": label, "client": client, "sheet": sheet}
    flags |= {"header-row": header_row, "encoding": encoding}
    given = [word for name, v in flags.items() if v is not None for word in (f"--{name}", str(v))]
    values: dict[str, Any] = to_dict(quality)
    if written:
        values["written"] = [str(path) for path in written.paths]
    console.print_result(as_json, values, check_lines(quality, written, given))
    raise typer.Exit(EXIT[quality.verdict])


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
    from fedkit.reports.text.brief import require_language
    from fedkit.reports.write_brief import brief_to_dict, decide, write_briefs

    langs = dict.fromkeys(require_language(name.strip()) for name in lang.split(","))
    assumed = Assumptions.load(assumptions) if assumptions else Assumptions()
    records = load_runs(runs)
    if len(records) > MAX_RECORDS:
        raise FedkitError(
            f"{len(records):,} records given, and at most {MAX_RECORDS:,} are read;"
            " name fewer folders"
        )
    briefs = [decide(records, name, assumed) for name in langs]
    files = [str(path) for path in write_briefs(briefs, records, out, assumed)]
    values = {"files": files, "briefs": [brief_to_dict(brief) for brief in briefs]}
    lines = [line for brief in briefs for line in brief_lines(brief)]
    console.print_result(as_json, values, [*lines, *(f"written: {name}" for name in files)])


def brief_lines(brief) -> list[str]:
    """Return the verdict, its reason and each rule with its result, as lines for a terminal."""
    met = {True: brief.ui["met"], False: brief.ui["not_met"]}
    said = [
        f"{brief.verdict_name}: {brief.headline}",
        *(f"  [{met[rule.met]}] {rule.text}: {rule.found}" for rule in brief.rules),
        brief.returns.sentence,
        "",
    ]
    return [line.translate(PLAIN) for line in said]
