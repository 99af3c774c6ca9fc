"""What each stage of the wire costs and saves on one LoRA update: milliseconds on one thread,
bytes, bits per value.

The update: 24 LoRA matrices and a head, 103,373 values drawn from a Laplace distribution. Times are
medians. 'x entropy': length of the message over the entropy of its symbols plus the bytes of its
other numbers; for coders only. usage: python tests/bench/wire.py [--repeats 9] [--only SPEC ...]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from fedkit.core.tensors import Params
from fedkit.wire.layout import TensorLayout
from fedkit.wire.pipeline import STAGES, Context, Wire, make_wire

SHAPES = [(8, 384), (384, 8)] * 12 + [(77, 384), (77,)]
ALONE = [
    "none",
    *(name for name, entry in STAGES.items() if entry.role not in ("memory", "code")),
    "zstd",
]
CHAINS = [
    *(
        f"{name}+{code}"
        for name in ("int8", "int4", "int2", "nf4", "sign", "topk")
        for code in ("ans", "zstd")
    ),
    "ef+topk:0.05+int4+ans",
    "ef21+topk:0.05+int4+ans",
    "ef21+topk:0.05+int4+zstd",
    "ef+topk:0.03+int4+ans",
    "ef+randk:0.05+int4+ans",
    "ef+lowrank:r=2+int4+ans",
    "ef+sketch+int8+ans",
    "ef+int2+ans",
    "ef+sign",
]


def update(seed: int = 0) -> Params:
    rng = np.random.default_rng(seed)
    return {
        f"t{i}": torch.from_numpy(rng.laplace(0, 1e-3, s).astype(np.float32))
        for i, s in enumerate(SHAPES)
    }


def milliseconds(what: Callable[[], object], repeats: int) -> float:
    what()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        what()
        seconds.append(time.perf_counter() - began)
    return 1e3 * median(seconds)


def ideal_bytes(wire: Wire, delta: Params, context: Context) -> float:
    """Entropy of the symbols, each array by its own frequencies, and the bytes of the numbers that
    are no symbols.
    """
    form, total = TensorLayout.from_params(delta), 0.0
    for array, slot in zip(wire.compress(delta, form, context)[0], wire.slots(form)):
        p = np.bincount(array) / len(array) if slot.alphabet else None
        total += (
            array.nbytes if p is None else -(p[p > 0] * np.log2(p[p > 0])).sum() * len(array) / 8
        )
    return total


def measure(spec: str, repeats: int) -> dict:
    """One row: the second message of a sender, so that a memory is in use."""
    wire, delta = make_wire(spec), update()
    context = Context("site-1", 2, 0, wire.encode(update(1), Context("site-1", 1, 0, {}))[1])
    payload, _ = wire.encode(delta, context, {"client": "site-1", "examples": 64})
    coder = any(stage.role == "code" for stage in wire.stages)
    return {
        "spec": spec,
        "bytes": payload.nbytes,
        "bits": 8 * payload.nbytes / TensorLayout.from_params(delta).size,
        "encode_ms": milliseconds(lambda: wire.encode(delta, context), repeats),
        "decode_ms": milliseconds(lambda: wire.decode(payload, delta, context), repeats),
        "entropy_ratio": payload.nbytes / ideal_bytes(wire, delta, context) if coder else None,
    }


def wire(repeats: int, data: str = "") -> dict:
    """Every stage alone and some chains, on one thread: what `make bench` runs. data: not used."""
    torch.set_num_threads(1)
    return {"rows": [measure(spec, repeats) for spec in ALONE + CHAINS]}


def table(rows: list[dict]) -> list[str]:
    lines = [
        f"{'wire':28}{'encode ms':>10}{'decode ms':>10}"
        f"{'bytes':>10}{'bits/value':>11}{'x entropy':>10}"
    ]
    for r in rows:
        ratio = "" if r["entropy_ratio"] is None else f"{r['entropy_ratio']:.3f}"
        lines.append(
            f"{r['spec']:28}{r['encode_ms']:10.2f}{r['decode_ms']:10.2f}{r['bytes']:10,}{r['bits']:11.3f}{ratio:>10}"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", nargs="*", default=ALONE + CHAINS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("\n".join(table([measure(spec, args.repeats) for spec in args.only])))


if __name__ == "__main__":
    main()
