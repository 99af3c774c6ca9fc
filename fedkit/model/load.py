"""Put a base model, a tuner and a head together on a device."""

from __future__ import annotations

import logging
import warnings

import torch

from fedkit.config import RunConfig
from fedkit.errors import FedkitError
from fedkit.memory import keep_freed_memory
from fedkit.model.base import find_model
from fedkit.model.classifier import Model, TextClassifier
from fedkit.model.probe import choose
from fedkit.model.stack import Unsupported, read_stack
from fedkit.model.tune import make_tuner

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_model(config: RunConfig, labels: tuple[str, ...]) -> Model:
    """The base model that `config` names, with its tuner attached and a zero head.

    Same config and seed, same starting weights. Raises FedkitError if the model, tuner or device cannot be had.
    """
    tuner, source, device = make_tuner(config.tune), find_model(config.model), pick_device(config.device)
    encoder, tokenizer = _read(source.location, choose_attention := "eager")
    dtype, attention = choose(encoder, device, config.dtype)
    if attention != choose_attention:
        encoder.set_attn_implementation(attention)
    encoder.to(DTYPES[dtype] if tuner.frozen_base else torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # transformers' notes to PEFT's developers
            encoder = tuner.attach(encoder)
        module = TextClassifier(encoder, encoder.config.hidden_size, len(labels))
    torch.nn.init.zeros_(module.head.weight)
    torch.nn.init.zeros_(module.head.bias)
    module.eval()  # no dropout: with few local steps it costs time and changes nothing that can be measured
    model = Model(module, tokenizer, tuner, labels, source, device, DTYPES[dtype], attention, config.tune)
    attach_engine(model, config.engine)
    return model


def attach_engine(model: Model, engine: str) -> None:
    """Let the fast engine compute where it can; 'fast' insists on it. Raises FedkitError if it then cannot."""
    if engine == "plain":
        return
    try:
        model.stack = read_stack(model)
    except Unsupported as reason:
        if engine == "fast":
            raise FedkitError(f"engine 'fast' cannot compute tune {model.tune!r} on {model.source.name}: {reason}; "
                              "use --engine auto") from None  # fmt: skip
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
            location, attn_implementation=attention, dtype=torch.float32, use_safetensors=True, **only
        )
        tokenizer = AutoTokenizer.from_pretrained(location, **only)
        words, rows = len(tokenizer), encoder.get_input_embeddings().num_embeddings
        if not 100 <= words <= rows:  # without its files transformers makes an empty tokenizer and says nothing
            raise ValueError(f"its tokenizer knows {words:,} tokens and its embedding {rows:,}")
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise FedkitError(
            f"cannot read the model in {location}: {reason}; it needs config.json, tokenizer.json, model.safetensors"
        ) from None
    if hasattr(encoder, "pooler"):
        encoder.pooler = None  # the sentence vector is the mean over tokens; BERT's pooler is not trained
    return encoder, tokenizer


def pick_device(name: str) -> torch.device:
    """The torch device for auto | cpu | cuda | mps. Raises FedkitError if it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if not there.get(name):
        found = ", ".join(k for k, v in there.items() if v)
        raise FedkitError(
            f"device {name!r} is not available here; choose auto or one of: {found} (simulated site hardware is --devices)"
        )
    return torch.device(name)
