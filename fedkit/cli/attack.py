"""`fedkit attack`: what a curious server learns from an update, without and with each defence."""

from __future__ import annotations

from pathlib import Path

from fedkit.cli import console, flags
from fedkit.cli.flags import DEFAULTS
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError

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
    run: Path | None = None,
    demo: bool = False,
    batches: int | None = None,
    data: str | None = None,
    model: str | None = None,
    seed: int = DEFAULTS.seed,
    as_json: bool = False,
) -> None:
    """Attack what a site sends: which words, which labels, which whole texts can a curious server
    read from it?
    """
    if (run is None) != demo:
        raise FedkitError("give either a run's folder, as in `fedkit attack runs/mine`, or --demo")
    if batches is not None:
        flags.require_between("--batches", batches, 1, 1000)
    from fedkit.audit.leak import WORDS, report_lines
    from fedkit.audit.recorded_run import attack_run

    with console.progress_line("reading the data and the model ...") as line:
        rows = (
            _attack_demo(data, batches or 2, seed, line)
            if demo
            else attack_run(run, batches or 3, seed, flags.drop_missing(data=data, model=model))[1]
        )
    values = {"knew": WORDS["threat_model"], "note": WORDS["failure_note"], "rows": rows}
    console.print_result(as_json, values, report_lines(rows))


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
