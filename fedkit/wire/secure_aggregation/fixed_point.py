"""Sums of fixed-point numbers modulo 2^bits, which add up without loss, and what all sums share.

An upload is a round u32 | size u32 | length of the id u8 | id | values, under a header whose
checksum starts from a checksum of what all clients of the round share.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fedkit.core.errors import PayloadError
from fedkit.wire.payload import Format, printable_error

REST = struct.Struct("<IIB")
UPLOAD = Format(b"FEDS", REST.size, "truncated, damaged, or from other clients or settings")
BLOCK = 2**16  # values packed at a time
BytesByClient = dict[str, tuple[int, int]]  # client: (bytes sent, bytes received)
Seed = int | bytes  # of rounding and of the choice of neighbours; no key or mask follows it


class TooFew(PayloadError):
    """Too few clients are left to read the sum."""


def digest(*words: object) -> bytes:
    """Return the SHA-256 of words and numbers."""
    return hashlib.sha256(repr(words).encode()).digest()


def philox(key: bytes) -> np.random.Philox:
    """Return a counter-based bit generator (Salmon et al., 2011): good numbers, but no cipher."""
    return np.random.Philox(key=np.frombuffer(key[:16], np.uint64))


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


class SumSession:
    """One round's sum of vectors of `size` values: what every lock does alike."""

    def __init__(self, lock: object, clients: Sequence[str], size: int, seed: Seed, round: int):
        self.clients, self.size, self.seed, self.round = tuple(clients), size, seed, round
        self.place = {client: i for i, client in enumerate(self.clients)}
        self.agreed = zlib.crc32(digest("agreed", lock, self.clients, seed))
        self.setup: BytesByClient = dict.fromkeys(self.clients, (0, 0))
        self.added: list[str] = []

    def find_place(self, client: str) -> int:
        """Return a client's place. Raises PayloadError for one who is not of the round."""
        if client not in self.place:
            raise PayloadError("is not one of the round's clients")
        return self.place[client]

    def check_size(self, vector: np.ndarray) -> None:
        """Raise PayloadError unless a vector has the session's size."""
        if np.shape(vector) != (self.size,):
            raise PayloadError(f"a vector of shape {np.shape(vector)}, expected ({self.size},)")


def pack_upload(client: str, round: int, size: int, agreed: int, values: bytes) -> bytes:
    """Return an upload under its header. Raises PayloadError for an id of more than 255 bytes."""
    name = client.encode()
    if len(name) > 255:
        raise PayloadError("a client's id is longer than 255 bytes")
    return UPLOAD.add_header(REST.pack(round, size, len(name)) + name + values, agreed)


def unpack_upload(body: bytes, client: str, round: int, size: int, agreed: int) -> bytes:
    """Return the values in an upload.

    Raises PayloadError with the reason unless it is of this client, round and size.
    """
    rest = UPLOAD.remove_header(body, agreed)
    number, count, length = REST.unpack_from(rest)
    start = REST.size + length
    try:
        sender = rest[REST.size : start].decode()
    except UnicodeDecodeError as error:
        raise PayloadError(f"not readable ({printable_error(error)})") from None
    if sender != client:
        raise PayloadError("says it comes from another client")
    if number != round:
        raise PayloadError(f"is of round {number}, and this is round {round}")
    if count != size:
        raise PayloadError(f"holds {count} values, expected {size}")
    return rest[start:]


class FixedPointSum(SumSession):
    """A sum in fixed point without masks: the same bytes and rounding as with them."""

    def __init__(
        self,
        lock: object,
        fixed: FixedPoint,
        clients: Sequence[str],
        size: int,
        seed: Seed,
        round: int,
    ):
        super().__init__(lock, clients, size, seed, round)
        self.fixed = fixed
        self.sealed: set[int] = set()  # by place
        self.total: np.ndarray = np.zeros(size, fixed.dtype)

    def round_vector(
        self, client: str, vector: np.ndarray, noise: np.ndarray | None = None
    ) -> np.ndarray:
        """Return what the client adds to the sum, int64, in steps of 2^-fraction.

        Raises PayloadError if it does not fit.
        """
        rng = np.random.Generator(philox(digest("rounding", self.seed, self.round, client)))
        self.check_size(vector)
        whole = self.fixed.round_values(vector, len(self.clients), rng)
        return whole if noise is None else self.fixed.check_range(whole + noise, len(self.clients))

    def seal(self, client: str, vector: np.ndarray, noise: np.ndarray | None = None) -> bytes:
        """Return the client's upload. noise: whole numbers, in steps of 2^-fraction.

        Raises PayloadError with the reason if the vector cannot be sent.
        """
        if self.find_place(client) in self.sealed:
            raise PayloadError(
                "sealed already: a mask used twice gives the difference of two vectors away"
            )
        whole = self.round_vector(client, vector, noise)
        values = self.fixed.to_unsigned(whole) + self.client_mask(client)
        self.sealed.add(self.place[client])
        return pack_upload(client, self.round, self.size, self.agreed, self.fixed.pack(values))

    def add(self, client: str, body: bytes) -> None:
        """Add an upload to the sum. On PayloadError, with the reason, the sum stays as it was."""
        self.find_place(client)
        packed = unpack_upload(body, client, self.round, self.size, self.agreed)
        values = self.fixed.unpack(packed, self.size)
        if client in self.added:
            raise PayloadError("has been added already")
        self.total = self.total + values
        self.added.append(client)

    def view(self) -> np.ndarray:
        """Return what the server sees of the sum at this moment, shape (size,), float64."""
        return self.fixed.to_float(self.fixed.to_signed(self.total))

    def result(self, answering: Collection[str] | None = None) -> tuple[np.ndarray, BytesByClient]:
        """Return the sum of what was added, float64, and the bytes of the recovery per client."""
        return self.view(), {}

    def client_mask(self, client: str) -> np.ndarray:
        """Return what hides a client's vector, here nothing."""
        return np.zeros(self.size, self.fixed.dtype)
