"""What crosses the network: tensors as real bytes, checked on arrival.

Layout: magic 'FEDK' | version u16 | crc32 of the rest u32 | safetensors (notes travel in its
metadata). Nothing in a payload is executed; a payload that is not exactly what was expected is
refused with the reason.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from fedkit.core.errors import PayloadError
from fedkit.core.tensors import Params

HEADER = struct.Struct("<4sHI")
MAGIC, VERSION = b"FEDK", 1
# what a hostile body can raise: impossible shapes (RuntimeError, OverflowError), notes nested too
# deep (RecursionError)
UNREADABLE = (
    SafetensorError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    OverflowError,
    struct.error,
)


@dataclass(frozen=True)
class Payload:
    """The bytes that travel. nbytes is their length, never a formula."""

    body: bytes

    @property
    def nbytes(self) -> int:
        return len(self.body)


def encode(tensors: Params, notes: dict[str, Any] | None = None) -> Payload:
    """Serialise tensors (names, shapes and dtypes kept exactly) and small JSON notes."""
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    body = save(contiguous, metadata={"notes": json.dumps(notes or {})})
    return Payload(HEADER.pack(MAGIC, VERSION, zlib.crc32(body)) + body)


def decode(payload: Payload, expected: Params) -> tuple[Params, dict[str, Any]]:
    """Read a payload that must hold exactly the names, shapes and dtypes of `expected`, all finite.

    Raises PayloadError with the reason otherwise.
    """
    body = _open(payload.body)
    try:
        tensors = load(body)
        notes = _notes(body)
    except UNREADABLE as error:
        raise PayloadError(f"not readable as safetensors ({told(error)})") from None
    check(tensors, expected)
    # safetensors gives them in an order of its own
    return {name: tensors[name] for name in expected}, notes


def told(error: Exception) -> str:
    """An error's words on one printable line: they may quote what a hostile sender wrote."""
    return "".join(c if c.isprintable() else "?" for c in str(error)[:80])


def check(tensors: Params, expected: Params) -> None:
    """Raise PayloadError unless names, shapes, dtypes agree and every value is finite."""
    if wrong := set(tensors) ^ set(expected):
        raise PayloadError(f"wrong tensor names, for example {sorted(wrong)[0][:80]!r}")
    for name, tensor in tensors.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            raise PayloadError(
                f"{name}: {tuple(tensor.shape)} {tensor.dtype}, expected {tuple(wanted.shape)}"
                f" {wanted.dtype}"
            )
        if not torch.isfinite(tensor).all():
            raise PayloadError(f"{name}: holds NaN or infinity")


def _open(data: bytes) -> bytes:
    if len(data) < HEADER.size:
        raise PayloadError(f"only {len(data)} bytes long")
    magic, version, crc = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise PayloadError(f"unknown format {magic!r} version {version}")
    body = data[HEADER.size :]
    if zlib.crc32(body) != crc:
        raise PayloadError("checksum does not match: truncated or damaged on the way")
    return body


def _notes(body: bytes) -> dict[str, Any]:
    (length,) = struct.unpack_from("<Q", body)
    notes = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["notes"])
    if not isinstance(notes, dict):
        raise ValueError("notes are not an object")
    return notes
