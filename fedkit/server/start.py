"""Before round 1: one exchange that gives the shared head a start and everyone the label shares.

Each client sends sums of its sentence vectors per label, and label counts. That is a statistic of its data: it is not
private by itself, and its bytes are counted. What cannot be right is rejected, as in every round. Of very many clients
only some are asked, drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData, concatenate
from fedkit.errors import FedkitError
from fedkit.model.classifier import Model, Params
from fedkit.record import ClientRecord
from fedkit.server.sampling import sample_clients
from fedkit.wire.payload import PayloadError, decode, encode

HEAD_STARTS = ("zero", "class-means")
LOSSES = ("calibrated", "balanced", "plain")
MOST = 200  # clients asked
SCALE = 16.0  # length of a class-mean row of the head: logits are then 16 x cosine similarity


def start(
    model: Model, clients: Sequence[ClientData], config: RunConfig
) -> tuple[Params, Tensor | None, tuple[ClientRecord, ...]]:
    """(shared parameters, label shares or None, what each client sent and received before round 1)."""
    check_start(config)
    shared, means = model.params(), config.head_start == "class-means"
    if not exchanges(config):
        return shared, None, ()
    total = blank = blank_statistics(model, means)
    uploads = []
    asked = clients if len(clients) <= MOST else sample_clients(clients, MOST, config.seed, 0)
    for client, sent in every_statistics(model, asked, means):
        payload, reason = encode(sent), ""
        try:
            received, _ = decode(payload, blank)
            total = {n: total[n] + t for n, t in received.items()}
        except PayloadError as error:
            reason = str(error)
        uploads.append((client.client_id, "rejected" if reason else "ok", reason, payload.nbytes))
    counts = total["label_counts"].double()
    if not counts.sum() > 0:
        raise FedkitError(
            f"the statistics of every client were rejected ({reason}); is the base model {config.model!r} damaged?"
        )
    prior = (counts / counts.sum()).float()
    if means:
        shared = shared | class_mean_head(total["feature_sums"])
    download = encode({"label_shares": prior}).nbytes if config.loss == "calibrated" else 0
    records = tuple(ClientRecord(c, s, why, uplink_bytes=up, downlink_bytes=download) for c, s, why, up in uploads)
    return shared, prior, records


def blank_statistics(model: Model, means: bool) -> Params:
    """Zeros: label_counts, float32 (labels,); and with `means` feature_sums, float32 (labels, d)."""
    labels, width = len(model.labels), model.module.head.in_features
    return {"label_counts": torch.zeros(labels)} | ({"feature_sums": torch.zeros(labels, width)} if means else {})


def statistics(model: Model, client: ClientData, means: bool) -> Params:
    """A client's label counts and, with `means`, the sums of its sentence vectors per label."""
    ((_, sent),) = every_statistics(model, [client], means)
    return sent


def every_statistics(
    model: Model, clients: Sequence[ClientData], means: bool, texts: int = 1024
) -> Iterator[tuple[ClientData, Params]]:
    """Each client with its statistics; small clients pass through the encoder together, about `texts` texts at once."""
    groups = np.cumsum([len(c.train) for c in clients]) // texts
    for _, members in groupby(zip(groups, clients), key=lambda pair: pair[0]):
        group = [client for _, client in members]
        vectors = torch.from_numpy(model.features(concatenate([c.train for c in group]))) if means else None
        for client in group:
            out, labels = blank_statistics(model, means), torch.from_numpy(client.train.labels)
            out["label_counts"] += torch.bincount(labels, minlength=len(model.labels))
            if means:
                out["feature_sums"].index_add_(0, labels, vectors[: len(labels)])
                vectors = vectors[len(labels) :]
            yield client, out


def class_mean_head(feature_sums: Tensor) -> Params:
    """Head rows that point to each label's mean sentence vector (nearest class mean); labels nobody has stay at zero."""
    rows = SCALE * torch.nn.functional.normalize(feature_sums, dim=-1)
    return {"head.weight": rows, "head.bias": torch.zeros(len(rows))}


def exchanges(config: RunConfig) -> bool:
    """Whether anything is sent before round 1: for the head start, or for the label shares of the calibrated loss."""
    return config.head_start == "class-means" or config.loss == "calibrated"


def start_note(config: RunConfig, clients: int) -> str:
    """A note when not every client is asked before round 1."""
    some = exchanges(config) and clients > MOST
    return f"before round 1, {MOST} of the {clients:,} clients are asked" if some else ""


def check_start(config: RunConfig) -> None:
    """Raise FedkitError for an unknown head start or loss."""
    for flag, value, allowed in (("head-start", config.head_start, HEAD_STARTS), ("loss", config.loss, LOSSES)):
        if value not in allowed:
            raise FedkitError(f"{flag} {value!r} is not known; choose one of: {', '.join(allowed)}")
