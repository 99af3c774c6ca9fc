"""Both directions of a run: what each client is sent and starts from, what it sends back, every byte counted.

Nothing travels that both sides can draw from the seed, and nothing that has not changed. What is compressed is always a
change. On the way up a client compresses its delta, and a stage with error feedback keeps what was lost at the client.
On the way down the server compresses the difference between its own tensors and those the clients hold, so what one
round loses the next one sends (EF21-P: Gruntkowska et al., 2023). A client that missed rounds is sent their messages
too, or everything once where that is shorter.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from fedkit.client.train import ClientUpdate, Fit
from fedkit.config import RunConfig
from fedkit.data.corpus import ClientData
from fedkit.errors import FedkitError
from fedkit.model.classifier import Model, Params
from fedkit.model.merged import MERGED, blank
from fedkit.server.aggregate import Combined, Rule, combine, make_aggregator
from fedkit.server.pairs import MOST, cut, padded, pairs
from fedkit.wire.compress import Context, Wire, make_wire
from fedkit.wire.payload import Payload, PayloadError, encode

State = Params  # tensors only, so that it can be kept in a file


class Exchange:
    """The server's and the clients' memory of what has travelled. `state()` is all of it; `state` brings it back.

    model: only read. shared: the tensors before round 1, or after the last round that `state` knows of.
    """

    def __init__(self, model: Model, clients: Sequence[ClientData], shared: Params, config: RunConfig, state: State):
        self.config, self.rule, self.scale = config, make_aggregator(config.aggregate), model.adapter_scale
        self.up, self.down = wires(config, self.rule)
        self.names = sorted(n for n in shared if not n.endswith(MERGED))  # a file gives them back in another order
        self.home_names = at_home(self.rule, config.share, self.names)
        self.place = {c.client_id: i for i, c in enumerate(clients)}
        self.most = most_rank(shared)
        self.ranks = {c: self.rule.rank(i, self.most) for c, i in self.place.items()}
        self.held, self.number, self.sizes, self.frozen = dict(shared), 0, {}, frozenset()
        self.sent = torch.zeros(0, 2, dtype=torch.int64)  # per round, bytes: the message, that for the matrices
        self.seen = torch.zeros(len(clients), dtype=torch.int64)  # the last round whose message each client has
        self.changed = torch.zeros(len(self.names), dtype=torch.int64)  # the last round that sent each tensor
        self.memory: dict[str, Params] = {}  # error feedback, by client and by what it sent
        self.home: dict[int, Params] = {}  # the tensors that stay with a client, by its place
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
        self.sizes = {}
        self.begin = self.rule.begin(self.held, number, self.config.seed)

    def download(self, client: str) -> tuple[Params, int]:
        """(what the client starts from, the bytes it was sent)."""
        last = int(self.seen[self.place[client]])
        self.seen[self.place[client]] = self.number
        return self.start(client), self._catching_up(last, self.ranks[client])

    def start(self, client: str) -> Params:
        """What the client starts from: shared tensors at its rank (filled up with zeros), and its own."""
        shared = self.begin
        if self.ranks[client] < self.most:
            shared = padded(cut(shared, self.ranks[client]), shared)
        return shared | self.home.get(self.place[client], {})

    def upload(self, client: str, start: Params, done: Fit, examples: int) -> tuple[ClientUpdate | None, str, int]:
        """(the update as the server received it or None, why it was rejected, the bytes)."""
        sending = [n for n in self.names if n not in self.home_names and n not in self.frozen]
        delta = self._at_rank({n: done.params[n] - start[n] for n in sending}, self.ranks[client])
        slot = f"{self.place[client]}.{zlib.crc32('|'.join(sending).encode()):08x}"
        context = Context(client, self.number, self.config.seed, self.memory.get(slot, {}))
        payload, memory = self.up.encode(delta, context, {"client": client, "examples": examples})
        update, reason = receive(self.up, payload, delta, context)
        if update is not None:
            if memory:
                self.memory[slot] = memory
            if self.home_names:
                self.home[self.place[client]] = {n: done.params[n] for n in self.names if n in self.home_names}
            update = ClientUpdate(update.client_id, padded(update.delta, self.begin), update.num_examples)
        return update, reason, payload.nbytes

    def combine(self, updates: Iterable[ClientUpdate]) -> Combined:
        """What the round comes to; the message for the matrices travels with the next round's download."""
        done = combine(self.rule, self.begin, updates, self.scale, self.start, self.home_names)
        if done.message:
            self._note_sent(self.number + 1, 1, encode(done.message).nbytes)
        return done

    def _note_sent(self, number: int, column: int, nbytes: int) -> None:
        missing = torch.zeros(max(0, number + 1 - len(self.sent)), 2, dtype=torch.int64)
        self.sent = torch.cat([self.sent, missing])  # a new tensor: a state given out earlier stays as it was
        self.sent[number, column] = nbytes

    def _at_rank(self, tensors: Params, rank: int) -> Params:
        return cut(tensors, rank) if rank < self.most else tensors

    # ---- what it remembers

    def state(self) -> State:
        """Everything that the next round needs, as tensors."""
        out = {"sent": self.sent, "seen": self.seen, "changed": self.changed}
        out |= {f"held/{n}": self.held[n] for n in self.names}
        out |= {f"memory/{slot}/{n}": t for slot, kept in self.memory.items() for n, t in kept.items()}
        return out | {f"home/{i}/{n}": t for i, kept in self.home.items() for n, t in kept.items()}

    def _restore(self, state: State) -> None:
        if not state:
            self.held |= {n: torch.zeros_like(t) for n, t in self.held.items() if n.startswith("head.")}
            return
        self.sent, self.seen, self.changed = (state[n].clone() for n in ("sent", "seen", "changed"))
        for name, tensor in state.items():
            kind, _, rest = name.partition("/")
            slot, _, inner = rest.partition("/")
            if kind == "held":
                self.held[rest] = tensor
            elif kind == "memory":
                self.memory.setdefault(slot, {})[inner] = tensor
            elif kind == "home":
                self.home.setdefault(int(slot), {})[inner] = tensor

    # ---- the way down

    def _broadcast(self, wire: Wire, tensors: Params, number: int) -> tuple[bytes, Params]:
        """(the message, what a client reads in it). Raises FedkitError when training has driven it out of range."""
        context = Context("server", number, self.config.seed, {})
        payload, _ = wire.encode(tensors, context)
        try:
            return payload.body, wire.decode(payload, tensors, context)[0]
        except PayloadError as error:
            raise FedkitError(
                f"the shared parameters cannot be used ({error}); lower --lr or --head-lr and start again"
            ) from None

    def _catching_up(self, last: int, rank: int) -> int:
        """Bytes of the download of a client that has what was sent up to round `last`."""
        if (last, rank) not in self.sizes:
            message, matrices = self.sent[last + 1 : self.number + 1].sum(0).tolist()
            missed_some = last + 1 < self.number
            if missed_some or not self.down.stages:
                fresh = {n: self.held[n] for n, when in zip(self.names, self.changed.tolist()) if when > last}
                whole = encode(self._at_rank(fresh, rank)).nbytes if fresh else 0
                message = min(message, whole) if self.down.stages else whole
            if missed_some and matrices:
                whole = encode({n: t for n, t in self.held.items() if n.endswith(MERGED)}).nbytes
                matrices = min(matrices, whole)
            self.sizes[last, rank] = message + matrices
        return self.sizes[last, rank]


def receive(wire: Wire, upload: Payload, template: Params, context: Context) -> tuple[ClientUpdate | None, str]:
    """The update in an upload, or None and the reason it was rejected."""
    try:
        delta, notes = wire.decode(upload, template, context)
        name, examples = notes.get("client"), notes.get("examples")
        if not isinstance(name, str) or type(examples) is not int or not 0 < examples < 10**9:
            raise PayloadError("impossible notes: client must be text, examples a whole number from 1 to 999,999,999")
        return ClientUpdate(name, delta, examples), ""
    except PayloadError as error:
        return None, str(error)


def wires(config: RunConfig, rule: Rule) -> tuple[Wire, Wire]:
    """(the way up, the way down). Raises FedkitError for a download that the rule cannot have compressed."""
    up = make_wire(config.wire)
    if config.wire_down is None:
        return up, make_wire("none") if rule.both else up.without_memory()
    down = make_wire(config.wire_down)
    if down.stages and rule.both:
        raise FedkitError(
            f"wire-down {config.wire_down!r} given with aggregate {config.aggregate!r}, whose download cannot be "
            "compressed without breaking what it promises; use --wire-down none"
        )
    return up, down.without_memory()


def at_home(rule: Rule, share: str, names: Sequence[str]) -> frozenset[str]:
    """The trained tensors that never travel. Raises FedkitError for a pattern that fits nothing or breaks the rule."""
    if share == "all":
        return rule.home(names)
    parts = [part for part in share.split("|") if part]
    travel = {n for n in names if any(part in n for part in parts)}
    if missing := [part for part in parts if not any(part in n for n in names)]:
        known = sorted({".".join(n.split(".")[-2:-1]) or n for n in names})
        raise FedkitError(
            f"share {share!r} given; no trained tensor has {missing[0]!r} in its name, such as: {', '.join(known)}"
        )
    home = frozenset(n for n in names if n not in travel) | rule.home(names)
    if rule.both and any(p.a in home or p.b in home for p in pairs(names)):
        raise FedkitError(
            f"share {share!r} given, and the aggregation needs both matrices of every pair; use --share all"
        )
    if len(home) == len(names):
        raise FedkitError(f"share {share!r} given; nothing is left to travel")
    return home


def check_exchange(config: RunConfig, model: Model) -> None:
    """Refuse an aggregation, a pattern or wires that cannot work with what this model trains. Raises FedkitError."""
    rule, params = make_aggregator(config.aggregate), model.trainable
    found = pairs(params)
    if rule.pairs_only and not found:
        raise FedkitError(
            f"aggregate {config.aggregate!r} works on LoRA pairs, and tune {config.tune!r} has none; "
            "use --tune lora:r=8 or --aggregate mean"
        )
    if rule.both and sum(len(params[p.b]) * params[p.a].shape[1] for p in found) > MOST:
        raise FedkitError(
            f"aggregate {config.aggregate!r} multiplies matrices, too large in this model; use --aggregate ffa"
        )
    at_home(rule, config.share, list(params)), wires(config, rule)


def exchange_notes(config: RunConfig, model: Model) -> list[str]:
    """What happens otherwise than the settings say, in a sentence each."""
    rule, most, notes = make_aggregator(config.aggregate), most_rank(model.trainable), []
    if above := [str(rank) for rank in rule.listed() if rank > most]:
        notes.append(
            f"aggregate {config.aggregate}: ranks above the tuner's r={most} count as {most} ({', '.join(above)})"
        )
    if rule.both and make_wire(config.wire).stages and config.wire_down is None:
        notes.append(f"the download is not compressed: aggregate {config.aggregate} needs it as it is")
    return notes


def before_round_1(model: Model, config: RunConfig) -> Params:
    """What the aggregation adds to the shared tensors: zeros that will be added to the frozen matrices, or nothing."""
    if not make_aggregator(config.aggregate).merges:
        return {}
    return blank(model, [p.layer for p in pairs(model.trainable)])


def most_rank(params: Mapping[str, Tensor]) -> int:
    """The rank of the LoRA pairs; 0 where there are none."""
    return max((len(params[p.a]) for p in pairs(params)), default=0)
