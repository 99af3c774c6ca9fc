"""Download and upload of every round, with all bytes counted.

Only tensors that changed are sent, and nothing that both sides can draw from the seed. Only changes
are compressed: on the way up a client compresses its delta, and a stage with error feedback keeps
the lost part at the client; on the way down see `messages.Broadcast`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.record import ClientRecord
from fedkit.core.tensors import CENTRE_NAME, CONTROL_SUFFIX, Params, select_prefix
from fedkit.data.corpus import ClientData
from fedkit.federated.aggregation.aggregators import Combined, combine_updates
from fedkit.federated.aggregation.lora_pairs import (
    MAX_PRODUCT_VALUES,
    cut_rank,
    lora_pairs,
    max_rank,
    pad_rank,
)
from fedkit.federated.interfaces import State
from fedkit.federated.local.dp_sgd import server_step
from fedkit.federated.local.train import ClientUpdate, FitResult, learning_rates
from fedkit.federated.methods import methods_of
from fedkit.federated.rounds.client_dp import ClientDP
from fedkit.federated.rounds.head_start import privacy_budget
from fedkit.federated.rounds.messages import (
    Broadcast,
    Tampering,
    Upload,
    decode_update,
    local_names,
)
from fedkit.federated.rounds.private_statistics import trains_about_centre
from fedkit.federated.rounds.secure_sum import (
    SUM_SENDER,
    RequiredNoise,
    SecureSum,
    add_lock_bytes,
    mark_lost,
    may_lose_uploads,
)
from fedkit.models.classifier import Model, zero_merged
from fedkit.privacy.mechanisms import run_key
from fedkit.privacy.noise import NoiseKey
from fedkit.wire.payload import Payload, encode_tensors
from fedkit.wire.pipeline import Context
from fedkit.wire.secure_aggregation.registry import TooFew


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
        methods = methods_of(config)
        self.config, self.rule, self.up = config, methods.aggregator, methods.up
        self.scale, self.rates = model.adapter_scale, learning_rates(model, config)
        self.broadcast = Broadcast(methods.down, shared, len(clients), config.seed, state)
        alone = config.robust == "none" and config.late != "carry" and config.secure == "none"
        mixed = not alone or methods.strategy.asynchronous
        # whether all updates of a round start from its parameters and are summed as they were made
        self.one_start = not mixed
        self.names, self.frozen, self.number = self.broadcast.names, frozenset[str](), 0
        sendable = [n for n in self.names if n != CENTRE_NAME]
        self.home_names = local_names(self.rule, config.share, sendable)
        self.place = {c.client_id: i for i, c in enumerate(clients)}
        self.most = max_rank(shared)
        self.memory = _groups(state, "memory")  # error feedback, by client and by what it sent
        # by the client's place: the tensors that stay with it, its own control variates
        self.home, self.control = (
            {int(place): kept for place, kept in _groups(state, kind).items()}
            for kind in ("home", "control")
        )
        self.budget = privacy_budget(config, len(clients))
        # of all that protects, and of nothing else
        self.key = key or run_key(methods.privacy, config.seed)
        self.noise: float | None = None  # noise multiplier of what this round released
        self.guard: ClientDP | None = None
        if self.budget and self.budget.unit == "client":
            self.guard = ClientDP(self.budget, self.key, select_prefix(state, "guard/"))
        by_examples = config.weights == "examples"
        # the largest weight of a client, known to all
        self.heaviest = float(max(len(c.train) for c in clients)) if by_examples else 1.0
        self.sum: SecureSum | None = None  # of this round's sealed uploads

    # ---- a round, in its order

    def publish(self, shared: Params, number: int) -> None:
        """Make the message of round `number` from the tensors that the clients lack."""
        self.number, self.frozen = number, self.rule.frozen_names(self.names, number)
        self.noise = self.sum = None
        travelling = [n for n in self.names if n not in self.home_names]
        self.broadcast.publish(shared, travelling, number)
        self.begin = self.rule.round_start(self.broadcast.held, number, self.config.seed)

    def download(self, client: str) -> tuple[Params, int]:
        """Return (the parameters that the client starts from, the bytes it was sent)."""
        place, seen = self.place[client], self.broadcast.seen
        last, seen[place] = int(seen[place]), self.number
        return self.starting_params(client), self.broadcast.nbytes(last, self._rank(client))

    def starting_params(self, client: str) -> Params:
        """Return the shared tensors at the client's rank (padded with zeros), and its own."""
        shared, rank = self.begin, self._rank(client)
        if rank is not None:
            shared = pad_rank(cut_rank(shared, rank), shared)
        return shared | self.home.get(self.place[client], {})

    def _rank(self, client: str) -> int | None:
        """Return the rank of a client's pairs; None where they are as large as the shared ones."""
        rank = self.rule.client_rank(self.place[client], self.most)
        return rank if rank < self.most else None

    def gradient_shift(self, client: str) -> Params | None:
        """Return c - c_i, which SCAFFOLD adds to a client's gradients, by the tensors' names.

        None without control variates.
        """
        own = self.control.get(self.place[client], {})
        common = {n: t for n, t in self.begin.items() if n.endswith(CONTROL_SUFFIX)}
        shift = {n.removesuffix(CONTROL_SUFFIX): t - own.get(n, 0.0) for n, t in common.items()}
        return shift or None

    def open_sealing(self, chosen: Sequence[str]) -> None:
        """Let the clients of a round agree on keys, where uploads are sealed. chosen: their ids."""
        if self.config.secure == "none" or len(chosen) < 2:
            return
        template = {n: self.broadcast.held[n] for n in self._sending()}
        size = len(self.up.project(template, self._context())[0])
        lock, noise = methods_of(self.config).lock, self._required_noise()
        most, lossy = self.heaviest, may_lose_uploads(self.config)
        self.sum = SecureSum(lock, chosen, size, self.key, self.number, most, noise, lossy)

    def _required_noise(self) -> RequiredNoise | None:
        """Return the noise of clipped updates, or of clipped gradients over rate x `heaviest`."""
        if self.guard:
            return RequiredNoise(self.guard.clip, self.guard.multiplier)
        if self.budget and self.budget.trust_sum:
            share = self.budget.clip / (self.budget.rate * self.heaviest)
            return RequiredNoise(share, self.budget.noise, int(self.heaviest))
        return None

    def _sending(self) -> list[str]:
        stays = self.home_names | self.frozen | {CENTRE_NAME}
        return [n for n in self.names if n not in stays]

    def _context(self, sender: str = "server", memory: Params | None = None) -> Context:
        return Context(sender, self.number, self.config.seed, memory or {})

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
        place, sending, figures = self.place[client], self._sending(), dict(figures or {})
        controls = {n + CONTROL_SUFFIX: t for n, t in (done.gradient or {}).items()}
        delta = self._change(client, done.change(start), controls)
        if self.guard:
            delta, within = self.guard.clip_update(delta)
            figures = {"within": within} if self.guard.budget.count_noise else figures
        slot = f"{place}.{zlib.crc32('|'.join(sending).encode()):08x}"
        context = self._context(client, self.memory.get(slot))
        sent = delta if tampering is None else tampering.delta(delta)
        home = {n: done.params[n] for n in self.names if n in self.home_names}
        sealing = self.config.secure != "none"
        try:
            if sealing:
                body, memory = self._seal(sent, context, examples)
            else:
                notes = {"client": client, "examples": examples, **figures}
                payload, memory = self.up.encode(sent, context, notes)
                body = payload.body
        except (PayloadError, RuntimeError, ValueError) as error:  # of a hostile client only
            if tampering is None and not sealing:
                raise
            return Upload(place, 0, None, f"could not be encoded: {error}".splitlines()[0])
        body = body if tampering is None else tampering.body(body)
        if sealing:
            return Upload(place, len(body), None, "", slot, memory, home, sealed=body)
        update, reason = decode_update(self.up, Payload(body), delta, context, tuple(figures))
        if update is not None and self.guard:
            reason = self.guard.rejection_reason(update.delta)
        if update is None or reason:
            return Upload(place, len(body), None, reason)
        update = replace(update, delta=pad_rank(update.delta, self.begin))
        return Upload(place, len(body), update, "", slot, memory, home, controls)

    def _change(self, client: str, moved: Params, controls: Params) -> Params:
        """Return what a client sends, at its rank: its changes, and those of its controls."""
        own, rank = self.control.get(self.place[client], {}), self._rank(client)
        change = {
            n: controls[n] - own.get(n, 0.0) if n.endswith(CONTROL_SUFFIX) else moved[n]
            for n in self._sending()
        }
        return change if rank is None else cut_rank(change, rank)

    def _seal(self, delta: Params, context: Context, examples: int) -> tuple[bytes, Params]:
        """Return (a client's sealed upload, its new memory for error feedback)."""
        if self.sum is None:
            raise PayloadError("alone in its round, and a sum of one hides nothing")
        vector, memory = self.up.project(delta, context)
        weight = float(examples) if self.config.weights == "examples" else 1.0
        return self.sum.seal(context.sender, vector.numpy(), weight), memory

    def accept(self, upload: Upload, client: str = "") -> str:
        """Store what the sender of an upload keeps; return why a sealed one is refused, or ''."""
        if upload.sealed:
            assert self.sum is not None
            try:
                self.sum.add(client, upload.sealed)
            except PayloadError as error:
                return str(error)
        if upload.memory:
            self.memory[upload.slot] = upload.memory
        if upload.home:
            self.home[upload.place] = upload.home
        if upload.control:
            self.control[upload.place] = upload.control
        return ""

    def open_sealed(self, records: list[ClientRecord]) -> Iterator[ClientUpdate]:
        """Yield the mean of a round's sealed uploads as one update, once all have arrived.

        The bytes that the lock took are added to `records`.
        """
        if self.sum is None:
            return
        costs: Mapping[str, tuple[int, int]] = {}
        try:
            done = self.sum.result()
            costs, self.noise = done.costs, done.noise
            template = {n: self.begin[n] for n in self._sending()}
            vector = torch.from_numpy(done.mean).float()
            mean = self.up.restore(vector, template, self._context())
            if self.budget and self.budget.trust_sum:  # the server takes the step
                centre = self.begin.get(CENTRE_NAME)
                mean = server_step(mean, centre, self.budget, self.rates, done.weight)
            yield ClientUpdate(SUM_SENDER, mean, max(1, round(done.weight)), weight=done.weight)
        except TooFew as error:
            mark_lost(records, f"too few arrived: {error}")
        except PayloadError as error:  # a hostile client can spoil a sum that nobody looks into
            mark_lost(records, f"the sum cannot be used: {error}")
        add_lock_bytes(records, self.sum.setup, costs)

    def combine(self, updates: Iterable[ClientUpdate]) -> Combined:
        """Return the round's updates combined into one change.

        Its message for the frozen matrices travels with the next round's download.
        """
        counted: list[ClientUpdate] = []
        updates, start = _note_counted(updates, counted), self.starting_params
        done = combine_updates(
            self.rule, self.begin, updates, self.scale, start, self.home_names, self.one_start
        )
        if self.guard:
            done = replace(done, delta=self._protect_mean(self.guard, done.delta, counted))
        if done.message:
            self.broadcast.note_sent(self.number + 1, 1, encode_tensors(done.message).nbytes)
        return done

    def _protect_mean(
        self, guard: ClientDP, mean: Params | None, counted: list[ClientUpdate]
    ) -> Params | None:
        """Return the mean over the cohort with its noise; noise alone if nobody took part."""
        sealed = self.config.secure != "none"
        if mean is None and sealed:
            return None
        if not sealed:
            self.noise = guard.budget.noise
        mean = mean or {n: torch.zeros_like(self.begin[n]) for n in self._sending()}
        weight = sum(u.mean_weight for u in counted)
        done = guard.finish_mean(mean, weight, self.number, noised=sealed)
        within = [u.metrics["within"] for u in counted] if guard.budget.count_noise else []
        guard.move_clip(within, self.number)
        return done

    def state(self) -> State:
        """Return everything that the next round needs, as tensors."""
        out = self.broadcast.state()
        for kind in ("memory", "home", "control"):
            groups: dict[str | int, Params] = getattr(self, kind)
            out |= {f"{kind}/{i}/{n}": t for i, kept in groups.items() for n, t in kept.items()}
        return out | {
            f"guard/{n}": t for n, t in (self.guard.state() if self.guard else {}).items()
        }


def _groups(state: State, kind: str) -> dict[str, Params]:
    """Return the tensors under `kind`/ by the next part of their names."""
    groups: dict[str, Params] = {}
    for name, tensor in select_prefix(state, f"{kind}/").items():
        group, _, inner = name.partition("/")
        groups.setdefault(group, {})[inner] = tensor
    return groups


def _note_counted(
    updates: Iterable[ClientUpdate], counted: list[ClientUpdate]
) -> Iterator[ClientUpdate]:
    for update in updates:
        counted.append(replace(update, delta={}))
        yield update


def check_exchange(config: RunConfig, model: Model) -> None:
    """Check that aggregation, --share and wires fit what this model trains. Raises FedkitError."""
    rule, params = methods_of(config).aggregator, model.trainable
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
    local_names(rule, config.share, list(params))


def exchange_notes(config: RunConfig, model: Model) -> list[str]:
    """Return a sentence for each setting that does not act as written."""
    methods, most, notes = methods_of(config), max_rank(model.trainable), []
    rule = methods.aggregator
    if above := [str(rank) for rank in rule.listed_ranks() if rank > most]:
        notes.append(
            f"aggregate {config.aggregate}: ranks above the tuner's r={most} count as {most}"
            f" ({', '.join(above)})"
        )
    if rule.needs_both and methods.up.stages and config.wire_down is None:
        notes.append(
            f"the download is not compressed: aggregate {config.aggregate} needs it as it is"
        )
    return notes


def aggregation_params(model: Model, config: RunConfig) -> Params:
    """Return what is added to the shared tensors before round 1, all zeros.

    A centre for private training of the head, and changes of the frozen matrices.
    """
    centre = {CENTRE_NAME: torch.zeros(model.module.head.in_features)}
    centre = centre if trains_about_centre(config) else {}
    if not methods_of(config).aggregator.merges:
        return centre
    return centre | zero_merged(model, [p.layer for p in lora_pairs(model.trainable)])
