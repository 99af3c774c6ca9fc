"""What is done to an update before it travels: 'ef21+topk:0.05+int4+ans' remembers, selects,
quantises, codes.

The sizes of all arrays in a message follow from the stages and the template, which both ends know.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.spec import build
from fedkit.core.tensors import Params
from fedkit.wire import payload as plain
from fedkit.wire.envelope import FINE, NOT_FINITE, opened, seal
from fedkit.wire.layout import Form, Slot, StageInfo
from fedkit.wire.payload import UNREADABLE, Payload, check, told
from fedkit.wire.stages.cast import BFloat16, Float16
from fedkit.wire.stages.entropy import Ans, Plain, Zstd
from fedkit.wire.stages.feedback import ErrorFeedback, ErrorFeedback21
from fedkit.wire.stages.lowrank import LowRank
from fedkit.wire.stages.quantise import NF4, Int2, Int4, Int8, Sign
from fedkit.wire.stages.select import RandK, TopK
from fedkit.wire.stages.sketch import Sketch

ROLES = {
    "memory": "ef or ef21",
    "select": "topk, randk, lowrank or sketch",
    "quantise": "bf16, fp16, int8, int4, int2, nf4 or sign",
    "code": "zstd or ans",
}
ORDER = (
    "the order is "
    + ", then ".join(f"{role} ({names})" for role, names in ROLES.items())
    + "; at most one of each"
)
# role, linear, unbiased, lossless, symbols, needs and problem(), and the methods of its role
Stage = Any


@dataclass(frozen=True)
class Context:
    """Who sends, when, and what the sender remembers: 'server' or a client's id; {} before the
    first message.
    """

    sender: str
    round: int
    seed: int
    memory: Params


@dataclass(frozen=True)
class Wire:
    """Stages in the order of ROLES. feedback: what is lost is not lost for good, here or in the
    sender's own memory.
    """

    stages: tuple[Stage, ...] = ()
    spec: str = "none"
    feedback: bool = False

    @property
    def lossless(self) -> bool:
        return all(stage.lossless for stage in self.stages)

    @property
    def linear(self) -> bool:
        """Whether what `project` gives can be summed and the sum be read: what secure aggregation
        needs.
        """
        return all(stage.linear for stage in self.stages)

    def dense(self, bits: int = 0) -> Wire:
        """Only its quantising and coding stages, for messages in which every value matters.

        bits: 0, or 4 or 8: a quantising stage that is coarser becomes int4 or int8.
        """
        wire = self._without("memory", "select")
        fine = {4: ("int4", 15), 8: ("int8", 255)}.get(bits, ("", 0))
        if any(
            getattr(s, "alphabet", 2**16) < fine[1] for s in wire.stages if s.role == "quantise"
        ):
            codes = [w for w, s in zip(wire.spec.split("+"), wire.stages) if s.role == "code"]
            wire = make_wire("+".join([fine[0], *codes]))
        wire = wire if _codable(wire.stages) else wire._without("code")
        return Wire(wire.stages, wire.spec)

    def without_memory(self) -> Wire:
        """For a sender that keeps its own error memory: as if feedback were there."""
        wire = self._without("memory")
        return Wire(wire.stages, wire.spec, feedback=True)

    def encode(
        self, delta: Params, context: Context, notes: dict[str, Any] | None = None
    ) -> tuple[Payload, Params]:
        """The message and the sender's new memory, {} without feedback. The memory given is never
        changed.

        Values that are not finite travel as a message that `decode` refuses, and leave the memory
        as it was.
        """
        if not self.stages:
            return plain.encode(delta, notes), {}
        form = Form.of(delta)
        try:
            arrays, memory = self._split(delta, form, context)
        except PayloadError:
            return seal(NOT_FINITE, notes, b"", self._agreed(form)), dict(context.memory)
        return (
            seal(FINE, notes, self._coder().pack(arrays, self._slots(form)), self._agreed(form)),
            memory,
        )

    def decode(
        self, payload: Payload, template: Params, context: Context
    ) -> tuple[Params, dict[str, Any]]:
        """The update as received, with the template's names, shapes and dtypes, all finite; and the
        notes.

        context.memory: the sender's memory before this message, which ef21 adds. Raises
        PayloadError with the reason.
        """
        if not self.stages:
            return plain.decode(payload, template)
        form = Form.of(template)
        try:
            notes, rest = opened(payload.body, self._agreed(form))
            flat = self._join(self._coder().unpack(rest, self._slots(form)), form, context)
        except PayloadError:
            raise
        except UNREADABLE as error:
            raise PayloadError(f"not readable ({told(error)})") from None
        return _checked(flat, form, template), notes

    def project(self, delta: Params, context: Context) -> tuple[Tensor, Params]:
        """What a linear wire sends, as one float32 vector that can be summed over senders; and the
        new memory.

        Raises FedkitError for a wire that is not linear, PayloadError for values that are not
        finite.
        """
        self._need_linear()
        arrays, memory = self._split(delta, Form.of(delta), context)
        return torch.from_numpy(arrays[0].copy()), memory

    def restore(self, vector: Tensor, template: Params, context: Context) -> Params:
        """What a vector of `project`, or a sum of such, stands for. Raises PayloadError for a wrong
        size or value.
        """
        self._need_linear()
        form = Form.of(template)
        values = vector.detach().to("cpu", torch.float32).numpy()
        if values.shape != (self._slots(form)[0].count,):
            raise PayloadError(
                f"a vector of shape {values.shape}, expected ({self._slots(form)[0].count},)"
            )
        return _checked(self._join([values], form, context), form, template)

    def _need_linear(self) -> None:
        if bad := [stage for stage in self.stages if not stage.linear]:
            raise FedkitError(f"wire {self.spec!r} is not linear; {_name(bad[0])}: {bad[0].needs}")

    def _split(
        self, delta: Params, form: Form, context: Context
    ) -> tuple[list[np.ndarray], Params]:
        """The arrays of a message and the new memory. Raises PayloadError for values that are not
        finite.
        """
        memory, select, quantise = (self._stage(role) for role in ("memory", "select", "quantise"))
        setting = self._setting(context)
        with np.errstate(all="ignore"):
            aim, old = (
                form.flat(delta),
                form.flat(context.memory) if memory and context.memory else None,
            )
            if memory:
                old = np.zeros_like(aim) if old is None else old
                aim = memory.aim(aim, old)
            _need_finite(aim)
            arrays = select.split(aim, form, setting) if select else [aim]
            _need_finite(arrays[0])
            if quantise:
                arrays = [*quantise.split(arrays[0], setting), *arrays[1:]]
            if not memory:
                return arrays, {}
            kept = memory.keep(aim, old, self._message(arrays, form, setting))
        _need_finite(kept)
        return arrays, form.params(kept)

    def _join(self, arrays: list[np.ndarray], form: Form, context: Context) -> np.ndarray:
        """The update that the arrays stand for, shape (n,)."""
        with np.errstate(all="ignore"):
            flat, memory = (
                self._message(arrays, form, self._setting(context)),
                self._stage("memory"),
            )
            if memory and context.memory:
                flat = memory.result(form.flat(context.memory), flat)
        return flat

    def _message(self, arrays: list[np.ndarray], form: Form, setting: StageInfo) -> np.ndarray:
        select, quantise = self._stage("select"), self._stage("quantise")
        if quantise:
            size = select.slots(form)[0].count if select else form.size
            own = len(quantise.slots(size))
            arrays = [quantise.join(arrays[:own], size), *arrays[own:]]
        return select.join(arrays, form, setting) if select else arrays[0]

    def _slots(self, form: Form) -> list[Slot]:
        select, quantise = self._stage("select"), self._stage("quantise")
        slots = select.slots(form) if select else [Slot(form.size)]
        return [*quantise.slots(slots[0].count), *slots[1:]] if quantise else slots

    def _stage(self, role: str) -> Stage | None:
        return next((stage for stage in self.stages if stage.role == role), None)

    def _coder(self) -> Plain:
        return self._stage("code") or Plain()

    def _setting(self, context: Context) -> StageInfo:
        return StageInfo(context.seed, context.round, context.sender, self.feedback)

    def _without(self, *roles: str) -> Wire:
        left = [
            (s, word) for s, word in zip(self.stages, self.spec.split("+")) if s.role not in roles
        ]
        return Wire(
            tuple(s for s, _ in left), "+".join(word for _, word in left) or "none", self.feedback
        )

    def _agreed(self, form: Form) -> int:
        """What both ends must have alike: stages, names and shapes."""
        return zlib.crc32(repr((self.stages, self.feedback, form.shapes)).encode())


def make_wire(spec: str) -> Wire:
    """The wire that 'none' or stages joined by '+' describe.

    Raises FedkitError for an unknown stage or a bad value, and for an order that cannot work, with
    the reason.
    """
    words = [word.strip() for word in spec.split("+")]
    if words in ([""], ["none"]):
        return Wire()
    if "+" not in spec and all(part.strip() in STAGES for part in spec.split(",")) and "," in spec:
        raise FedkitError(
            f"wire {spec!r}: stages are joined by '+'; write"
            f" {spec.replace(',', '+').replace(' ', '')}"
        )
    stages = tuple(build("wire", STAGES, word) for word in words)
    for word, stage in zip(words, stages):
        if problem := stage.problem():
            raise FedkitError(f"wire {word!r}: {problem}")
    ranks = [list(ROLES).index(stage.role) for stage in stages]
    for before, after, a, b in zip(words, words[1:], ranks, ranks[1:]):
        if a == b:
            raise FedkitError(
                f"wire {spec!r}: {before!r} and {after!r} are two of one kind; {ORDER}"
            )
        if a > b:
            raise FedkitError(f"wire {spec!r}: {after!r} cannot come after {before!r}; {ORDER}")
    feedback = stages[0].role == "memory"
    if feedback and all(stage.lossless for stage in stages):
        raise FedkitError(
            f"wire {spec!r}: nothing is lost, so {words[0]!r} has nothing to remember; "
            f"add one of {ROLES['select']}, or of {ROLES['quantise']}"
        )
    if not _codable(stages):
        raise FedkitError(
            f"wire {spec!r}: 'ans' has no symbols to code; add topk, int8, int4, int2, nf4 or sign"
            " before it"
        )
    return Wire(stages, "+".join(words), feedback)


def _codable(stages: tuple[Stage, ...]) -> bool:
    return not any(isinstance(s, Ans) for s in stages) or any(s.symbols for s in stages)


def _name(stage: Stage) -> str:
    return next(name for name, entry in STAGES.items() if entry is type(stage))


def _need_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise PayloadError("holds NaN or infinity")


def _checked(flat: np.ndarray, form: Form, template: Params) -> Params:
    """The vector as the template's tensors. Raises PayloadError unless every value is finite."""
    received = {name: tensor.to(template[name].dtype) for name, tensor in form.params(flat).items()}
    check(received, template)
    return {name: received[name] for name in template}


STAGES: dict[str, type] = {
    "ef": ErrorFeedback,
    "ef21": ErrorFeedback21,
    "topk": TopK,
    "randk": RandK,
    "lowrank": LowRank,
    "sketch": Sketch,
    "bf16": BFloat16,
    "fp16": Float16,
    "int8": Int8,
    "int4": Int4,
    "int2": Int2,
    "nf4": NF4,
    "sign": Sign,
    "zstd": Zstd,
    "ans": Ans,
}
