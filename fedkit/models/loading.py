"""Put a base model, a tuner and a head together on a device."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.memory import keep_freed_memory
from fedkit.models.autotune import choose
from fedkit.models.base import find_model
from fedkit.models.classifier import Model, TextClassifier
from fedkit.models.fast.encoder import Stack, Unsupported
from fedkit.models.tuners.registry import make_tuner

if TYPE_CHECKING:
    from fedkit.models.classifier import Model

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_model(config: RunConfig, labels: tuple[str, ...]) -> Model:
    """The base model that `config` names, with its tuner attached and a zero head.

    Same config and seed, same starting weights. Raises FedkitError if the model, tuner or device
    cannot be had.
    """
    tuner, source, device = (
        make_tuner(config.tune),
        find_model(config.model),
        pick_device(config.device),
    )
    encoder, tokenizer = _read(source.location, choose_attention := "eager")
    dtype, attention = choose(encoder, device, config.dtype)
    if attention != choose_attention:
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
    # no dropout: with few local steps it costs time and changes nothing that can be measured
    module.eval()
    model = Model(
        module, tokenizer, tuner, labels, source, device, DTYPES[dtype], attention, config.tune
    )
    attach_engine(model, config.engine)
    return model


def attach_engine(model: Model, engine: str) -> None:
    """Let the fast engine compute where it can; 'fast' insists on it. Raises FedkitError if it then
    cannot.
    """
    if engine == "plain":
        return
    try:
        model.stack = read_stack(model)
    except Unsupported as reason:
        if engine == "fast":
            raise FedkitError(
                f"engine 'fast' cannot compute tune {model.tune!r} on {model.source.name}:"
                f" {reason}; use --engine auto"
            ) from None
        return
    if model.device.type == "cpu":
        keep_freed_memory()


def _read(location: str, attention: str):
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as hf_logging

    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    logging.getLogger("peft").setLevel(logging.ERROR)
    try:
        only = {
            "local_files_only": True,
            "trust_remote_code": False,
        }  # without the latter transformers may ask to run code
        encoder = AutoModel.from_pretrained(
            location,
            attn_implementation=attention,
            dtype=torch.float32,
            use_safetensors=True,
            **only,
        )
        tokenizer = AutoTokenizer.from_pretrained(location, **only)
        words, rows = len(tokenizer), encoder.get_input_embeddings().num_embeddings
        # without its files transformers makes an empty tokenizer and says nothing
        if not 100 <= words <= rows:
            raise ValueError(f"its tokenizer knows {words:,} tokens and its embedding {rows:,}")
    except Exception as error:
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
    """The torch device for auto | cpu | cuda | mps. Raises FedkitError if it is not there."""
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


def read_stack(model: Model) -> Stack:
    """The model's encoder as a Stack, once it has been seen to give the same vectors. Raises
    Unsupported.
    """
    if not model.tuner.frozen_base:
        raise Unsupported("the whole model is trained")
    stack = Stack(model.module, model.trainable, model.pad, model.device)
    words = stack.embeddings.word_embeddings.num_embeddings
    texts = [
        tuple(np.random.default_rng(0).integers(words // 2, words, n).tolist()) for n in (3, 5, 9)
    ]
    ids, mask = model.grid(texts)
    with torch.no_grad():
        expected = model.module.features(ids, mask)
        found = stack.features(texts, {n: p[None] for n, p in model.trainable.items()})
    if not (expected - found).abs().max() < (1e-3 if model.dtype == torch.float32 else 0.05):
        raise Unsupported("its layers look like BERT's and compute something else")
    stack.store.clear()
    return stack
