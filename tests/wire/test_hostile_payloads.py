"""Random and mutated payloads, some 20,000 of them, through decode and aggregate: refused with a
reason, or finite and right.

A payload that was changed and not signed again is always refused. One that is signed again, as a
hostile client would, attacks the parsers themselves.
"""

from __future__ import annotations

import json
import random
import resource
import struct
import time
import tracemalloc
from collections import Counter
from functools import lru_cache

import numpy as np
import pytest
import torch
import zstandard
from factories.payloads import signed as signed_body

from fedkit.federated.aggregation.aggregators import combine_updates, make_aggregator
from fedkit.federated.rounds.messages import decode_update
from fedkit.wire import payload
from fedkit.wire.layout import TensorLayout, decode_varint, encode_varint
from fedkit.wire.payload import Payload
from fedkit.wire.pipeline import FINITE, MESSAGE, Context, Wire, make_wire

WIRES = [
    "none",
    "zstd",
    "int8+ans",
    "int4",
    "topk:0.1+int4+ans",
    "ef+sign+ans",
    "ef21+topk:0.1+int4+ans",
    "sketch",
    "randk:0.3+int8",
    "lowrank:1+nf4+zstd",
    "bf16+zstd",
    "fp16",
    "topk:0.3",
    "int2+ans",
    "nf4+ans",
    "topk+zstd",
]
QUICK, ALL = 32, 1280  # per wire: 512 and 20,480
ROUND = 8  # payloads that are combined at a time
SHAPES = {
    "q.lora_A.weight": (2, 12),
    "q.lora_B.weight": (10, 2),
    "head.weight": (3, 10),
    "head.bias": (3,),
    "scale": (),
}
DRAW = torch.Generator().manual_seed(0)
TEMPLATE = {name: torch.randn(shape, generator=DRAW) for name, shape in SHAPES.items()}
NAME = "site-1"

NOTES = [
    "null",
    "[]",
    "3",
    '"text"',
    "true",
    "{}",
    "{",
    "",
    "nan",
    "[" * 100_000,
    '{"a":' * 50_000,
    "9" * 5000,
    "\x00",
    '{"client":"site-1"}',
    '{"examples":3}',
    '{"client":null,"examples":3}',
    '{"client":["site-1"],"examples":3}',
    *(
        f'{{"client":"site-1","examples":{e}}}'
        for e in (
            "0",
            "-1",
            "1e9",
            "3.0",
            "true",
            "null",
            '"3"',
            "[3]",
            "{}",
            "NaN",
            "Infinity",
            "1e999",
            str(2**63),
            "9" * 400,
            "9" * 5000,
            "1000000000",
            "-" + "9" * 5000,
        )
    ),
    '{"client":"site-1","examples":3,"examples":-3}',
    '{"client":3,"examples":3}',
    '{"client":"site-1","examples":3} {}',
]
GOOD_NOTES = '{"client":"site-1","examples":7}'
WORDS = [
    b"\x00" * 4,
    b"\xff" * 4,
    b"\x7f\xf0\x00\x00",
    b"\x00\x00\xc0\x7f",
    b"\x00\x00\x80\x7f",
    b"\x00\x00\x80\xff",
    b"\xff\xff\x7f\x7f",
    b"\x80\x7f",
    b"\xc0\x7f",
    b"\x80" * 5,
    b"\xff\xff\xff\xff\x7f",
    b"\x00\x7c",
    b"\x00" * 64,
    struct.pack("<q", 2**40),
    struct.pack("<q", -1),
    struct.pack("<i", 2**31 - 1),
]


# --- how a body is changed: (body, another body, random) -> body


def place(body: bytes, draw: random.Random) -> int:
    return draw.randrange(len(body) + 1)


def truncated(body, other, draw):
    return body[: place(body, draw)]


def flipped(body, other, draw):
    out = bytearray(body)
    for _ in range(draw.choice((1, 1, 2, 8))):
        out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)
    return bytes(out)


def overwritten(body, other, draw):
    word, at = draw.choice(WORDS), place(body, draw)
    return body[:at] + word + body[at + len(word) :]


def inserted(body, other, draw):
    at = place(body, draw)
    return (
        body[:at]
        + draw.choice([draw.choice(WORDS), draw.randbytes(draw.randrange(1, 40))])
        + body[at:]
    )


def deleted(body, other, draw):
    at = place(body, draw)
    return body[:at] + body[at + draw.randrange(1, 20) :]


def repeated(body, other, draw):
    a, b = sorted((place(body, draw), place(body, draw)))
    return draw.choice([body + body, body[:b] + body[a:b] + body[b:]])


def spliced(body, other, draw):
    return body[: place(body, draw)] + other[place(other, draw) :]


def noise(body, other, draw):
    keep = draw.choice((0, 1, 8, 60))
    return body[:keep] + draw.randbytes(draw.randrange(0, 300))


def renoted(body, other, draw):
    said = draw.choice(NOTES).encode()
    if is_plain(body):
        header, data = opened_plain(body)
        header["__metadata__"] = {"notes": said.decode("latin1")}
        return plain_body(header, data)
    length, start = decode_varint(body, 1)
    return body[:1] + encode_varint(len(said)) + said + body[start + length :]


def recounted(body, other, draw):
    """A length of the parts, or an entry of the tensor's list, says something else."""
    if is_plain(body):
        return relisted(body, draw)
    length, start = decode_varint(body, 1)
    at, value = (
        start + length,
        draw.choice((0, 1, 7, 128, 2**14, 2**28, 2**35 - 1, draw.randrange(400))),
    )
    if draw.random() < 0.3:
        return body[:1] + encode_varint(value) + body[start:]
    return body[:at] + encode_varint(value) + body[at + draw.choice((0, 1, 2)) :]


def relisted(body, draw):
    header, data = opened_plain(body)
    name = draw.choice(list(SHAPES))
    one = header[name]
    change = draw.randrange(9)
    if change == 0:
        one["dtype"] = draw.choice(
            ["F64", "F16", "BF16", "I64", "I32", "BOOL", "U8", "F8_E4M3", "C64", "x\n\x1b[31m", ""]
        )
    elif change == 1:
        one["shape"] = draw.choice(
            [
                [],
                [1],
                [2**40],
                [2**62, 4],
                [-1],
                [0],
                [2, 2**63],
                one["shape"] + [1],
                ["3"],
                None,
                [1] * 70,
            ]
        )
    elif change == 2:
        one["data_offsets"] = draw.choice(
            [[0, 2**40], [5, 1], [-4, 0], [0], [], [0, 4], [2**63, 2**63 + 4], None]
        )
    elif change == 3:
        header[draw.choice(["other", "", "x\n\x1b[31m" * 50, "q.lora_A.weight "])] = header.pop(
            name
        )
    elif change == 4:
        del header[name]
    elif change == 5:
        header["more"] = {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]}
    elif change == 6:
        header["__metadata__"] = draw.choice([None, {}, {"notes": 3}, {"more": "x"}, []])
    elif change == 7:
        other = draw.choice(list(SHAPES))
        header[name], header[other] = header[other], header[name]
    else:
        values = np.frombuffer(data, "<f4").copy()
        values[draw.randrange(len(values))] = draw.choice([np.nan, np.inf, -np.inf])
        data = values.tobytes()
    return plain_body(header, data)


def is_plain(body: bytes) -> bool:
    """Whether it is safetensors, with its list of tensors in front."""
    return body[8:9] == b"{" and int.from_bytes(body[:8], "little") < len(body)


def opened_plain(body: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack_from("<Q", body)
    return json.loads(body[8 : 8 + length]), body[8 + length :]


def plain_body(header: dict, data: bytes) -> bytes:
    said = json.dumps(header).encode()
    return struct.pack("<Q", len(said)) + said + data


def values_at(body: bytes) -> int:
    """Where the arrays begin, after the notes."""
    if is_plain(body):
        return 8 + int.from_bytes(body[:8], "little")
    length, start = decode_varint(body, 1)
    return start + length


ANYWHERE = [truncated, flipped, overwritten, inserted, deleted, repeated, spliced, noise]
CHANGES = [*ANYWHERE, renoted, recounted]


# --- sending and receiving


def signed(wire: Wire, body: bytes) -> Payload:
    """A body under a header that fits it, as a hostile client can make."""
    if wire.stages:
        agreed = wire.agreement_checksum(TensorLayout.from_params(TEMPLATE))
        return Payload(MESSAGE.add_header(body, agreed))
    return signed_body(body)


def context(number: int = 1) -> Context:
    return Context(NAME, number, 0, {})


def honest(wire: Wire, draw: random.Random) -> Payload:
    """An upload of random values, sometimes of zeros, tiny or huge ones."""
    size = draw.choice((0.0, 1e-30, 0.01, 0.01, 0.01, 1.0, 1e4))
    torch.manual_seed(draw.randrange(2**31))
    delta = {n: size * torch.randn(s) for n, s in SHAPES.items()}
    return wire.encode(delta, context(), {"client": NAME, "examples": draw.randrange(1, 500)})[0]


def checked(wire: Wire, upload: Payload):
    """What `receive` makes of an upload, which must be an update of the right form or one printable
    line.
    """
    memory = {} if "ef21" not in wire.spec else TEMPLATE
    update, reason = decode_update(wire, upload, TEMPLATE, Context(NAME, 1, 0, memory))
    if update is None:
        assert reason and reason.isprintable() and len(reason) < 300, reason
        return None
    assert reason == "" and list(update.delta) == list(TEMPLATE)
    assert (
        isinstance(update.client_id, str)
        and type(update.num_examples) is int
        and 0 < update.num_examples < 10**9
    )
    for name, tensor in update.delta.items():
        assert tensor.shape == SHAPES[name] and tensor.dtype == torch.float32
        assert torch.isfinite(tensor).all()
    return update


def fuzz(spec: str, count: int, seed: int) -> Counter:
    """Send `count` changed payloads through a wire, and combine what is accepted."""
    wire, draw, seen = make_wire(spec), random.Random(f"{spec} {seed}"), Counter()
    others = [honest(make_wire(w), draw).body[payload.HEADER.size :] for w in WIRES]
    rule, accepted = make_aggregator("mean"), []
    for i in range(count):
        if i % ROUND == 0:
            sent = honest(wire, draw)
        body, change = sent.body[payload.HEADER.size :], CHANGES[i % len(CHANGES)]
        keep = draw.choice((0, values_at(body))) if change in ANYWHERE else 0
        changed = body[:keep] + change(body[keep:], draw.choice(others), draw)
        again = draw.random() < 0.7
        upload = (
            signed(wire, changed) if again else Payload(sent.body[: payload.HEADER.size] + changed)
        )
        if not again and draw.random() < 0.3:
            upload = Payload(change(sent.body, draw.choice(others), draw))  # the header too
        update = checked(wire, upload)
        if upload.body != sent.body and not again:
            assert update is None, (
                f"{change.__name__}: a change under the old checksum was accepted"
            )
        seen[change.__name__, update is not None and upload.body != sent.body] += 1
        accepted += [update] if update else []
        if i % ROUND == ROUND - 1:
            done = combine_updates(rule, TEMPLATE, [*accepted, checked(wire, honest(wire, draw))])
            assert done.delta.keys() == SHAPES.keys() and all(
                torch.isfinite(t).all() for t in done.delta.values()
            )
            accepted = []
    return seen


# --- the count


@pytest.mark.parametrize("spec", WIRES)
@pytest.mark.slow
def test_whatever_arrives_is_refused_or_right(spec):
    assert sum(fuzz(spec, QUICK, 0).values()) == QUICK
    assert checked(make_wire(spec), honest(make_wire(spec), random.Random(1))) is not None


@pytest.mark.slow
def test_twenty_thousand_payloads_in_a_minute_and_in_little_memory():
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = sum((fuzz(spec, ALL, 1) for spec in WIRES), Counter())
    seconds, grown = (
        time.perf_counter() - began,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    )
    accepted = sum(n for (_, fine), n in seen.items() if fine)
    print(
        f"{seen.total()} payloads, {accepted} changed ones accepted, {seconds:.1f} s,"
        f" {grown / 1024:.0f} MiB more"
    )
    assert seen.total() >= 20_000 and seconds < 60 and grown < 64 * 1024
    assert 500 < accepted < 8000, "else it is the checksum that is tested, or nothing"


# --- one by one


@pytest.mark.parametrize("spec", WIRES)
def test_every_single_bit_and_every_length_is_checked(spec):
    wire = make_wire(spec)
    whole = honest(wire, random.Random(3)).body
    bits = (
        range(8 * len(whole))
        if len(whole) < 200
        else random.Random(0).sample(range(8 * len(whole)), 500)
    )
    for bit in bits:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        assert checked(wire, Payload(bytes(changed))) is None, f"bit {bit}"
    for length in random.Random(0).sample(range(len(whole)), min(200, len(whole))):
        assert checked(wire, Payload(whole[:length])) is None, f"cut to {length} bytes"


def body_of(wire: Wire, delta: dict[str, torch.Tensor]) -> bytes:
    return wire.encode(delta, context(), {"client": NAME, "examples": 3})[0].body[
        payload.HEADER.size :
    ]


@pytest.mark.parametrize("spec", WIRES)
def test_what_was_made_for_another_model_is_refused(spec):
    """Signed for this one, as a hostile client can, its values may be taken for this model's: of
    the right form then.
    """
    wire = make_wire(spec)
    fewer = {n: t for n, t in TEMPLATE.items() if n != "head.weight"}
    double = {n: t.double() for n, t in TEMPLATE.items()}
    renamed = {n + "x": t for n, t in TEMPLATE.items()}
    for other in (
        TEMPLATE | {"head.weight": torch.ones(3, 9)},
        TEMPLATE | {"more": torch.ones(3)},
        fewer,
        renamed,
    ):
        upload = wire.encode(other, context(), {"client": NAME, "examples": 3})[0]
        assert checked(wire, upload) is None
        taken = checked(wire, signed(wire, upload.body[payload.HEADER.size :]))
        assert wire.stages or taken is None
    assert wire.stages or checked(wire, signed(wire, body_of(wire, double))) is None


@pytest.mark.parametrize("spec", ["none", "zstd", "int8+ans"])
@pytest.mark.parametrize("said", NOTES, ids=range(len(NOTES)))
def test_notes_of_every_wrong_kind(spec, said):
    wire = make_wire(spec)
    body = body_of(wire, TEMPLATE)
    if is_plain(body):
        header, data = opened_plain(body)
        changed = plain_body(header | {"__metadata__": {"notes": said}}, data)
    else:
        length, start = decode_varint(body, 1)
        changed = body[:1] + encode_varint(len(said)) + said.encode() + body[start + length :]
    assert checked(wire, signed(wire, changed)) is None


@lru_cache
def exploding() -> dict[str, tuple[str, bytes]]:
    """{what: (wire, body)}: short bodies that claim to be very long."""
    header, data = opened_plain(body_of(make_wire("none"), TEMPLATE))
    note = bytes([FINITE]) + encode_varint(len(GOOD_NOTES)) + GOOD_NOTES.encode()
    name, out = "head.weight", {}
    for shape in ([2**40], [2**20, 2**20], [2**62, 8], [2**63, 2]):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        for end in (header[name]["data_offsets"][1], 4 * count):
            entry = {
                **header[name],
                "shape": shape,
                "data_offsets": [header[name]["data_offsets"][0], end],
            }
            out[f"tensor {shape} to {end}"] = "none", plain_body({**header, name: entry}, data)
    for length in (2**40, 2**63, 2**64 - 1):
        out[f"list of {length}"] = "none", struct.pack("<Q", length) + plain_body(header, data)[8:]
    nothing = bytes(2**24)
    for level, size in ((3, len(nothing)), (19, 10**6)):
        packed = zstandard.ZstdCompressor(level=level).compress(nothing[:size])
        out[f"zstd of {size} zeros"] = "zstd", note + packed
    small = 4 * sum(t.numel() for t in TEMPLATE.values()) + 2
    unsaid = zstandard.ZstdCompressor(write_content_size=False).compress(nothing)
    out["zstd that does not say"] = "zstd", note + unsaid
    said = bytearray(zstandard.ZstdCompressor().compress(nothing[:small]))
    out["zstd frames without end"] = "zstd", note + bytes(said) * 1000
    out["zstd, skipped"] = "zstd", note + struct.pack("<II", 0x184D2A50, 2**32 - 1) + bytes(said)
    out["zstd that lies"] = (
        "zstd",
        note + bytes(said[:4]) + bytes([0x60]) + struct.pack("<H", small - 256) + unsaid[6:],
    )
    for spec in ("int8+ans", "topk:0.3", "int4", "ef+sign+ans"):
        for claim in (2**35 - 1, 2**34, 2**31):
            out[f"{spec}: a part of {claim}"] = spec, note + encode_varint(claim) + bytes(40)
        out[f"{spec}: a length without end"] = spec, note + b"\xff" * 1000
        out[f"{spec}: notes of 2**35 - 1"] = (
            spec,
            bytes([FINITE]) + encode_varint(2**35 - 1) + bytes(40),
        )
    return out


@pytest.mark.parametrize("what", exploding())
def test_what_claims_to_be_huge_is_refused_at_once_and_in_little_memory(what):
    spec, body = exploding()[what]
    wire = make_wire(spec)
    upload = signed(wire, body)
    tracemalloc.start()
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert checked(wire, upload) is None
    seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert seconds < 1 and peak < 4 * upload.nbytes + 2**20 and grown < 32 * 1024


def test_a_reason_never_carries_what_a_terminal_would_obey():
    header, data = opened_plain(body_of(make_wire("none"), TEMPLATE))
    for words in ("\n\x1b[31mowned", "\x00\r\u202e"):
        header["head.weight"]["dtype"] = words
        assert (
            checked(make_wire("none"), signed(make_wire("none"), plain_body(header, data))) is None
        )
        renamed = {
            words + n: e
            for n, e in opened_plain(body_of(make_wire("none"), TEMPLATE))[0].items()
            if n in SHAPES
        }
        assert (
            checked(make_wire("none"), signed(make_wire("none"), plain_body(renamed, data))) is None
        )
        note = {**header, "__metadata__": {"notes": "{" + words}}
        assert checked(make_wire("none"), signed(make_wire("none"), plain_body(note, data))) is None


def test_tensors_come_in_the_order_asked_for():
    for _ in range(20):
        assert list(payload.decode_tensors(payload.encode_tensors(TEMPLATE), TEMPLATE)[0]) == list(
            TEMPLATE
        )
