"""`fedkit check`: findings about a data file, how to fix them, and a cleaned copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from fedkit.cli import console
from fedkit.cli.flags import DEFAULTS


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
        from fedkit.core.errors import FedkitError
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
    values: dict[str, Any] = to_dict(quality)
    if written:
        values["written"] = [str(path) for path in written.paths]
    console.print_result(as_json, values, check_lines(quality, written))
    raise typer.Exit(EXIT[quality.verdict])
