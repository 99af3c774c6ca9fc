"""The envelope of a compressed message: a few bytes around notes and arrays.

Layout: magic 'FEDW' | version u16 | crc32 of the rest u32 | state u8 | length of the notes | notes,
JSON | arrays. The checksum begins with what both ends must agree on (stages, names, shapes), so
that a message made by other stages or for another model is refused like a damaged one, at no byte's
cost.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from fedkit.core.errors import PayloadError
from fedkit.wire.bits import number, varint
from fedkit.wire.payload import HEADER, Payload

MAGIC, VERSION = b"FEDW", 1
FINE, NOT_FINITE = 0, 1  # NOT_FINITE: the sender's values were NaN or infinity, and none are sent


def seal(state: int, notes: dict[str, Any] | None, arrays: bytes, agreed: int) -> Payload:
    """The bytes that travel."""
    said = json.dumps(notes or {}, separators=(",", ":")).encode()
    return signed(bytes([state]) + varint(len(said)) + said + arrays, agreed)


def signed(body: bytes, agreed: int) -> Payload:
    """A body under its header."""
    return Payload(HEADER.pack(MAGIC, VERSION, zlib.crc32(body, agreed)) + body)


def opened(data: bytes, agreed: int) -> tuple[dict[str, Any], bytes]:
    """Notes, and the bytes of the arrays. Raises PayloadError, or what json raises
    (payload.UNREADABLE).
    """
    if len(data) <= HEADER.size:
        raise PayloadError(f"only {len(data)} bytes long")
    magic, version, crc = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise PayloadError(f"unknown format {magic!r} version {version}")
    body = data[HEADER.size :]
    if zlib.crc32(body, agreed) != crc:
        raise PayloadError(
            "checksum does not match: truncated, damaged, or from other stages or another model"
        )
    if body[0] == NOT_FINITE:
        raise PayloadError("holds NaN or infinity")
    length, start = number(body, 1)
    if body[0] != FINE or length > len(body) - start:
        raise PayloadError("notes that cannot be read")
    notes = json.loads(body[start : start + length])
    if not isinstance(notes, dict):
        raise PayloadError("notes are not an object")
    return notes, body[start + length :]
