"""Prepare what a run and its baselines share: checks, dealt data, the model in memory."""

from __future__ import annotations

import platform
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import quote
from fedkit.core.record import Run
from fedkit.core.tensors import Params
from fedkit.data.corpus import ClientData, Corpus, Examples, concatenate
from fedkit.data.load import BUNDLED, is_local_data, load_corpus, local_data_sha256
from fedkit.data.partition import client_column, deal, left_out_clients
from fedkit.experiments.privacy_report import public_data
from fedkit.federated.methods import Methods, methods_of
from fedkit.federated.rounds.exchange import check_exchange, exchange_notes
from fedkit.federated.rounds.head_start import check_head_start, head_start_note, privacy_budget
from fedkit.federated.validation import (
    check_budget,
    check_clients,
    check_memory,
    check_methods,
    privacy_notes,
    server_notes,
)
from fedkit.models.base import MODELS, is_local_model, local_model_sha256, script_note
from fedkit.models.classifier import Model
from fedkit.models.tuners.by_peft import target_notes
from fedkit.network import World
from fedkit.privacy.mechanisms import Budget

LOCAL_SHA256 = {"data": local_data_sha256, "model": local_model_sha256}  # None: not files here
ENGINES = ("auto", "fast", "plain")
LIMITS = {
    "clients": (1, 100_000),
    "rounds": (1, 10_000),
    "local_epochs": (1, 1_000),
    "batch_size": (1, 10_000),
    "max_tokens": (4, 100_000),
}


@dataclass(frozen=True)
class Job:
    """A config with its data and model.

    clients and test hold token ids; start is the trainable part of the model before any training.
    """

    config: RunConfig
    corpus: Corpus
    clients: list[ClientData]
    test: Examples
    model: Model
    start: Params
    notes: tuple[str, ...]

    @property
    def methods(self) -> Methods:
        """Return what the settings describe, parsed once."""
        return methods_of(self.config)

    @property
    def budget(self) -> Budget | None:
        """Return the privacy budget; None without privacy."""
        return privacy_budget(self.config, len(self.clients))

    def pooled(self) -> ClientData:
        """Return all clients' examples in one place, for comparison with federation."""
        return ClientData(
            "pooled",
            concatenate([c.train for c in self.clients]),
            concatenate([c.validation for c in self.clients]),
        )


def check_config(config: RunConfig) -> None:
    """Raise FedkitError for what can be refused before any data is read."""
    for name, (least, most) in LIMITS.items():
        flag, value = name.replace("_", "-"), getattr(config, name)
        if not least <= value <= most:
            raise FedkitError(f"{flag} {value} given; write a whole number from {least} to {most}")
    for name in ("lr", "head_lr", "clip_norm"):
        flag, value = name.replace("_", "-"), getattr(config, name)
        if value is not None and not 0 < value <= 100:
            allowed = "it must be above 0 and at most 100, for example 0.001"
            raise FedkitError(f"{flag} {value:g} given; {allowed}")
    if config.engine not in ENGINES:
        known = ", ".join(ENGINES)
        raise FedkitError(f"engine {config.engine!r} is not known; choose one of: {known}")
    check_methods(config)
    World.from_config(config, ["a client"])
    check_head_start(config)


def recorded_config(record: Run, given: Mapping[str, Any] = {}) -> RunConfig:
    """Return the settings of a record, updated by those `given` by the user, to be loaded again.

    Anybody may have written a record, so nothing that only it names is fetched: data and model
    have to be bundled, or to lie here with the sha256 of the record, or to be given. Raises
    FedkitError.
    """
    config = RunConfig.from_dict({**record.config, **given})
    check_names(config, given)
    for name, sha256 in LOCAL_SHA256.items():
        value, then = getattr(config, name), getattr(record, name).get("sha256")
        if name not in given and sha256(value) not in (None, then):
            raise FedkitError(
                f"{name} {quote(value)} is not what the record was made with (sha256 differs), or"
                f" has changed since; if you mean it, add --{name} {quote(value)}"
            )
    return config


def check_names(config: RunConfig, given: Container[str]) -> None:
    """Raise FedkitError for what would have to be fetched and only a file names, not the user."""
    for name, value in fetched_names(config).items():
        if name not in given:
            raise FedkitError(
                f"the file names {name} {quote(value)}, which is not here, and what only a file"
                f" names is not read; if you trust it, repeat it: --{name} {quote(value)}, or its"
                " path if it or the run has moved"
            )


def fetched_names(config: RunConfig) -> dict[str, str]:
    """Return the data and the model that are neither bundled nor here, by setting."""
    here = {
        "data": config.data in BUNDLED or is_local_data(config.data),
        "model": config.model in MODELS or is_local_model(config.model),
    }
    return {name: getattr(config, name) for name, is_here in here.items() if not is_here}


def deal_clients(config: RunConfig, corpus: Corpus) -> list[ClientData]:
    """Return the clients among which the settings deal the corpus."""
    return deal(corpus, config.partition, config.clients, config.examples_per_client, config.seed)


def corpus_settings(config: RunConfig) -> dict[str, Any]:
    """Return the arguments of `load_corpus` in the settings."""
    same = {name: getattr(config, name) for name in ("text", "label", "encoding", "seed")}
    client = client_column(config.partition, config.client)
    return {"source": config.data, "client": client, **same}


def prepare(config: RunConfig, corpus: Corpus | None = None) -> Job:
    """Check the config, deal the data, load the model; write nothing. Raises FedkitError."""
    check_config(config)
    corpus = corpus or load_corpus(**corpus_settings(config))
    dealt = deal_clients(config, corpus)
    check_clients(config, len(dealt))
    check_budget(config, dealt)
    from fedkit.models.loading import load_model

    model = load_model(config, corpus.labels)
    check_exchange(config, model)
    read = partial(model.tokenize, max_tokens=config.max_tokens)
    clients = [ClientData(c.client_id, read(c.train), read(c.validation)) for c in dealt]
    check_memory(config, clients, len(corpus.labels))
    test = read(corpus.test)
    held = concatenate([c.validation for c in clients])
    model.plan_features([*(c.train for c in clients), test, held])
    job = Job(config, corpus, clients, test, model, model.params(), ())
    return replace(job, notes=tuple(_notes(job, dealt)))


def _notes(job: Job, dealt: list[ClientData]) -> Iterator[str]:
    """Yield what the user should know of the data and the settings."""
    config, corpus, clients, model = job.config, job.corpus, job.clients, job.model
    yield from corpus.notes
    for name, n in left_out_clients(corpus, dealt).items():
        yield f"client {name!r} left out: too few training examples ({n})"
    if config.clients not in (len(dealt), RunConfig.clients):
        yield (
            f"clients {config.clients} not used: the client column makes {len(dealt)}; to deal"
            " anew, use --partition iid"
        )
    yield from target_notes(model.module.encoder, model.tuner)
    yield from exchange_notes(config, model)
    yield from server_notes(config, [c.client_id for c in clients])
    yield from privacy_notes(config, clients)
    last = script_note(config.model, corpus.train.texts), head_start_note(config, len(dealt))
    yield from filter(None, last)


def first_record(name: str, job: Job, config: RunConfig | None = None) -> Run:
    """Return a record without rounds. config: other settings than those of the job."""
    environment, model = describe_environment(job.model), describe_model(job.model)
    return Run(name, (config or job.config).to_dict(), environment, describe_data(job), model)


def describe_data(job: Job) -> dict[str, Any]:
    """Return the record's `data` block; under a promise, what of it is public."""
    names = job.corpus.labels
    clients = []
    for c in job.clients:
        counts = zip(*np.unique(c.train.labels, return_counts=True))
        labels = {names[i]: int(n) for i, n in counts}
        clients.append({"id": c.client_id, "train": len(c.train), "labels": labels})
    data = {
        "name": job.corpus.name,
        "source": job.corpus.source,
        "sha256": job.corpus.sha256,
        "labels": list(names),
        "train": sum(len(c.train) for c in job.clients),
        "validation": sum(len(c.validation) for c in job.clients),
        "test": len(job.test),
        "clients": clients,
        "notes": list(job.notes),
    }
    if not job.budget:
        return data
    script = script_note(job.config.model, job.corpus.train.texts) or ""
    return public_data(data, [*job.corpus.notes, script])


def describe_model(model: Model) -> dict[str, Any]:
    """Return the record's `model` block.

    parameters: of the base model, without what a tuner added and without the head. base_bytes: what
    each client downloads once, not counted in the traffic of a run. trainable_bytes: one float32
    copy of the trained part, which a client would send in a round without compression.
    """
    own = model.tuner.in_place  # otherwise everything that is trained was added
    base = sum(p.numel() for p in model.module.encoder.parameters() if own or not p.requires_grad)
    trainable = model.num_trainable()
    return {
        "name": model.source.name,
        "source": model.source.kind,
        "sha256": model.source.sha256,
        "parameters": base,
        "trainable": trainable,
        "tune": model.tune,
        "base_bytes": 4 * base,
        "trainable_bytes": 4 * trainable,
    }


def describe_environment(model: Model) -> dict[str, Any]:
    """Return the record's `environment` block."""
    import torch

    import fedkit
    from fedkit.models.loading import processor_name

    names = ("torch", "transformers", "peft", "safetensors", "numpy", "opacus", "dp-accounting")
    return {
        "fedkit": fedkit.__version__,
        "python": platform.python_version(),
        **{n: version(n) for n in names},
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": model.attention,
        "engine": model.engine,
        "threads": torch.get_num_threads(),
        "processor": processor_name(),
        "system": platform.system(),
    }
