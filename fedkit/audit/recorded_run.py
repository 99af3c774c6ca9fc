"""Attack and audit a recorded run: the updates of its clients, its mechanism and its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from fedkit.audit import membership
from fedkit.audit.bounds import ReleaseBlocks, allowed_tpr
from fedkit.audit.canary import AuditResult, audit_mechanism
from fedkit.audit.defences import Defence
from fedkit.audit.games import Mechanism, private_head, training_plan
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
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.experiments.job import Job, prepare, recorded_config
from fedkit.models.adapter_io import load_adapter

MAX_GAME_STEPS = 100_000  # over all trials of both worlds: about half a minute
MEMBERSHIP_ROWS = 800  # members that are attacked at most, and as many others
SHADOW_MODELS = 16
MAX_SHADOW_STEPS = 100
ProgressText = Callable[[str], None]


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
    # at a first upload error feedback has no memory yet
    wire = "+".join(w for w in config.wire.split("+") if w not in ("ef", "ef21")) or "none"
    about = f"one plain SGD step on {texts} texts; {seen}"
    one = Defence(about, config.tune, texts, wire=wire, privacy=config.privacy, clients=clients)
    if config.privacy.startswith("example"):
        return {
            "one step": replace(one, about=about.replace("plain SGD step", "noisy step of DP-SGD"))
        }
    steps = config.local_epochs * ceil(local / config.batch_size)
    about = f"a visit of {steps} {config.optimizer} steps on {local} texts; {seen}"
    visit = replace(one, about=about, texts=local, steps=steps, optimizer=config.optimizer)
    return {"one step": one, "a visit": visit}


def _cohort_size(config: RunConfig, clients: int) -> int:
    share = config.clients_per_round
    return clients if share is None else max(1, round(share if share >= 1 else share * clients))


@dataclass(frozen=True)
class AuditedPromise:
    """The privacy guarantee in a record.

    epsilon, delta, unit: as recorded, of the whole run. setting: the part that the game can play,
    None if there is none. why: what is not played. blocks: (noise, rate, steps) of all releases.
    """

    epsilon: float
    delta: float
    unit: str
    setting: Mechanism | None
    why: str = ""
    blocks: ReleaseBlocks = ()

    def allowed(self, fpr: float) -> float:
        """Return the largest true-positive rate of any attack on the run's releases."""
        simple = membership.tpr_limit(self.epsilon, self.delta, fpr)
        return min(simple, allowed_tpr(self.blocks, fpr)) if self.blocks else simple


def recorded_promise(record: Run, trials: int) -> AuditedPromise | None:
    """Return the run's guarantee with as many steps as `trials` allow; None without privacy.

    Raises FedkitError for an unfinished run or an inconsistent record.
    """
    if not record.finished:
        raise FedkitError(
            "the run has not finished, so its record has no result; go on with it: fedkit run"
            " --resume"
        )
    if record.config.get("privacy", "none") == "none":
        return None
    try:
        said, result = record.result["privacy"], record.result
        whole = (float(result["epsilon"]), float(result["delta"]), str(result["privacy_unit"]))
        if said["turns"]:
            why = "its noise is correlated over rounds (ftrl), and the game plays none such"
            return AuditedPromise(*whole, None, why)
        blocks = tuple((float(z), float(q), int(t)) for z, q, t in said["blocks"])
        steps = int(said["steps"]) * int(said["visits"])
        played = max(1, min(steps, MAX_GAME_STEPS // (2 * trials)))
        noise, rate, clip = (float(said[name]) for name in ("noise", "rate", "clip"))
        setting = Mechanism(noise, rate, played, clip, delta=whole[1], unit=whole[2])
    except (LookupError, TypeError, ValueError) as error:
        raise FedkitError(
            "the record's result.privacy lacks a number of its promise, or one is impossible"
            f" ({printable_line(error, 80)}); run again"
        ) from None
    left_out = [f"{played} of its {steps} steps are played"] if played < steps else []
    left_out += ["the head start's share is not played"] if said.get("start") else []
    return AuditedPromise(*whole, setting, "; ".join(left_out), blocks)


def attack_recorded_model(
    record: Run,
    folder: Path,
    promise: AuditedPromise | None,
    tell: ProgressText = lambda _: None,
    seed: int = 0,
    given: Mapping[str, Any] = {},
) -> list[membership.MembershipResult]:
    """Attack the model in a run's folder. Members: clients' training rows; others: the test rows.

    The attacker knows the trained model and other texts of both kinds, and trains shadow heads on
    the model's sentence vectors. Raises FedkitError if the data or the model cannot be loaded or
    have changed.
    """
    tell("preparing the data and the model again ...")
    job = prepare(recorded_config(record, given))
    for what, now in (("data", job.corpus), ("model", job.model.source)):
        if getattr(record, what).get("sha256") != now.sha256:
            raise FedkitError(
                f"the {what} has changed since the run (sha256 differs), so nobody knows who was a"
                " member"
            )
    job.model.load_params(load_adapter(folder, job.model))
    rng = np.random.default_rng(seed)
    sides = [
        s.take(np.sort(rng.permutation(len(s))[:MEMBERSHIP_ROWS]))
        for s in (job.pooled().train, job.test)
    ]
    tell("reading sentence vectors ...")
    vectors = np.concatenate([job.model.features(s) for s in sides])
    labels = np.concatenate([s.labels for s in sides])
    head = {n: t.numpy() for n, t in job.model.params().items() if n.startswith("head.")}
    own = membership.logit_confidence(vectors @ head["head.weight"].T + head["head.bias"], labels)
    chosen = membership.random_halves(len(labels), SHADOW_MODELS, seed)
    tell(f"training {SHADOW_MODELS} shadow heads ...")
    beside = membership.logit_confidence(_shadow_logits(job, vectors, labels, chosen), labels)
    member = np.arange(len(labels)) < len(sides[0])
    known = promise is not None and promise.unit == "example"
    return membership.attack_model(own, beside, chosen, member, promise.allowed if known else None)


def _shadow_logits(
    job: Job, vectors: np.ndarray, labels: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Return logits (S, n, labels) of heads on the chosen rows, private if the run was."""
    width, budget = len(job.corpus.labels), job.budget
    if budget is None or budget.unit != "example":
        return membership.softmax_heads(vectors, labels, chosen, width, MAX_SHADOW_STEPS)
    steps = min(MAX_SHADOW_STEPS, budget.steps * job.config.rounds)
    plan = training_plan(budget.noise, budget.rate, steps, budget.clip)
    rows = len(labels) // 2
    plan = replace(plan, head_lr=budget.head_lr * budget.scale * rows)
    train = partial(private_head, plan=plan, num_labels=width)
    return np.stack([train(vectors[own], labels[own], i)(vectors) for i, own in enumerate(chosen)])


DEMO_MECHANISMS: dict[str, tuple[Mechanism, int]] = {  # (the promise, trials by default)
    "eps 1: one step, all rows": (Mechanism(3.7307), 3000),
    "eps 3: 10 steps, rate 0.2": (Mechanism(1.3444, 0.2, 10), 500),
    "eps 8: 8 steps, rate 0.5": (Mechanism(1.1110, 0.5, 8), 500),
    "eps 3: 5 rounds, half of the sites": (Mechanism(1.9033, 0.5, 5, unit="client"), 500),
}
DEMO_FAULTS = {  # that the game must detect
    "eps 1: one step, all rows": "noise/4",
    "eps 8: 8 steps, rate 0.5": "noise/4",
    "eps 3: 10 steps, rate 0.2": "clip of the mean",
    "eps 3: 5 rounds, half of the sites": "no clipping",
}


def audit_demo_mechanisms(
    trials: int | None = None, seed: int = 0, tell: ProgressText = lambda _: None
) -> dict[str, AuditResult]:
    """Audit each of DEMO_MECHANISMS, and those of DEMO_FAULTS once more with its fault."""
    out = {}
    for name, fault in [*dict.fromkeys(DEMO_MECHANISMS).items(), *DEMO_FAULTS.items()]:
        label = name if fault is None else f"{name}; {fault}"
        tell(f"{label} ...")
        setting, usual = DEMO_MECHANISMS[name]
        out[label] = audit_mechanism(setting, trials or usual, seed, fault)
    return out
