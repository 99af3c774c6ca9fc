"""Uncompressed messages: tensors as bytes, checked on arrival.

Layout: magic 'FEDK' | version u16 | crc32 of the rest u32 | safetensors, with the notes in its
metadata. Nothing in a payload is executed; a payload that is not exactly what was expected is
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
MAX_NOTES = 2**16  # bytes of a message besides its values
NAME_BYTES = 200  # of a tensor's entry in safetensors, besides its name
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
    """The bytes of one message; nbytes is their measured length."""

    body: bytes

    @property
    def nbytes(self) -> int:
        return len(self.body)


def encode_tensors(tensors: Params, notes: dict[str, Any] | None = None) -> Payload:
    """Serialise tensors, with their exact names, shapes and dtypes, and small JSON notes."""
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    body = save(contiguous, metadata={"notes": json.dumps(notes or {})})
    return Payload(HEADER.pack(MAGIC, VERSION, zlib.crc32(body)) + body)


def decode_tensors(payload: Payload, expected: Params) -> tuple[Params, dict[str, Any]]:
    """Return the tensors and notes of a payload.

    Raises PayloadError with the reason unless it has exactly the names, shapes and dtypes of
    `expected`, and only finite values.
    """
    size = sum(t.nbytes + len(name) + NAME_BYTES for name, t in expected.items())
    body = _checked_body(refuse_too_long(payload.body, size))
    try:
        tensors = load(body)
        notes = _read_notes(body)
    except UNREADABLE as error:
        raise PayloadError(f"not readable as safetensors ({printable_error(error)})") from None
    check_tensors(tensors, expected)
    # safetensors does not keep the order
    return {name: tensors[name] for name in expected}, notes


def refuse_too_long(body: bytes, size: int) -> bytes:
    """Return `body`. Raises PayloadError if it is longer than `size` bytes of values and notes."""
    if len(body) > (most := size + MAX_NOTES):
        raise PayloadError(f"{len(body):,} bytes long, expected at most {most:,}")
    return body


def printable_error(error: Exception) -> str:
    """Return an error's text on one printable line: it may quote what a hostile sender wrote."""
    return "".join(c if c.isprintable() else "?" for c in str(error)[:80])


def check_tensors(tensors: Params, expected: Params) -> None:
    """Raise PayloadError unless names, shapes and dtypes agree and every value is finite."""
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


def _checked_body(data: bytes) -> bytes:
    if len(data) < HEADER.size:
        raise PayloadError(f"only {len(data)} bytes long")
    magic, version, crc = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise PayloadError(f"unknown format {magic!r} version {version}")
    body = data[HEADER.size :]
    if zlib.crc32(body) != crc:
        raise PayloadError("checksum does not match: truncated or damaged on the way")
    return body


def _read_notes(body: bytes) -> dict[str, Any]:
    (length,) = struct.unpack_from("<Q", body)
    notes = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["notes"])
    if not isinstance(notes, dict):
        raise ValueError("notes are not an object")
    return notes
