"""Run the leakage attacks on the updates that the clients of a recorded run would have sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from fedkit.audit.defences import Defence
from fedkit.audit.leak import (
    LEAKS,
    QUICK_ATTACKS,
    LeakSetup,
    attack_defence,
    attacker_knowledge,
    first_round_setup,
)
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.experiments.job import Job, prepare, recorded_config
from fedkit.federated.methods import methods_of
from fedkit.models.adapter_io import load_adapter


def attack_run(
    folder: Path, batches: int = 3, seed: int = 0, given: Mapping[str, Any] = {}
) -> tuple[Job, list[dict[str, Any]]]:
    """Return (the job, rebuilt; rows as in `leak_table`) for a recorded run.

    The attacks see updates made from the start of round 1 and, if the folder holds them, from the
    final parameters. given: data and model as the user names them, see `recorded_config`. Nothing
    in the folder is executed or changed. Raises FedkitError if the record or the data do not fit.
    """
    run = Run.load(folder)
    job = prepare(recorded_config(run, given))
    if run.data.get("sha256") != job.corpus.sha256:
        raise FedkitError(
            f"data {job.config.data!r} is not what {folder} was run on; attack the run where its"
            " data are"
        )
    first, rows = first_round_setup(job), []
    setups = {"round 1": first}
    if folder.is_dir() and (folder / "head.safetensors").is_file():
        setups["at the end"] = LeakSetup(
            job, attacker_knowledge(job, job.start | load_adapter(folder, job.model))
        )
    attacks = {n: LEAKS[n] for n in QUICK_ATTACKS}
    for time, setup in setups.items():
        for name, defence in run_defences(job).items():
            rows += attack_defence(f"{name}, {time}", defence, setup, attacks, batches, seed)
    return job, rows


def run_defences(job: Job) -> dict[str, Defence]:
    """Return the updates to attack: one step on one batch (the worst case), and a whole visit.

    With example-level privacy the visit is left out: it is mostly noise.
    """
    config = job.config
    local = sorted(len(c.train) for c in job.clients)[len(job.clients) // 2]
    clients = 1 if config.secure == "none" else _cohort_size(config, len(job.clients))
    seen = (
        f"tune {config.tune}, wire {config.wire}, privacy {config.privacy}, secure {config.secure}"
    )
    seen += f" (the sum over {clients} sites)" if clients > 1 else ""
    budget = job.budget
    drawn = budget.rate * local if budget and budget.unit == "example" else config.batch_size
    texts = max(1, min(round(drawn), local))
    one = Defence(
        f"one plain SGD step on {texts} texts; {seen}",
        config.tune,
        texts,
        wire=_without_feedback(config.wire),
        privacy=config.privacy,
        clients=clients,
    )
    if methods_of(config).privacy.unit == "example":
        about = one.about.replace("plain SGD step", "noisy step of DP-SGD")
        return {"one step": replace(one, about=about)}
    steps = config.local_epochs * ceil(local / config.batch_size)
    about = f"a visit of {steps} {config.optimizer} steps on {local} texts; {seen}"
    return {
        "one step": one,
        "a visit": replace(one, about=about, texts=local, steps=steps, optimizer=config.optimizer),
    }


def _without_feedback(wire: str) -> str:
    """Return the wire of a first upload, where error feedback has no memory yet."""
    return "+".join(w for w in wire.split("+") if w not in ("ef", "ef21")) or "none"


def _cohort_size(config: RunConfig, clients: int) -> int:
    share = config.clients_per_round
    return clients if share is None else max(1, round(share if share >= 1 else share * clients))
