"""Load a base model with a tuner and a head on a device."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import torch

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.memory import is_out_of_memory, keep_freed_memory
from fedkit.models.autotune import choose_precision
from fedkit.models.base import find_model
from fedkit.models.classifier import Model, TextClassifier
from fedkit.models.fast.encoder import FastEncoder, Unsupported
from fedkit.models.tuners.registry import make_tuner

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_model(config: RunConfig, labels: tuple[str, ...]) -> Model:
    """Return the base model of `config` with its tuner attached and a zero head.

    Same config and seed, same starting weights. Raises FedkitError if the model, tuner or device is
    not available.
    """
    tuner, source = make_tuner(config.tune), find_model(config.model)
    device = pick_device(config.device)
    encoder, tokenizer = _read_pretrained(source.location, "eager")
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
        module = TextClassifier(encoder, encoder.config.hidden_size, len(labels))
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


def _read_pretrained(location: str, attention: str):
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as hf_logging

    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    logging.getLogger("peft").setLevel(logging.ERROR)
    try:
        # trust_remote_code: otherwise transformers may prompt to run code
        only = {"local_files_only": True, "trust_remote_code": False}
        encoder = AutoModel.from_pretrained(
            location,
            attn_implementation=attention,
            dtype=torch.float32,
            use_safetensors=True,
            **only,
        )
        tokenizer = AutoTokenizer.from_pretrained(location, **only)
        words, rows = len(tokenizer), encoder.get_input_embeddings().num_embeddings
        # if files are missing, transformers silently makes an empty tokenizer
        if not 100 <= words <= rows:
            raise ValueError(f"its tokenizer knows {words:,} tokens and its embedding {rows:,}")
    except Exception as error:
        if is_out_of_memory(error):
            raise FedkitError(
                f"not enough memory to read the model in {location}; close other programs, raise"
                " the memory limit of this one, or choose a smaller --model"
            ) from None
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise FedkitError(
            f"cannot read the model in {location}: {reason}; it needs config.json, tokenizer.json,"
            " model.safetensors"
        ) from None
    if hasattr(encoder, "pooler"):
        # the sentence vector is the mean over tokens; BERT's pooler is not trained
        encoder.pooler = None
    return encoder, tokenizer


def pick_device(name: str) -> torch.device:
    """Return the torch device for auto | cpu | cuda | mps.

    Raises FedkitError if it is not available.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if not there.get(name):
        found = ", ".join(k for k, v in there.items() if v)
        raise FedkitError(
            f"device {name!r} is not available here; choose auto or one of: {found} (simulated site"
            " hardware is --devices)"
        )
    return torch.device(name)


def make_fast_encoder(model: Model) -> FastEncoder:
    """Return the model's encoder as a FastEncoder, after checking that it gives the same vectors.

    Raises Unsupported if it cannot be computed or the vectors differ.
    """
    if not model.tuner.frozen_base:
        raise Unsupported("the whole model is trained")
    encoder = FastEncoder(model.module, model.trainable, model.pad_id, model.device)
    words = encoder.embeddings.word_embeddings.num_embeddings
    texts = [
        tuple(np.random.default_rng(0).integers(words // 2, words, n).tolist()) for n in (3, 5, 9)
    ]
    ids, mask = model.pad_batch(texts)
    with torch.no_grad():
        expected = model.module.features(ids, mask)
        found = encoder.features(texts, {n: p[None] for n, p in model.trainable.items()})
    if not (expected - found).abs().max() < (1e-3 if model.dtype == torch.float32 else 0.05):
        raise Unsupported("its layers look like BERT's and compute something else")
    encoder.cache.clear()
    return encoder
