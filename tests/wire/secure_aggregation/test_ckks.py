"""A sum under encryption: right to a ten-thousandth and better, every byte counted, and nothing for
the server to read.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.wire.layout import join_parts
from fedkit.wire.secure_aggregation.fixed_point import TooFew, pack_upload
from fedkit.wire.secure_aggregation.registry import Ckks, make_lock

NAMES = ["site-1", "site-2", "site-3"]


@pytest.fixture
def tenseal():
    return pytest.importorskip("tenseal", reason="CKKS needs TenSEAL: pip install 'fedkit[crypto]'")


def vectors(size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.laplace(0, 1e-3, size) for name in NAMES}


@pytest.mark.parametrize("size", [1, 4096, 5000])
def test_the_sum_is_right_to_a_ten_thousandth_and_every_byte_counts(tenseal, size):
    session, values = make_lock("ckks").open(NAMES, size, 0, 1), vectors(size)
    bodies = {c: session.seal(c, values[c]) for c in NAMES[:2]}
    for client, body in bodies.items():
        session.add(client, body)
    total, nbytes = session.result()
    want = values["site-1"] + values["site-2"]
    assert total.shape == (size,) and np.linalg.norm(total - want) < 1e-4 * np.linalg.norm(want)
    whole = 131_217  # 2 polynomials of 8192 numbers of 8 bytes and a few of form
    chunks = -(-size // 4096)
    assert all(abs(len(body) / (chunks * whole) - 1) < 0.002 for body in bodies.values())
    assert set(nbytes) == set(NAMES[:2]) and nbytes["site-1"][0] == 0
    assert abs(nbytes["site-1"][1] / (chunks * whole) - 1) < 0.002
    assert all(
        sent == 0 and 131_000 < received < 132_000 for sent, received in session.setup.values()
    )


def test_the_server_has_no_key_and_sees_bytes_that_look_like_noise(tenseal):
    session, values = make_lock("ckks").open(NAMES, 4096, 0, 1), vectors(4096)
    for client in NAMES:
        session.add(client, session.seal(client, values[client]))
    assert not session.server.has_secret_key() and session.client.has_secret_key()
    with pytest.raises(ValueError):
        session.total[0].decrypt()
    seen = session.view()
    assert seen.dtype == np.uint8 and len(seen) == len(session.total[0].serialize())
    low = np.bincount(seen[200:-200].reshape(-1)[: len(seen) // 16 * 8], minlength=256)
    assert low.max() < 3 * len(seen) / 256, (
        "no byte stands out (whole numbers of 60 bits leave the highest ones free)"
    )


def test_what_is_not_right_is_refused_with_its_reason(tenseal):
    session, values = make_lock("ckks").open(NAMES, 5000, 0, 1), vectors(5000)
    body = session.seal("site-1", values["site-1"])
    other_round = make_lock("ckks").open(NAMES, 5000, 0, 2).seal("site-1", values["site-1"])
    no_cipher = pack_upload("site-1", 1, 5000, session.agreed, b"\2ab\2cd")
    one_chunk = pack_upload("site-1", 1, 5000, session.agreed, b"\2ab")
    short, small = (
        session.encrypt(np.ones(10)),
        tenseal.ckks_vector(session.client, np.ones(904), 2**20).serialize(),
    )
    first = session.encrypt(np.ones(4096))
    other_sizes, other_scale = (
        pack_upload("site-1", 1, 5000, session.agreed, join_parts([first, c]))
        for c in (short, small)
    )
    for bad, reason in [
        (body[:-1] + b"\0", "checksum"),
        (session.seal("site-2", values["site-2"]), "another client"),
        (other_round, "round 2"),
        (other_sizes, "other sizes"),
        (other_scale, "another scale"),
        (no_cipher, "not readable as ciphertexts"),
        (one_chunk, "length"),
        (b"", "0 bytes"),
    ]:
        with pytest.raises(PayloadError, match=reason):
            session.add("site-1", bad)
    assert not session.added
    with pytest.raises(TooFew, match="1 is needed"):
        session.result()
    session.add("site-1", body)
    with pytest.raises(PayloadError, match="already"):
        session.add("site-1", body)
    for value, reason in ((np.nan, "NaN"), (1e9, "at most")):
        with pytest.raises(PayloadError, match=reason):
            session.seal("site-3", np.full(5000, value))
    with pytest.raises(PayloadError, match="not one of"):
        session.seal("site-9", values["site-1"])


@pytest.mark.parametrize("seed", range(40))
def test_damaged_ciphertexts_under_a_right_checksum_are_refused_or_added_and_never_crash(
    tenseal, seed
):
    session, rng = make_lock("ckks").open(NAMES, 50, 0, 1), np.random.default_rng(seed)
    chunk = bytearray(session.encrypt(np.ones(50)))
    for place in rng.integers(0, 150 if seed % 2 else len(chunk), 3):
        chunk[place] = rng.integers(256)
    try:
        session.add(
            "site-1", pack_upload("site-1", 1, 50, session.agreed, join_parts([bytes(chunk)]))
        )
    except PayloadError as error:
        assert "\n" not in str(error) and len(str(error)) < 200 and not session.added
    session.add("site-2", session.seal("site-2", np.ones(50)))
    session.result()


def test_the_largest_values_that_are_allowed_come_out_right(tenseal):
    lock = Ckks(bits=40, scale=20)
    session = lock.open(NAMES, 10, 0, 1)
    for client in NAMES:
        session.add(client, session.seal(client, np.full(10, lock.limit / 3)))
    assert session.result()[0] == pytest.approx(np.full(10, lock.limit), rel=1e-4)


@pytest.mark.parametrize(
    "spec",
    [
        "ckks:degree=2048",
        "ckks:bits=61",
        "ckks:degree=4096,bits=55",
        "ckks:scale=55",
        "ckks:bits=20",
    ],
)
def test_settings_without_128_bits_of_security_or_without_room_are_refused(spec):
    with pytest.raises(FedkitError) as error:
        make_lock(spec)
    assert "\n" not in str(error.value)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tenseal", None)
    with pytest.raises(FedkitError, match=r"pip install 'fedkit\[crypto\]'"):
        make_lock("ckks").open(NAMES, 3, 0, 1)
