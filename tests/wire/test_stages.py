"""The compressed wire: what is promised about loss, bytes and memory holds, and what cannot be
right is refused.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.spec import describe_entries
from fedkit.wire import payload as plain
from fedkit.wire.layout import (
    Slot,
    TensorLayout,
    decode_varint,
    encode_varint,
    join_parts,
    pack_array,
    pack_bits,
    split_parts,
    unpack_array,
    unpack_bits,
)
from fedkit.wire.payload import HEADER, Payload
from fedkit.wire.pipeline import MESSAGE, STAGE_ROLES, STAGES, Context, Wire, make_wire
from fedkit.wire.stages.entropy import Ans, Plain, decode_symbols, encode_symbols
from fedkit.wire.stages.quantise import NF4_LEVELS

NOTES = {"client": "site-1", "examples": 3}
# what a stage that cannot be alone goes with
COMPANY = {"ef": "ef+topk", "ef21": "ef21+topk", "ans": "int4+ans"}
ALONE = [COMPANY.get(name, name) for name in STAGES]
CHAINS = [
    "ef21+topk:0.05+int4+ans",
    "ef+topk:0.1+nf4+zstd",
    "ef+randk:0.2+int8+ans",
    "ef+lowrank:r=2+int4+ans",
    "ef21+sketch+fp16",
    "ef+sign+ans",
    "ef+int2+ans",
    "topk+ans",
    "topk:0.3+bf16+ans",
    "lowrank+bf16+zstd",
    "sketch+int8+zstd",
    "randk+int2",
]
LOSSLESS = ["none", "zstd", "topk:1", "topk:1+ans", "randk:1", "topk:1+zstd"]


def add_header(body: bytes, agreed: int) -> Payload:
    return Payload(MESSAGE.add_header(body, agreed))


def context(memory=None, **changes) -> Context:
    return replace(Context("site-1", 3, 0, memory or {}), **changes)


def update(seed: int = 0, scale: float = 1e-3) -> dict[str, torch.Tensor]:
    """A small update like LoRA's: matrices, a bias, one value, and nothing."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {
        "b.A": (8, 40),
        "a.B": (40, 8),
        "head.weight": (5, 40),
        "head.bias": (5,),
        "one": (),
        "none": (0, 3),
    }
    return {name: torch.randn(shape, generator=draw) ** 3 * scale for name, shape in shapes.items()}


def sent(wire: Wire, delta, where: Context) -> tuple[dict, dict]:
    """The update as received and the sender's new memory."""
    payload, memory = wire.encode(delta, where, NOTES)
    received, notes = wire.decode(payload, delta, where)
    assert notes == NOTES
    return received, memory


def flat(params) -> torch.Tensor:
    return torch.cat([torch.zeros(0), *(params[name].ravel() for name in sorted(params))]).double()


def through(spec: str, values, **changes) -> torch.Tensor:
    """One vector, or matrix, as it is received."""
    delta = {"a": torch.as_tensor(values, dtype=torch.float32)}
    return sent(make_wire(spec), delta, context(**changes))[0]["a"]


def laplace(n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).laplace(0, 1e-3, n).astype(np.float32))


def assert_same_form(received, template) -> None:
    assert received.keys() == template.keys()
    for name, tensor in template.items():
        assert (received[name].shape, received[name].dtype) == (tensor.shape, tensor.dtype)
        assert torch.isfinite(received[name]).all()


# --- every stage keeps the contract


@pytest.mark.parametrize("spec", ["none", *ALONE, *CHAINS])
def test_every_wire_keeps_form_and_is_deterministic(spec):
    wire, delta = make_wire(spec), update()
    first, memory = wire.encode(delta, context(), NOTES)
    again, _ = make_wire(spec).encode(dict(reversed(delta.items())), context(), NOTES)
    assert spec == "none" or first == again, "neither time nor the order of names may matter"
    received, notes = wire.decode(first, delta, context())
    assert notes == NOTES and first.nbytes == len(first.body)
    assert_same_form(received, delta)
    assert bool(memory) == any(stage.role == "memory" for stage in wire.stages)
    if memory:
        assert_same_form({name: memory[name] for name in delta}, delta)
        second, _ = wire.encode(update(1), context(memory), NOTES)
        assert_same_form(wire.decode(second, delta, context(memory))[0], delta)


@pytest.mark.parametrize("spec", ["none", *ALONE, *CHAINS])
@pytest.mark.parametrize(
    "values", [[], [0.5], [0.0] * 300, [-1e-45, 1e-45], [3e38, -3e38], [1e-30] * 257 + [-1.0]]
)
def test_every_wire_survives_odd_vectors(spec, values):
    wire, delta = make_wire(spec), {"a": torch.tensor(values)}
    payload, _ = wire.encode(delta, context())
    try:
        received, _ = wire.decode(payload, delta, context())
    except PayloadError as error:
        assert "NaN or infinity" in str(error) and max(values) > 1e38, (
            "only scaling up may overflow"
        )
        return
    assert_same_form(received, delta)
    if not any(values):
        assert not received["a"].any()


@pytest.mark.parametrize("spec", ["none", *ALONE, *CHAINS])
def test_an_update_of_nothing_travels(spec):
    payload, memory = make_wire(spec).encode({}, context(), NOTES)
    assert make_wire(spec).decode(payload, {}, context()) == ({}, NOTES) and memory == {}


@pytest.mark.parametrize("spec", ["none", *ALONE, *CHAINS])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_refused_on_arrival_and_leaves_the_memory(spec, value):
    wire, delta = make_wire(spec), update()
    memory = wire.encode(delta, context())[1]
    bad = {**delta, "head.bias": torch.tensor([0.0, value, 0, 0, 0])}
    payload, after = wire.encode(bad, context(memory), NOTES)
    with pytest.raises(PayloadError, match="holds NaN or infinity"):
        wire.decode(payload, delta, context(memory))
    assert after.keys() == memory.keys() and all(torch.equal(after[n], memory[n]) for n in memory)


@pytest.mark.parametrize("entry", STAGES.values(), ids=STAGES)
def test_every_stage_says_what_it_is(entry):
    assert entry.role in STAGE_ROLES and {
        type(getattr(entry, w)) for w in ("linear", "unbiased", "lossless")
    } == {bool}
    assert entry.needs and entry().problem() == ""


def test_the_registry_describes_itself():
    assert all(
        row["about"].endswith((".", ":")) or row["about"] for row in describe_entries(STAGES)
    )
    assert make_wire("none").lossless and make_wire("none").linear and make_wire("zstd").lossless
    assert [spec for spec in ALONE if make_wire(spec).linear] == ["randk", "sketch"] and make_wire(
        "ef+randk"
    ).linear


@pytest.mark.parametrize("spec", ALONE + CHAINS)
def test_memory_and_update_are_never_changed(spec):
    wire, delta = make_wire(spec), update()
    memory = {name: tensor.clone() for name, tensor in update(1).items()}
    wire.decode(wire.encode(delta, context(memory))[0], delta, context(memory))
    assert torch.equal(flat(delta), flat(update())) and torch.equal(flat(memory), flat(update(1)))


# --- what is lossless, unbiased, bounded


def test_no_stages_are_the_bytes_of_before():
    assert make_wire("none").encode(update(), context(), NOTES)[0] == plain.encode_tensors(
        update(), NOTES
    )
    assert make_wire("none").encode(update(), context())[0] == plain.encode_tensors(update())


FLOATS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@settings(max_examples=25, deadline=None)
@given(
    tensors=st.dictionaries(st.text(max_size=5), FLOATS, max_size=3), spec=st.sampled_from(LOSSLESS)
)
@example({"a": np.array([0.0, -0.0, 1e-45], np.float32)}, "zstd")
def test_a_lossless_wire_is_the_identity(tensors, spec):
    delta = {n: torch.from_numpy(a.copy()) for n, a in tensors.items() if n != "__metadata__"}
    received, _ = sent(make_wire(spec), delta, context())
    assert_same_form(received, delta)
    assert all(received[n].numpy().tobytes() == t.numpy().tobytes() for n, t in delta.items())


@pytest.mark.parametrize("spec", ["int8", "int4", "int2", "randk:0.2", "randk:0.2+int4"])
def test_unbiased_stages_are_right_on_average(spec):
    x, repeats = laplace(500), 400
    got = torch.stack([through(spec, x, round=r).double() for r in range(repeats)])
    spread = got.std(0)
    # in standard errors
    away = (got.mean(0) - x) / spread.clamp_min(0.1 * spread.median()) * repeats**0.5
    assert away.abs().max() < 6 and abs(away.mean()) < 0.25 and 0.5 < away.std() < 1.4
    assert not torch.equal(got[0], got[1])


@settings(max_examples=40, deadline=None)
@given(
    values=arrays.arrays(np.float32, st.integers(1, 600), elements=st.floats(-1e6, 1e6, width=32))
)
def test_errors_keep_to_their_bounds(values):
    x, n = torch.from_numpy(values.copy()), len(values)
    scale = torch.cat([block.abs().max().expand(len(block)) for block in x.split(256)]).double()
    slack = 1.008 * scale + 1e-37  # scales are rounded up to 8 bits
    for spec, steps in (("int8", 127), ("int4", 7), ("int2", 1)):
        assert ((through(spec, x) - x).abs() <= slack / steps).all()
        near = make_wire(spec).without_memory()
        assert (
            (sent(near, {"a": x}, context())[0]["a"] - x).abs() <= slack / steps / 2 + 1e-37
        ).all()
    widest = float(np.diff(NF4_LEVELS).max()) / 2
    ceiling = (
        torch.cat([block.abs().max().expand(len(block)) for block in x.split(64)]).double() * 1.008
        + 1e-37
    )
    assert ((through("nf4", x) - x).abs() <= ceiling * widest + ceiling * 0.008).all()
    assert ((through("bf16", x) - x).abs() <= x.abs() * 2**-8 + 1e-40).all()
    small = x.clamp(-65504, 65504)
    assert ((through("fp16", x) - small).abs() <= small.abs() * 2**-11 + 2**-24).all()
    received = through("sign", x)
    assert ((received * x >= 0) | (received == 0)).all() and (received[x.abs() > 1e-30] != 0).all()
    k = max(1, round(0.05 * n))
    lost, whole = ((through("topk:0.05", x) - x).double() ** 2).sum(), (x.double() ** 2).sum()
    assert lost <= (1 - k / n) * whole * (1 + 1e-6)


def test_topk_keeps_the_largest_of_all_tensors_together():
    delta = {"small": torch.arange(10.0), "large": torch.arange(-10.0, 0) * 100}
    received, _ = sent(make_wire("topk:0.5"), delta, context())
    assert not received["small"].any() and torch.equal(received["large"], delta["large"])


def test_low_rank_is_exact_up_to_its_rank_and_the_best_beyond():
    draw = torch.Generator().manual_seed(0)
    for shape in [(8, 40), (40, 8), (30, 30)]:
        a, b = torch.randn(shape[0], 3, generator=draw), torch.randn(3, shape[1], generator=draw)
        assert torch.allclose(through("lowrank:3", a @ b), a @ b, atol=1e-5)
        full = torch.randn(shape, generator=draw)
        lost = (through("lowrank:3", full) - full).norm()
        assert torch.isclose(lost, torch.linalg.svdvals(full)[3:].norm(), rtol=1e-4)
    for other in (torch.randn(7), torch.randn(2, 3, 4), torch.randn(3, 40), torch.zeros(9, 9)):
        assert torch.equal(through("lowrank:3", other), other)


def test_normal_levels_are_those_of_the_paper():
    printed = [
        -1.0,
        -0.6961928,
        -0.5250731,
        -0.3949175,
        -0.2844414,
        -0.1847734,
        -0.0910500,
        0.0,
        0.0795803,
        0.1609302,
        0.2461123,
        0.3379152,
        0.4407098,
        0.5626170,
        0.7229568,
        1.0,
    ]
    assert np.allclose(NF4_LEVELS, printed, atol=1e-6)


def test_fp16_clamps_and_never_overflows():
    assert through("fp16", [1e9, -1e9, 1.0]).tolist() == [65504.0, -65504.0, 1.0]
    assert torch.isfinite(through("bf16", [3.4028234e38, -3.4028234e38])).all()


def test_a_sketch_finds_the_few_large_values():
    x = laplace(5000) * 0.01
    x[[7, 1000, 4999]] = torch.tensor([5.0, -3.0, 4.0])
    received = through("sketch:share=0.2,rows=5", x)
    assert torch.allclose(received[[7, 1000, 4999]], x[[7, 1000, 4999]], atol=0.01)


# --- memory


@pytest.mark.parametrize(
    "spec", [s for s in CHAINS if s.startswith("ef+")] + ["ef+randk", "ef+sketch", "ef+bf16"]
)
def test_error_feedback_loses_nothing_for_good(spec):
    wire, memory, given_, received = make_wire(spec), {}, 0, 0
    for r in range(12):
        got, memory_after = sent(wire, update(r), context(memory, round=r))
        given_, received, memory = given_ + flat(update(r)), received + flat(got), memory_after
    assert torch.allclose(received + flat(memory), given_, atol=1e-6)
    assert flat(memory).norm() < 60 * flat(update()).norm(), (
        "the memory does not grow without bound"
    )


@pytest.mark.parametrize(
    "stages", ["topk", "int2", "int4", "sign", "nf4", "lowrank:r=1", "randk", "sketch"]
)
@pytest.mark.slow
def test_a_constant_update_arrives_in_the_end_under_both_feedbacks(stages):
    x = {"a": laplace(800).reshape(20, 40)}
    for spec in (f"ef21+{stages}", f"ef+{stages}"):
        wire, memory, received = make_wire(spec), {}, []
        for r in range(150):
            got, memory_after = sent(wire, x, context(memory, round=r))
            received.append(flat(got))
            memory = memory_after
            if spec.startswith("ef21"):
                assert torch.equal(flat(got), flat(memory)), (
                    "both ends hold the same g to the last bit"
                )
        reached = received[-1] if spec.startswith("ef21") else torch.stack(received).mean(0)
        assert (reached - flat(x)).norm() < 0.2 * flat(x).norm(), spec


@pytest.mark.parametrize(
    "stages", ["topk", "randk", "sketch", "int2", "int4", "int8", "sign", "nf4", "bf16", "fp16"]
)
def test_stages_contract_where_a_memory_stands_behind_them(stages):
    x = {"a": laplace(3000)}
    wire = make_wire(stages).without_memory()
    lost = [
        (flat(sent(wire, x, context(round=r))[0]) - flat(x)).norm() / flat(x).norm()
        for r in range(5)
    ]
    assert np.mean(lost) < 0.999 and wire.feedback


def test_without_memory_and_dense_keep_the_other_stages():
    wire = make_wire("ef21+topk:0.05+int4+ans")
    assert wire.dense() == make_wire("int4+ans") and wire.dense().spec == "int4+ans"
    alone = wire.without_memory()
    assert (
        alone.spec == "topk:0.05+int4+ans" and alone.encode(update(), context(update(1)))[1] == {}
    )
    assert (
        make_wire("topk+ans").dense() == make_wire("none")
        and make_wire("topk+zstd").dense().spec == "zstd"
    )
    assert make_wire("none").dense() == make_wire("none")
    assert (
        make_wire("ef+topk+int2+ans").dense(4)
        == make_wire("int4+ans")
        == make_wire("sign+ans").dense(4)
    )
    assert (
        make_wire("int4+zstd").dense(8).spec == "int8+zstd"
        and make_wire("nf4").dense(4).spec == "nf4"
    )
    assert make_wire("bf16").dense(8).spec == "bf16" and make_wire("int2").dense().spec == "int2"
    free, bound = make_wire("randk:0.1"), make_wire("ef+randk:0.1").without_memory()
    one, two = (flat(sent(w, update(), context())[0]) for w in (free, bound))
    assert torch.allclose(one * 0.1, two, rtol=0.01), "unscaled where the sender remembers"


# --- sums


@pytest.mark.parametrize("spec", ["none", "randk:0.1", "ef+randk:0.1", "sketch"])
def test_the_sum_of_messages_of_a_linear_wire_reads_as_the_message_of_the_sum(spec):
    wire, names = make_wire(spec), ["a", "b", "c"]
    vectors = [wire.project(update(i), context(sender=name))[0] for i, name in enumerate(names)]
    whole = {n: sum(update(i)[n] for i in range(3)) for n in update()}
    assert torch.allclose(sum(vectors), wire.project(whole, context(sender="d"))[0], atol=1e-6)
    read = wire.restore(sum(vectors), update(), context(sender="server"))
    assert_same_form(read, update())
    assert torch.allclose(flat(read), flat(sent(wire, whole, context())[0]), atol=1e-6)
    with pytest.raises(PayloadError, match="expected"):
        wire.restore(vectors[0][:-1], update(), context())


def test_a_wire_that_is_not_linear_says_so():
    for spec, why in [
        ("topk", "topk: not linear"),
        ("ef21+randk", "both ends keep"),
        ("randk+int4", "int4: scales"),
    ]:
        with pytest.raises(FedkitError, match=why):
            make_wire(spec).project(update(), context())


# --- bytes


def entropy_bytes(symbols: np.ndarray) -> float:
    p = np.bincount(symbols) / len(symbols)
    return float(-(p[p > 0] * np.log2(p[p > 0])).sum() * len(symbols) / 8)


@pytest.mark.parametrize("spec", ["int8", "int4", "int2", "nf4", "sign", "topk:0.05", "topk:0.002"])
def test_ans_comes_near_the_entropy(spec):
    wire, delta = make_wire(spec + "+ans"), {"a": laplace(100_000)}
    payload, _ = wire.encode(delta, context())
    found, _ = wire.compress(delta, TensorLayout.from_params(delta), context())
    ideal = side = 0.0
    for array, slot in zip(found, wire.slots(TensorLayout.from_params(delta))):
        ideal += entropy_bytes(array) if slot.alphabet else array.nbytes
        side += 4 + slot.alphabet + 8 if slot.alphabet else 0
    assert ideal * 0.99 <= payload.nbytes <= ideal * 1.02 + side + 40
    if spec != "sign":
        assert payload.nbytes < make_wire(spec).encode(delta, context())[0].nbytes


def test_the_frame_is_small():
    payload, _ = make_wire("int8").encode({"a": torch.ones(10)}, context())
    assert payload.nbytes <= 10 + 2 + 20
    assert (
        make_wire("topk:0.01").encode({"a": laplace(100_000)}, context())[0].nbytes
        < 1000 * 4 + 100_000 / 8
    )


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    alphabet=st.sampled_from([2, 3, 15, 16, 255]),
    coder=st.sampled_from([Plain(), Ans()]),
)
def test_symbols_survive_packing_and_coding(data, alphabet, coder):
    top = data.draw(st.integers(0, alphabet - 1))
    symbols = data.draw(arrays.arrays(np.uint8, st.integers(0, 300), elements=st.integers(0, top)))
    slot = Slot(len(symbols), alphabet=alphabet)
    assert np.array_equal(coder.unpack(coder.pack([symbols], [slot]), [slot])[0], symbols)
    assert len(pack_array(symbols, slot)) <= slot.max_bytes


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.integers(0, 2**35 - 1), max_size=20), width=st.integers(1, 32))
def test_numbers_survive_bits_and_lengths(values, width):
    assert all(decode_varint(encode_varint(v), 0) == (v, len(encode_varint(v))) for v in values)
    small = np.array([v % 2**width for v in values], np.int64)
    assert np.array_equal(unpack_bits(pack_bits(small, width), width, len(small)), small)
    parts = [bytes(v % 7) for v in values]
    assert split_parts(join_parts(parts), len(parts)) == parts


def test_a_sparse_mask_travels_as_gaps():
    mask = np.zeros(10_000, np.uint8)
    mask[[5, 600, 9_999]] = 1
    slot = Slot(10_000, alphabet=2)
    assert len(pack_array(mask, slot)) < 12 and np.array_equal(
        unpack_array(pack_array(mask, slot), slot), mask
    )


# --- what is refused


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("topq", "not known; choose one of: ef, ef21"),
        ("topk+", "not known"),
        ("topk:0", "share is 0"),
        ("topk:nan", "share is nan"),
        ("int4:block=0", "block is 0"),
        ("zstd:level=99", "level is 99"),
        ("lowrank:r=0", "r is 0"),
        ("sketch:rows=0", "rows is 0"),
        ("topk:share=x", "not a number"),
        ("int4+topk", "'topk' cannot come after 'int4'; the order is memory"),
        ("topk+ef", "cannot come after"),
        ("topk+randk", "are two of one kind"),
        ("zstd+ans", "are two of one kind"),
        ("ef", "nothing is lost"),
        ("ef+zstd", "nothing is lost"),
        ("ans", "no symbols to code"),
        ("randk+ans", "no symbols"),
        ("bf16+ans", "no symbols"),
        ("none+int4", "not known"),
    ],
)
def test_a_wire_that_cannot_work_is_refused_with_the_reason(spec, why):
    with pytest.raises(FedkitError) as error:
        make_wire(spec)
    assert why in str(error.value) and "\n" not in str(error.value)


def refusal(wire: Wire, payload: Payload, template) -> str:
    with pytest.raises(PayloadError) as error:
        wire.decode(payload, template, context())
    assert 0 < len(str(error.value)) < 300 and "\n" not in str(error.value)
    return str(error.value)


def test_every_refusal_gives_its_reason():
    wire, delta = make_wire("topk+int4"), update()
    good = wire.encode(delta, context(), NOTES)[0].body
    agreed = wire.agreement_checksum(TensorLayout.from_params(delta))
    assert "unknown format" in refusal(wire, plain.encode_tensors(delta), delta)
    assert "unknown format" in refusal(make_wire("none"), Payload(good), delta)
    assert "0 bytes long" in refusal(wire, Payload(b""), delta) and "9 bytes" in refusal(
        wire, Payload(good[:9]), delta
    )
    assert "checksum" in refusal(wire, Payload(good[:-1]), delta) and "checksum" in refusal(
        wire, Payload(good + b"x"), delta
    )
    assert "other stages" in refusal(make_wire("topk+int8"), Payload(good), delta)
    assert "another model" in refusal(wire, Payload(good), {**delta, "one": torch.zeros(2)})
    for body in (
        b"\0",
        b"\0\xff",
        b"\0\xff\xff\xff\xff\xff\xff",
        b"\0\x05{}",
        b"\2\2{}",
        b"\0\1{",
        b"\0\2[]",
        b"\0\4null",
        b"\0\2{}",
    ):
        refusal(wire, add_header(body, agreed), delta)
    deep = b"[" * 100_000
    refusal(wire, add_header(b"\0" + encode_varint(len(deep)) + deep, agreed), delta)
    rest = good[HEADER.size :]
    length, start = decode_varint(rest, 1)
    head, parts = rest[: start + length], split_parts(rest[start + length :], 4 - 1)
    for order in itertools.permutations(range(3)):
        if order != (0, 1, 2):
            refusal(wire, add_header(head + join_parts([parts[i] for i in order]), agreed), delta)
    few = [
        parts[0],
        parts[1],
        pack_array(np.zeros(TensorLayout.from_params(delta).size, np.uint8), Slot(0, alphabet=2)),
    ]
    assert "0 positions for" in refusal(wire, add_header(head + join_parts(few), agreed), delta)
    assert "out of range" in refusal(
        wire,
        add_header(head + join_parts([b"\0" + b"\xff" * (len(parts[0]) - 1), *parts[1:]]), agreed),
        delta,
    )
    endless = np.full(len(parts[1]) // 2, 0x7F80, "<u2").tobytes()
    assert "NaN or infinity" in refusal(
        wire, add_header(head + join_parts([parts[0], endless, parts[2]]), agreed), delta
    )


def test_a_decompression_bomb_is_not_unpacked():
    wire, delta = make_wire("zstd"), update()
    for bomb in (
        zstandard.ZstdCompressor().compress(bytes(50_000_000)),
        zstandard.ZstdCompressor(write_content_size=False).compress(bytes(50_000_000)),
    ):
        body = add_header(
            b"\0\2{}" + bomb, wire.agreement_checksum(TensorLayout.from_params(delta))
        )
        assert "unpacks to" in refusal(wire, body, delta)


@pytest.mark.parametrize("spec", [*ALONE, *CHAINS])
@pytest.mark.slow
def test_lies_under_a_correct_checksum_are_refused_or_have_the_right_form(spec):
    wire, delta, rng = make_wire(spec), update(), np.random.default_rng(4)
    body, agreed = (
        wire.encode(delta, context(), NOTES)[0].body[HEADER.size :],
        wire.agreement_checksum(TensorLayout.from_params(delta)),
    )
    start = (
        sum(reversed(decode_varint(body, 1))) - 4
    )  # the last bytes of the notes and all behind them
    for i in range(150):
        lie = bytearray(body)
        for place in [
            *rng.integers(start, min(start + 40, len(body)), i % 3),
            *rng.integers(0, len(body), 1 + i % 4),
        ]:
            lie[place] = rng.choice([0, 1, 2, 127, 128, 255, rng.integers(256)])
        lie = [bytes(lie), bytes(lie[: rng.integers(1, len(lie))]), bytes(lie) + rng.bytes(4)][
            max(0, i % 5 - 2)
        ]
        try:
            received, notes = wire.decode(add_header(lie, agreed), delta, context())
        except PayloadError as error:
            assert len(str(error)) < 300
            continue
        assert isinstance(notes, dict)
        assert_same_form(received, delta)


LONG = Slot(2_000, alphabet=15)
# 1 | first 0 | 5 - 1 | five counts | words
WELL = encode_symbols((np.arange(2_000) % 7 % 5).astype(np.uint8), LONG)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (WELL + bytes([1, 0, 0, 0]), "end where they should"),
        (WELL[:-4] + bytes(4), "not readable as ANS"),
        (WELL[:-1], "length"),
        (b"\1", "length"),
        (b"\1\0\4\1", "length"),
        (b"\2" + WELL[1:], "length"),
        (b"", "length"),
        (b"\0", "cannot be read"),
        (b"\1\x0b" + WELL[2:], "table of counts"),
        (WELL[:3] + b"\xff" * 300, "length"),
        (b"\1\0\1\0\0", "table of counts"),
        (b"\1\0\0\xff", None),
        (b"\1\0\0\1\0\0\0\1", "one symbol says it all"),
        (b"\1\x0f\0\1", "table of counts"),
    ],
)
def test_coded_symbols_that_cannot_be_are_refused(data, why):
    if why is None:
        assert decode_symbols(data, LONG).tolist() == [0] * 2_000
        return
    with pytest.raises(PayloadError, match=why):
        decode_symbols(data, LONG)


def test_parts_must_fill_their_bytes_exactly():
    whole = join_parts([b"ab", b"c"])
    for bad in (whole[:-1], whole + b"x", b"\3ab\1c", b"\2ab", b"", b"\xff" * 9):
        with pytest.raises(PayloadError):
            split_parts(bad, 2)


@pytest.mark.slow
def test_garbage_of_any_length_is_refused():
    rng = np.random.default_rng(0)
    for spec in ("int4+ans", "topk+zstd", "ef21+topk+int4+ans", "bf16"):
        wire, delta = make_wire(spec), update()
        for length in [*range(1, 40), 1_000, 100_000]:
            refusal(wire, Payload(rng.bytes(length)), delta)
            refusal(
                wire,
                add_header(
                    b"\0\2{}" + rng.bytes(length),
                    wire.agreement_checksum(TensorLayout.from_params(delta)),
                ),
                delta,
            )
