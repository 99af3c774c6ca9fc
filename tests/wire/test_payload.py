"""The wire: what is sent is what arrives, bit for bit, and what cannot be right is refused with its
reason.
"""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch
from factories.payloads import signed
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fedkit.core.errors import PayloadError
from fedkit.federated.rounds.messages import decode_update as received_over
from fedkit.wire.payload import HEADER, Payload, decode_tensors, encode_tensors
from fedkit.wire.pipeline import Context, make_wire

TENSORS = {"head.weight": torch.tensor([[1.0, -2.0, 0.5]]), "head.bias": torch.tensor([0.25, -0.0])}
NOTES = {"client": "site-1", "examples": 3}
FLOAT32 = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def receive(upload: Payload, template):
    """What the server makes of an upload over a wire without stages."""
    return received_over(make_wire("none"), upload, template, Context("site-1", 1, 0, {}))


def bits(tensors) -> dict[str, tuple]:
    """Shape, dtype and raw bytes of every tensor: 0.0 and -0.0 differ here."""
    return {name: (tuple(t.shape), t.dtype, t.numpy().tobytes()) for name, t in tensors.items()}


def crafted(header: dict, data: bytes) -> Payload:
    """A safetensors body written by hand."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return signed(struct.pack("<Q", len(text)) + text + data)


def reason(payload: Payload, expected=TENSORS) -> str:
    """The reason with which `payload` is refused: one short line."""
    with pytest.raises(PayloadError) as error:
        decode_tensors(payload, expected)
    assert 0 < len(str(error.value)) < 300 and "\n" not in str(error.value)
    return str(error.value)


# --- what is sent is what arrives


@settings(max_examples=60, deadline=None)
@given(
    tensors=st.dictionaries(st.text(max_size=12), FLOAT32, max_size=4), note=st.text(max_size=20)
)
@example(
    {"zeros": np.array([0.0, -0.0], np.float32), "smallest": np.array([1e-45, -1e-45], np.float32)},
    "née 東京",
)
def test_a_lossless_wire_is_the_identity(tensors, note):
    tensors = {
        name: torch.from_numpy(array.copy())
        for name, array in tensors.items()
        if name != "__metadata__"
    }
    notes = {"client": note, "examples": 7}
    received, said = decode_tensors(encode_tensors(tensors, notes), tensors)
    assert bits(received) == bits(tensors) and said == notes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64])
def test_dtypes_are_kept(dtype):
    tensors = {"a": torch.tensor([[1, 2], [-3, 0]], dtype=dtype)}
    received, _ = decode_tensors(encode_tensors(tensors), tensors)
    assert received["a"].dtype == dtype and torch.equal(received["a"], tensors["a"])


def test_a_view_travels_as_its_values():
    whole = torch.arange(6.0).reshape(2, 3)
    view = {"a": whole.T, "b": whole[:, 1], "c": torch.zeros(2, requires_grad=True)}
    received, _ = decode_tensors(encode_tensors(view), view)
    assert torch.equal(received["a"], whole.T) and received["b"].tolist() == [1.0, 4.0]


def test_nbytes_is_the_length_of_what_is_sent():
    payload = encode_tensors(TENSORS, NOTES)
    assert payload.nbytes == len(payload.body)
    assert payload.body[:4] == b"FEDK"
    more = encode_tensors({**TENSORS, "x": torch.zeros(1000)}, NOTES)
    assert more.nbytes - payload.nbytes >= 4000, "a thousand float32 are 4,000 bytes and a name"


# --- what is refused


def test_every_refusal_gives_its_reason():
    good = encode_tensors(TENSORS, NOTES).body
    magic, version, crc = HEADER.unpack_from(good)
    rest = good[HEADER.size :]
    assert "unknown format" in reason(Payload(b"FEDX" + good[4:]))
    assert "version 2" in reason(Payload(HEADER.pack(magic, version + 1, crc) + rest))
    assert "checksum" in reason(Payload(HEADER.pack(magic, version, crc ^ 1) + rest))
    assert "checksum" in reason(Payload(good[:-1])) and "checksum" in reason(Payload(good + b"\0"))
    assert "0 bytes long" in reason(Payload(b"")) and "9 bytes long" in reason(Payload(good[:9]))
    assert "'extra'" in reason(encode_tensors({**TENSORS, "extra": torch.zeros(1)}))
    assert "'head.bias'" in reason(encode_tensors({"head.weight": TENSORS["head.weight"]}))
    assert "(3, 1)" in reason(encode_tensors({**TENSORS, "head.weight": torch.zeros(3, 1)}))
    assert "float64" in reason(
        encode_tensors({**TENSORS, "head.bias": torch.zeros(2, dtype=torch.float64)})
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_single_value_that_is_not_finite_is_refused(value):
    tensors = {**TENSORS, "head.bias": torch.tensor([0.0, value])}
    assert reason(encode_tensors(tensors)) == "head.bias: holds NaN or infinity"


def header(shape: list, dtype: str = "F32", end: int = 4, **metadata) -> dict:
    return {
        "__metadata__": metadata or {"notes": "{}"},
        "a": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]},
    }


HOSTILE = {
    "no metadata": ({"a": header([1])["a"]}, 4),
    "no notes": (header([1], other="x"), 4),
    "notes not JSON": (header([1], notes="{"), 4),
    "notes a list": (header([1], notes="[1]"), 4),
    "notes a number": (header([1], notes="5"), 4),
    "notes null": (header([1], notes="null"), 4),
    "notes a number of 5,000 digits": (header([1], notes="9" * 5000), 4),
    "notes nested 100,000 deep": (header([1], notes="[" * 100_000), 4),
    "a shape whose strides overflow": (header([0, 2**62, 2**62], end=0), 0),
    "a shape beyond int64": (header([0, 2**63], end=0), 0),
    "a huge empty shape": (header([0, 2**40], end=0), 0),
    "a negative shape": (header([-1]), 4),
    "an unknown dtype": (header([1], "F31"), 4),
    "a dtype torch lacks": (header([8], "F4"), 4),
    "bytes missing": (header([2], end=8), 4),
    "bytes left over": (header([1]), 12),
    "a name of 100,000 letters": ({**header([1]), "x" * 100_000: header([1])["a"]}, 4),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_well_signed_body_that_is_nonsense_is_refused(case):
    head, size = HOSTILE[case]
    reason(crafted(head, b"\1" * size), {"a": torch.zeros(1)})


def test_garbage_of_any_length_is_refused():
    rng = np.random.default_rng(0)
    for length in [*range(64), 100, 1_000, 10_000, 100_000]:
        garbage = rng.bytes(length)
        reason(Payload(garbage))
        reason(signed(garbage))
        reason(signed(struct.pack("<Q", length) + garbage))


def mutated(data: bytes, rng: np.random.Generator, first: int) -> bytes:
    """`data` with one to four bytes at random places from `first` on set to random values."""
    out = bytearray(data)
    for place in rng.integers(first, len(data), rng.integers(1, 5)):
        out[place] = rng.integers(256)
    return bytes(out)


def test_random_damage_is_always_noticed():
    rng, good = np.random.default_rng(1), encode_tensors(TENSORS, NOTES)
    refused = 0
    for _ in range(2_000):
        damaged = Payload(mutated(good.body, rng, 0))
        if damaged == good:
            continue
        reason(damaged)
        refused += 1
    assert refused > 1_900


def test_random_lies_under_a_correct_checksum_are_refused_or_have_the_right_form():
    rng, body = np.random.default_rng(2), encode_tensors(TENSORS, NOTES).body[HEADER.size :]
    refused = 0
    for _ in range(2_000):
        payload = signed(mutated(body, rng, 8))
        try:
            received, notes = decode_tensors(payload, TENSORS)
        except PayloadError:
            refused += 1
            continue
        assert isinstance(notes, dict) and received.keys() == TENSORS.keys()
        assert all(
            received[n].shape == t.shape and torch.isfinite(received[n]).all()
            for n, t in TENSORS.items()
        )
    assert 500 < refused < 2_000


# --- the server's door


@pytest.mark.parametrize(
    "spec",
    ["none", "zstd", "topk:0.1+int4+ans", "topk:1.0", "lowrank:2", "sketch", "ef21+sign+zstd"],
)
def test_a_message_is_as_long_as_its_values_and_few_notes(spec):
    """15 MB of notes on an update of 16 kB are refused; no stage needs more than it may send."""
    delta = {"layer.weight": torch.randn(64, 62), "head.bias": torch.zeros(3)}
    wire, context = make_wire(spec), Context("east", 1, 0, {})
    notes = {"client": "east" * 60, "examples": 3}
    assert wire.decode(wire.encode(delta, context, notes)[0], delta, context)[1] == notes
    long, _ = wire.encode(delta, context, notes | {"more": "x" * 15_000_000})
    with pytest.raises(
        PayloadError, match=r"^15,\d\d\d,\d\d\d bytes long, expected at most"
    ) as error:
        wire.decode(long, delta, context)
    assert "\n" not in str(error.value)


def test_receive_gives_the_update_and_no_reason():
    update, why = receive(encode_tensors(TENSORS, NOTES), TENSORS)
    assert (update.client_id, update.num_examples, why) == ("site-1", 3, "")
    assert bits(update.delta) == bits(TENSORS)


@pytest.mark.parametrize(
    "notes",
    [
        {},
        {"client": "a"},
        {"examples": 3},
        {"client": 7, "examples": 3},
        {"client": ["a"], "examples": 3},
    ]
    + [
        {"client": "a", "examples": n}
        for n in (0, -5, 2.0, float("nan"), "3", None, True, 10**9, 10**40)
    ],
)
def test_receive_rejects_impossible_notes(notes):
    update, why = receive(encode_tensors(TENSORS, notes), TENSORS)
    assert update is None and "impossible notes" in why and len(why) < 200


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (Payload(b"hello"), "5 bytes long"),
        (encode_tensors({"a": torch.zeros(1)}, NOTES), "tensor names"),
        (encode_tensors({**TENSORS, "head.bias": torch.zeros(9)}, NOTES), "(9,)"),
        (encode_tensors({**TENSORS, "head.bias": torch.tensor([float("nan"), 0])}, NOTES), "NaN"),
    ],
)
def test_receive_turns_a_bad_payload_into_its_reason(payload, why):
    update, said = receive(payload, TENSORS)
    assert update is None and why in said
