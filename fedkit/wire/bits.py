"""Packing of fixed-width numbers, varints and length-prefixed parts.

Reading bytes that do not fit raises PayloadError.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedkit.core.errors import PayloadError

MAX_VARINT_BYTES = 5  # of a varint, so it is below 2**35


def pack_bits(values: np.ndarray, width: int) -> bytes:
    """Pack whole numbers below 2**width, width from 1 to 32, without gaps between them."""
    size = 1 if width <= 8 else 2 if width <= 16 else 4
    octets = values.astype(f">u{size}").view(np.uint8).reshape(-1, size)
    return np.packbits(np.unpackbits(octets, axis=1)[:, 8 * size - width :]).tobytes()


def unpack_bits(data: bytes, width: int, count: int) -> np.ndarray:
    """Return the `count` numbers that `pack_bits` packed. Raises PayloadError for a wrong size."""
    if len(data) != -(-count * width // 8):
        raise PayloadError(f"{len(data)} bytes for {count} symbols of {width} bits")
    size = 1 if width <= 8 else 2 if width <= 16 else 4
    wide = np.zeros((count, 8 * size), np.uint8)
    wide[:, 8 * size - width :] = np.unpackbits(
        np.frombuffer(data, np.uint8), count=count * width
    ).reshape(count, width)
    return np.packbits(wide, axis=1).view(f">u{size}").reshape(count)


def encode_varint(value: int) -> bytes:
    """Encode a whole number >= 0 in groups of 7 bits, the lowest first (LEB128)."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def decode_varint(data: bytes, start: int) -> tuple[int, int]:
    """Return the varint at `start` and the position after it. Raises PayloadError otherwise."""
    value = 0
    for i, octet in enumerate(data[start : start + MAX_VARINT_BYTES]):
        value |= (octet & 127) << 7 * i
        if octet < 128:
            return value, start + i + 1
    raise PayloadError("a length that cannot be read")


def join_parts(parts: Sequence[bytes]) -> bytes:
    """Return the parts in one piece, each after its length."""
    return b"".join(encode_varint(len(part)) + part for part in parts)


def split_parts(data: bytes, count: int) -> list[bytes]:
    """Split what `join_parts` joined. Raises PayloadError unless it is exactly `count` parts."""
    parts, start = [], 0
    for _ in range(count):
        length, start = decode_varint(data, start)
        if length > len(data) - start:
            raise PayloadError(f"a part of {length} bytes where {len(data) - start} are left")
        parts.append(data[start : (start := start + length)])
    if start != len(data):
        raise PayloadError(f"{len(data) - start} bytes too many")
    return parts
