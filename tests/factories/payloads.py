"""Payloads as a hostile client can make them."""

from __future__ import annotations

import zlib

from fedkit.wire.payload import HEADER, MAGIC, VERSION, Payload


def signed(body: bytes) -> Payload:
    """A body under a correct header and checksum, as a hostile client would send it."""
    return Payload(HEADER.pack(MAGIC, VERSION, zlib.crc32(body)) + body)
