"""What travels in a round: the server's broadcast to all clients, and a client's upload.

Uploads that wait for the next round are packed into tensors, so that a state fits in a file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.tensors import CENTRE_NAME, Params, select_prefix
from fedkit.federated.aggregation.lora_pairs import cut_rank, lora_pairs
from fedkit.federated.interfaces import Aggregator
from fedkit.federated.local.train import ClientUpdate
from fedkit.models.classifier import MERGED
from fedkit.wire.payload import Payload, encode_tensors
from fedkit.wire.pipeline import Context, Wire

LARGEST_VALUE = 1e9  # of an uploaded value: products of larger ones overflow on the server


@dataclass(frozen=True)
class Upload:
    """One client's upload as the server received it; `Exchange.accept` stores its memory.

    update: decoded; None: sealed, or rejected for `reason`. slot, memory: error feedback. home,
    control: the tensors that stay with the client.
    """

    place: int
    nbytes: int
    update: ClientUpdate | None = None
    reason: str = ""
    slot: str = ""
    memory: Params = field(default_factory=dict)
    home: Params = field(default_factory=dict)
    control: Params = field(default_factory=dict)
    sealed: bytes = b""  # what the server can only add to a sum, in place of the update


@dataclass(frozen=True)
class Tampering:
    """Changes that a hostile client makes to its update, before and after it is encoded."""

    delta: Callable[[Params], Params]
    body: Callable[[bytes], bytes]


class Broadcast:
    """The tensors that every client holds, the messages that brought them, and their bytes.

    The difference between the server's tensors and those is what is sent, so what one message loses
    the next one sends (EF21-P: Gruntkowska et al., 2023). A client that missed rounds is sent their
    messages too, or all tensors once where that is shorter.
    """

    def __init__(self, wire: Wire, shared: Params, clients: int, seed: int, state: Params):
        self.wire, self.seed, self.held, self.number = wire, seed, dict(shared), 0
        # sorted, as a state file gives them back in another order
        self.names = sorted(n for n in shared if not n.endswith(MERGED))
        self.sizes: dict[tuple[int, bool, int], int] = {}  # of downloads in this round
        # of every round the bytes of the message, and of that for the frozen matrices; the last
        # round whose message each client has; the last that sent each tensor
        shapes = {"sent": (0, 2), "seen": (clients,), "changed": (len(self.names),)}
        before = state or {n: torch.zeros(shape).long() for n, shape in shapes.items()}
        self.sent, self.seen, self.changed = (before[n].clone() for n in shapes)
        if state:
            self.held |= select_prefix(state, "held/")
        else:
            fresh = [n for n in self.held if n.startswith("head.") or n == CENTRE_NAME]
            self.held |= {n: torch.zeros_like(self.held[n]) for n in fresh}

    def publish(self, shared: Params, travelling: Sequence[str], number: int) -> None:
        """Make the message of round `number` from the tensors that the clients lack."""
        self.number, self.sizes = number, {}
        lacking = {n: shared[n] for n in travelling if not torch.equal(shared[n], self.held[n])}
        body = b""
        if lacking and self.wire.stages:
            wire = self.wire.dense(4) if number == 1 else self.wire  # the head start is sent whole
            change = {n: t - self.held[n] for n, t in lacking.items()}
            body, received = self._send(wire, change)
            self.held |= {n: self.held[n] + t for n, t in received.items()}
        elif lacking:
            body, received = self._send(self.wire, lacking)
            self.held |= received
        self.held |= {n: t for n, t in shared.items() if n.endswith(MERGED)}
        self.note_sent(number, 0, len(body))
        self.changed[[i for i, n in enumerate(self.names) if n in lacking]] = number

    def _send(self, wire: Wire, tensors: Params) -> tuple[bytes, Params]:
        """Return (the message, the tensors that a client decodes from it).

        Raises FedkitError when training has driven the parameters out of range.
        """
        context = Context("server", self.number, self.seed, {})
        payload, _ = wire.encode(tensors, context)
        try:
            return payload.body, wire.decode(payload, tensors, context)[0]
        except PayloadError as error:
            raise FedkitError(
                f"the shared parameters cannot be used ({error}); lower --lr or --head-lr and start"
                " again"
            ) from None

    def note_sent(self, number: int, column: int, nbytes: int) -> None:
        """Note the bytes of a round's message. column: of `sent`."""
        missing = torch.zeros(max(0, number + 1 - len(self.sent)), 2, dtype=torch.int64)
        # a new tensor: a state given out earlier stays as it was
        self.sent = torch.cat([self.sent, missing])
        self.sent[number, column] = nbytes

    def nbytes(self, last: int, rank: int | None = None) -> int:
        """Return the bytes of the download of a client that was last sent round `last`.

        rank: of its LoRA pairs; None: that of the shared ones.
        """
        key = (last, rank is None, rank or 0)
        if key not in self.sizes:
            message, matrices = self.sent[last + 1 : self.number + 1].sum(0).tolist()
            missed_some = last + 1 < self.number
            if missed_some or not self.wire.stages:
                changed = zip(self.names, self.changed.tolist())
                fresh = {n: self.held[n] for n, when in changed if when > last}
                fresh = fresh if rank is None else cut_rank(fresh, rank)
                whole = encode_tensors(fresh).nbytes if fresh else 0
                message = min(message, whole) if self.wire.stages else whole
            if missed_some and matrices:
                merged = {n: t for n, t in self.held.items() if n.endswith(MERGED)}
                matrices = min(matrices, encode_tensors(merged).nbytes)
            self.sizes[key] = message + matrices
        return self.sizes[key]

    def state(self) -> Params:
        """Return what the next round needs, as tensors."""
        kept = {"sent": self.sent, "seen": self.seen, "changed": self.changed}
        return kept | {f"held/{n}": self.held[n] for n in self.names}


def local_names(rule: Aggregator, share: str, names: Sequence[str]) -> frozenset[str]:
    """Return the names of the trained tensors that are never sent.

    Raises FedkitError for a pattern of --share that fits nothing or breaks the aggregation.
    """
    if share == "all":
        return rule.local_names(names)
    parts = [part for part in share.split("|") if part]
    travel = {n for n in names if any(part in n for part in parts)}
    if missing := [part for part in parts if not any(part in n for n in names)]:
        known = sorted({".".join(n.split(".")[-2:-1]) or n for n in names})
        raise FedkitError(
            f"share {share!r} given; no trained tensor has {missing[0]!r} in its name, such as:"
            f" {', '.join(known)}"
        )
    home = frozenset(n for n in names if n not in travel) | rule.local_names(names)
    if rule.needs_both and any(p.a in home or p.b in home for p in lora_pairs(names)):
        raise FedkitError(
            f"share {share!r} given, and the aggregation needs both matrices of every pair; use"
            " --share all"
        )
    if len(home) == len(names):
        raise FedkitError(f"share {share!r} given; nothing is left to travel")
    return home


def decode_update(
    wire: Wire, upload: Payload, template: Params, context: Context, figures: Sequence[str] = ()
) -> tuple[ClientUpdate | None, str]:
    """Return (the update in an upload or None, the reason of its rejection or '').

    figures: names of numbers that must be in its notes.
    """
    try:
        delta, notes = wire.decode(upload, template, context)
        name, examples = notes.get("client"), notes.get("examples")
        if not isinstance(name, str) or type(examples) is not int or not 0 < examples < 10**9:
            raise PayloadError(
                "impossible notes: client must be text, examples a whole number from 1 to"
                " 999,999,999"
            )
        if name != context.sender:
            raise PayloadError("says it comes from another client")
        if big := [n for n, t in delta.items() if t.numel() and t.abs().max() > LARGEST_VALUE]:
            raise PayloadError(
                f"{big[0]}: holds a value beyond {LARGEST_VALUE:g}, which no training gives"
            )
        if bad := [f for f in figures if not _is_figure(notes.get(f))]:
            raise PayloadError(f"impossible notes: {bad[0]} must be a number from 0 to a billion")
        return ClientUpdate(name, delta, examples, {f: float(notes[f]) for f in figures}), ""
    except PayloadError as error:
        return None, str(error)


def _is_figure(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1e9


def pack_json(values: Any) -> Tensor:
    """Return `values` as JSON in a tensor of bytes, uint8 (n,)."""
    return torch.tensor(list(json.dumps(values).encode()), dtype=torch.uint8)


def unpack_json(tensor: Tensor) -> Any:
    """Return the values that `pack_json` packed."""
    return json.loads(bytes(tensor.tolist()))


def pack_update(update: ClientUpdate, name: str) -> Params:
    """Return an update as tensors whose names begin with `name`/."""
    values = {k: v for k, v in vars(update).items() if k != "delta"}
    return {f"{name}/said": pack_json(values)} | {
        f"{name}/delta/{n}": t for n, t in update.delta.items()
    }


def unpack_update(state: Params, name: str) -> ClientUpdate:
    """Return the update that `pack_update` packed under `name`."""
    return ClientUpdate(
        delta=select_prefix(state, f"{name}/delta/"), **unpack_json(state[f"{name}/said"])
    )
