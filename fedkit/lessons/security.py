"""Experiments of the lesson on leaks and locks: attacks, secure aggregation, encryption, noise."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from fedkit.audit import membership
from fedkit.audit.bounds import allowed_tpr
from fedkit.audit.defences import DEFENCES, Defence, observed_gradient
from fedkit.audit.games import private_head, training_plan
from fedkit.audit.leak import LEAKS, LeakSetup, attack_defence, setup_for_defence
from fedkit.audit.threat_model import AttackGuess, ObservedUpdate, attack_score, strip_special
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.record import Run
from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples
from fedkit.experiments.job import Job
from fedkit.federated.local.dp_sgd import unflatten_params
from fedkit.federated.local.train import train
from fedkit.federated.rounds.head_start import compute_head_start
from fedkit.lessons.privacy import final_accuracy, rerun
from fedkit.privacy.accounting import Releases, noise_for_epsilon
from fedkit.wire.secure_aggregation.registry import Ckks, Masks, make_lock

NO_LOCK: dict[str, Defence] = {
    "full tuning, 1 text": DEFENCES["none"],
    "full tuning, 4 texts": DEFENCES["4 texts"],
    "full tuning, 16 texts": DEFENCES["16 texts"],
    "full tuning, 4 local steps": DEFENCES["4 steps"],
    "LoRA, round 1": DEFENCES["lora"],
    "LoRA, a round later": DEFENCES["lora later"],
    "head only": DEFENCES["head"],
}
SUMS: dict[str, Defence] = {
    "sum of 2 sites": replace(DEFENCES["sum of 10"], clients=2),
    "sum of 10 sites": DEFENCES["sum of 10"],
}
NOISE: dict[str, Defence] = {
    "clipped, no noise": replace(DEFENCES["clip only"], texts=1),
    "clipped, noise for ε = 8": DEFENCES["eps 8"],
    "clipped, noise for ε = 1": DEFENCES["eps 1"],
    "LoRA, noise for ε = 8": DEFENCES["lora eps 8"],
    "head only, noise for ε = 8": DEFENCES["head eps 8"],
}
ON_ALL_WEIGHTS = ("words", "spans", "lookup")  # attacks on an update of the whole model
CLIP, REACH = 0.2, 1.2  # of the private head: length of a gradient, noise on a weight at the end
WORDS, TEXTS, LISTED = "words read", "whole texts read", "picked from a list"


def observe_update(
    stage: LeakSetup,
    batch: Examples,
    defence: Defence = NO_LOCK["full tuning, 1 text"],
    seed: int = 0,
) -> ObservedUpdate:
    """Return a client's update as the server receives it."""
    job, known, rng = stage.job, stage.known, np.random.default_rng(seed)
    world = (job.config, known.adjust, rng, len(job.clients))
    gradient = observed_gradient(defence, job.model, known.shared, [batch], *world)
    return ObservedUpdate(gradient, len(batch), known)


def decode_guess(guess: AttackGuess, stage: LeakSetup) -> str:
    """Return the first text that an attack recovered; '' for none."""
    texts = [strip_special(text, stage.known.special) for text in guess.texts]
    return stage.job.model.tokenizer.decode(texts[0]) if texts else ""


def attack_defences(
    stages: dict[tuple[str, bool], LeakSetup],
    defences: Mapping[str, Defence],
    batches: int,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Return {defence: best scores of any attack}, see `best_scores`.

    stages: by (tune, later); must hold ("full", False); missing stages are added to it.
    """
    out = {}
    for name, defence in defences.items():
        key = (defence.tune, defence.later)
        if key not in stages:
            stages[key] = setup_for_defence(stages["full", False], *key)
        named = ON_ALL_WEIGHTS if defence.tune == "full" else ("pursuit", "lookup")
        attacks = {n: LEAKS[n] for n in named}
        rows = attack_defence(name, defence, stages[key], attacks, batches, seed)
        out[name] = best_scores(rows)
    return out


def best_scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return {WORDS, TEXTS, LISTED: share} of the best attack, from rows of `leak_table`.

    Also 'whose': the share of the words read that belong to this client.
    """
    own = [r for r in rows if r["attack"] != "lookup"]
    best = max(own, key=lambda r: (r["tokens_recall"] or 0, r["tokens_precision"] or 0))
    lists = [r["sentences"] or 0.0 for r in rows if r["attack"] == "lookup"]
    return {
        WORDS: best["tokens_recall"] or 0.0,
        TEXTS: max(r["sentences"] or 0.0 for r in own),
        LISTED: max(lists, default=0.0),
        "whose": best["tokens_precision"] or 0.0,
    }


def attack_masked_upload(stage: LeakSetup, batches: int, seed: int = 0) -> dict[str, float]:
    """Return the best scores of the same attacks on a masked upload of one of three clients.

    stage: that of ("full", False).
    """
    names, known = ["this site", "another", "a third"], stage.known
    scores: dict[str, list] = {name: [] for name in ON_ALL_WEIGHTS}
    for number in range(batches):
        drawn = int(np.random.default_rng([seed, number]).integers(len(known.listed)))
        batch = known.listed.take([drawn])
        seen = observe_update(stage, batch)
        vector = _flat(seen.gradient)
        session = Masks().open(names, len(vector), seed, number)
        session.add(names[0], session.seal(names[0], vector.clip(-1000, 1000)))
        noise = torch.from_numpy(session.view()).float()
        hidden = replace(seen, gradient=unflatten_params(noise, seen.gradient))
        for name, own in scores.items():
            made = attack_score(LEAKS[name].run(hidden), batch, known.special)
            own.append((made.recall or 0.0, made.precision or 0.0, made.sentences or 0.0))
    keys = ("tokens_recall", "tokens_precision", "sentences")
    rows: list[dict[str, Any]] = []
    for name, own in scores.items():
        rows.append({"attack": name} | dict(zip(keys, np.mean(own, axis=0).tolist())))
    return best_scores(rows)


def first_updates(job: Job) -> dict[str, np.ndarray]:
    """Return {client: its update of round 1 as one float64 vector}."""
    job.model.load_params(job.start)
    shared, prior, _ = compute_head_start(job.model, job.clients, job.config)
    out = {}
    for client in job.clients:
        update = train(job.model, shared, client, job.config, 1, prior)
        out[client.client_id] = _flat(update.delta)
    return out


def _flat(params: Params) -> np.ndarray:
    return torch.cat([t.flatten() for t in params.values()]).double().numpy()


def watch_aggregation(
    lock: Any, deltas: Mapping[str, np.ndarray], absent: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], np.ndarray, float]:
    """Return views of the sum by the server, the plain sum, and the extra bytes per client.

    views: {moment: the sum as the server holds it}. The plain sum uses the same fixed point.
    Clients in `absent` send nothing after they distributed their shares. Raises TooFew where too
    many are absent.
    """
    size, views = len(next(iter(deltas.values()))), {}
    there = [c for c in deltas if c not in absent]
    locks = (lock, make_lock("none"))
    sealed, plain_sum = (one.open(list(deltas), size, seed=0, round=1) for one in locks)
    for n, client in enumerate(there, 1):
        for session in (sealed, plain_sum):
            session.add(client, session.seal(client, deltas[client]))
        if n in (1, 2, len(there) // 2, len(there) - 1, len(there)):
            views[f"{n} of {len(deltas)} uploads"] = sealed.view()
    views["masks removed"], costs = sealed.result()
    extra = [sum(sealed.setup[client]) + sum(costs[client]) for client in there]
    return views, plain_sum.result()[0], sum(extra) / len(extra)


@dataclass(frozen=True)
class EncryptedUpdate:
    """An encrypted update. seconds: to encrypt, add and decrypt it.

    error: largest absolute error of the sum of two. measured: False if scaled from a smaller
    update.
    """

    name: str
    numbers: int
    nbytes: int
    seconds: float
    error: float
    measured: bool = True

    @property
    def plain_bytes(self) -> int:
        return 4 * self.numbers


def encrypt_sizes(sizes: Mapping[str, int], most: int = 400_000) -> list[EncryptedUpdate]:
    """Encrypt an update of each size, up to `most` numbers; larger ones are scaled up.

    The smallest is always encrypted. Raises FedkitError without tenseal.
    """
    out: list[EncryptedUpdate] = []
    for name, size in sorted(sizes.items(), key=lambda item: item[1]):
        if size <= most or not out:
            out.append(_encrypt(name, size))
            continue
        like, slots = out[-1], Ckks().slots
        times = -(-size // slots) / -(-like.numbers // slots)
        scaled = (round(like.nbytes * times), like.seconds * times)
        out.append(EncryptedUpdate(name, size, *scaled, like.error, measured=False))
    return out


def _encrypt(name: str, size: int) -> EncryptedUpdate:
    rng = np.random.default_rng(0)
    vectors = {client: 0.01 * rng.standard_normal(size) for client in ("one", "two")}
    session, began = Ckks().open(list(vectors), size, 0, 1), time.perf_counter()
    for client, vector in vectors.items():
        body = session.seal(client, vector)
        session.add(client, body)
    total = session.result()[0]
    error = float(np.abs(total - sum(vectors.values())).max())
    return EncryptedUpdate(name, size, len(body), (time.perf_counter() - began) / 2, error)


@dataclass(frozen=True)
class AttackedHead:
    """A head trained on half of the reports, and the strongest membership attack on it.

    accuracy: on the test set, a share. bound: {false-positive rate: largest true-positive rate that
    the noise allows any attack} as a function; None without noise.
    """

    accuracy: float
    attack: membership.MembershipResult
    bound: Any = None
    epsilon: float = math.inf


def train_and_attack(
    job: Job,
    shadows: int,
    privacy: float = 0.0,
    delta: float = 1e-5,
    steps: int = 20,
    seed: int = 0,
) -> AttackedHead:
    """Train a head on half of the reports and return it with the attack of the highest TPR.

    privacy: epsilon of DP-SGD; 0: overfitted without noise. shadows: number of shadow models.
    """
    parts = job.pooled().train
    vectors, labels, width = job.model.features(parts), parts.labels, len(job.corpus.labels)
    member = membership.random_halves(len(labels), 2, seed)[0]
    many, bound = partial(membership.softmax_heads, num_labels=width), None
    fit = partial(membership.overfit_head, num_labels=width)
    if privacy:
        noise = noise_for_epsilon(privacy, delta, lambda z: [Releases(z, 1.0, steps)])
        plan = training_plan(noise, 1.0, steps, CLIP)
        # the steps together leave noise of REACH on every weight, as in a run
        rate = REACH / steps**0.5 / (CLIP * noise) * int(member.sum())
        plan = replace(plan, head_lr=rate)
        fit, many = partial(private_head, plan=plan, num_labels=width), None
        bound = partial(allowed_tpr, ((noise, 1.0, steps),))
    attacks = membership.attack_training(fit, vectors, labels, member, shadows, seed, bound, many)
    logits = fit(vectors[member], labels[member], seed)(job.model.features(job.test))
    best = max(attacks, key=lambda a: (a.roc.at[0.01].value, a.roc.auc))
    accuracy = float((logits.argmax(1) == job.test.labels).mean())
    return AttackedHead(accuracy, best, bound, privacy or math.inf)


@dataclass(frozen=True)
class ProtectionScheme:
    """A way to protect updates: its settings, and three answers in plain words."""

    settings: dict[str, Any]
    trusted: str
    server_sees: str
    model_reveals: str


SCHEMES = {
    name: ProtectionScheme(**answers)
    for name, answers in read_packaged_table("fedkit.lessons", "schemes.toml").items()
}


@dataclass(frozen=True)
class SchemeCost:
    """What a scheme cost here. accuracy: a share. sent: bytes per client in the whole run.

    seconds: of the whole run, on this machine.
    """

    scheme: str
    accuracy: float
    sent: float
    seconds: float
    rounds: int
    run: Run | None = None


def run_schemes(job: Job, more: Mapping[str, Mapping[str, Any]] | None = None) -> list[SchemeCost]:
    """Run every scheme on the job. more: {scheme: further settings}.

    Encryption is left out with a printed line where tenseal is missing.
    """
    out = []
    for name, scheme in SCHEMES.items():
        began = time.perf_counter()
        try:
            one = rerun(job, **(scheme.settings | dict((more or {}).get(name, {}))))
        except FedkitError as error:
            if scheme.settings.get("secure") != "ckks":
                raise
            print(f"{name} is left out: {error}")
            continue
        seconds = time.perf_counter() - began
        uplink = sum(c.uplink_bytes for r in one.rounds for c in r.clients)
        sent = uplink / len(one.rounds[0].clients)
        out.append(SchemeCost(name, final_accuracy(one), sent, seconds, len(one.rounds), one))
    return out
