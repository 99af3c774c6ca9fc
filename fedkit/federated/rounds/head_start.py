"""Before round 1: one exchange that gives the shared head a start and everyone the label shares.

Each client sends label counts, sums of its sentence vectors per label, and for a head in closed
form the sum of their products. That is a statistic of its data: it is not private by itself, and
its bytes are counted. What cannot be right is rejected, as in every round. Of very many clients
only some are asked, drawn at random. The sums for class means pass through the quantising and
coding stages of the wire; what a head is solved from travels whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import CENTRE, Params
from fedkit.data.corpus import ClientData, concatenate
from fedkit.federated.rounds.private_statistics import (
    about_centre,
    at_server,
    at_site,
    bounded,
    centre_of,
    centred,
    owed,
    unbounded,
    with_total,
)
from fedkit.federated.rounds.sampling import sample_clients
from fedkit.federated.rounds.secure_sum import Vault, charge
from fedkit.models.classifier import Model
from fedkit.models.head_starts import make_head_start, triangle
from fedkit.privacy.mechanisms import Budget, _budget, make_privacy
from fedkit.wire.layout import Form
from fedkit.wire.payload import encode
from fedkit.wire.pipeline import Context, Wire, make_wire
from fedkit.wire.secure_aggregation.registry import make_lock

if TYPE_CHECKING:
    from fedkit.core.config import RunConfig

LOSSES = ("calibrated", "balanced", "plain")
MOST = 200  # clients asked


def start(
    model: Model, clients: Sequence[ClientData], config: RunConfig, secret: int = 0
) -> tuple[Params, Tensor | None, tuple[ClientRecord, ...]]:
    """(shared parameters, label shares or None, what each client sent and received before
    round 1).
    """
    check_start(config)
    shared, head = model.params(), make_head_start(config.head_start)
    if not exchanges(config):
        return shared, None, ()
    budget = budget_of(config, len(clients))
    blank = blank_statistics(model, head.sums)
    blank = with_total(blank) if budget else blank
    asked = clients if len(clients) <= MOST else sample_clients(clients, MOST, config.seed, 0)
    vault = _vault(config, blank, asked, budget, config.seed + secret)
    total, wires, records = blank, wires_of(config, blank), []
    for client, sent in every_statistics(model, asked, head.sums):
        name = client.client_id
        sent = at_site(bounded(sent, budget), budget, name, config.seed + secret)
        received, nbytes, reason = (
            _sealed(vault, sent, name) if vault else _sent(wires, sent, blank, config, name)
        )
        total = {n: total[n] + received.get(n, 0.0) for n in total}
        records.append(
            ClientRecord(name, "rejected" if reason else "ok", reason, uplink_bytes=nbytes)
        )
    if vault:
        total = _opened(vault, blank, records)
    counts = total["label_counts"].double()
    if all(r.status != "ok" for r in records) or not (budget or counts.sum() > 0):
        raise FedkitError(
            f"the statistics of every client were rejected ({reason}); is the base model"
            f" {config.model!r} damaged?"
        )
    total = unbounded(at_server(total, config, budget, config.seed + secret), budget)
    counts = total["label_counts"].double().clamp_min(1e-9)
    prior = (counts / counts.sum()).float()
    shared = shared | _head(head, total, config)
    download = encode({"label_shares": prior}).nbytes if config.loss == "calibrated" else 0
    return (
        shared,
        prior,
        tuple(replace(r, downlink_bytes=r.downlink_bytes + download) for r in records),
    )


def _head(head: Any, total: Params, config: RunConfig) -> Params:
    """The head solved from the sums; private training goes on about the released mean, so there it
    is solved about it.
    """
    if not centred(config):
        return head.solve(total)
    centre = centre_of(total)
    solved = head.solve(about_centre(total, centre[CENTRE]))
    bias = solved["head.bias"] - solved["head.weight"] @ centre[CENTRE]
    return solved | centre | {"head.bias": bias}


def _sent(
    wires: list[tuple[Wire, list[str]]], sent: Params, blank: Params, config: RunConfig, client: str
) -> tuple[Params, int, str]:
    """(what the server reads of a site's statistics, their bytes, '' or why they are rejected)."""
    reason, nbytes, received = "", 0, {}
    for wire, names in wires:
        context = Context(client, 0, config.seed, {})
        payload, _ = wire.encode({n: sent[n] for n in names}, context)
        nbytes += payload.nbytes
        try:
            received |= wire.decode(payload, {n: blank[n] for n in names}, context)[0]
        except PayloadError as error:
            reason = str(error)
    return ({} if reason else received), nbytes, reason


def _vault(
    config: RunConfig,
    blank: Params,
    asked: Sequence[ClientData],
    budget: Budget | None,
    entropy: int,
) -> Vault | None:
    if config.secure == "none" or len(asked) < 2:
        return None
    names, form = [c.client_id for c in asked], Form.of(blank)
    most = max(len(c.train) for c in asked)
    return Vault(
        make_lock(config.secure), names, form.size, entropy, 0, 1.0, owed(blank, budget, most)
    )


def _sealed(vault: Vault, sent: Params, client: str) -> tuple[Params, int, str]:
    try:
        body = vault.seal(client, Form.of(sent).flat(sent), 1.0)
        vault.add(client, body)
    except PayloadError as error:
        return {}, 0, str(error)
    return {}, len(body), ""


def _opened(vault: Vault, blank: Params, records: list[ClientRecord]) -> Params:
    """The sum of what was sealed; `records` gets the bytes of the lock."""
    try:
        done = vault.result()
    except PayloadError as error:
        why = next((r.reason for r in records if r.reason), error)
        raise FedkitError(
            f"the statistics before round 1 could not be summed ({why}); use --head-start zero"
        ) from None
    charge(records, vault.setup, done.costs)
    return Form.of(blank).params((done.mean * done.weight).astype(np.float32))


def wires_of(config: RunConfig, blank: Params) -> list[tuple[Wire, list[str]]]:
    """Which sums travel by which wire. Class means take a lossy one, never coarser than 4 bits; the
    counts travel whole.

    So does everything where equations are solved with the sums: that magnifies every error, and
    with few examples eight bits already spoil the head.
    """
    dense = make_wire("none" if config.privacy != "none" else config.wire).dense(4)
    if not dense.stages or "feature_sums" not in blank or "feature_products" in blank:
        return [(make_wire("none"), list(blank))]
    return [(make_wire("none"), ["label_counts"]), (dense, ["feature_sums"])]


def blank_statistics(model: Model, sums: Sequence[str]) -> Params:
    """Zeros, float32: label_counts (labels,) and of feature_sums (labels, d), feature_products (d
    (d + 1) / 2,) those in `sums`.
    """
    labels, width = len(model.labels), model.module.head.in_features
    shapes = {"feature_sums": (labels, width), "feature_products": (width * (width + 1) // 2,)}
    return {"label_counts": torch.zeros(labels)} | {n: torch.zeros(shapes[n]) for n in sums}


def statistics(model: Model, client: ClientData, sums: Sequence[str]) -> Params:
    """A client's label counts and the sums that are asked for."""
    ((_, sent),) = every_statistics(model, [client], sums)
    return sent


def every_statistics(
    model: Model, clients: Sequence[ClientData], sums: Sequence[str], texts: int = 1024
) -> Iterator[tuple[ClientData, Params]]:
    """Each client with its statistics; small clients pass through the encoder together, about
    `texts` texts at once.
    """
    groups = np.cumsum([len(c.train) for c in clients]) // texts
    for _, members in groupby(zip(groups, clients), key=lambda pair: pair[0]):
        group = [client for _, client in members]
        vectors = (
            torch.from_numpy(model.features(concatenate([c.train for c in group])))
            if sums
            else None
        )
        for client in group:
            out, labels = blank_statistics(model, sums), torch.from_numpy(client.train.labels)
            out["label_counts"] += torch.bincount(labels, minlength=len(model.labels))
            if sums:
                own, vectors = vectors[: len(labels)], vectors[len(labels) :]
                out["feature_sums"].index_add_(0, labels, own)
                if "feature_products" in out:
                    out["feature_products"] += triangle(own)
            yield client, out


def exchanges(config: RunConfig) -> bool:
    """Whether anything is sent before round 1: for the head start, or for the label shares of the
    calibrated loss.
    """
    return bool(make_head_start(config.head_start).sums) or config.loss == "calibrated"


def start_note(config: RunConfig, clients: int) -> str:
    """A note when not every client is asked before round 1."""
    some = exchanges(config) and clients > MOST
    return f"before round 1, {MOST} of the {clients:,} clients are asked" if some else ""


def check_start(config: RunConfig) -> None:
    """Raise FedkitError for an unknown head start or loss."""
    make_head_start(config.head_start)
    if config.loss not in LOSSES:
        raise FedkitError(f"loss {config.loss!r} is not known; choose one of: {', '.join(LOSSES)}")


def budget_of(config: RunConfig, clients: int) -> Budget | None:
    """What a run with so many clients has to keep; None without privacy. Raises FedkitError for
    what cannot be kept.
    """
    privacy = make_privacy(config.privacy)
    return (
        None
        if not privacy.unit
        else _budget(
            privacy,
            config.rounds,
            config.local_epochs,
            clients,
            config.clients_per_round,
            _releases_start(config),
        )
    )


def _releases_start(config: RunConfig) -> bool:

    return exchanges(config)
