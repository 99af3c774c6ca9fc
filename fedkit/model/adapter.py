"""A trained model on disk: the adapter in PEFT's own format, the head beside it, readable without fedkit."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from fedkit.errors import FedkitError
from fedkit.model.classifier import Model, Params


def save_adapter(folder: str | Path, model: Model, params: Params, labels: list[str]) -> None:
    """Write what was tuned into `folder`.

    lora: adapter_config.json and adapter_model.safetensors, as `PeftModel.from_pretrained(encoder, folder)` reads them.
    full: encoder.safetensors, the tuned encoder's weights. Always: head.safetensors (weight (labels, d), bias
    (labels,)) and labels.json. Sentence vector = normalised mean of the last hidden states over real tokens.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    head = {n.removeprefix("head."): t for n, t in params.items() if n.startswith("head.")}
    body = {n: t.contiguous() for n, t in params.items() if not n.startswith("head.")}
    write_tensors(folder / "head.safetensors", head)
    (folder / "labels.json").write_text(json.dumps(labels, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    config = getattr(model.module.encoder, "peft_config", {}).get("default")
    if config is not None:
        config = copy.copy(config)  # the model trains on with its own
        config.base_model_name_or_path, config.inference_mode = model.source.name, True
        config.target_modules = sorted(config.target_modules)  # a set would be written in another order each time
        config.save_pretrained(str(folder))
        write_tensors(folder / "adapter_model.safetensors", body)
    elif body:
        write_tensors(folder / "encoder.safetensors", body)


def load_adapter(folder: str | Path, model: Model) -> Params:
    """The parameters in `folder`, checked against `model`. Raises FedkitError when they do not fit."""
    from fedkit.wire.payload import check

    folder = Path(folder)
    try:
        params = {f"head.{n}": t for n, t in load_file(folder / "head.safetensors").items()}
        for name in ("adapter_model.safetensors", "encoder.safetensors"):
            if (folder / name).is_file():
                params |= load_file(folder / name)
        check(params, model.params())
        _check_meaning(folder, model)
    except (OSError, SafetensorError, ValueError) as error:
        raise FedkitError(
            f"no adapter for this model in {folder} ({str(error)[:100]}); give a finished run's folder"
        ) from None
    return params


def _check_meaning(folder: Path, model: Model) -> None:
    """Raise ValueError where tensors of the right shape would mean something else: other labels, another LoRA scale."""
    if json.loads((folder / "labels.json").read_text(encoding="utf-8")) != list(model.labels):
        raise ValueError("it was trained for other labels")
    config = getattr(model.module.encoder, "peft_config", {}).get("default")
    if config is not None:
        kept = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        if not isinstance(kept, dict) or kept.get("lora_alpha") != config.lora_alpha:
            raise ValueError("its LoRA alpha is another")


def write_tensors(path: Path, tensors: Params) -> None:
    """Write safetensors beside the target, then rename. (save_file would leave nameless files behind a kill.)"""
    temporary = path.with_name(path.name + ".tmp")
    kept = {n: t.detach().cpu().contiguous() for n, t in tensors.items()}
    temporary.write_bytes(save(kept, metadata={"format": "pt"}))
    os.replace(temporary, path)
