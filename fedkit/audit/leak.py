"""What an update leaks: every attack against every defence, on batches of real text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import numpy as np
import torch

from fedkit.audit.defences import DEFENCES, Defence, observed
from fedkit.audit.label_leak import labels
from fedkit.audit.lookup import lookup, topic
from fedkit.audit.matching import matching
from fedkit.audit.pursuit import pursuit
from fedkit.audit.spans import spans
from fedkit.audit.threat_model import AttackGuess, AttackScore, Known, Seen, attack_score, content
from fedkit.audit.token_leak import words
from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples, concatenate
from fedkit.experiments.job import Job, prepare
from fedkit.federated.local.train import adjustment, counted, train
from fedkit.models.head_starts import make_head_start, triangle

LISTED = 2_000  # texts in the attacker's own list at most
TEACHERS = 2  # sites whose training makes the shared parameters of a later round
FIGURES = ("tokens_recall", "tokens_precision", "sentences", "labels")


@dataclass(frozen=True)
class Leak:
    """An attack: `run` reads a Seen and writes down a Guess. slow: a minute for each batch, so only
    run when named.
    """

    run: Callable[[Seen], AttackGuess]
    about: str
    slow: bool = False


@dataclass(frozen=True)
class LeakScene:
    """A job under one way of tuning at one time, and what the attacker has. parts: the pool's
    texts.
    """

    job: Job
    known: Known


def leak_table(
    job: Job,
    attacks: Sequence[str] | None = None,
    defences: Sequence[str] | dict[str, Defence] | None = None,
    batches: int = 20,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """One row for each defence and attack, means over `batches` batches: see `row`.

    attacks, defences: names of LEAKS and DEFENCES, or defences of one's own; all by default, but
    slow ones. The server is honest but curious. Raises FedkitError for an unknown name.
    """
    chosen = _chosen("attack", LEAKS, QUICK if attacks is None else attacks)
    against = defences if isinstance(defences, dict) else _chosen("defence", DEFENCES, defences)
    first = first_scene(job)
    stages = {(job.config.tune, False): first}
    rows = []
    for name, defence in against.items():
        tell(f"{name}: {defence.about}")
        key = (defence.tune, defence.later)
        if key not in stages:
            stages[key] = scene_of(first, *key)
        rows += against_one(name, defence, stages[key], chosen, batches, seed)
    return rows


def _chosen(kind: str, registry: dict[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    for name in names or ():
        if name not in registry:
            raise FedkitError(f"{kind} {name!r} is not known; choose from: {', '.join(registry)}")
    return dict(registry) if names is None else {n: registry[n] for n in names}


def first_scene(job: Job) -> LeakScene:
    """The job at the start of round 1, its head as `head_start` makes it of the listed texts,
    without noise.
    """
    known = known_of(job, job.start)
    z, owners = known.vectors, torch.from_numpy(known.listed.labels)
    counts = counted(known.listed.labels, len(job.corpus.labels))
    sums = z.new_zeros(len(counts), z.shape[1]).index_add_(0, owners, z)
    total = {"label_counts": counts, "feature_sums": sums, "feature_products": triangle(z)}
    return LeakScene(
        job, replace(known, shared=job.start | make_head_start(job.config.head_start).solve(total))
    )


def scene_of(first: LeakScene, tune: str, later: bool) -> LeakScene:
    """The first stage, tuned so: at the start of round 1, where the encoder is the same, or after
    some training.
    """
    job, known = first.job, first.known
    if tune != job.config.tune:
        job = prepare(
            replace(
                job.config, tune=tune, aggregate="mean", share="all", privacy="none", secure="none"
            ),
            job.corpus,
        )
    shared = job.model.params() | {n: t for n, t in known.shared.items() if n.startswith("head.")}
    if not later:
        return LeakScene(job, replace(known, model=job.model, shared=shared))
    shares = counted(known.listed.labels, len(job.corpus.labels)) / len(known.listed)
    deltas = [
        train(job.model, shared, c, job.config, 1, shares).delta for c in job.clients[:TEACHERS]
    ]
    return LeakScene(
        job,
        known_of(job, {n: t + sum(d[n] for d in deltas) / len(deltas) for n, t in shared.items()}),
    )


def known_of(job: Job, shared: Params) -> Known:
    """What the attacker has: a public list of texts, drawn from the same source as the
    sites' own.
    """
    pool = concatenate([c.train for c in job.clients])
    if len(pool) > LISTED:
        pool = pool.take(
            np.sort(np.random.default_rng(job.config.seed).choice(len(pool), LISTED, replace=False))
        )
    job.model.load_params(shared)
    counts = counted(pool.labels, len(job.corpus.labels))
    adjust = adjustment(job.config.loss, counts, counts / counts.sum())
    return Known(
        job.model,
        shared,
        pool,
        torch.from_numpy(job.model.features(pool)),
        adjust,
        job.config.max_tokens,
    )


def against_one(
    name: str, defence: Defence, stage: LeakScene, attacks: dict[str, Leak], batches: int, seed: int
) -> list[dict]:
    """One row for each attack against one defence."""
    trials: dict[str, list] = {attack: [] for attack in attacks}
    for number in range(batches):
        rng = np.random.default_rng([seed, number])
        batch, seen = one_batch(defence, stage, rng)
        for attack, entry in attacks.items():
            began = time.perf_counter()
            guess = entry.run(seen)
            seconds = time.perf_counter() - began
            trials[attack].append(
                (batch, guess, attack_score(guess, batch, stage.known.special), seconds)
            )
    return [row(attack, name, defence, stage, done) for attack, done in trials.items()]


def one_batch(
    defence: Defence, stage: LeakScene, rng: np.random.Generator
) -> tuple[Examples, Seen]:
    """(the first site's texts, what the server sees): other sites are in it only where it sees a
    sum.
    """
    job, known = stage.job, stage.known
    size = min(defence.texts, len(known.listed) // defence.sites)
    drawn = rng.permutation(len(known.listed))[: size * defence.sites].reshape(defence.sites, size)
    sites = [known.listed.take(rows) for rows in drawn]
    gradient = observed(
        defence, job.model, known.shared, sites, job.config, known.adjust, rng, len(job.clients)
    )
    return sites[0], Seen(gradient, drawn.size, known, tuple(drawn.ravel().tolist()))


def row(attack: str, name: str, defence: Defence, stage: LeakScene, trials: list) -> dict[str, Any]:
    """attack, defence, about, tokens_recall, tokens_precision, sentences, labels (shares from 0 to
    1; None: not claimed), example_original, example_recovered (texts of the first batch), why
    (what stood in the way), seconds (mean).
    """
    scores = [s for _, _, s, _ in trials]
    before, after = example(*trials[0][:2], stage)
    return {
        "attack": attack,
        "defence": name,
        "about": defence.about,
        **{figure: _mean(scores, figure) for figure in FIGURES},
        "example_original": before,
        "example_recovered": after,
        "why": next((g.why for _, g, _, _ in trials if g.why), ""),
        "batches": len(trials),
        "texts": defence.texts,
        "seconds": mean(t for *_, t in trials),
    }


def _mean(scores: list[AttackScore], figure: str) -> float | None:
    """A batch for which nothing was claimed counts as nothing found; precision is over what was
    claimed.
    """
    values = [v for s in scores if (v := getattr(s, figure.removeprefix("tokens_"))) is not None]
    return (
        sum(values) / (len(values) if figure == "tokens_precision" else len(scores))
        if values
        else None
    )


def example(batch: Examples, guess: AttackGuess, stage: LeakScene) -> tuple[str, str]:
    """(a text of the batch, what was written down for it): the nearest of the texts, else words,
    else labels.
    """
    special, names = stage.known.special, stage.job.corpus.labels
    decode = stage.job.model.tokenizer.decode
    if guess.texts:
        wanted = set(content(batch.tokens[0], special))
        best = max(guess.texts, key=lambda t: len(wanted & set(t)) / max(1, len(wanted | set(t))))
        return batch.texts[0], decode(content(best, special))
    if guess.tokens:
        return batch.texts[0], " · ".join(sorted(decode([t]) for t in guess.tokens - special))[:300]
    if guess.labels is not None:
        return f"{batch.texts[0]} [{names[batch.labels[0]]}]", ", ".join(
            names[y] for y in guess.labels
        )
    return batch.texts[0], ""


LEAKS: dict[str, Leak] = {
    "words": Leak(
        words, "which words were in the batch, from the rows of the word embedding that changed"
    ),
    "labels": Leak(labels, "which labels, and how often, from the gradient of the head's bias"),
    "spans": Leak(spans, "whole texts, from the row space of the first layer's gradient"),
    "pursuit": Leak(
        pursuit,
        "one whole text, also from LoRA: the few vectors that explain the first layer's gradient",
    ),
    "lookup": Leak(
        lookup, "texts of a list that holds the site's own, from the gradient of the head"
    ),
    "topic": Leak(topic, "the most alike texts of a list that does not hold the site's"),
    "matching": Leak(
        matching,
        "words that give the sentence vector in the head's gradient, by a search",
        slow=True,
    ),
}
QUICK = tuple(name for name, leak in LEAKS.items() if not leak.slow)
