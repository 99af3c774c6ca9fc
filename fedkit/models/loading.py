"""Load a base model with a tuner and a head on a device, in the format that is fastest there."""

from __future__ import annotations

import copy
import logging
import os
import platform
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_json, write_json
from fedkit.core.formatting import one_line_error
from fedkit.core.memory import is_out_of_memory, keep_freed_memory
from fedkit.models.base import find_model
from fedkit.models.classifier import ATTENTION_KINDS, Model, TextClassifier
from fedkit.models.fast.encoder import FastEncoder, Unsupported
from fedkit.models.tuners.by_peft import max_positions
from fedkit.models.tuners.own import CANNOT_RUN, drop_pooler, sentence_width, word_rows
from fedkit.models.tuners.registry import make_tuner

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
NEVER = 3600.0  # seconds of what a model cannot compute


def load_model(config: RunConfig, labels: tuple[str, ...]) -> Model:
    """Return the base model of `config` with its tuner attached and a zero head.

    Same config and seed, same starting weights. Raises FedkitError if the model, tuner or device is
    not available.
    """
    tuner, source = make_tuner(config.tune), find_model(config.model)
    device = pick_device(config.device)
    encoder, tokenizer, width = _read_pretrained(source.location)
    dtype, attention = choose_precision(encoder, device, config.dtype)
    if attention != "eager":
        encoder.set_attn_implementation(attention)
    encoder.to(DTYPES[dtype] if tuner.frozen_base else torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        with warnings.catch_warnings():
            # transformers' notes to PEFT's developers
            warnings.simplefilter("ignore", FutureWarning)
            encoder = tuner.attach(encoder)
        module = TextClassifier(encoder, width, len(labels))
    torch.nn.init.zeros_(module.head.weight)
    torch.nn.init.zeros_(module.head.bias)
    # no dropout: with few local steps it takes time and has no measurable effect
    module.eval()
    model = Model(
        module, tokenizer, tuner, labels, source, device, DTYPES[dtype], attention, config.tune
    )
    attach_engine(model, config.engine)
    return model


def attach_engine(model: Model, engine: str) -> None:
    """Attach the fast engine where it supports the model; 'plain': never.

    Raises FedkitError if engine is 'fast' and the model is not supported.
    """
    if engine == "plain":
        return
    try:
        model.fast_encoder = make_fast_encoder(model)
    except Unsupported as reason:
        if engine == "fast":
            raise FedkitError(
                f"engine 'fast' cannot compute tune {model.tune!r} on {model.source.name}:"
                f" {reason}; use --engine auto"
            ) from None
        return
    if model.device.type == "cpu":
        keep_freed_memory()


def _read_pretrained(location: str):
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as hf_logging

    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    logging.getLogger("peft").setLevel(logging.ERROR)
    try:
        # trust_remote_code: otherwise transformers may prompt to run code
        only = {"local_files_only": True, "trust_remote_code": False}
        read = {"dtype": torch.float32, "use_safetensors": True, **only}
        read |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # said in `found`
        encoder, found = AutoModel.from_pretrained(location, attn_implementation="eager", **read)
        tokenizer = AutoTokenizer.from_pretrained(location, **only)
        vocabulary, rows = tokenizer.get_vocab(), word_rows(encoder)
        words = 1 + max(vocabulary.values(), default=-1)
        # if files are missing, transformers silently makes a tokenizer of special tokens only
        if len(vocabulary) < 10 + len(tokenizer.all_special_ids) or words > rows:
            raise ValueError(f"its tokenizer knows {words:,} tokens and its embedding {rows:,}")
        drop_pooler(encoder)
        width = sentence_width(encoder)
        _refuse_misfit(encoder, location, found)
    except FedkitError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise FedkitError(
                f"not enough memory to read the model in {location}; close other programs, raise"
                " the memory limit of this one, or choose a smaller --model"
            ) from None
        raise FedkitError(
            f"cannot read the model in {location}: {one_line_error(error)[:120]}; copy"
            " config.json, tokenizer.json, model.safetensors anew"
        ) from None
    return encoder, tokenizer, width


def _refuse_misfit(encoder: Any, location: str, found: dict[str, Any]) -> None:
    """Raise FedkitError if weights of the encoder are missing, left over or of another size.

    found: transformers' report. Left over rightly are a pooler, which is not used, and what a task
    put on top, such as a language model's head.
    """
    prefix, unused = f"{encoder.base_model_prefix}.", {"pooler"}
    parts = {name for name, _ in encoder.named_children()} - unused
    missing = sorted(n for n in found["missing_keys"] if n.split(".")[0] not in unused)
    # old GPT-2 files hold a constant of that name
    extra = sorted(n for n in found["unexpected_keys"] if not n.endswith("masked_bias"))
    if not missing:
        extra = [n for n in extra if n.removeprefix(prefix).split(".")[0] in parts]
    sizes = sorted(name for name, *_ in found["mismatched_keys"])
    kinds = {"missing": missing, "unknown": extra, "of another size": sizes}
    if not (said := [f"{len(n)} {kind} (first {n[0]})" for kind, n in kinds.items() if n]):
        return
    mend = "copy both from one model's save_pretrained(FOLDER)"
    for before in (n.removesuffix(m) for m in missing[:1] for n in extra if n.endswith(f".{m}")):
        mend = f"names begin with {before!r}, as DataParallel writes: save model.module instead"
    raise FedkitError(
        f"the weights in {location} do not fit its config.json: {', '.join(said)}; {mend}"
    )


def pick_device(name: str) -> torch.device:
    """Return the torch device for auto | cpu | cuda | mps.

    Raises FedkitError if it is not available.
    """
    there = ["cuda"] if torch.cuda.is_available() else []
    there += ["mps"] if torch.backends.mps.is_available() else []
    there += ["cpu"]
    if name != "auto" and name not in there:
        raise FedkitError(
            f"device {name!r} is not available here; choose auto or one of: {', '.join(there)}"
            " (simulated site hardware is --devices)"
        )
    return torch.device(there[0] if name == "auto" else name)


def make_fast_encoder(model: Model) -> FastEncoder:
    """Return the model's encoder as a FastEncoder, after checking that it gives the same vectors.

    Raises Unsupported if it cannot be computed or the vectors differ.
    """
    if not model.tuner.frozen_base:
        raise Unsupported("the whole model is trained")
    try:
        encoder = FastEncoder(model.module, model.trainable, model.pad_id, model.device)
        words = encoder.embeddings.word_embeddings.num_embeddings
        drawn = (np.random.default_rng(0).integers(words // 2, words, n) for n in (3, 5, 9))
        # a word that only the config calls padding may have no position of its own
        padding = {encoder.embeddings.word_embeddings.padding_idx} - {None, model.pad_id}
        texts = [(*padding, *ids.tolist()) for ids in drawn]
        ids, mask = model.pad_batch(texts)
        with torch.no_grad():
            expected = model.module.features(ids, mask)
            found = encoder.features(texts, {n: p[None] for n, p in model.trainable.items()})
    except CANNOT_RUN as error:
        if is_out_of_memory(error):
            raise
        why = f"its layers look like BERT's and take other shapes ({one_line_error(error)[:80]})"
        raise Unsupported(why) from None
    if not (expected - found).abs().max() < (1e-3 if model.dtype == torch.float32 else 0.05):
        raise Unsupported("its layers look like BERT's and compute something else")
    encoder.cache.clear()
    return encoder


def choose_precision(encoder: Any, device: torch.device, dtype: str = "auto") -> tuple[str, str]:
    """Return (dtype name, attention name) for training `encoder` on `device`.

    dtype 'auto' chooses bfloat16 on a CPU only if a forward and backward pass is at least 10 %
    faster than in float32. The measurement is cached per processor, torch version, thread count and
    width. Raises FedkitError for an unknown dtype.
    """
    if dtype not in (choices := ("auto", *DTYPES)):
        raise FedkitError(f"dtype {dtype!r} is not known; choose one of: {', '.join(choices)}")
    kinds = ATTENTION_KINDS if _has_sdpa(encoder) else ATTENTION_KINDS[:1]
    if device.type != "cpu":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return ("bfloat16" if fast else "float32") if dtype == "auto" else dtype, kinds[-1]
    seconds = _cached_seconds(encoder)
    best = {  # number format -> (seconds, its fastest attention)
        name: min((seconds[f"{name}/{kind}"], kind) for kind in kinds) for name in DTYPES
    }
    if dtype == "auto":
        dtype = "bfloat16" if best["bfloat16"][0] < 0.9 * best["float32"][0] else "float32"
    if best[dtype][0] == NEVER:
        kind = encoder.config.model_type
        raise FedkitError(
            f"dtype {dtype!r} given; a {kind} model cannot compute in it; use float32"
        )
    return dtype, best[dtype][1]


def _has_sdpa(encoder: Any) -> bool:
    return getattr(encoder, "_supports_sdpa", True)  # transformers has no public name for it


def cache_file() -> Path:
    """Return the file that keeps the measurements."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("FEDKIT_CACHE") or caches / "fedkit") / "probe.json"


def _cached_seconds(encoder: Any) -> dict[str, float]:
    threads, width = torch.get_num_threads(), encoder.config.hidden_size
    key = f"{processor_name()}|torch {torch.__version__}|{threads} threads|width {width}"
    key += "" if _has_sdpa(encoder) else f"|eager {encoder.config.model_type}"
    if _usable(known := _read_cache(), key):
        return known[key]
    # read again after measuring: another process may have been faster
    measured, known = measure_seconds(encoder), _read_cache()
    if not _usable(known, key):
        known[key] = measured
        with suppress(FedkitError):  # a read-only home: measure again next time
            write_json(cache_file(), known)
    return known[key]


def _read_cache() -> dict[str, Any]:
    try:
        known = read_json(cache_file())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _usable(known: dict[str, Any], key: str) -> bool:
    entry, names = known.get(key), [f"{d}/{a}" for d in DTYPES for a in ATTENTION_KINDS]
    return isinstance(entry, dict) and all(isinstance(entry.get(n), float) for n in names)


def measure_seconds(encoder: Any) -> dict[str, float]:
    """Return {'dtype/attention': best of five of a forward and backward pass on random tokens}."""
    words = word_rows(encoder)
    some = min(100, words // 2), min(1000, words)
    shape = 16, min(20, max_positions(encoder) or 20)
    ids = torch.randint(*some, shape, generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    out = {}
    for name, dtype in DTYPES.items():
        trial = copy.deepcopy(encoder).to(dtype).requires_grad_(False)
        trial.get_input_embeddings().weight.requires_grad_(True)
        for attention in ATTENTION_KINDS:
            if attention == "eager" or _has_sdpa(encoder):  # otherwise eager twice
                trial.set_attn_implementation(attention)
            times = [NEVER]  # stands where the model cannot: FNet has no bfloat16
            with suppress(RuntimeError):
                for _ in range(5):
                    start = time.perf_counter()
                    states = trial(input_ids=ids, attention_mask=mask).last_hidden_state
                    states.float().sum().backward()
                    times.append(time.perf_counter() - start)
            out[f"{name}/{attention}"] = min(times)
    return out


def processor_name() -> str:
    """Return the processor's name as the system reports it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
