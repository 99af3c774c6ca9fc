"""Chains of stages that make an update smaller: 'ef21+topk:0.05+int4+ans'.

The sizes of all arrays in a message follow from the stages and the template, which both ends know.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.spec import build_entry
from fedkit.core.tensors import Params
from fedkit.wire.layout import Slot, TensorLayout, decode_varint, encode_varint
from fedkit.wire.payload import (
    UNREADABLE,
    Format,
    Payload,
    check_notes,
    check_tensors,
    decode_tensors,
    encode_tensors,
    printable_error,
    refuse_too_long,
)
from fedkit.wire.stages.entropy import Ans, Plain, Zstd
from fedkit.wire.stages.quantise import NF4, BFloat16, Float16, Int2, Int4, Int8, Sign
from fedkit.wire.stages.select import LowRank, RandK, Sketch, TopK
from fedkit.wire.stages.stage import Arrays, Context, ErrorFeedback, ErrorFeedback21

# state u8 | length of the notes | notes, JSON | arrays
MESSAGE = Format(b"FEDW", 1, "truncated, damaged, or from other stages or another model")
FINITE, NOT_FINITE = 0, 1  # NOT_FINITE: the sender had NaN or infinity, so no values are sent
STAGE_ROLES = {
    "memory": "ef or ef21",
    "select": "topk, randk, lowrank or sketch",
    "quantise": "bf16, fp16, int8, int4, int2, nf4 or sign",
    "code": "zstd or ans",
}
ORDER_RULE = (
    "the order is "
    + ", then ".join(f"{role} ({names})" for role, names in STAGE_ROLES.items())
    + "; at most one of each"
)
Stage = Any  # a stages.stage.Stage with the methods of its role


@dataclass(frozen=True)
class Wire:
    """Stages in the order of ROLES.

    feedback: errors are corrected in later messages, by a memory stage or by the sender itself.
    """

    stages: tuple[Stage, ...] = ()
    spec: str = "none"
    feedback: bool = False

    @property
    def lossless(self) -> bool:
        """Whether every message is received exactly as it was given."""
        return all(stage.lossless for stage in self.stages)

    @property
    def linear(self) -> bool:
        """Whether sums of `project`'s vectors can be restored, as secure aggregation needs."""
        return all(stage.linear for stage in self.stages)

    def dense(self, bits: int = 0) -> Wire:
        """Return its quantising and coding stages only, for messages in which every value matters.

        bits: 0, or 4 or 8: a quantising stage that is coarser becomes int4 or int8.
        """
        wire, finest = self._without("memory", "select"), 2**bits - 1 if bits else 0
        if any(
            getattr(s, "alphabet", finest) < finest for s in wire.stages if s.role == "quantise"
        ):
            codes = [w for w, s in zip(wire.spec.split("+"), wire.stages) if s.role == "code"]
            wire = make_wire("+".join([f"int{bits}", *codes]))
        wire = wire if _codable(wire.stages) else wire._without("code")
        return Wire(wire.stages, wire.spec)

    def without_memory(self) -> Wire:
        """Return the wire for a sender that keeps its own error memory: feedback, but no stage."""
        return replace(self._without("memory"), feedback=True)

    def encode(
        self, delta: Params, context: Context, notes: dict[str, Any] | None = None
    ) -> tuple[Payload, Params]:
        """Return the message and the sender's new memory, {} without feedback.

        The given memory is not modified. Values that are not finite give a message that `decode`
        refuses, and leave the memory as it was.
        """
        if not self.stages:
            return encode_tensors(delta, notes), {}
        layout = TensorLayout.from_params(delta)
        agreed = self.agreement_checksum(layout)
        try:
            arrays, memory = self.compress(delta, layout, context)
            state, packed = FINITE, self._coder().pack(arrays, self.slots(layout))
        except PayloadError:
            state, packed, memory = NOT_FINITE, b"", dict(context.memory)
        said = json.dumps(notes or {}, separators=(",", ":")).encode()
        body = bytes([state]) + encode_varint(len(said)) + said + packed
        return Payload(MESSAGE.add_header(body, agreed)), memory

    def decode(
        self, payload: Payload, template: Params, context: Context
    ) -> tuple[Params, dict[str, Any]]:
        """Return the received update, with the template's names, shapes and dtypes, and the notes.

        context.memory: the sender's memory before this message, which ef21 adds. Raises
        PayloadError with the reason if the message cannot be read or is not finite.
        """
        if not self.stages:
            return decode_tensors(payload, template)
        layout = TensorLayout.from_params(template)
        try:
            slots = self.slots(layout)
            body = refuse_too_long(payload.body, sum(slot.max_bytes + 16 for slot in slots))
            notes, rest = _split_notes(MESSAGE.remove_header(body, self.agreement_checksum(layout)))
            arrays = self._coder().unpack(rest, slots)
            flat = self._decompress(arrays, layout, context)
        except PayloadError:
            raise
        except UNREADABLE as error:
            raise PayloadError(f"not readable ({printable_error(error)})") from None
        return _checked_params(flat, layout, template), notes

    def project(self, delta: Params, context: Context) -> tuple[Tensor, Params]:
        """Return what a linear wire sends, a float32 vector that can be summed, and the new memory.

        Raises FedkitError if the wire is not linear, PayloadError if values are not finite.
        """
        _require_linear(self)
        arrays, memory = self.compress(delta, TensorLayout.from_params(delta), context)
        return torch.from_numpy(arrays[0].copy()), memory

    def restore(self, vector: Tensor, template: Params, context: Context) -> Params:
        """Return the update that a vector of `project`, or a sum of such vectors, stands for.

        Raises FedkitError for a wire that is not linear, PayloadError for a wrong size or value.
        """
        _require_linear(self)
        layout = TensorLayout.from_params(template)
        values = vector.detach().to("cpu", torch.float32).numpy()
        if values.shape != ((size := self.slots(layout)[0].count),):
            raise PayloadError(f"a vector of shape {values.shape}, expected ({size},)")
        return _checked_params(self._decompress([values], layout, context), layout, template)

    def compress(
        self, delta: Params, layout: TensorLayout, context: Context
    ) -> tuple[Arrays, Params]:
        """Return the arrays of a message and the new memory.

        Raises PayloadError for values that are not finite.
        """
        memory, select, quantise = (self._stage(role) for role in ("memory", "select", "quantise"))
        context = replace(context, feedback=self.feedback)
        with np.errstate(all="ignore"):
            aim = layout.flatten(delta)
            if memory:
                old = layout.flatten(context.memory) if context.memory else np.zeros_like(aim)
                aim = memory.vector_to_send(aim, old)
            _require_finite(aim)
            arrays = select.compress(aim, layout, context) if select else [aim]
            _require_finite(arrays[0])
            if quantise:
                arrays = [*quantise.compress(arrays[0], context), *arrays[1:]]
            if not memory:
                return arrays, {}
            kept = memory.next_memory(aim, old, self._read_message(arrays, layout, context))
        _require_finite(kept)
        return arrays, layout.unflatten(kept)

    def _decompress(self, arrays: Arrays, layout: TensorLayout, context: Context) -> np.ndarray:
        """Return the update that the arrays stand for, shape (n,)."""
        with np.errstate(all="ignore"):
            flat = self._read_message(arrays, layout, replace(context, feedback=self.feedback))
            memory = self._stage("memory")
            if memory and context.memory:
                flat = memory.received_update(layout.flatten(context.memory), flat)
        return flat

    def _read_message(self, arrays: Arrays, layout: TensorLayout, context: Context) -> np.ndarray:
        select, quantise = self._stage("select"), self._stage("quantise")
        if quantise:
            size = select.slots(layout)[0].count if select else layout.size
            own = len(quantise.slots(size))
            arrays = [quantise.decompress(arrays[:own], size), *arrays[own:]]
        return select.decompress(arrays, layout, context) if select else arrays[0]

    def slots(self, layout: TensorLayout) -> list[Slot]:
        select, quantise = self._stage("select"), self._stage("quantise")
        slots = select.slots(layout) if select else [Slot(layout.size)]
        return [*quantise.slots(slots[0].count), *slots[1:]] if quantise else slots

    def _stage(self, role: str) -> Stage | None:
        return next((stage for stage in self.stages if stage.role == role), None)

    def _coder(self) -> Plain:
        return self._stage("code") or Plain()

    def _without(self, *roles: str) -> Wire:
        left = [
            (s, word) for s, word in zip(self.stages, self.spec.split("+")) if s.role not in roles
        ]
        return Wire(
            tuple(s for s, _ in left), "+".join(word for _, word in left) or "none", self.feedback
        )

    def agreement_checksum(self, layout: TensorLayout) -> int:
        """Return the CRC-32 of what both ends must agree on: stages, names and shapes."""
        return zlib.crc32(repr((self.stages, self.feedback, layout.shapes)).encode())


def make_wire(spec: str) -> Wire:
    """Return the wire that 'none' or stages joined by '+' describe.

    Raises FedkitError with the reason for an unknown stage, a bad value or an invalid order.
    """
    words = [word.strip() for word in spec.split("+")]
    if words in ([""], ["none"]):
        return Wire()
    if "+" not in spec and all(part.strip() in STAGES for part in spec.split(",")) and "," in spec:
        raise FedkitError(
            f"wire {spec!r}: stages are joined by '+'; write"
            f" {spec.replace(',', '+').replace(' ', '')}"
        )
    stages = tuple(build_entry("wire", STAGES, word) for word in words)
    for word, stage in zip(words, stages):
        if problem := stage.problem():
            raise FedkitError(f"wire {word!r}: {problem}")
    ranks = [list(STAGE_ROLES).index(stage.role) for stage in stages]
    for before, after, a, b in zip(words, words[1:], ranks, ranks[1:]):
        if a == b:
            raise FedkitError(
                f"wire {spec!r}: {before!r} and {after!r} are two of one kind; {ORDER_RULE}"
            )
        if a > b:
            raise FedkitError(
                f"wire {spec!r}: {after!r} cannot come after {before!r}; {ORDER_RULE}"
            )
    feedback = stages[0].role == "memory"
    if feedback and all(stage.lossless for stage in stages):
        raise FedkitError(
            f"wire {spec!r}: nothing is lost, so {words[0]!r} has nothing to remember; "
            f"add one of {STAGE_ROLES['select']}, or of {STAGE_ROLES['quantise']}"
        )
    if not _codable(stages):
        raise FedkitError(
            f"wire {spec!r}: 'ans' has no symbols to code; add topk, int8, int4, int2, nf4 or sign"
            " before it"
        )
    return Wire(stages, "+".join(words), feedback)


def _split_notes(body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the notes and the bytes of the arrays of a message."""
    if body[0] == NOT_FINITE:
        raise PayloadError("holds NaN or infinity")
    length, start = decode_varint(body, 1)
    if body[0] != FINITE or length > len(body) - start:
        raise PayloadError("notes that cannot be read")
    notes = json.loads(body[start : start + length])
    check_notes(notes)
    return notes, body[start + length :]


def _codable(stages: tuple[Stage, ...]) -> bool:
    return not any(isinstance(s, Ans) for s in stages) or any(s.symbols for s in stages)


def _name(stage: Stage) -> str:
    return next(name for name, entry in STAGES.items() if entry is type(stage))


def _require_linear(wire: Wire) -> None:
    if bad := [stage for stage in wire.stages if not stage.linear]:
        raise FedkitError(f"wire {wire.spec!r} is not linear; {_name(bad[0])}: {bad[0].needs}")


def _require_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise PayloadError("holds NaN or infinity")


def _checked_params(flat: np.ndarray, layout: TensorLayout, template: Params) -> Params:
    """Return a vector as the template's tensors. Raises PayloadError if a value is not finite."""
    received = {
        name: tensor.to(template[name].dtype) for name, tensor in layout.unflatten(flat).items()
    }
    check_tensors(received, template)
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
