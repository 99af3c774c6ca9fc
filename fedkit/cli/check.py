"""`fedkit check`: findings about a data file, how to fix them, and a cleaned copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fedkit.cli import console, flags
from fedkit.cli.flags import DEFAULTS, OUTPUT

EPILOG = """\b
Examples:
  fedkit check my.csv
  fedkit check reports.xlsx --text description --label department
  fedkit check reports.xlsx --sheet 2026 --out checked
  fedkit check reports.csv --mask --out checked    without personal data
Exit code: 0 ready, 1 usable with care (read the reasons), 3 not yet (mend it
first), 2 the file cannot be read as it is.
"""


def check_command(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A file or folder of your own, or a known data set."),
    ],
    text: flags.Text = None,
    label: flags.Label = None,
    client: flags.Client = None,
    sheet: Annotated[
        str | None,
        typer.Option(
            "--sheet",
            metavar="S",
            help="Sheet of an Excel file. Not given: the first that is visible.",
        ),
    ] = None,
    header_row: Annotated[
        int | None,
        typer.Option(
            "--header-row",
            metavar="N",
            parser=flags.parse_whole,
            help="Row that names the columns. Not given: found, and said.",
        ),
    ] = None,
    encoding: flags.Encoding = None,
    model: flags.ModelName = DEFAULTS.model,
    mask: Annotated[
        bool,
        typer.Option(
            "--mask",
            help=(
                "In the cleaned copy, put [email], [phone] and so on in the place of personal data."
            ),
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        flags.out_option(
            "Folder for check.html, check.json and a cleaned copy. Not given: nothing is written."
        ),
    ] = None,
    as_json: flags.Json = False,
) -> None:
    """Can this file be used? Says what was found, in which rows, why it matters and how to mend it.

    The file itself is never changed. With --out, a cleaned copy, a list of rows to look at and a
    report are written.
    """
    with console.ProgressLine() as line:
        line.update(f"reading {file} ...")
        from fedkit.core.errors import FedkitError
        from fedkit.data.read_rows import read_rows
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
    if as_json:
        values: dict[str, Any] = to_dict(quality)
        console.print_json(
            values | {"written": [str(path) for path in written.paths]} if written else values
        )
    else:
        console.print_lines(check_lines(quality, written))
    raise typer.Exit(EXIT[quality.verdict])
