"""The exchange before round 1: statistics of the clients start the head and give the label shares.

Each client sends label counts, sums of its sentence vectors per label, and for a head in closed
form the sum of their products. These statistics are not private by themselves, and their bytes are
counted. Invalid ones are rejected, as in every round. Clients that join later are not asked, and of
very many only some, drawn at random. The sums for class means pass through the quantising and
coding stages of the wire; sums that a head is solved from are not compressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import CENTRE_NAME, Params
from fedkit.data.corpus import ClientData, concatenate
from fedkit.federated.methods import methods_of
from fedkit.federated.rounds import private_statistics as private
from fedkit.federated.rounds.faults import draw_fate
from fedkit.federated.rounds.sampling import sample_clients
from fedkit.federated.rounds.secure_sum import SecureSum, add_lock_bytes, may_lose_uploads
from fedkit.models.classifier import Model
from fedkit.models.head_starts import upper_triangle
from fedkit.privacy.mechanisms import Budget, budget_of, run_key
from fedkit.privacy.noise import NoiseKey
from fedkit.wire.layout import TensorLayout
from fedkit.wire.payload import encode_tensors
from fedkit.wire.pipeline import Context, Wire

LOSSES = ("calibrated", "balanced", "plain")
MAX_ASKED = 200  # clients asked


def compute_head_start(
    model: Model, clients: Sequence[ClientData], config: RunConfig, key: NoiseKey | None = None
) -> tuple[Params, Tensor | None, tuple[ClientRecord, ...]]:
    """Return (shared parameters, label shares or None, record of each client) before round 1.

    key: of the noise; None: as `run_key` makes it.
    """
    check_head_start(config)
    methods = methods_of(config)
    shared, head = model.params(), methods.head_start
    if not sends_statistics(config):
        return shared, None, ()
    budget = privacy_budget(config, len(clients))
    blank = blank_statistics(model, head.sums)
    blank = private.add_feature_total(blank) if budget else blank
    asked, key = _who_is_there(clients, config), key or run_key(methods.privacy, config.seed)
    if len(asked) > MAX_ASKED:
        asked = sample_clients(asked, MAX_ASKED, config.seed, 0)
    secure_sum = None
    if config.secure != "none" and len(asked) > 1:
        names, size = [c.client_id for c in asked], TensorLayout.from_params(blank).size
        lock, lossy = methods.lock, may_lose_uploads(config)
        noise = private.required_noise(blank, budget, max(len(c.train) for c in asked))
        secure_sum = SecureSum(lock, names, size, key, 0, 1.0, noise, lossy)
    total, wires, records = blank, statistics_wires(config, blank), []
    for client, sent in each_client_statistics(model, asked, head.sums):
        name = client.client_id
        sent = private.add_client_noise(private.bound_statistics(sent, budget), budget, name, key)
        if secure_sum:
            received, nbytes, reason = _send_sealed(secure_sum, sent, name)
        else:
            received, nbytes, reason = _send(wires, sent, blank, config, name)
        total = {n: total[n] + received.get(n, 0.0) for n in total}
        status = "rejected" if reason else "ok"
        records.append(ClientRecord(name, status, reason, uplink_bytes=nbytes))
    if secure_sum:
        total = _open_sum(secure_sum, blank, records)
    counts = total["label_counts"].double()
    if all(r.status != "ok" for r in records) or not (budget or counts.sum() > 0):
        raise FedkitError(
            f"the statistics of every client were rejected ({reason}); is the base model"
            f" {config.model!r} damaged?"
        )
    total = private.add_server_noise(total, config, budget, key)
    total = private.unbound_statistics(total, budget)
    counts = total["label_counts"].double().clamp_min(1e-9)
    prior = (counts / counts.sum()).float()
    shared = shared | _solve_head(head, total, config)
    download = encode_tensors({"label_shares": prior}).nbytes if config.loss == "calibrated" else 0
    records = [replace(r, downlink_bytes=r.downlink_bytes + download) for r in records]
    return shared, prior, tuple(records)


def _who_is_there(clients: Sequence[ClientData], config: RunConfig) -> list[ClientData]:
    """Return the clients that have joined before round 1. Raises FedkitError for too few."""
    faults, seed = methods_of(config).faults, config.seed
    there = [c for c in clients if draw_fate(faults, seed, 1, c.client_id).kind != "not yet here"]
    if len(there) < min(len(clients), 1 + (config.secure != "none")):
        raise FedkitError(
            f"faults {config.faults!r}: {len(there)} of {len(clients)} sites are there before round"
            " 1, too few to start the head; use a smaller join, or --head-start zero --loss plain"
        )
    return there


def statistics_wires(config: RunConfig, blank: Params) -> list[tuple[Wire, list[str]]]:
    """Return the wires with the names of the statistics that each sends.

    Sums for class means take a lossy wire, never coarser than 4 bits; counts are sent whole. So is
    everything where equations are solved with the sums: that magnifies every error, and with few
    examples eight bits already spoil the head.
    """
    dense = (Wire() if config.privacy != "none" else methods_of(config).up).dense(4)
    if not dense.stages or "feature_sums" not in blank or "feature_products" in blank:
        return [(Wire(), list(blank))]
    return [(Wire(), ["label_counts"]), (dense, ["feature_sums"])]


def blank_statistics(model: Model, sums: Sequence[str]) -> Params:
    """Return zeros, float32, for label_counts (labels,) and the statistics in `sums`.

    feature_sums has shape (labels, d), feature_products (d (d + 1) / 2,).
    """
    labels, width = len(model.labels), model.module.head.in_features
    shapes = {"feature_sums": (labels, width), "feature_products": (width * (width + 1) // 2,)}
    return {"label_counts": torch.zeros(labels)} | {n: torch.zeros(shapes[n]) for n in sums}


def client_statistics(model: Model, client: ClientData, sums: Sequence[str]) -> Params:
    """Return a client's label counts and the statistics in `sums`."""
    ((_, sent),) = each_client_statistics(model, [client], sums)
    return sent


def each_client_statistics(
    model: Model, clients: Sequence[ClientData], sums: Sequence[str], texts: int = 1024
) -> Iterator[tuple[ClientData, Params]]:
    """Yield each client with its statistics.

    Small clients pass through the encoder together, about `texts` texts at once.
    """
    groups = np.cumsum([len(c.train) for c in clients]) // texts
    for _, members in groupby(zip(groups, clients), key=lambda pair: pair[0]):
        group = [client for _, client in members]
        if sums:
            vectors = torch.from_numpy(model.features(concatenate([c.train for c in group])))
        for client in group:
            out, labels = blank_statistics(model, sums), torch.from_numpy(client.train.labels)
            out["label_counts"] += torch.bincount(labels, minlength=len(model.labels))
            if sums:
                own, vectors = vectors[: len(labels)], vectors[len(labels) :]
                out["feature_sums"].index_add_(0, labels, own)
                if "feature_products" in out:
                    out["feature_products"] += upper_triangle(own)
            yield client, out


def sends_statistics(config: RunConfig) -> bool:
    """Return whether the head start or the calibrated loss needs statistics before round 1."""
    return bool(methods_of(config).head_start.sums) or config.loss == "calibrated"


def head_start_note(config: RunConfig, clients: int) -> str:
    """Return a note when not every client is asked before round 1, else ''."""
    some = sends_statistics(config) and clients > MAX_ASKED
    return f"before round 1, {MAX_ASKED} of the {clients:,} clients are asked" if some else ""


def check_head_start(config: RunConfig) -> None:
    """Raise FedkitError for an unknown head start or loss."""
    methods_of(config)  # which refuses a head start
    if config.loss not in LOSSES:
        raise FedkitError(f"loss {config.loss!r} is not known; choose one of: {', '.join(LOSSES)}")


def privacy_budget(config: RunConfig, clients: int) -> Budget | None:
    """Return the privacy budget of a run with so many clients; None without privacy.

    Raises FedkitError for a budget that cannot be kept.
    """
    privacy = methods_of(config).privacy
    if not privacy.unit:
        return None
    passes = config.rounds, config.local_epochs, clients, config.clients_per_round
    return budget_of(privacy, *passes, sends_statistics(config), config.secure != "none")


def _solve_head(head: Any, total: Params, config: RunConfig) -> Params:
    """Return the head solved from the sums, about the released mean if training is about it."""
    if not private.trains_about_centre(config):
        return head.solve(total)
    centre = private.released_centre(total)
    solved = head.solve(private.shift_to_centre(total, centre[CENTRE_NAME]))
    bias = solved["head.bias"] - solved["head.weight"] @ centre[CENTRE_NAME]
    return solved | centre | {"head.bias": bias}


def _send(
    wires: list[tuple[Wire, list[str]]], sent: Params, blank: Params, config: RunConfig, client: str
) -> tuple[Params, int, str]:
    """Return (the statistics that the server decodes, their bytes, '' or why they are rejected)."""
    reason, nbytes = "", 0
    received: Params = {}
    for wire, names in wires:
        context = Context(client, 0, config.seed, {})
        payload, _ = wire.encode({n: sent[n] for n in names}, context)
        nbytes += payload.nbytes
        try:
            received |= wire.decode(payload, {n: blank[n] for n in names}, context)[0]
        except PayloadError as error:
            reason = str(error)
    return ({} if reason else received), nbytes, reason


def _send_sealed(secure_sum: SecureSum, sent: Params, client: str) -> tuple[Params, int, str]:
    try:
        body = secure_sum.seal(client, TensorLayout.from_params(sent).flatten(sent), 1.0)
        secure_sum.add(client, body)
    except PayloadError as error:
        return {}, 0, str(error)
    return {}, len(body), ""


def _open_sum(secure_sum: SecureSum, blank: Params, records: list[ClientRecord]) -> Params:
    """Return the sum of the sealed statistics; the bytes of the lock are added to `records`."""
    try:
        done = secure_sum.result()
    except PayloadError as error:
        why = next((r.reason for r in records if r.reason), error)
        raise FedkitError(
            f"the statistics before round 1 could not be summed ({why}); use --head-start zero"
        ) from None
    add_lock_bytes(records, secure_sum.setup, done.costs)
    return TensorLayout.from_params(blank).unflatten((done.mean * done.weight).astype(np.float32))
