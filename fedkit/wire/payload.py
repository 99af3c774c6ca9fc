"""Messages as bytes under one header, and uncompressed tensors, checked on arrival.

Header: magic | version u16 | crc32 of the rest u32. The checksum starts from a checksum of what
both ends must agree on, so a message of another model or other settings is refused like a damaged
one. Nothing in a payload is executed; what is not exactly as expected is refused with the reason.
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

HEADER, VERSION = struct.Struct("<4sHI"), 1
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


@dataclass(frozen=True)
class Format:
    """A kind of message. least: bytes of its body. causes: what a wrong checksum can mean."""

    magic: bytes
    least: int
    causes: str

    def add_header(self, body: bytes, agreed: int = 0) -> bytes:
        """Return the body after its header, whose checksum starts from `agreed`."""
        return HEADER.pack(self.magic, VERSION, zlib.crc32(body, agreed)) + body

    def remove_header(self, data: bytes, agreed: int = 0) -> bytes:
        """Return the body of a message. Raises PayloadError with the reason."""
        if len(data) < HEADER.size + self.least:
            raise PayloadError(f"only {len(data)} bytes long")
        magic, version, crc = HEADER.unpack_from(data)
        if (magic, version) != (self.magic, VERSION):
            raise PayloadError(f"unknown format {magic!r} version {version}")
        body = data[HEADER.size :]
        if zlib.crc32(body, agreed) != crc:
            raise PayloadError(f"checksum does not match: {self.causes}")
        return body


# safetensors, with the notes in its metadata
TENSORS = Format(b"FEDK", 0, "truncated or damaged on the way")


def encode_tensors(tensors: Params, notes: dict[str, Any] | None = None) -> Payload:
    """Serialise tensors, with their exact names, shapes and dtypes, and small JSON notes."""
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    return Payload(
        TENSORS.add_header(save(contiguous, metadata={"notes": json.dumps(notes or {})}))
    )


def decode_tensors(payload: Payload, expected: Params) -> tuple[Params, dict[str, Any]]:
    """Return the tensors and notes of a payload.

    Raises PayloadError with the reason unless it has exactly the names, shapes and dtypes of
    `expected`, and only finite values.
    """
    size = sum(t.nbytes + len(name) + NAME_BYTES for name, t in expected.items())
    body = TENSORS.remove_header(refuse_too_long(payload.body, size))
    try:
        tensors = load(body)
        (length,) = struct.unpack_from("<Q", body)
        notes = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["notes"])
        check_notes(notes)
    except UNREADABLE as error:
        raise PayloadError(f"not readable as safetensors ({printable_error(error)})") from None
    check_tensors(tensors, expected)
    # safetensors does not keep the order
    return {name: tensors[name] for name in expected}, notes


def check_notes(notes: object) -> None:
    """Raise PayloadError unless notes are a JSON object."""
    if not isinstance(notes, dict):
        raise PayloadError("notes are not an object")


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
