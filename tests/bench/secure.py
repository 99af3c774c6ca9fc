"""What it costs to hide the terms of a sum: one client's seconds and bytes, the server's seconds,
error of encryption.

Masks: the work of one client and the messages it sends and gets are real, at any number of clients.
The server's seconds are measured for one upload, one secret, one mask, and multiplied by how many
there are with 30 % drop-outs; up to 100 clients the whole round is run too. Not secure, for
teaching. usage: python tests/bench/secure.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from fedkit.wire.secure_aggregation.fixed_point import FixedPoint, pack_upload, unpack_upload
from fedkit.wire.secure_aggregation.masking_client import (
    MaskingClient,
    add_pair_mask,
    encrypt_share,
    pack_rows,
    self_mask,
    shared_key,
)
from fedkit.wire.secure_aggregation.masks import (
    failure_bounds,
    neighbour_graph,
    safe_neighbours,
    shares_needed,
)
from fedkit.wire.secure_aggregation.registry import Ckks, Masks
from fedkit.wire.secure_aggregation.shamir import NBYTES, PRIME, join_shares, lagrange_weights

SIZE, DROP, HOSTILE = 103_373, 0.3, 0.05
WHOLE = 100  # up to so many clients a whole round is run
VECTORS = {"head": 29_645, "LoRA r=8 + head": SIZE, "full tuning": 22_600_000}


def cases() -> list[tuple[int, int, float]]:
    """(clients, neighbours, threshold): all, k = 2 log2 n as it is often said, and the k that
    `safe_neighbours` finds.
    """
    out = []
    for n in (10, 100, 1_000):
        out.append((n, 0, 0.5))
        if n > 10:
            out += [
                (n, 2 * math.ceil(math.log2(n)), 0.5),
                (n, safe_neighbours(n, DROP, HOSTILE, 0.33), 0.33),
            ]
    return out


def seconds(what: Callable[[], object], repeats: int) -> float:
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        what()
        spent.append(time.perf_counter() - began)
    return median(spent)


def masks(n: int, k: int, threshold: float, repeats: int) -> dict:
    """One row: one client's work and messages, the server's work by parts."""
    fixed, neighbourhoods = FixedPoint(32, 16), neighbour_graph(n, k, 0, 1)
    members = [
        MaskingClient(
            i, f"site-{i + 1}", neighbourhood, shares_needed(len(neighbourhood), threshold)
        )
        for i, neighbourhood in enumerate(neighbourhoods)
    ]
    me = members[0]
    others = [p for p in me.neighbourhood if p != 0]
    book = pack_rows({p: members[p].advertise_keys() for p in others})
    vector = np.random.default_rng(0).laplace(0, 1e-3, SIZE)
    uploaded = np.packbits(
        np.arange(len(me.neighbourhood)) < math.ceil((1 - DROP) * len(me.neighbourhood)),
        bitorder="little",
    )

    def setup() -> tuple[int, int]:
        me.share_keys.clear()
        keys, dealt = me.advertise_keys(), me.share_secrets(book)
        # as the others would send them
        boxes = pack_rows({p: encrypt_share(me.share_key(p), p, bytes(2 * NBYTES)) for p in others})
        me.receive_shares(boxes)
        return len(keys) + len(dealt), len(book) + len(boxes)

    def seal() -> bytes:
        values = fixed.to_unsigned(
            fixed.round_values(vector, n, np.random.default_rng(0))
        ) + me.total_mask(fixed, SIZE)
        return pack_upload(me.name, 1, SIZE, 0, fixed.pack(values))

    sent, received = setup()
    body, answer = seal(), me.reveal_shares(uploaded.tobytes())
    row = {
        "clients": n,
        "neighbours": len(others),
        "threshold": threshold,
        "setup_seconds": seconds(setup, repeats),
        "seal_seconds": seconds(seal, repeats),
        "reveal_seconds": seconds(lambda: me.reveal_shares(uploaded.tobytes()), repeats),
        "setup_bytes": [sent, received],
        "body_bytes": len(body),
        "reveal_bytes": [len(answer), len(uploaded)],
        "risk": failure_bounds(n, len(others), DROP, HOSTILE, threshold),
        "failed": failed(n, k, threshold),
    }
    return row | {"server_seconds": server(n, len(others), threshold, body, repeats)}


def failed(n: int, k: int, threshold: float, tries: int = 4_000) -> float:
    """Share of drawn rounds in which every client drops out with a chance of 30 % and the sum
    cannot be opened.
    """
    near = np.zeros((n, n), np.float32)
    for i, neighbourhood in enumerate(neighbour_graph(n, k, 0, 1)):
        near[i, neighbourhood] = 1
    there = np.random.default_rng(1).random((tries, n)) < 1 - DROP
    # answers in each neighbourhood; where nobody is left there is nothing to open
    held = there.astype(np.float32) @ near
    short = (held < shares_needed(int(near[0].sum()), threshold)) & (held > 0)
    return float((short.any(1) | (there.sum(1) < shares_needed(n, threshold))).mean())


def server(n: int, k: int, threshold: float, body: bytes, repeats: int) -> dict[str, float]:
    """Seconds of each part of the server's work, from one upload, one secret and one mask."""
    fixed, lost = FixedPoint(32, 16), round(DROP * n)
    came, total, key = n - lost, np.zeros(SIZE, np.uint32), b"k" * 32
    shares = {i + 1: PRIME // (i + 2) for i in range(shares_needed(k + 1, threshold))}
    other = (9).to_bytes(32, "little")

    def add() -> None:
        np.add(total, fixed.unpack(unpack_upload(body, "site-1", 1, SIZE, 0), SIZE), out=total)

    def one_self() -> None:
        np.subtract(total, self_mask(5, fixed, SIZE), out=total)

    def one_pair() -> None:
        shared_key(PRIME - 5, other, 0, 1)
        add_pair_mask(total, key, 0, 1)

    def weights() -> None:
        lagrange_weights.cache_clear()
        lagrange_weights(tuple(shares))

    weights()
    own_weights = (
        n if k < n - 1 else 1
    )  # in one neighbourhood of all, the same clients hold every secret
    return {
        "add": came * seconds(add, 3 * repeats),
        "secrets": (
            own_weights * seconds(weights, repeats)
            + n * seconds(lambda: join_shares(shares), 3 * repeats)
        ),
        "self masks": came * seconds(one_self, 3 * repeats),
        "drop-outs": lost * k * (1 - DROP) * seconds(one_pair, 3 * repeats),
    }


def whole_round(n: int, k: int, threshold: float) -> dict[str, float]:
    """A real round with 30 % drop-outs, half of them before and half after the upload; the sum must
    be exact.
    """
    clients, vector = (
        [f"site-{i + 1}" for i in range(n)],
        np.random.default_rng(0).laplace(0, 1e-3, SIZE),
    )
    marks = [time.perf_counter()]
    session = Masks(threshold=threshold, neighbours=k).open(clients, SIZE, 0, 1)
    marks.append(time.perf_counter())
    order = np.random.default_rng(1).permutation(clients).tolist()
    uploaded, there = order[round(DROP * n / 2) :], order[round(DROP * n) :]
    bodies = {c: session.seal(c, vector) for c in uploaded}
    marks.append(time.perf_counter())
    for client, body in bodies.items():
        session.add(client, body)
    total, _ = session.result(there)
    marks.append(time.perf_counter())
    assert np.array_equal(
        np.ldexp(total, 16).astype(np.int64), sum(session.round_vector(c, vector) for c in uploaded)
    )
    return dict(zip(("setup", "seal", "server"), np.diff(marks).tolist()))


def ckks(size: int, repeats: int, clients: int = 10) -> dict:
    """One row: seconds of one client and of the server per upload, bytes, error of the sum
    of ten.
    """
    names = [f"site-{i + 1}" for i in range(clients)]
    vectors = np.random.default_rng(0).laplace(0, 1e-3, (clients, size))
    session = Ckks().open(names, size, 0, 1)
    encrypt = seconds(lambda: session.seal(names[0], vectors[0]), repeats)
    bodies = [session.seal(c, v) for c, v in zip(names, vectors)]
    began = time.perf_counter()
    for client, body in zip(names, bodies):
        session.add(client, body)
    added = (time.perf_counter() - began) / clients
    total, nbytes = session.result()
    want = vectors.sum(0)
    return {
        "values": size,
        "upload_bytes": len(bodies[0]),
        "download_bytes": nbytes[names[0]][1],
        "key_bytes": session.setup[names[0]][1],
        "encrypt_seconds": encrypt,
        "add_seconds": added,
        "decrypt_seconds": seconds(session.result, repeats),
        "max_error": float(np.abs(total - want).max()),
        "relative_error": float(np.linalg.norm(total - want) / np.linalg.norm(want)),
    }


def extrapolated(row: dict, size: int) -> dict:
    """The same row for a longer vector: bytes and seconds by the number of ciphertexts, errors as
    they were.
    """
    grow = math.ceil(size / Ckks().slots) / math.ceil(row["values"] / Ckks().slots)
    long = {
        key: row[key] * grow
        for key in row
        if key.endswith("_seconds") or key.startswith(("upload", "download"))
    }
    return row | long | {"values": size, "extrapolated": True}


def secure(repeats: int, data: str) -> dict:
    """All of it, on one thread: what `make bench` runs. data: not used."""
    rows_ = [masks(*case, repeats) for case in cases()]
    safe = [case for case in cases() if case[0] <= WHOLE and (not case[1] or case[2] < 0.5)]
    whole = {
        f"{n:,} clients, {k or n - 1} neighbours": [whole_round(n, k, t) for _ in range(repeats)]
        for n, k, t in safe
    }
    out = {"masks": rows_, "whole": whole, "ckks": {}}
    if importlib.util.find_spec("tenseal"):
        out["ckks"] = {name: ckks(size, repeats) for name, size in list(VECTORS.items())[:2]}
        out["ckks"]["full tuning"] = extrapolated(
            out["ckks"]["LoRA r=8 + head"], VECTORS["full tuning"]
        )
    return out


def table(result: dict) -> list[str]:
    lines = [
        f"  masks, {SIZE:,} values of 32 bits, 30 % drop-outs; not secure, for teaching",
        (
            f"  {'clients':>8}{'neighb.':>8}{'thresh.':>8}{'setup s':>9}{'seal s':>8}"
            f"{'reveal s':>9}{'sent kB':>9}{'got kB':>8}"
            f"{'x plain':>8}{'server s*':>10}{'fails (bound)':>15}{'fails (drawn)':>14}"
        ),
    ]
    for r in result["masks"]:
        sent = (r["setup_bytes"][0] + r["body_bytes"] + r["reveal_bytes"][0]) / 1e3
        got = (r["setup_bytes"][1] + r["reveal_bytes"][1]) / 1e3
        lines.append(
            f"  {r['clients']:8,}{r['neighbours']:8,}{r['threshold']:8.2f}"
            f"{r['setup_seconds']:9.3f}{r['seal_seconds']:8.3f}"
            f"{r['reveal_seconds']:9.4f}{sent:9.1f}{got:8.1f}{(sent + got) / (4 * SIZE / 1e3):8.3f}"
            f"{sum(r['server_seconds'].values()):10.2f}{r['risk']['fails']:15.1e}{r['failed']:14.1%}"
        )
    lines.append(
        "  * from one upload, one secret, one mask, times how many there are; whole rounds, all"
        " clients in turn:"
    )
    for name, runs in result["whole"].items():
        parts = {key: median(run[key] for run in runs) for key in runs[0]}
        lines.append(
            f"    {name}: " + ", ".join(f"{key} {value:.2f} s" for key, value in parts.items())
        )
    if not result["ckks"]:
        return [*lines, "  ckks: left out, tenseal is not installed"]
    lines.append(
        f"  {'ckks':18}{'values':>12}{'upload MB':>11}{'x float32':>10}"
        f"{'encrypt s':>10}{'add s':>8}{'decrypt s':>10}"
        f"{'max error':>11}{'relative':>10}"
    )
    for name, r in result["ckks"].items():
        lines.append(
            f"  {name:18}{r['values']:12,}{r['upload_bytes'] / 1e6:11.2f}"
            f"{r['upload_bytes'] / 4 / r['values']:10.2f}"
            f"{r['encrypt_seconds']:10.3f}{r['add_seconds']:8.3f}{r['decrypt_seconds']:10.3f}{r['max_error']:11.1e}"
            f"{r['relative_error']:10.1e}{'  extrapolated' if r.get('extrapolated') else ''}"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    print("\n".join(table(secure(parser.parse_args().repeats, ""))))


if __name__ == "__main__":
    main()
