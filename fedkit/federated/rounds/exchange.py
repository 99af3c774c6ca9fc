"""Download and upload of every round, with all bytes counted.

Only tensors that changed are sent, and nothing that both sides can draw from the seed. Only changes
are compressed. On the way up a client compresses its delta, and a stage with error feedback keeps
the lost part at the client. On the way down the server compresses the difference between its own
tensors and those the clients hold, so what one round loses the next one sends (EF21-P: Gruntkowska
et al., 2023). A client that missed rounds is sent their messages too, or all tensors once where
that is shorter.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import CENTRE_NAME, CONTROL_SUFFIX, Params, select_prefix
from fedkit.data.corpus import ClientData
from fedkit.federated.aggregation.aggregators import (
    Aggregator,
    Combined,
    combine_updates,
    make_aggregator,
)
from fedkit.federated.aggregation.lora_pairs import (
    MAX_PRODUCT_VALUES,
    cut_rank,
    lora_pairs,
    pad_rank,
)
from fedkit.federated.local.train import ClientUpdate, FitResult, learning_rates
from fedkit.federated.rounds.client_dp import ClientDP
from fedkit.federated.rounds.head_start import privacy_budget
from fedkit.federated.rounds.private_statistics import trains_about_centre
from fedkit.federated.rounds.secure_sum import SealedUploads
from fedkit.federated.strategies import State, make_strategy
from fedkit.models.classifier import MERGED, Model, zero_merged
from fedkit.privacy.mechanisms import run_key
from fedkit.privacy.noise import NoiseKey
from fedkit.wire.payload import Payload, encode_tensors
from fedkit.wire.pipeline import Context, Wire, make_wire

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


class Exchange:
    """What server and clients remember of the tensors sent so far.

    model: only read. shared: the tensors before round 1, or after the last round in `state`. state:
    what `state()` returned then, {} before round 1.
    """

    def __init__(
        self,
        model: Model,
        clients: Sequence[ClientData],
        shared: Params,
        config: RunConfig,
        state: State,
        key: NoiseKey | None = None,
    ):
        self.config, self.rule = config, make_aggregator(config.aggregate)
        self.scale = model.adapter_scale
        self.up, self.down = make_wires(config, self.rule)
        alone = config.robust == "none" and config.late != "carry" and config.secure == "none"
        mixed = not alone or make_strategy(config.strategy).asynchronous
        # whether all updates of a round start from its parameters and are summed as they were made
        self.one_start = not mixed
        # sorted, as a state file gives them back in another order
        self.names = sorted(n for n in shared if not n.endswith(MERGED))
        self.home_names = local_names(
            self.rule, config.share, [n for n in self.names if n != CENTRE_NAME]
        )
        self.place = {c.client_id: i for i, c in enumerate(clients)}
        self.most = max_rank(shared)
        self.ranks = {c: self.rule.client_rank(i, self.most) for c, i in self.place.items()}
        self.held, self.number = dict(shared), 0
        self.sizes: dict[tuple[int, int], int] = {}  # bytes of a download, by (last round, rank)
        self.frozen: frozenset[str] = frozenset()
        # (rounds, 2) bytes: the message, and that for the frozen matrices
        self.sent = torch.zeros(0, 2, dtype=torch.int64)
        # the last round whose message each client has
        self.seen = torch.zeros(len(clients), dtype=torch.int64)
        # the last round that sent each tensor
        self.changed = torch.zeros(len(self.names), dtype=torch.int64)
        self.memory: dict[str, Params] = {}  # error feedback, by client and by what it sent
        self.home: dict[int, Params] = {}  # the tensors that stay with a client, by its place
        self.control: dict[int, Params] = {}  # each client's own control variates, by its place
        self.budget = privacy_budget(config, len(clients))
        self.key = key or run_key(config)  # of all that protects, and of nothing else
        self.noise: float | None = None  # noise multiplier of what this round released
        self.guard: ClientDP | None = None
        if self.budget and self.budget.unit == "client":
            self.guard = ClientDP(self.budget, self.key, select_prefix(state or {}, "guard/"))
        heaviest = (
            float(max(len(c.train) for c in clients)) if config.weights == "examples" else 1.0
        )
        rates = learning_rates(model, config)
        self.sealing = SealedUploads(
            config, self.up, self.budget, self.guard, heaviest, rates, self.key
        )
        self._restore(state)

    # ---- a round, in its order

    def publish(self, shared: Params, number: int) -> None:
        """Make the message of round `number` from the tensors that the clients lack."""
        self.number, self.frozen = number, self.rule.frozen_names(self.names, number)
        travelling = [n for n in self.names if n not in self.home_names]
        lacking = {n: shared[n] for n in travelling if not torch.equal(shared[n], self.held[n])}
        body = b""
        if lacking and self.down.stages:
            wire = self.down.dense(4) if number == 1 else self.down  # the head start is sent whole
            change = {n: t - self.held[n] for n, t in lacking.items()}
            body, received = self._broadcast(wire, change, number)
            self.held |= {n: self.held[n] + t for n, t in received.items()}
        elif lacking:
            body, received = self._broadcast(self.down, lacking, number)
            self.held |= received
        self.held |= {n: t for n, t in shared.items() if n.endswith(MERGED)}
        self._note_sent(number, 0, len(body))
        self.changed[[i for i, n in enumerate(self.names) if n in lacking]] = number
        self.sizes, self.noise = {}, None
        self.begin = self.rule.round_start(self.held, number, self.config.seed)

    def download(self, client: str) -> tuple[Params, int]:
        """Return (the parameters that the client starts from, the bytes it was sent)."""
        last = int(self.seen[self.place[client]])
        self.seen[self.place[client]] = self.number
        return self.starting_params(client), self.download_bytes(last, self.ranks[client])

    def starting_params(self, client: str) -> Params:
        """Return the shared tensors at the client's rank (padded with zeros), and its own."""
        shared = self.begin
        if self.ranks[client] < self.most:
            shared = pad_rank(cut_rank(shared, self.ranks[client]), shared)
        return shared | self.home.get(self.place[client], {})

    def gradient_shift(self, client: str) -> Params | None:
        """Return c - c_i, which SCAFFOLD adds to a client's gradients, by the tensors' names.

        None without control variates.
        """
        own = self.control.get(self.place[client], {})
        common = {n: t for n, t in self.begin.items() if n.endswith(CONTROL_SUFFIX)}
        return {
            n.removesuffix(CONTROL_SUFFIX): t - own.get(n, 0.0) for n, t in common.items()
        } or None

    def open_sealing(self, chosen: Sequence[str]) -> None:
        """Let the clients of a round agree on keys, where uploads are sealed. chosen: their ids."""
        self.sealing.open_round(chosen, {n: self.held[n] for n in self._sending()}, self.number)

    def _sending(self) -> list[str]:
        return [
            n
            for n in self.names
            if n not in self.home_names and n not in self.frozen and n != CENTRE_NAME
        ]

    def upload(
        self,
        client: str,
        start: Params,
        done: FitResult,
        examples: int,
        figures: Mapping[str, float] | None = None,
        tampering: Tampering | None = None,
    ) -> Upload:
        """Return what the server receives of a client's result.

        figures: numbers sent along. tampering: of a hostile client.
        """
        place = self.place[client]
        sending = self._sending()
        own, moved = self.control.get(place, {}), done.change(start)
        mine = {n + CONTROL_SUFFIX: t for n, t in (done.gradient or {}).items()}
        change = {
            n: mine[n] - own.get(n, 0.0) if n.endswith(CONTROL_SUFFIX) else moved[n]
            for n in sending
        }
        delta = self._at_rank(change, self.ranks[client])
        if self.guard:
            delta, within = self.guard.clip_update(delta)
            figures = {"within": within} if self.guard.budget.count_noise else figures
        slot = f"{place}.{zlib.crc32('|'.join(sending).encode()):08x}"
        context = Context(client, self.number, self.config.seed, self.memory.get(slot, {}))
        notes = {"client": client, "examples": examples, **(figures or {})}
        sent = delta if tampering is None else tampering.delta(delta)
        home = {n: done.params[n] for n in self.names if n in self.home_names}
        try:
            if self.sealing.on:
                body, memory = self.sealing.seal_update(sent, context, examples)
                body = body if tampering is None else tampering.body(body)
                return Upload(place, len(body), None, "", slot, memory, home, sealed=body)
            payload, memory = self.up.encode(sent, context, notes)
        except (PayloadError, RuntimeError, ValueError) as error:  # of a hostile client only
            if tampering is None and not self.sealing.on:
                raise
            return Upload(place, 0, None, f"could not be encoded: {error}".splitlines()[0])
        payload = payload if tampering is None else Payload(tampering.body(payload.body))
        update, reason = decode_update(self.up, payload, delta, context, tuple(figures or ()))
        if update is None:
            return Upload(place, payload.nbytes, None, reason)
        if self.guard and (reason := self.guard.rejection_reason(update.delta)):
            return Upload(place, payload.nbytes, None, reason)
        update = ClientUpdate(
            update.client_id,
            pad_rank(update.delta, self.begin),
            update.num_examples,
            update.metrics,
        )
        return Upload(place, payload.nbytes, update, "", slot, memory, home, mine)

    def accept(self, upload: Upload, client: str = "") -> str:
        """Store what the sender of an upload keeps; return why a sealed one is refused, or ''."""
        if upload.sealed and (reason := self.sealing.accept(client, upload.sealed)):
            return reason
        if upload.memory:
            self.memory[upload.slot] = upload.memory
        if upload.home:
            self.home[upload.place] = upload.home
        if upload.control:
            self.control[upload.place] = upload.control
        return ""

    def open_sealed(self, records: list[ClientRecord]) -> Iterator[ClientUpdate]:
        """Yield the mean of a round's sealed uploads as one update, once all have arrived."""
        yield from self.sealing.open_mean(records, self.begin, self._sending(), self.number)
        self.noise = self.sealing.noise

    def combine(self, updates: Iterable[ClientUpdate]) -> Combined:
        """Return the round's updates combined into one change.

        Its message for the frozen matrices travels with the next round's download.
        """
        counted: list[ClientUpdate] = []
        if self.guard:
            updates = _note_counted(updates, counted)
        done = combine_updates(
            self.rule,
            self.begin,
            updates,
            self.scale,
            self.starting_params,
            self.home_names,
            self.one_start,
        )
        if self.guard:
            done = replace(done, delta=self._protect_mean(self.guard, done.delta, counted))
        if done.message:
            self._note_sent(self.number + 1, 1, encode_tensors(done.message).nbytes)
        return done

    def _protect_mean(
        self, guard: ClientDP, mean: Params | None, counted: list[ClientUpdate]
    ) -> Params | None:
        """Return the mean over the cohort with its noise; noise alone if nobody took part."""
        sealed = self.sealing.on
        if mean is None and sealed:
            return None
        if not sealed:
            self.noise = guard.budget.noise
        mean = mean or {n: torch.zeros_like(self.begin[n]) for n in self._sending()}
        done = guard.finish_mean(
            mean, sum(u.mean_weight for u in counted), self.number, noised=sealed
        )
        within = [u.metrics["within"] for u in counted] if guard.budget.count_noise else []
        guard.move_clip(within, self.number)
        return done

    def _note_sent(self, number: int, column: int, nbytes: int) -> None:
        missing = torch.zeros(max(0, number + 1 - len(self.sent)), 2, dtype=torch.int64)
        # a new tensor: a state given out earlier stays as it was
        self.sent = torch.cat([self.sent, missing])
        self.sent[number, column] = nbytes

    def _at_rank(self, tensors: Params, rank: int) -> Params:
        return cut_rank(tensors, rank) if rank < self.most else tensors

    # ---- saved state

    def state(self) -> State:
        """Return everything that the next round needs, as tensors."""
        out = {"sent": self.sent, "seen": self.seen, "changed": self.changed}
        out |= {f"held/{n}": self.held[n] for n in self.names}
        out |= {
            f"memory/{slot}/{n}": t for slot, kept in self.memory.items() for n, t in kept.items()
        }
        for kind, kept in (("home", self.home), ("control", self.control)):
            out |= {f"{kind}/{i}/{n}": t for i, tensors in kept.items() for n, t in tensors.items()}
        return out | (
            {f"guard/{n}": t for n, t in self.guard.state().items()} if self.guard else {}
        )

    def _restore(self, state: State) -> None:
        if not state:
            self.held |= {
                n: torch.zeros_like(t)
                for n, t in self.held.items()
                if n.startswith("head.") or n == CENTRE_NAME
            }
            return
        self.sent, self.seen, self.changed = (state[n].clone() for n in ("sent", "seen", "changed"))
        for name, tensor in state.items():
            kind, _, rest = name.partition("/")
            slot, _, inner = rest.partition("/")
            if kind == "held":
                self.held[rest] = tensor
            elif kind == "memory":
                self.memory.setdefault(slot, {})[inner] = tensor
            elif kind in ("home", "control"):
                getattr(self, kind).setdefault(int(slot), {})[inner] = tensor

    # ---- the way down

    def _broadcast(self, wire: Wire, tensors: Params, number: int) -> tuple[bytes, Params]:
        """Return (the message, the tensors that a client decodes from it).

        Raises FedkitError when training has driven the parameters out of range.
        """
        context = Context("server", number, self.config.seed, {})
        payload, _ = wire.encode(tensors, context)
        try:
            return payload.body, wire.decode(payload, tensors, context)[0]
        except PayloadError as error:
            raise FedkitError(
                f"the shared parameters cannot be used ({error}); lower --lr or --head-lr and start"
                " again"
            ) from None

    def download_bytes(self, last: int, rank: int) -> int:
        """Return the bytes of the download of a client that was last sent round `last`."""
        if (last, rank) not in self.sizes:
            message, matrices = self.sent[last + 1 : self.number + 1].sum(0).tolist()
            missed_some = last + 1 < self.number
            if missed_some or not self.down.stages:
                fresh = {
                    n: self.held[n]
                    for n, when in zip(self.names, self.changed.tolist())
                    if when > last
                }
                whole = encode_tensors(self._at_rank(fresh, rank)).nbytes if fresh else 0
                message = min(message, whole) if self.down.stages else whole
            if missed_some and matrices:
                whole = encode_tensors(
                    {n: t for n, t in self.held.items() if n.endswith(MERGED)}
                ).nbytes
                matrices = min(matrices, whole)
            self.sizes[last, rank] = message + matrices
        return self.sizes[last, rank]


def _note_counted(
    updates: Iterable[ClientUpdate], counted: list[ClientUpdate]
) -> Iterator[ClientUpdate]:
    for update in updates:
        counted.append(replace(update, delta={}))
        yield update


@dataclass(frozen=True)
class Tampering:
    """Changes that a hostile client makes to its update, before and after it is encoded."""

    delta: Callable[[Params], Params]
    body: Callable[[bytes], bytes]


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


def make_wires(config: RunConfig, rule: Aggregator) -> tuple[Wire, Wire]:
    """Return the wires of (upload, download).

    Raises FedkitError if the aggregation needs a download that is not compressed.
    """
    up = make_wire(config.wire)
    if config.wire_down is None:
        return up, make_wire("none") if rule.needs_both else up.without_memory()
    down = make_wire(config.wire_down)
    if down.stages and rule.needs_both:
        raise FedkitError(
            f"wire-down {config.wire_down!r} given with aggregate {config.aggregate!r}, whose"
            " download cannot be compressed without breaking what it promises; use --wire-down"
            " none"
        )
    return up, down.without_memory()


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


def check_exchange(config: RunConfig, model: Model) -> None:
    """Check that aggregation, --share and wires fit what this model trains. Raises FedkitError."""
    rule, params = make_aggregator(config.aggregate), model.trainable
    found = lora_pairs(params)
    if rule.pairs_only and not found:
        raise FedkitError(
            f"aggregate {config.aggregate!r} works on LoRA pairs, and tune {config.tune!r} has"
            " none; use --tune lora:r=8 or --aggregate mean"
        )
    if (
        rule.needs_both
        and sum(len(params[p.b]) * params[p.a].shape[1] for p in found) > MAX_PRODUCT_VALUES
    ):
        raise FedkitError(
            f"aggregate {config.aggregate!r} multiplies matrices, too large in this model; use"
            " --aggregate ffa"
        )
    local_names(rule, config.share, list(params)), make_wires(config, rule)


def exchange_notes(config: RunConfig, model: Model) -> list[str]:
    """Return a sentence for each setting that does not act as written."""
    rule, most, notes = make_aggregator(config.aggregate), max_rank(model.trainable), []
    if above := [str(rank) for rank in rule.listed_ranks() if rank > most]:
        notes.append(
            f"aggregate {config.aggregate}: ranks above the tuner's r={most} count as {most}"
            f" ({', '.join(above)})"
        )
    if rule.needs_both and make_wire(config.wire).stages and config.wire_down is None:
        notes.append(
            f"the download is not compressed: aggregate {config.aggregate} needs it as it is"
        )
    return notes


def aggregation_params(model: Model, config: RunConfig) -> Params:
    """Return what is added to the shared tensors before round 1, all zeros.

    A centre for private training of the head, and changes of the frozen matrices.
    """
    centre = (
        {CENTRE_NAME: torch.zeros(model.module.head.in_features)}
        if trains_about_centre(config)
        else {}
    )
    if not make_aggregator(config.aggregate).merges:
        return centre
    return centre | zero_merged(model, [p.layer for p in lora_pairs(model.trainable)])


def max_rank(params: Mapping[str, Tensor]) -> int:
    """Return the rank of the LoRA pairs; 0 where there are none."""
    return max((len(params[p.a]) for p in lora_pairs(params)), default=0)
