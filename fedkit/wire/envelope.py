"""The envelope of a compressed message: a header around JSON notes and arrays.

Layout: magic 'FEDW' | version u16 | crc32 of the rest u32 | state u8 | length of the notes | notes,
JSON | arrays. The checksum starts from a checksum of what both ends must agree on (stages, names,
shapes), so a message of other stages or another model is refused like a damaged one.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from fedkit.core.errors import PayloadError
from fedkit.wire.bits import decode_varint, encode_varint
from fedkit.wire.payload import HEADER, Payload

MAGIC, VERSION = b"FEDW", 1
FINITE, NOT_FINITE = 0, 1  # NOT_FINITE: the sender had NaN or infinity, so no values are sent


def seal_message(state: int, notes: dict[str, Any] | None, arrays: bytes, agreed: int) -> Payload:
    """Return the message of a state (FINITE or NOT_FINITE), notes and packed arrays."""
    said = json.dumps(notes or {}, separators=(",", ":")).encode()
    return add_header(bytes([state]) + encode_varint(len(said)) + said + arrays, agreed)


def add_header(body: bytes, agreed: int) -> Payload:
    """Return the body after its header, whose checksum starts from `agreed`."""
    return Payload(HEADER.pack(MAGIC, VERSION, zlib.crc32(body, agreed)) + body)


def open_message(data: bytes, agreed: int) -> tuple[dict[str, Any], bytes]:
    """Return the notes and the bytes of the arrays of a message.

    Raises PayloadError with the reason, or what json raises (payload.UNREADABLE).
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
    length, start = decode_varint(body, 1)
    if body[0] != FINITE or length > len(body) - start:
        raise PayloadError("notes that cannot be read")
    notes = json.loads(body[start : start + length])
    if not isinstance(notes, dict):
        raise PayloadError("notes are not an object")
    return notes, body[start + length :]
