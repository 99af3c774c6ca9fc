"""The demo: centralized, local only, federated on the bundled data, and the page that shows them."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedkit.baselines import baseline
from fedkit.config import RunConfig
from fedkit.job import prepare
from fedkit.progress import Listener
from fedkit.record import Run
from fedkit.runner import run
from fedkit.store import Store

STEPS = ("pooled", "local", "majority", "frozen-pooled", "frozen-local")


def demo(out: Path, config: RunConfig, progress: Listener | None = None) -> tuple[Path, list[str], dict[str, Any]]:
    """Run everything into `out`: (the page, lines to print, the same as values). An earlier demo there is replaced."""
    from fedkit.studio.report import write_report
    from fedkit.studio.table import scoreboard, to_text
    from fedkit.studio.verdict import verdict

    began = time.perf_counter()
    Store(out / "federated").begin(replace(config), resume=False) if not (out / "federated").exists() else None
    job = prepare(config)
    runs: list[Run] = []
    for name in STEPS:
        runs.append(baseline(name, job, progress))
        _replace(out / name)
        Store(out / name).keep(runs[-1])
    _replace(out / "federated")
    runs.append(run(config, out / "federated", progress=progress, job=job))
    page = write_report(runs, out / "index.html", "Would these six companies gain from learning together?")
    seconds = time.perf_counter() - began
    table, words = scoreboard(runs), verdict(runs)
    lines = [to_text(table), "", *words, f"the job took {seconds:.0f} seconds"]
    return (
        page,
        lines,
        {"page": str(page), "seconds": seconds, "verdict": words, "scoreboard": table.to_dict(orient="records")},
    )


def _replace(folder: Path) -> None:
    """Remove an earlier demo's record, and nothing that is not one."""
    if (folder / "run.json").exists():
        shutil.rmtree(folder)
