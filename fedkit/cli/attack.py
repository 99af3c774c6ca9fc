"""`fedkit attack`: what a curious server learns from an update, without and with each defence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedkit.cli import console, flags
from fedkit.cli.flags import DEFAULTS
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError

EPILOG = """\b
Examples:
  fedkit attack --demo                 every attack, the main defences
  fedkit attack --demo --data banking77 --batches 20
  fedkit attack runs/mine              what the sites of this run would have told
An attack's failure is not a proof.
"""
DEMO_DEFENCES = (
    "none",
    "4 texts",
    "adamw",
    "topk+int4",
    "eps 8",
    "lora",
    "lora later",
    "head",
    "head eps 8",
    "sum of 10",
    "masked",
)
TEXTS = 60  # texts of each client in the demo


def attack_command(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run's folder, or its run.json.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Attack a few batches under the main defences.")
    ] = False,
    batches: Annotated[
        int | None,
        typer.Option(
            "--batches",
            metavar="N",
            parser=flags.parse_whole,
            help="Batches to average over. Not given: 2, and 3 of a run.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="NAME|PATH",
            help="Texts of the demo, or the run's again, where only its record names them.",
            rich_help_panel=flags.DATA,
        ),
    ] = None,
    model: flags.RecordedModel = None,
    seed: flags.Seed = DEFAULTS.seed,
    as_json: flags.Json = False,
) -> None:
    """Attack what a site sends: which words, which labels, which whole texts can a curious server
    read from it?
    """
    if (run is None) != demo:
        raise FedkitError("give either a run's folder, as in `fedkit attack runs/mine`, or --demo")
    if batches is not None and not 1 <= batches <= 1000:
        raise FedkitError(f"--batches {batches} given; write a whole number from 1 to 1000")
    from fedkit.audit.report import FAILURE_NOTE, THREAT_MODEL, report_lines
    from fedkit.audit.run_attack import attack_run

    with console.ProgressLine() as line:
        line.update("reading the data and the model ...")
        rows = (
            _attack_demo(data, batches or 2, seed, line)
            if demo
            else attack_run(run, batches or 3, seed, flags.named_sources(data, model))[1]
        )
    if as_json:
        console.print_json({"knew": THREAT_MODEL, "note": FAILURE_NOTE, "rows": rows})
    else:
        console.print_lines(report_lines(rows))


def _attack_demo(
    data: str | None, batches: int, seed: int, line: console.ProgressLine
) -> list[dict]:
    from fedkit.audit.leak import leak_table
    from fedkit.experiments.job import prepare

    config = RunConfig(
        data=data or DEFAULTS.data,
        examples_per_client=None if data else TEXTS,
        dtype="float32",
        seed=seed,
    )
    return leak_table(
        prepare(config), defences=DEMO_DEFENCES, batches=batches, seed=seed, tell=line.update
    )
