"""Sums of encrypted vectors (CKKS: Cheon et al., 2017; library: TenSEAL).

All clients hold one secret key, and the server none. Every client decrypts the sum, which is exact
to about 1e-9. Clients agree on nothing else, and drop-outs need no recovery.

FOR TEACHING. The scheme is real; but one client that gives the server its key opens the uploads of
all, decrypted sums that reach the server leak something of the key (Li & Micciancio, 2021), and the
kit gives the key to all in one process. Secure aggregation is not differential privacy.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.wire.layout import join_parts, split_parts
from fedkit.wire.payload import printable_error, refuse_too_long
from fedkit.wire.secure_aggregation.fixed_point import (
    BytesByClient,
    Seed,
    SumSession,
    TooFew,
    pack_upload,
    unpack_upload,
)

# of all primes together, for 128 bits of security, by degree (homomorphicencryption.org, 2018)
MAX_MODULUS_BITS = {4096: 109, 8192: 218, 16384: 438}


class EncryptedSum(SumSession):
    """A round's sum under encryption.

    Ciphertexts of equal values differ: the library draws its own noise, not from the seed.
    """

    def __init__(self, lock: Ckks, clients: Sequence[str], size: int, seed: Seed, round: int):
        super().__init__(lock, clients, size, seed, round)
        self.lock, self.chunks = lock, -(-size // lock.slots)
        key = lock.fresh_key()
        self.client, self.server = load_context(key, True), load_context(key, False)
        self.setup = dict.fromkeys(self.clients, (0, len(key)))
        self.total: list[Any] = []  # ciphertexts, as the server holds them

    def seal(self, client: str, vector: np.ndarray, noise: None = None) -> bytes:
        """Return the client's upload.

        noise: must be in the vector already; ciphertexts are no whole numbers. Raises PayloadError
        with the reason if the vector cannot be sent.
        """
        self.find_place(client)
        self.check_size(vector)
        values = np.asarray(vector, np.float64)
        limit = self.lock.limit / max(1, len(self.clients))
        if not np.isfinite(values).all():
            raise PayloadError("holds NaN or infinity")
        if (most := np.abs(values).max(initial=0.0)) > limit:
            raise PayloadError(
                f"holds {most:.4g}, and at most {limit:.4g} fit from each of {len(self.clients)}"
                " clients; clip it"
            )
        slots = self.lock.slots
        parts = [self.encrypt(values[i : i + slots]) for i in range(0, self.size, slots)]
        return pack_upload(client, self.round, self.size, self.agreed, join_parts(parts))

    def add(self, client: str, body: bytes) -> None:
        """Add an upload to the sum. On PayloadError, with the reason, the sum stays as it was."""
        self.find_place(client)
        packed = unpack_upload(body, client, self.round, self.size, self.agreed)
        parts = split_parts(packed, self.chunks)
        if client in self.added:
            raise PayloadError("has been added already")
        # two polynomials of two primes each, in 64 bits
        refuse_too_long(body, self.chunks * 4 * 8 * self.lock.degree)
        try:
            chunks = [self._read(self.server, part) for part in parts]
            if [_ciphertext_form(chunk) for chunk in chunks] != self._forms():
                raise PayloadError("ciphertexts of other sizes or another scale than expected")
            if self.added:
                chunks = [mine + chunk for mine, chunk in zip(self.total, chunks)]
            self.total = chunks
        except PayloadError:
            raise
        except (ValueError, RuntimeError) as error:
            raise PayloadError(f"not readable as ciphertexts ({printable_error(error)})") from None
        self.added.append(client)

    def view(self) -> np.ndarray:
        """Return what the server sees of the sum at this moment: its ciphertexts' bytes, uint8."""
        return np.frombuffer(b"".join(chunk.serialize() for chunk in self.total), np.uint8)

    def result(self, answering: Collection[str] | None = None) -> tuple[np.ndarray, BytesByClient]:
        """Return the sum, float64, as a client decrypts it, and the bytes each client downloads.

        answering: which of the added clients still answer (None: all). Raises TooFew if none does.
        """
        there = [c for c in self.added if answering is None or c in answering]
        if not there:
            raise TooFew(f"0 of {len(self.clients)} clients are left, and 1 is needed to decrypt")
        message = join_parts([chunk.serialize() for chunk in self.total])
        plain = [
            self._read(self.client, part).decrypt() for part in split_parts(message, self.chunks)
        ]
        return np.concatenate([np.zeros(0), *plain]), {c: (0, len(message)) for c in there}

    def _forms(self) -> list[tuple]:
        """Return what `_ciphertext_form` returns for each ciphertext of a valid upload."""
        slots = self.lock.slots
        counts = (min(slots, self.size - i) for i in range(0, self.size, slots))
        return [(count, [(2.0**self.lock.scale, 2)]) for count in counts]

    def encrypt(self, values: np.ndarray) -> bytes:
        import tenseal

        return tenseal.ckks_vector(self.client, values).serialize()

    def _read(self, context: Any, data: bytes) -> Any:
        import tenseal

        return tenseal.ckks_vector_from(context, data)


def _ciphertext_form(chunk: Any) -> tuple[int, list[tuple[float, int]]]:
    """Return the number of values, and each ciphertext's scale and number of polynomials."""
    return chunk.size(), [(part.scale, part.size()) for part in chunk.ciphertext()]


def load_context(key: bytes, secret: bool) -> Any:
    """Return the clients' context from the bytes of a key, or the server's, which has no key."""
    import tenseal

    context = tenseal.context_from(key, n_threads=1)
    if secret:
        return context
    return tenseal.context_from(context.serialize(False, False, False, False), n_threads=1)


@dataclass(frozen=True)
class Ckks:
    """Every upload encrypted; the server adds what it cannot read, and clients decrypt the sum
    (CKKS: Cheon et al., 2017).

    degree: of the polynomials; a ciphertext holds degree / 2 values. bits: of each of the two
    primes, one of which carries values. 2 x 60 = 120 bits are far below the 218 up to which degree
    8192 gives 128 bits of security. scale: bits after the point; bits - scale - 1 are left for the
    whole part of the sum.
    """

    degree: int = 8192
    bits: int = 60
    scale: int = 40

    needs: ClassVar[str] = (
        "the package tenseal, and a rule and a wire that work on the sum alone; for teaching"
    )

    def __post_init__(self) -> None:
        if self.degree not in MAX_MODULUS_BITS:
            allowed = ", ".join(map(str, MAX_MODULUS_BITS))
            raise FedkitError(f"secure 'ckks:degree={self.degree}' given; choose one of: {allowed}")
        most = min(60, MAX_MODULUS_BITS[self.degree] // 2)
        if not 30 <= self.bits <= most:
            raise FedkitError(
                f"secure 'ckks:bits={self.bits}' given; for 128 bits of security at"
                f" degree={self.degree} it is from 30 to {most}"
            )
        if not 10 <= self.scale <= self.bits - 10:
            raise FedkitError(
                f"secure 'ckks:scale={self.scale}' given; it is from 10 to bits - 10 ="
                f" {self.bits - 10}, for the whole part"
            )

    @property
    def slots(self) -> int:
        """Number of values in a ciphertext."""
        return self.degree // 2

    @property
    def limit(self) -> float:
        """Largest magnitude of a sum."""
        return 2.0 ** (self.bits - self.scale - 2)

    def fresh_key(self) -> bytes:
        """Return a secret key and the parameters, as one client sends them to all others."""
        try:
            import tenseal
        except ImportError:
            raise FedkitError(
                "secure 'ckks' needs the package tenseal: pip install 'fedkit[crypto]'"
            ) from None
        kinds = tenseal.SCHEME_TYPE.CKKS, tenseal.ENCRYPTION_TYPE.SYMMETRIC
        primes = [self.bits] * 2
        context = tenseal.context(
            kinds[0], self.degree, coeff_mod_bit_sizes=primes, encryption_type=kinds[1], n_threads=1
        )
        context.global_scale = 2**self.scale
        return context.serialize(
            save_public_key=False,
            save_secret_key=True,
            save_galois_keys=False,
            save_relin_keys=False,
        )

    def open(self, clients: Sequence[str], size: int, seed: Seed, round: int) -> EncryptedSum:
        """Return the session of a round that sums vectors of `size` values, under a fresh key.

        Raises FedkitError without tenseal.
        """
        return EncryptedSum(self, clients, size, seed, round)
