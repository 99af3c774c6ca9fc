"""Both directions of a run: what each client is sent and starts from, what it sends back, every
byte counted.

Nothing travels that both sides can draw from the seed, and nothing that has not changed. What is
compressed is always a change. On the way up a client compresses its delta, and a stage with error
feedback keeps what was lost at the client. On the way down the server compresses the difference
between its own tensors and those the clients hold, so what one round loses the next one sends
(EF21-P: Gruntkowska et al., 2023). A client that missed rounds is sent their messages too, or
everything once where that is shorter.
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
from fedkit.core.tensors import CENTRE, CONTROL, Params, under
from fedkit.data.corpus import ClientData
from fedkit.federated.aggregation.aggregators import Aggregator, Combined, combine, make_aggregator
from fedkit.federated.aggregation.lora_pairs import MOST, cut, padded, pairs
from fedkit.federated.local.train import ClientUpdate, Fit, learning_rates
from fedkit.federated.rounds.client_dp import Guard
from fedkit.federated.rounds.head_start import budget_of
from fedkit.federated.rounds.private_statistics import centred
from fedkit.federated.rounds.secure_sum import Sealing
from fedkit.federated.strategies import make_strategy
from fedkit.models.classifier import Model
from fedkit.models.merging import MERGED, blank
from fedkit.wire.payload import Payload, encode
from fedkit.wire.pipeline import Context, Wire, make_wire

State = Params  # tensors only, so that it can be kept in a file
LARGEST = 1e9  # of an uploaded value: products of larger ones overflow on the server


@dataclass(frozen=True)
class Upload:
    """What came of one client's work: nothing is remembered of it until `Exchange.accept`.

    update: as the server received it; None: sealed, or rejected for the reason. slot, memory: error
    feedback; home, control: the tensors that stay with the client.
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
    """The server's and the clients' memory of what has travelled. `state()` is all of it; `state`
    brings it back.

    model: only read. shared: the tensors before round 1, or after the last round that `state` knows
    of.
    """

    def __init__(
        self,
        model: Model,
        clients: Sequence[ClientData],
        shared: Params,
        config: RunConfig,
        state: State,
        secret: int = 0,
    ):
        self.config, self.rule, self.scale = (
            config,
            make_aggregator(config.aggregate),
            model.adapter_scale,
        )
        self.up, self.down = wires(config, self.rule)
        alone = config.robust == "none" and config.late != "carry" and config.secure == "none"
        mixed = not alone or make_strategy(config.strategy).asynchronous
        # every update goes into the mean as it was made, from what the round began with
        self.one_start = not mixed
        # a file gives them back in another order
        self.names = sorted(n for n in shared if not n.endswith(MERGED))
        self.home_names = at_home(self.rule, config.share, [n for n in self.names if n != CENTRE])
        self.place = {c.client_id: i for i, c in enumerate(clients)}
        self.most = most_rank(shared)
        self.ranks = {c: self.rule.rank(i, self.most) for c, i in self.place.items()}
        self.held, self.number, self.sizes, self.frozen = dict(shared), 0, {}, frozenset()
        # per round, bytes: the message, that for the matrices
        self.sent = torch.zeros(0, 2, dtype=torch.int64)
        # the last round whose message each client has
        self.seen = torch.zeros(len(clients), dtype=torch.int64)
        # the last round that sent each tensor
        self.changed = torch.zeros(len(self.names), dtype=torch.int64)
        self.memory: dict[str, Params] = {}  # error feedback, by client and by what it sent
        self.home: dict[int, Params] = {}  # the tensors that stay with a client, by its place
        self.control: dict[int, Params] = {}  # each client's own control variates, by its place
        self.budget = budget_of(config, len(clients))
        self.entropy = config.seed + secret  # of all that protects, and of nothing else
        self.guard = self.noise = None  # noise: the multiplier of what this round released
        if self.budget and self.budget.unit == "client":
            self.guard = Guard(self.budget, self.entropy, under(state or {}, "guard/"))
        heaviest = (
            float(max(len(c.train) for c in clients)) if config.weights == "examples" else 1.0
        )
        rates = learning_rates(model, config)
        self.sealing = Sealing(
            config, self.up, self.budget, self.guard, heaviest, rates, self.entropy
        )
        self._restore(state)

    # ---- a round, in its order

    def publish(self, shared: Params, number: int) -> None:
        """Make the message of round `number` from what the clients lack."""
        self.number, self.frozen = number, self.rule.frozen(self.names, number)
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
        self.begin = self.rule.begin(self.held, number, self.config.seed)

    def download(self, client: str) -> tuple[Params, int]:
        """(what the client starts from, the bytes it was sent)."""
        last = int(self.seen[self.place[client]])
        self.seen[self.place[client]] = self.number
        return self.start(client), self._catching_up(last, self.ranks[client])

    def start(self, client: str) -> Params:
        """What the client starts from: shared tensors at its rank (filled up with zeros), and its
        own.
        """
        shared = self.begin
        if self.ranks[client] < self.most:
            shared = padded(cut(shared, self.ranks[client]), shared)
        return shared | self.home.get(self.place[client], {})

    def shift(self, client: str) -> Params | None:
        """What SCAFFOLD adds to a client's gradients, c - c_i by the tensors' own names; None
        without control variates.
        """
        own = self.control.get(self.place[client], {})
        common = {n: t for n, t in self.begin.items() if n.endswith(CONTROL)}
        return {n.removesuffix(CONTROL): t - own.get(n, 0.0) for n, t in common.items()} or None

    def seal(self, chosen: Sequence[str]) -> None:
        """Before the uploads of a round: where they are to be sealed, those who take part agree on
        how.
        """
        self.sealing.open(chosen, {n: self.held[n] for n in self._sending()}, self.number)

    def _sending(self) -> list[str]:
        return [
            n
            for n in self.names
            if n not in self.home_names and n not in self.frozen and n != CENTRE
        ]

    def upload(
        self,
        client: str,
        start: Params,
        done: Fit,
        examples: int,
        figures: Mapping[str, float] | None = None,
        harm: Harm | None = None,
    ) -> Upload:
        """What the server receives of a client's work. figures: sent along. harm: what a hostile
        client does to it.
        """
        place = self.place[client]
        sending = self._sending()
        own, moved = self.control.get(place, {}), done.change(start)
        mine = {n + CONTROL: t for n, t in (done.gradient or {}).items()}
        change = {
            n: mine[n] - own.get(n, 0.0) if n.endswith(CONTROL) else moved[n] for n in sending
        }
        delta = self._at_rank(change, self.ranks[client])
        if self.guard:
            delta, within = self.guard.clipped(delta)
            figures = {"within": within} if self.budget.bits else figures
        slot = f"{place}.{zlib.crc32('|'.join(sending).encode()):08x}"
        context = Context(client, self.number, self.config.seed, self.memory.get(slot, {}))
        notes = {"client": client, "examples": examples, **(figures or {})}
        sent = delta if harm is None else harm.delta(delta)
        home = {n: done.params[n] for n in self.names if n in self.home_names}
        try:
            if self.sealing.on:
                body, memory = self.sealing.seal(sent, context, examples)
                body = body if harm is None else harm.body(body)
                return Upload(place, len(body), None, "", slot, memory, home, sealed=body)
            payload, memory = self.up.encode(sent, context, notes)
        # only what a hostile client sends
        except (PayloadError, RuntimeError, ValueError) as error:
            if harm is None and not self.sealing.on:
                raise
            return Upload(place, 0, None, f"could not be encoded: {error}".splitlines()[0])
        payload = payload if harm is None else Payload(harm.body(payload.body))
        update, reason = receive(self.up, payload, delta, context, tuple(figures or ()))
        if update is None:
            return Upload(place, payload.nbytes, None, reason)
        if self.guard and (reason := self.guard.wrong(update.delta)):
            return Upload(place, payload.nbytes, None, reason)
        update = ClientUpdate(
            update.client_id, padded(update.delta, self.begin), update.num_examples, update.metrics
        )
        return Upload(place, payload.nbytes, update, "", slot, memory, home, mine)

    def accept(self, upload: Upload, client: str = "") -> str:
        """The upload counts: what its sender keeps of it is remembered. Why a sealed one cannot be;
        '' if it can.
        """
        if upload.sealed and (reason := self.sealing.take(client, upload.sealed)):
            return reason
        if upload.memory:
            self.memory[upload.slot] = upload.memory
        if upload.home:
            self.home[upload.place] = upload.home
        if upload.control:
            self.control[upload.place] = upload.control
        return ""

    def opened(self, records: list[ClientRecord]) -> Iterator[ClientUpdate]:
        """Where uploads were sealed, their mean as one update, once all are there."""
        yield from self.sealing.opened(records, self.begin, self._sending(), self.number)
        self.noise = self.sealing.noise

    def combine(self, updates: Iterable[ClientUpdate]) -> Combined:
        """What the round comes to; the message for the matrices travels with the next round's
        download.
        """
        heard: list[ClientUpdate] = []
        if self.guard:
            updates = _overheard(updates, heard)
        done = combine(
            self.rule, self.begin, updates, self.scale, self.start, self.home_names, self.one_start
        )
        if self.guard:
            done = replace(done, delta=self._guarded(done.delta, heard))
        if done.message:
            self._note_sent(self.number + 1, 1, encode(done.message).nbytes)
        return done

    def _guarded(self, mean: Params | None, heard: list[ClientUpdate]) -> Params | None:
        """The mean over the cohort with the noise that is owed; of a round in which nobody came,
        noise alone.
        """
        sealed = self.sealing.on
        if mean is None and sealed:
            return None
        if not sealed:
            self.noise = self.budget.noise
        mean = mean or {n: torch.zeros_like(self.begin[n]) for n in self._sending()}
        done = self.guard.finish(mean, sum(u.counts for u in heard), self.number, noised=sealed)
        self.guard.moved(
            [u.metrics["within"] for u in heard] if self.budget.bits else [], self.number
        )
        return done

    def _note_sent(self, number: int, column: int, nbytes: int) -> None:
        missing = torch.zeros(max(0, number + 1 - len(self.sent)), 2, dtype=torch.int64)
        # a new tensor: a state given out earlier stays as it was
        self.sent = torch.cat([self.sent, missing])
        self.sent[number, column] = nbytes

    def _at_rank(self, tensors: Params, rank: int) -> Params:
        return cut(tensors, rank) if rank < self.most else tensors

    # ---- what it remembers

    def state(self) -> State:
        """Everything that the next round needs, as tensors."""
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
                if n.startswith("head.") or n == CENTRE
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
        """(the message, what a client reads in it). Raises FedkitError when training has driven it
        out of range.
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

    def _catching_up(self, last: int, rank: int) -> int:
        """Bytes of the download of a client that has what was sent up to round `last`."""
        if (last, rank) not in self.sizes:
            message, matrices = self.sent[last + 1 : self.number + 1].sum(0).tolist()
            missed_some = last + 1 < self.number
            if missed_some or not self.down.stages:
                fresh = {
                    n: self.held[n]
                    for n, when in zip(self.names, self.changed.tolist())
                    if when > last
                }
                whole = encode(self._at_rank(fresh, rank)).nbytes if fresh else 0
                message = min(message, whole) if self.down.stages else whole
            if missed_some and matrices:
                whole = encode({n: t for n, t in self.held.items() if n.endswith(MERGED)}).nbytes
                matrices = min(matrices, whole)
            self.sizes[last, rank] = message + matrices
        return self.sizes[last, rank]


def _overheard(
    updates: Iterable[ClientUpdate], heard: list[ClientUpdate]
) -> Iterator[ClientUpdate]:
    for update in updates:
        heard.append(replace(update, delta={}))
        yield update


@dataclass(frozen=True)
class Harm:
    """What a hostile client does to what it sends, before and after it is encoded."""

    delta: Callable[[Params], Params]
    body: Callable[[bytes], bytes]


def receive(
    wire: Wire, upload: Payload, template: Params, context: Context, figures: Sequence[str] = ()
) -> tuple[ClientUpdate | None, str]:
    """The update in an upload, or None and the reason it was rejected. figures: names of numbers
    that must be in its notes.
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
        if big := [n for n, t in delta.items() if t.numel() and t.abs().max() > LARGEST]:
            raise PayloadError(
                f"{big[0]}: holds a value beyond {LARGEST:g}, which no training gives"
            )
        if bad := [f for f in figures if not _is_figure(notes.get(f))]:
            raise PayloadError(f"impossible notes: {bad[0]} must be a number from 0 to a billion")
        return ClientUpdate(name, delta, examples, {f: float(notes[f]) for f in figures}), ""
    except PayloadError as error:
        return None, str(error)


def _is_figure(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1e9


def wires(config: RunConfig, rule: Aggregator) -> tuple[Wire, Wire]:
    """(the way up, the way down). Raises FedkitError for a download that the rule cannot have
    compressed.
    """
    up = make_wire(config.wire)
    if config.wire_down is None:
        return up, make_wire("none") if rule.both else up.without_memory()
    down = make_wire(config.wire_down)
    if down.stages and rule.both:
        raise FedkitError(
            f"wire-down {config.wire_down!r} given with aggregate {config.aggregate!r}, whose"
            " download cannot be compressed without breaking what it promises; use --wire-down"
            " none"
        )
    return up, down.without_memory()


def at_home(rule: Aggregator, share: str, names: Sequence[str]) -> frozenset[str]:
    """The trained tensors that never travel. Raises FedkitError for a pattern that fits nothing or
    breaks the rule.
    """
    if share == "all":
        return rule.home(names)
    parts = [part for part in share.split("|") if part]
    travel = {n for n in names if any(part in n for part in parts)}
    if missing := [part for part in parts if not any(part in n for n in names)]:
        known = sorted({".".join(n.split(".")[-2:-1]) or n for n in names})
        raise FedkitError(
            f"share {share!r} given; no trained tensor has {missing[0]!r} in its name, such as:"
            f" {', '.join(known)}"
        )
    home = frozenset(n for n in names if n not in travel) | rule.home(names)
    if rule.both and any(p.a in home or p.b in home for p in pairs(names)):
        raise FedkitError(
            f"share {share!r} given, and the aggregation needs both matrices of every pair; use"
            " --share all"
        )
    if len(home) == len(names):
        raise FedkitError(f"share {share!r} given; nothing is left to travel")
    return home


def check_exchange(config: RunConfig, model: Model) -> None:
    """Refuse an aggregation, a pattern or wires that cannot work with what this model trains.
    Raises FedkitError.
    """
    rule, params = make_aggregator(config.aggregate), model.trainable
    found = pairs(params)
    if rule.pairs_only and not found:
        raise FedkitError(
            f"aggregate {config.aggregate!r} works on LoRA pairs, and tune {config.tune!r} has"
            " none; use --tune lora:r=8 or --aggregate mean"
        )
    if rule.both and sum(len(params[p.b]) * params[p.a].shape[1] for p in found) > MOST:
        raise FedkitError(
            f"aggregate {config.aggregate!r} multiplies matrices, too large in this model; use"
            " --aggregate ffa"
        )
    at_home(rule, config.share, list(params)), wires(config, rule)


def exchange_notes(config: RunConfig, model: Model) -> list[str]:
    """What happens otherwise than the settings say, in a sentence each."""
    rule, most, notes = make_aggregator(config.aggregate), most_rank(model.trainable), []
    if above := [str(rank) for rank in rule.listed() if rank > most]:
        notes.append(
            f"aggregate {config.aggregate}: ranks above the tuner's r={most} count as {most}"
            f" ({', '.join(above)})"
        )
    if rule.both and make_wire(config.wire).stages and config.wire_down is None:
        notes.append(
            f"the download is not compressed: aggregate {config.aggregate} needs it as it is"
        )
    return notes


def before_round_1(model: Model, config: RunConfig) -> Params:
    """What the aggregation adds to the shared tensors: zeros that will be added to the frozen
    matrices, or nothing.
    """
    centre = {CENTRE: torch.zeros(model.module.head.in_features)} if centred(config) else {}
    if not make_aggregator(config.aggregate).merges:
        return centre
    return centre | blank(model, [p.layer for p in pairs(model.trainable)])


def most_rank(params: Mapping[str, Tensor]) -> int:
    """The rank of the LoRA pairs; 0 where there are none."""
    return max((len(params[p.a]) for p in pairs(params)), default=0)
