"""Choose the fastest number format and attention on this machine: measured once, then cached."""

from __future__ import annotations

import copy
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_json, write_json

ATTENTION_KINDS = ("eager", "sdpa")
DTYPE_CHOICES = ("auto", "float32", "bfloat16")


def choose_precision(encoder: Any, device: torch.device, dtype: str = "auto") -> tuple[str, str]:
    """Return (dtype name, attention name) for training `encoder` on `device`.

    dtype 'auto' chooses bfloat16 on a CPU only if a forward and backward pass is at least 10 %
    faster than in float32. The measurement is cached per processor, torch version, thread count and
    width. Raises FedkitError for an unknown dtype.
    """
    if dtype not in DTYPE_CHOICES:
        raise FedkitError(
            f"dtype {dtype!r} is not known; choose one of: {', '.join(DTYPE_CHOICES)}"
        )
    if device.type != "cpu":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return ("bfloat16" if fast else "float32") if dtype == "auto" else dtype, "sdpa"
    seconds = _cached_seconds(encoder)
    names = ("float32", "bfloat16") if dtype == "auto" else (dtype,)
    best = {name: _fastest_attention(seconds, name) for name in names}
    cost = {name: seconds[f"{name}/{best[name]}"] for name in names}
    name = "bfloat16" if len(names) == 2 and cost["bfloat16"] < 0.9 * cost["float32"] else names[0]
    return name, best[name]


def cache_file() -> Path:
    """Return the file that keeps the measurements."""
    root = (
        os.environ.get("FEDKIT_CACHE")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fedkit"
    )
    return Path(root) / "probe.json"


def _fastest_attention(seconds: dict[str, float], dtype: str) -> str:
    return min(ATTENTION_KINDS, key=lambda kind: seconds[f"{dtype}/{kind}"])


def _cached_seconds(encoder: Any) -> dict[str, float]:
    key = (
        f"{processor_name()}|torch {torch.__version__}|{torch.get_num_threads()} threads|width"
        f" {encoder.config.hidden_size}"
    )
    entry = _read_cache().get(key)
    if entry is not None and _usable(entry):
        return entry
    # read again after measuring: another process may have been faster
    measured, known = measure_seconds(encoder), _read_cache()
    if not _usable(known.get(key)):
        known |= {key: measured}
        _write_cache(known)
    return known[key]


def _read_cache() -> dict[str, Any]:
    try:
        known = read_json(cache_file())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _usable(entry: Any) -> bool:
    names = {f"{d}/{a}" for d in DTYPE_CHOICES[1:] for a in ATTENTION_KINDS}
    return isinstance(entry, dict) and all(isinstance(entry.get(n), float) for n in names)


def _write_cache(known: dict[str, Any]) -> None:
    with suppress(FedkitError):  # a read-only home: measure again next time
        write_json(cache_file(), known)


def measure_seconds(
    encoder: Any, batch: int = 16, tokens: int = 20, repeats: int = 5
) -> dict[str, float]:
    """Return {'dtype/attention': best seconds of a forward and backward pass on random tokens}."""
    ids = torch.randint(100, 1000, (batch, tokens), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    out = {}
    for dtype in (torch.float32, torch.bfloat16):
        trial = copy.deepcopy(encoder).to(dtype).requires_grad_(False)
        trial.get_input_embeddings().weight.requires_grad_(True)
        for attention in ATTENTION_KINDS:
            trial.set_attn_implementation(attention)
            times = []
            for _ in range(repeats):
                start = time.perf_counter()
                trial(input_ids=ids, attention_mask=mask).last_hidden_state.float().sum().backward()
                times.append(time.perf_counter() - start)
            out[f"{str(dtype).removeprefix('torch.')}/{attention}"] = min(times)
    return out


def processor_name() -> str:
    """Return the processor's name as the system reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
