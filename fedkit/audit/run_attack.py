"""The same attacks on a run: on what its sites would have sent under its own settings."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from fedkit.audit.defences import Defence
from fedkit.audit.leak import LEAKS, QUICK, LeakScene, against_one, first_scene, known_of
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.experiments.job import Job, prepare
from fedkit.models.adapter_io import load_adapter


def attack_run(folder: Path, batches: int = 3, seed: int = 0) -> tuple[Job, list[dict[str, Any]]]:
    """(the job made again, rows as of `leak_table`) of a recorded run. Nothing in the folder is
    executed or changed.

    The attacks see updates made from the start of round 1, and from the parameters the run ended
    with where the folder holds them. Raises FedkitError for a record or data that do not fit.
    """
    run = Run.load(folder)
    job = prepare(RunConfig.from_dict(run.config))
    if run.data.get("sha256") != job.corpus.sha256:
        raise FedkitError(
            f"data {job.config.data!r} is not what {folder} was run on; attack the run where its"
            " data are"
        )
    first, rows = first_scene(job), []
    stages = {"round 1": first}
    if folder.is_dir() and (folder / "head.safetensors").is_file():
        stages["at the end"] = LeakScene(
            job, known_of(job, job.start | load_adapter(folder, job.model))
        )
    for time, stage in stages.items():
        for name, defence in defences_of(job).items():
            rows += against_one(
                f"{name}, {time}", defence, stage, {n: LEAKS[n] for n in QUICK}, batches, seed
            )
    return job, rows


def defences_of(job: Job) -> dict[str, Defence]:
    """What is attacked of a run: one step on one batch, the worst case; and a site's whole visit,
    unless that is noise.
    """
    config = job.config
    local = sorted(len(c.train) for c in job.clients)[len(job.clients) // 2]
    sites = 1 if config.secure == "none" else _cohort(config, len(job.clients))
    seen = (
        f"tune {config.tune}, wire {config.wire}, privacy {config.privacy}, secure {config.secure}"
    )
    seen += f" (the sum over {sites} sites)" if sites > 1 else ""
    budget = job.budget
    drawn = budget.rate * local if budget and budget.unit == "example" else config.batch_size
    texts = max(1, min(round(drawn), local))
    one = Defence(
        f"one plain SGD step on {texts} texts; {seen}",
        config.tune,
        texts,
        wire=_plain(config.wire),
        privacy=config.privacy,
        sites=sites,
    )
    if config.privacy.startswith("example"):
        return {
            "one step": replace(
                one, about=one.about.replace("plain SGD step", "noisy step of DP-SGD")
            )
        }
    steps = config.local_epochs * ceil(local / config.batch_size)
    about = f"a visit of {steps} {config.optimizer} steps on {local} texts; {seen}"
    return {
        "one step": one,
        "a visit": replace(one, about=about, texts=local, steps=steps, optimizer=config.optimizer),
    }


def _plain(wire: str) -> str:
    """The wire of a first upload: error feedback has nothing to remember yet."""
    return "+".join(w for w in wire.split("+") if w not in ("ef", "ef21")) or "none"


def _cohort(config: RunConfig, clients: int) -> int:
    share = config.clients_per_round
    return clients if share is None else max(1, round(share if share >= 1 else share * clients))
