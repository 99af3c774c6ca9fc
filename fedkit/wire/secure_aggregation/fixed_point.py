"""Fixed-point numbers modulo 2^bits, which add up without loss, and the envelope of an upload.

Envelope: magic 'FEDS' | version u16 | crc32 of the rest u32 | round u32 | size u32 | length of the
id u8 | id | values. The checksum starts from a checksum of what all clients of the round share.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.wire.payload import HEADER, printable_error

MAGIC, VERSION = b"FEDS", 1
REST = struct.Struct("<IIB")
BLOCK = 2**16  # values packed at a time


@dataclass(frozen=True)
class FixedPoint:
    """Whole numbers in steps of 2^-fraction, modulo 2^bits; the upper half are negative."""

    bits: int
    fraction: int

    @property
    def dtype(self) -> type:
        """The unsigned type that holds `bits` bits."""
        return np.uint32 if self.bits <= 32 else np.uint64

    def limit(self, terms: int) -> int:
        """Return the largest magnitude of each of `terms` numbers whose sum cannot wrap around."""
        return (2 ** (self.bits - 1) - 1) // max(terms, 1)

    def round_values(self, values: np.ndarray, terms: int, rng: np.random.Generator) -> np.ndarray:
        """Return values in steps of 2^-fraction, int64, by unbiased stochastic rounding.

        Raises PayloadError if values are not finite or a sum of `terms` such could wrap around.
        """
        scaled = np.ldexp(np.asarray(values, np.float64), self.fraction)
        if not np.isfinite(scaled).all():
            raise PayloadError("holds NaN or infinity")
        # Python compares a float and an int exactly
        most = float(np.abs(scaled).max(initial=0.0))
        if most > self.limit(terms):
            raise self.overflow_error(most, terms)
        down = np.floor(scaled)
        return down.astype(np.int64) + (rng.random(scaled.shape) < scaled - down)

    def check_range(self, whole: np.ndarray, terms: int) -> np.ndarray:
        """Return the numbers. Raises PayloadError if a sum of `terms` such could wrap around."""
        if (most := int(np.abs(whole).max(initial=0))) > self.limit(terms):
            raise self.overflow_error(most, terms)
        return whole

    def overflow_error(self, most: float, terms: int) -> PayloadError:
        """Return the error for a magnitude of `most` steps, too large for a sum of `terms`."""
        largest = self.limit(terms) / 2**self.fraction
        return PayloadError(
            f"holds {most / 2**self.fraction:.4g}, and {self.bits} bits with"
            f" fraction={self.fraction} carry at most {largest:.4g} from each of {terms} clients;"
            " clip it, or use more bits or a smaller fraction"
        )

    def to_unsigned(self, whole: np.ndarray) -> np.ndarray:
        """Return whole numbers modulo 2^32 or 2^64; bits above `bits` are ignored and not sent."""
        return whole.astype(np.int64).view(np.uint64).astype(self.dtype)

    def to_signed(self, values: np.ndarray) -> np.ndarray:
        """Return numbers modulo 2^bits as int64 from -2^(bits-1) to 2^(bits-1) - 1."""
        unused = np.int64(64 - self.bits)
        return (values.astype(np.uint64) << np.uint64(unused)).view(np.int64) >> unused

    def to_float(self, whole: np.ndarray) -> np.ndarray:
        """Return whole numbers in steps of 2^-fraction as float64."""
        return np.ldexp(whole.astype(np.float64), -self.fraction)

    def pack(self, values: np.ndarray) -> bytes:
        """Pack values into bits / 8 bytes each, the lowest bit first, without gaps."""
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
        """Return the `size` numbers that `pack` packed. Raises PayloadError for a wrong length."""
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
        return octets.view("<u8").reshape(size).astype(self.dtype)


def check_fixed_point(name: str, bits: int, fraction: int) -> None:
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


def pack_upload(client: str, round: int, size: int, agreed: int, values: bytes) -> bytes:
    """Return an upload in its envelope. Raises PayloadError for an id of more than 255 bytes."""
    name = client.encode()
    if len(name) > 255:
        raise PayloadError("a client's id is longer than 255 bytes")
    rest = REST.pack(round, size, len(name)) + name + values
    return HEADER.pack(MAGIC, VERSION, zlib.crc32(rest, agreed)) + rest


def unpack_upload(body: bytes, client: str, round: int, size: int, agreed: int) -> bytes:
    """Return the values in an upload.

    Raises PayloadError with the reason unless it is of this client, round and size.
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
        raise PayloadError(f"not readable ({printable_error(error)})") from None
    if sender != client:
        raise PayloadError("says it comes from another client")
    if number != round:
        raise PayloadError(f"is of round {number}, and this is round {round}")
    if count != size:
        raise PayloadError(f"holds {count} values, expected {size}")
    return body[start:]
