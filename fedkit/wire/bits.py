"""Numbers in a fixed number of bits, and parts after their lengths. What cannot be read raises
PayloadError.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedkit.core.errors import PayloadError

WIDEST = 5  # bytes of the longest number that `number` reads: anything below 2**35


def bits(values: np.ndarray, width: int) -> bytes:
    """Whole numbers below 2**width, width from 1 to 32, one after another without a gap."""
    size = 1 if width <= 8 else 2 if width <= 16 else 4
    octets = values.astype(f">u{size}").view(np.uint8).reshape(-1, size)
    return np.packbits(np.unpackbits(octets, axis=1)[:, 8 * size - width :]).tobytes()


def unbits(data: bytes, width: int, count: int) -> np.ndarray:
    """`count` numbers that `bits` packed. Raises PayloadError for a wrong size."""
    if len(data) != -(-count * width // 8):
        raise PayloadError(f"{len(data)} bytes for {count} symbols of {width} bits")
    size = 1 if width <= 8 else 2 if width <= 16 else 4
    wide = np.zeros((count, 8 * size), np.uint8)
    wide[:, 8 * size - width :] = np.unpackbits(
        np.frombuffer(data, np.uint8), count=count * width
    ).reshape(count, width)
    return np.packbits(wide, axis=1).view(f">u{size}").reshape(count)


def varint(value: int) -> bytes:
    """A number from 0 on in groups of 7 bits, the smallest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(data: bytes, start: int) -> tuple[int, int]:
    """The varint at `start` and the place after it. Raises PayloadError where there is none."""
    value = 0
    for i, octet in enumerate(data[start : start + WIDEST]):
        value |= (octet & 127) << 7 * i
        if octet < 128:
            return value, start + i + 1
    raise PayloadError("a length that cannot be read")


def joined(parts: Sequence[bytes]) -> bytes:
    """Each part after its length."""
    return b"".join(varint(len(part)) + part for part in parts)


def cut(data: bytes, count: int) -> list[bytes]:
    """Exactly `count` parts that `joined` joined. Raises PayloadError otherwise."""
    parts, start = [], 0
    for _ in range(count):
        length, start = number(data, start)
        if length > len(data) - start:
            raise PayloadError(f"a part of {length} bytes where {len(data) - start} are left")
        parts.append(data[start : (start := start + length)])
    if start != len(data):
        raise PayloadError(f"{len(data) - start} bytes too many")
    return parts
