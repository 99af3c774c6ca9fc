"""Payloads as a hostile client can make them."""

from __future__ import annotations

from fedkit.wire.payload import TENSORS, Payload


def signed(body: bytes) -> Payload:
    """A body under a correct header and checksum, as a hostile client would send it."""
    return Payload(TENSORS.add_header(body))
