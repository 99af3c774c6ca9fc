"""Gradient leakage: run every attack against every defence on batches of real text, and report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import numpy as np
import torch

from fedkit.audit.dager import pursuit_attack, span_attack, words_attack
from fedkit.audit.defences import DEFENCES, WORDS, Defence, observed_gradient
from fedkit.audit.head_gradient import labels_attack, lookup_attack, matching_attack, topic_attack
from fedkit.audit.threat_model import (
    AttackerKnowledge,
    AttackGuess,
    AttackScore,
    ObservedUpdate,
    attack_score,
    strip_special,
)
from fedkit.core.errors import FedkitError
from fedkit.core.tensors import Params
from fedkit.data.corpus import Examples, concatenate
from fedkit.experiments.job import Job, prepare
from fedkit.federated.local.train import count_labels, logit_adjustment, train
from fedkit.models.head_starts import upper_triangle

MAX_LISTED_TEXTS = 2_000  # in the attacker's own list
WARMUP_CLIENTS = 2  # their training makes the shared parameters of a later round
LEAK_METRICS = ("tokens_recall", "tokens_precision", "sentences", "labels")


@dataclass(frozen=True)
class LeakAttack:
    """An attack: `run` turns an ObservedUpdate into an AttackGuess.

    slow: takes about a minute for each batch, so it runs only when named.
    """

    run: Callable[[ObservedUpdate], AttackGuess]
    about: str
    slow: bool = False


@dataclass(frozen=True)
class LeakSetup:
    """A job with one tuning method at one point of training, and what the attacker knows."""

    job: Job
    known: AttackerKnowledge


def leak_table(
    job: Job,
    attacks: Sequence[str] | None = None,
    defences: Sequence[str] | dict[str, Defence] | None = None,
    batches: int = 20,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Return one `leak_row` for each defence and attack, with means over `batches` batches.

    attacks, defences: names in LEAKS and DEFENCES, or {name: Defence}; all of them by default,
    except slow attacks. The server is honest but curious. Raises FedkitError for an unknown name.
    """
    chosen = _select("attack", LEAKS, QUICK_ATTACKS if attacks is None else attacks)
    against = defences if isinstance(defences, dict) else _select("defence", DEFENCES, defences)
    first = first_round_setup(job)
    setups = {(job.config.tune, False): first}
    rows = []
    for name, defence in against.items():
        tell(f"{name}: {defence.about}")
        key = (defence.tune, defence.later)
        if key not in setups:
            setups[key] = setup_for_defence(first, *key)
        rows += attack_defence(name, defence, setups[key], chosen, batches, seed)
    return rows


def first_round_setup(job: Job) -> LeakSetup:
    """Return the job at the start of round 1; its head is the noise-free head start of the list."""
    known = attacker_knowledge(job, job.start)
    z, owners = known.vectors, torch.from_numpy(known.listed.labels)
    counts = count_labels(known.listed.labels, len(job.corpus.labels))
    sums = z.new_zeros(len(counts), z.shape[1]).index_add_(0, owners, z)
    total = {"label_counts": counts, "feature_sums": sums, "feature_products": upper_triangle(z)}
    return LeakSetup(job, replace(known, shared=job.start | job.methods.head_start.solve(total)))


def setup_for_defence(first: LeakSetup, tune: str, later: bool) -> LeakSetup:
    """Return `first` with the tuning method `tune`.

    later: after one visit of WARMUP_CLIENTS clients; otherwise at the start of round 1, where the
    encoder is the same.
    """
    job, known = first.job, first.known
    if tune != job.config.tune:
        plain = {"aggregate": "mean", "share": "all", "privacy": "none", "secure": "none"}
        job = prepare(replace(job.config, tune=tune, **plain), job.corpus)
    shared = job.model.params() | {n: t for n, t in known.shared.items() if n.startswith("head.")}
    if not later:
        return LeakSetup(job, replace(known, model=job.model, shared=shared))
    shares = count_labels(known.listed.labels, len(job.corpus.labels)) / len(known.listed)
    trained = job.clients[:WARMUP_CLIENTS]
    deltas = [train(job.model, shared, c, job.config, 1, shares).delta for c in trained]
    after = {n: t + sum(d[n] for d in deltas) / len(deltas) for n, t in shared.items()}
    return LeakSetup(job, attacker_knowledge(job, after))


def attacker_knowledge(job: Job, shared: Params) -> AttackerKnowledge:
    """Return what the attacker knows, with a list drawn from the clients' own training texts."""
    pool = concatenate([c.train for c in job.clients])
    if len(pool) > MAX_LISTED_TEXTS:
        rng = np.random.default_rng(job.config.seed)
        pool = pool.take(np.sort(rng.choice(len(pool), MAX_LISTED_TEXTS, replace=False)))
    job.model.load_params(shared)
    counts = count_labels(pool.labels, len(job.corpus.labels))
    adjust = logit_adjustment(job.config.loss, counts, counts / counts.sum())
    vectors = torch.from_numpy(job.model.features(pool))
    return AttackerKnowledge(job.model, shared, pool, vectors, adjust, job.config.max_tokens)


def attack_defence(
    name: str,
    defence: Defence,
    setup: LeakSetup,
    attacks: dict[str, LeakAttack],
    batches: int,
    seed: int,
) -> list[dict]:
    """Return one `leak_row` for each attack against one defence."""
    trials: dict[str, list] = {attack: [] for attack in attacks}
    for number in range(batches):
        rng = np.random.default_rng([seed, number])
        batch, seen = observe_batch(defence, setup, rng)
        for attack, entry in attacks.items():
            began = time.perf_counter()
            guess = entry.run(seen)
            seconds = time.perf_counter() - began
            score = attack_score(guess, batch, setup.known.special)
            trials[attack].append((batch, guess, score, seconds))
    return [leak_row(attack, name, defence, setup, done) for attack, done in trials.items()]


def observe_batch(
    defence: Defence, setup: LeakSetup, rng: np.random.Generator
) -> tuple[Examples, ObservedUpdate]:
    """Return (texts of the first client, what the server observes).

    Other clients contribute only where the server sees a sum.
    """
    job, known = setup.job, setup.known
    size = min(defence.texts, len(known.listed) // defence.clients)
    drawn = rng.permutation(len(known.listed))[: size * defence.clients]
    drawn = drawn.reshape(defence.clients, size)
    clients = [known.listed.take(rows) for rows in drawn]
    gradient = observed_gradient(
        defence, job.model, known.shared, clients, job.config, known.adjust, rng, len(job.clients)
    )
    return clients[0], ObservedUpdate(gradient, drawn.size, known, tuple(drawn.ravel().tolist()))


def leak_row(
    attack: str, name: str, defence: Defence, setup: LeakSetup, trials: list
) -> dict[str, Any]:
    """Return the result of one attack against one defence as a dict.

    Keys: attack, defence, about, batches, texts, seconds (mean); tokens_recall, tokens_precision,
    sentences, labels (shares from 0 to 1; None: not claimed); example_original,
    example_recovered (texts of the first batch); why (what stood in the way).
    """
    scores = [s for _, _, s, _ in trials]
    before, after = example_texts(*trials[0][:2], setup)
    return {
        "attack": attack,
        "defence": name,
        "about": defence.about,
        **{figure: _mean_metric(scores, figure) for figure in LEAK_METRICS},
        "example_original": before,
        "example_recovered": after,
        "why": next((g.why for _, g, _, _ in trials if g.why), ""),
        "batches": len(trials),
        "texts": defence.texts,
        "seconds": mean(t for *_, t in trials),
    }


def _mean_metric(scores: list[AttackScore], figure: str) -> float | None:
    """Return the mean of one metric; None if it was never claimed.

    A batch without a claim counts as 0, except in precision, which averages over claims.
    """
    values = [v for s in scores if (v := getattr(s, figure.removeprefix("tokens_"))) is not None]
    count = len(values) if figure == "tokens_precision" else len(scores)
    return sum(values) / count if values else None


def example_texts(batch: Examples, guess: AttackGuess, setup: LeakSetup) -> tuple[str, str]:
    """Return (a text of the batch, its recovery): the nearest guess, else words, else labels."""
    special, names = setup.known.special, setup.job.corpus.labels
    decode = setup.job.model.tokenizer.decode
    if guess.texts:
        wanted = set(strip_special(batch.tokens[0], special))
        best = max(guess.texts, key=lambda t: len(wanted & set(t)) / max(1, len(wanted | set(t))))
        return batch.texts[0], decode(strip_special(best, special))
    if guess.tokens:
        return batch.texts[0], " · ".join(sorted(decode([t]) for t in guess.tokens - special))[:300]
    if guess.labels is not None:
        found = ", ".join(names[y] for y in guess.labels)
        return f"{batch.texts[0]} [{names[batch.labels[0]]}]", found
    return batch.texts[0], ""


def _select(kind: str, registry: dict[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    for name in names or ():
        if name not in registry:
            raise FedkitError(f"{kind} {name!r} is not known; choose from: {', '.join(registry)}")
    return dict(registry) if names is None else {n: registry[n] for n in names}


def report_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the report: threat model, a table per defence, an example, and a note on failures."""
    out = [*WORDS["threat_model"], ""]
    for name in dict.fromkeys(r["defence"] for r in rows):
        own = [r for r in rows if r["defence"] == name]
        out += [f"{name}: {own[0]['about']} ({own[0]['batches']} batches)", *table_lines(own), ""]
    return [*out, *example_lines(rows), "", WORDS["failure_note"]]


def table_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return one line for each attack: shares in per cent, a dash where nothing was claimed."""
    cells = [
        WORDS["column_titles"],
        *((r["attack"], *(_percent(r[f]) for f in LEAK_METRICS), r["why"]) for r in rows),
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    lines = []
    for name, *shares, why in cells:
        right = [share.rjust(width) for share, width in zip(shares, widths[1:])]
        lines.append("  " + "  ".join([name.ljust(widths[0]), *right, why]))
    return lines


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def example_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the original text and what the attacks recovered of it under each defence."""
    shown = [r for r in rows if r["attack"] in ("spans", "pursuit") and r["example_recovered"]]
    out = [f"A text as the site holds it: {rows[0]['example_original']}"] if rows else []
    return out + [f"  {r['defence']}, {r['attack']}: {r['example_recovered']}" for r in shown]


_RUN = {
    "words": words_attack,
    "labels": labels_attack,
    "spans": span_attack,
    "pursuit": pursuit_attack,
    "lookup": lookup_attack,
    "topic": topic_attack,
    "matching": matching_attack,
}
LEAKS = {n: LeakAttack(run, WORDS["attacks"][n], slow=n == "matching") for n, run in _RUN.items()}
QUICK_ATTACKS = tuple(name for name, leak in LEAKS.items() if not leak.slow)
