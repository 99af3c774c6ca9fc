"""Numbers that can be added without loss: fixed point modulo 2^bits, and the envelope in which they
travel.

Envelope: magic 'FEDS' | version u16 | crc32 of the rest u32 | round u32 | size u32 | length of the
id u8 | id | values. The checksum begins with what everyone in the round must have alike.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.wire.payload import HEADER, told

MAGIC, VERSION = b"FEDS", 1
REST = struct.Struct("<IIB")
BLOCK = 2**16  # values packed at a time


@dataclass(frozen=True)
class Fixed:
    """Whole numbers of 2^-fraction, modulo 2^bits; half of them stand for negative ones."""

    bits: int
    fraction: int

    @property
    def kind(self) -> type:
        return np.uint32 if self.bits <= 32 else np.uint64

    def limit(self, terms: int) -> int:
        """The largest magnitude that `terms` numbers may each have, so that their sum cannot wrap
        around.
        """
        return (2 ** (self.bits - 1) - 1) // max(terms, 1)

    def rounded(self, values: np.ndarray, terms: int, rng: np.random.Generator) -> np.ndarray:
        """int64: each value up or down at random, so that it is right on average (unbiased
        stochastic rounding).

        Raises PayloadError for values that are not finite, or that could make a sum of `terms` wrap
        around.
        """
        scaled = np.ldexp(np.asarray(values, np.float64), self.fraction)
        if not np.isfinite(scaled).all():
            raise PayloadError("holds NaN or infinity")
        # compared with a whole number, which Python does exactly
        most = float(np.abs(scaled).max(initial=0.0))
        if most > self.limit(terms):
            raise self.too_large(most, terms)
        down = np.floor(scaled)
        return down.astype(np.int64) + (rng.random(scaled.shape) < scaled - down)

    def checked(self, whole: np.ndarray, terms: int) -> np.ndarray:
        """The same numbers. Raises PayloadError where a sum of `terms` such could wrap around."""
        if (most := int(np.abs(whole).max(initial=0))) > self.limit(terms):
            raise self.too_large(most, terms)
        return whole

    def too_large(self, most: float, terms: int) -> PayloadError:
        largest = self.limit(terms) / 2**self.fraction
        return PayloadError(
            f"holds {most / 2**self.fraction:.4g}, and {self.bits} bits with"
            f" fraction={self.fraction} carry at most {largest:.4g} from each of {terms} clients;"
            " clip it, or use more bits or a smaller fraction"
        )

    def wrapped(self, whole: np.ndarray) -> np.ndarray:
        """Whole numbers modulo 2^32 or 2^64; the bits above `bits` count for nothing, and none of
        them travels.
        """
        return whole.astype(np.int64).view(np.uint64).astype(self.kind)

    def signed(self, values: np.ndarray) -> np.ndarray:
        """int64 from -2^(bits-1) to 2^(bits-1) - 1 for numbers modulo 2^bits."""
        unused = np.int64(64 - self.bits)
        return (values.astype(np.uint64) << np.uint64(unused)).view(np.int64) >> unused

    def real(self, whole: np.ndarray) -> np.ndarray:
        """float64."""
        return np.ldexp(whole.astype(np.float64), -self.fraction)

    def pack(self, values: np.ndarray) -> bytes:
        """bits / 8 bytes a value, the lowest bit first, without a gap."""
        octets = values.astype("<u8").view(np.uint8).reshape(-1, 8)
        if self.bits % 8 == 0:
            return octets[:, : self.bits // 8].tobytes()
        blocks = (octets[i : i + BLOCK] for i in range(0, len(octets), BLOCK))
        return b"".join(
            np.packbits(
                np.unpackbits(b, axis=1, bitorder="little")[:, : self.bits], bitorder="little"
            ).tobytes()
            for b in blocks
        )

    def unpack(self, data: bytes, size: int) -> np.ndarray:
        """`size` numbers that `pack` packed. Raises PayloadError for a wrong length."""
        if len(data) != -(-size * self.bits // 8):
            raise PayloadError(f"{len(data)} bytes for {size} values of {self.bits} bits")
        octets = np.zeros((size, 8), np.uint8)
        raw, step = np.frombuffer(data, np.uint8), BLOCK * self.bits // 8
        if self.bits % 8 == 0:
            octets[:, : self.bits // 8] = raw.reshape(size, self.bits // 8)
        else:
            for n, start in enumerate(range(0, size, BLOCK)):
                count = min(BLOCK, size - start)
                flags = np.unpackbits(
                    raw[n * step : (n + 1) * step], count=count * self.bits, bitorder="little"
                )
                wide = np.zeros((count, 64), np.uint8)
                wide[:, : self.bits] = flags.reshape(count, self.bits)
                octets[start : start + count] = np.packbits(wide, axis=1, bitorder="little")
        return octets.view("<u8").reshape(size).astype(self.kind)


def check_fixed(name: str, bits: int, fraction: int) -> None:
    """Raise FedkitError unless there is room for whole numbers and their fractions."""
    if not 4 <= bits <= 62:
        raise FedkitError(
            f"secure '{name}:bits={bits}' given; bits, of a value that travels, is from 4 to 62"
        )
    if not 0 <= fraction <= bits - 2:
        raise FedkitError(
            f"secure '{name}:fraction={fraction}' given; fraction, bits after the point, is from 0"
            f" to bits - 2 = {bits - 2}"
        )


def enclosed(client: str, round: int, size: int, agreed: int, values: bytes) -> bytes:
    """The bytes that travel. Raises PayloadError for an id of more than 255 bytes."""
    name = client.encode()
    if len(name) > 255:
        raise PayloadError("a client's id is longer than 255 bytes")
    rest = REST.pack(round, size, len(name)) + name + values
    return HEADER.pack(MAGIC, VERSION, zlib.crc32(rest, agreed)) + rest


def disclosed(body: bytes, client: str, round: int, size: int, agreed: int) -> bytes:
    """The values in a body that must be from this client, round and size. Raises PayloadError with
    the reason.
    """
    if len(body) < HEADER.size + REST.size:
        raise PayloadError(f"only {len(body)} bytes long")
    magic, version, crc = HEADER.unpack_from(body)
    if magic != MAGIC or version != VERSION:
        raise PayloadError(f"unknown format {magic!r} version {version}")
    if zlib.crc32(body[HEADER.size :], agreed) != crc:
        raise PayloadError(
            "checksum does not match: truncated, damaged, or from other clients or settings"
        )
    number, count, length = REST.unpack_from(body, HEADER.size)
    start = HEADER.size + REST.size + length
    try:
        sender = body[start - length : start].decode()
    except UnicodeDecodeError as error:
        raise PayloadError(f"not readable ({told(error)})") from None
    if sender != client:
        raise PayloadError("says it comes from another client")
    if number != round:
        raise PayloadError(f"is of round {number}, and this is round {round}")
    if count != size:
        raise PayloadError(f"holds {count} values, expected {size}")
    return body[start:]
