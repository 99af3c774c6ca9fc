"""A recorded run audited: the canary game on its mechanism, and membership inference on its own
model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fedkit.audit import membership
from fedkit.audit.bounds import Blocks, allowed_tpr
from fedkit.audit.canary import AuditResult, Mechanism, audit_mechanism
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run

# of training that a game plays at most, over all trials of both worlds: about half a minute
STEPS = 100_000
# members asked about, and as many others; models beside; their steps at most
ROWS, SHADOWS, EPOCHS = 800, 16, 100
Tell = Callable[[str], None]


@dataclass(frozen=True)
class AuditedPromise:
    """What a record says of its privacy. setting: what the game can play of it, None for what it
    cannot; why says which.

    epsilon, delta, unit: as recorded, of the whole run. blocks: (noise, rate, steps) of all its
    releases.
    """

    epsilon: float
    delta: float
    unit: str
    setting: Mechanism | None
    why: str = ""
    blocks: Blocks = ()

    def allowed(self, fpr: float) -> float:
        """The largest true-positive rate of any attack on the run's releases."""
        simple = membership.allowed(self.epsilon, self.delta, fpr)
        return min(simple, allowed_tpr(self.blocks, fpr)) if self.blocks else simple


def promise_of(record: Run, trials: int) -> AuditedPromise | None:
    """The run's promise with as many of its steps as `trials` trials have time for; None for a run
    without privacy.

    Raises FedkitError for a run that has not finished, or whose record does not hold together.
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
            return AuditedPromise(
                *whole,
                None,
                "its noise is correlated over rounds (ftrl), and the game plays none such",
            )
        blocks = tuple((float(z), float(q), int(t)) for z, q, t in said["blocks"])
        steps = int(said["steps"]) * int(said["visits"])
        played = max(1, min(steps, STEPS // (2 * trials)))
        setting = Mechanism(
            float(said["noise"]),
            float(said["rate"]),
            played,
            float(said["clip"]),
            whole[1],
            whole[2],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FedkitError(
            f"the record's privacy block cannot be read ({type(error).__name__}:"
            f" {str(error)[:80]}); run again"
        ) from None
    left_out = [f"{played} of its {steps} steps are played"] if played < steps else []
    left_out += ["the head start's share is not played"] if said.get("start") else []
    return AuditedPromise(*whole, setting, "; ".join(left_out), blocks)


def membership_of(
    record: Run,
    folder: Path,
    promise: AuditedPromise | None,
    tell: Tell = lambda _: None,
    seed: int = 0,
) -> list[membership.Membership]:
    """Attacks on the model in a run's folder. Members: the clients' training rows; others: the test
    rows.

    The attacker knows the trained model, other texts of both kinds, and trains shadow heads on its
    sentence vectors. Raises FedkitError where the data or the model cannot be had again as they
    were.
    """
    from fedkit.experiments.job import prepare
    from fedkit.models.adapter_io import load_adapter

    tell("preparing the data and the model again ...")
    job = prepare(RunConfig.from_dict(record.config))
    for what, now in (("data", job.corpus), ("model", job.model.source)):
        if getattr(record, what).get("sha256") != now.sha256:
            raise FedkitError(
                f"the {what} has changed since the run (sha256 differs), so nobody knows who was a"
                " member"
            )
    job.model.load_params(load_adapter(folder, job.model))
    rng = np.random.default_rng(seed)
    sides = [
        s.take(np.sort(rng.permutation(len(s))[:ROWS])) for s in (job.pooled().train, job.test)
    ]
    tell("reading sentence vectors ...")
    vectors, labels = (
        np.concatenate([job.model.features(s) for s in sides]),
        np.concatenate([s.labels for s in sides]),
    )
    head = {n: t.numpy() for n, t in job.model.params().items() if n.startswith("head.")}
    own = membership.confidence(vectors @ head["head.weight"].T + head["head.bias"], labels)
    chosen = membership.halves(len(labels), SHADOWS, seed)
    tell(f"training {SHADOWS} shadow heads ...")
    beside = membership.confidence(_shadows(job, vectors, labels, chosen), labels)
    member = np.arange(len(labels)) < len(sides[0])
    known = promise is not None and promise.unit == "example"
    return membership.attack_model(own, beside, chosen, member, promise.allowed if known else None)


def _shadows(job: Any, vectors: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Logits (S, n, labels) of heads on the rows chosen, trained privately if the run was."""
    from fedkit.audit.toy_model import plan_for, private_head

    width, budget = len(job.corpus.labels), job.budget
    if budget is None or budget.unit != "example":
        return membership.softmax_heads(vectors, labels, chosen, width, EPOCHS)
    plan = plan_for(
        budget.noise, budget.rate, min(EPOCHS, budget.steps * job.config.rounds), budget.clip
    )
    rows = len(labels) // 2
    plan = replace(plan, head_lr=budget.head_lr * budget.scale * rows)
    train = partial(private_head, plan=plan, num_labels=width)
    return np.stack([train(vectors[own], labels[own], i)(vectors) for i, own in enumerate(chosen)])


SHOWN: dict[str, tuple[Mechanism, int]] = {  # what is promised, and usual trials
    "eps 1: one step, all rows": (Mechanism(3.7307), 3000),
    "eps 3: 10 steps, rate 0.2": (Mechanism(1.3444, 0.2, 10), 500),
    "eps 8: 8 steps, rate 0.5": (Mechanism(1.1110, 0.5, 8), 500),
    "eps 3: 5 rounds, half of the sites": (Mechanism(1.9033, 0.5, 5, unit="client"), 500),
}
BUILT_IN = {  # faults to be caught
    "eps 1: one step, all rows": "noise/4",
    "eps 8: 8 steps, rate 0.5": "noise/4",
    "eps 3: 10 steps, rate 0.2": "clip of the mean",
    "eps 3: 5 rounds, half of the sites": "no clipping",
}


def demonstrate(
    trials: int | None = None,
    seed: int = 0,
    tell: Tell = lambda _: None,
    broken: dict[str, str] = BUILT_IN,
) -> dict[str, AuditResult]:
    """The game on the settings of `SHOWN`, and again on those of `broken` with a fault of FAULTS
    built in.
    """
    out = {}
    for name, fault in [*((n, None) for n in SHOWN), *broken.items()]:
        label = name if fault is None else f"{name}; {fault}"
        tell(f"{label} ...")
        setting, usual = SHOWN[name]
        out[label] = audit_mechanism(setting, trials or usual, seed, fault)
    return out
