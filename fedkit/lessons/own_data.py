"""Helpers of the lesson on one's own data: a clock, a partition, a tuning that fits the time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import numpy as np

from fedkit.core import formatting
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.progress import Listener
from fedkit.core.record import Run
from fedkit.core.stats import smallest_difference
from fedkit.data.corpus import Corpus
from fedkit.data.partition import deal
from fedkit.experiments.baselines import baseline
from fedkit.experiments.estimate import Speed, measure_speed
from fedkit.experiments.job import Job, prepare
from fedkit.experiments.plan import BASELINES
from fedkit.experiments.store import Store
from fedkit.plots.theme import FONT
from fedkit.quality.report import Quality
from fedkit.results import measures

TUNES = ("head", RunConfig.tune)
# examples per client that are tried; None: all
SIZES = (16, 32, 64, 128, 256, 512, None)
FEW = 300  # training examples below which an adapter has little to learn from


class TimeBudget:
    """Seconds allowed per step of the lesson; `print_step` prints the time that was taken."""

    def __init__(self, **budget: float):
        self.budget, self.began = budget, time.monotonic()
        self.last, self.took = self.began, dict.fromkeys(budget, 0.0)

    @property
    def left(self) -> float:
        """Seconds left of the whole budget."""
        return sum(self.budget.values()) - (time.monotonic() - self.began)

    def print_step(self, step: str) -> None:
        """Print the seconds that `step` took since the last call, and the total so far."""
        now = time.monotonic()
        self.took[step] += now - self.last
        self.last = now
        late = "" if self.took[step] <= self.budget[step] else "  (over)"
        here = f"{self.took[step]:.0f} s of {self.budget[step]:.0f} s{late}"
        total = f"{now - self.began:.0f} s of {sum(self.budget.values()):.0f} s"
        print(f"\n[clock] {step}: {here}; in all {total}")


def choose_partition(config: RunConfig, corpus: Corpus) -> tuple[RunConfig, str]:
    """Return the config with a partition that the corpus allows, and a sentence on it.

    The client column where two clients or more have enough examples, else up to six simulated
    clients with an even mix. Raises FedkitError where not even two can be dealt.
    """
    why = "no column says whose a row is"
    if config.partition == "column":
        try:
            dealt = deal(corpus, "column", seed=config.seed)
            return config, f"{len(dealt)} sites, as column {config.client!r} says"
        except FedkitError as error:
            why = str(error).split(";")[0].split(", and 2 are needed")[0]
    for clients in range(6, 1, -1):
        made_up = replace(config, partition="iid", clients=clients)
        try:
            deal(corpus, "iid", clients, seed=config.seed)
        except FedkitError as error:
            last = error
            continue
        told = f"{clients} made-up sites with an even mix each, since {why}"
        return made_up, f"{told}: what they gain is not what real ones would"
    raise last


@dataclass(frozen=True)
class TuningOption:
    """A tuning with the largest size that fits the time.

    examples: per client; None: all. seconds: expected, with all baselines.
    """

    tune: str
    examples: int | None
    seconds: float

    def __str__(self) -> str:
        size = "all examples" if self.examples is None else f"{self.examples} examples of each site"
        time_needed = formatting.seconds(self.seconds)
        return f"{self.tune:<18} {size}, about {time_needed} with everything it is compared with"


def limit_examples(corpus: Corpus, train: int, test: int) -> tuple[Corpus, str]:
    """Return the corpus with at most `train` and `test` examples, and a sentence on it.

    They are drawn at random with seed 0.
    """
    parts, notes = {}, []
    for name, most in (("train", train), ("test", test)):
        examples = getattr(corpus, name)
        if len(examples) > most:
            rows = np.sort(np.random.default_rng(0).permutation(len(examples))[:most])
            parts[name] = examples.take(rows)
            notes.append(f"{most:,} of {len(examples):,} {name} examples")
    note = f"to keep to the time: {', '.join(notes)}" if notes else "all rows are used"
    return replace(corpus, **parts), note


def tuning_options(config: RunConfig, corpus: Corpus, seconds: float) -> list[TuningOption]:
    """Return for each of TUNES the largest of SIZES that fits `seconds` with its baselines.

    The smallest where none does. A few steps of each are timed on the texts of the corpus.
    """
    out = []
    for tune in TUNES:
        job = prepare(replace(config, tune=tune, examples_per_client=None, privacy="none"), corpus)
        reading, speed = _seconds_per_reading(job), measure_speed(job)
        reading = reading if tune == "head" else 0.0
        cost = {size: _estimate_seconds(job, size, speed, reading) for size in SIZES}
        fits = [size for size in SIZES if cost[size] <= seconds] or [SIZES[0]]
        size = None if None in fits else fits[-1]
        out.append(TuningOption(tune, size, cost[size]))
    return out


def _seconds_per_reading(job: Job, texts: int = 48) -> float:
    """Return seconds per text that the model encodes for the first time."""
    some = job.pooled().validation
    # backwards, no text is one that is known or would be read with its neighbours
    some = some.with_tokens([tokens[::-1] for tokens in some.tokens or ()])
    half = max(1, min(texts, len(some) // 2))
    job.model.features(some.take(np.arange(half)))  # warms up
    began = time.perf_counter()
    job.model.features(some.take(np.arange(half, min(2 * half, len(some)))))
    return (time.perf_counter() - began) / half


def _estimate_seconds(job: Job, size: int | None, speed: Speed, reading: float) -> float:
    """Return seconds of the run and its five baselines with at most `size` examples per client."""
    sizes = [min(len(c.train), size or len(c.train)) for c in job.clients]
    train, test, rounds = sum(sizes), len(job.test), job.config.rounds
    held = min(sum(len(c.validation) for c in job.clients), train)
    batches = sum(math.ceil(n / job.config.batch_size) for n in sizes)
    steps = rounds * job.config.local_epochs * batches
    read = train + (rounds + 1) * (test + held) + test + len(sizes) * test + 2 * (train + test)
    return speed.seconds(3 * steps, read, rounds) + reading * (train + held + test)


def save_baselines(job: Job, out: Path, progress: Listener | None = None) -> dict[str, Run]:
    """Run the job's baselines and save each in out/NAME; return {name: record}."""
    runs = {}
    for name in BASELINES:
        runs[name] = baseline(name, job, progress)
        Store(out / name).write_record(runs[name])
    return runs


def choose_tuning(
    found: Sequence[TuningOption], wish: str, num_train: int, seconds: float
) -> tuple[TuningOption, str]:
    """Return an option and why it was chosen.

    wish: the first letters of a tuning, or "auto" for a rule of thumb. Raises FedkitError if no
    option has that name.
    """
    if wish != "auto":
        named = [option for option in found if option.tune.startswith(wish)]
        if not named:
            names = ", ".join(option.tune for option in found)
            raise FedkitError(f"method {wish!r} given; write auto, {names}")
        return named[0], "you named it"
    head, adapter = found
    if num_train < FEW:
        return head, f"{num_train:,} training examples are few for an adapter (fewer than {FEW})"
    if adapter.seconds > seconds:
        return head, "an adapter does not fit into the time"
    return adapter, "there are enough examples and enough time for an adapter"


def new_run_folder(out: str | Path) -> Path:
    """Return the first of out/run-1, out/run-2, ... that does not exist."""
    number = 1
    while (Path(out) / f"run-{number}").exists():
        number += 1
    return Path(out) / f"run-{number}"


def explain_difference(quality: Quality, runs: Mapping[str, Run]) -> list[str]:
    """Return sentences on whether this many test examples can show federated against local."""
    ours, alone = (runs[name].result["accuracy"] for name in ("federated", "local"))
    gap, size = 100 * (ours - alone), measures.test_size(runs["federated"])
    smallest, sentences = smallest_difference(size), []
    if quality.verdict == "not yet":
        sentences.append("The check says *not yet*: what follows shows the way, and is no result.")
    both = f"Together {formatting.percent(ours)}, alone {formatting.percent(alone)} on average"
    sentences.append(f"{both}: {gap:+.1f} points.")
    if smallest is None:
        return [*sentences, f"With {size} test examples no difference can be told from chance."]
    shows = "is more than" if abs(gap) >= 100 * smallest else "is less than"
    points = f"{100 * smallest:.1f} points that this many test examples can show."
    return [*sentences, f"That {shows} the {points}"]


class FramedPage:
    """A written page, shown in a notebook in a frame that runs no script. height: px."""

    def __init__(self, path: str | Path, height: int = 620):
        self.path, self.height = Path(path), height

    def _repr_html_(self) -> str:
        text = escape(self.path.read_text(encoding="utf-8"), quote=True)
        return (
            f"<div style='font:13px {escape(FONT, quote=True)}'>{escape(str(self.path))}</div>"
            f'<iframe sandbox="" srcdoc="{text}"'
            f' style="width:100%;height:{self.height}px;border:1px solid #ccc"></iframe>'
        )
