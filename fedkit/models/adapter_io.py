"""A trained model on disk: the adapter in PEFT's own format where it has one, the head beside it,
readable without fedkit.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from fedkit.core.config import parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.tensors import CENTRE, Params
from fedkit.models.classifier import Model
from fedkit.models.merging import MERGED

TUNE = "tune"  # the note in head.safetensors that names the method
# of PEFT: with another, the same tensors mean another
SETTINGS = ("peft_type", "lora_alpha", "use_rslora", "use_dora")


def save_adapter(folder: str | Path, model: Model, params: Params, labels: list[str]) -> None:
    """Write what was tuned into `folder`.

    Methods of PEFT: adapter_config.json and adapter_model.safetensors, as
    `PeftModel.from_pretrained(encoder, folder)` reads them. Of virtual tokens PEFT keeps the
    vectors that come out (prompt_embeddings); what was trained for them is beside it, in
    trained.safetensors. Other methods: encoder.safetensors, the trained tensors alone, under the
    encoder's own names; of bottlenecks down and up, see parts.py. Always: head.safetensors (weight
    (labels, d), bias (labels,)) and labels.json. Sentence vector = normalised mean of the last
    hidden states over real tokens, which come after the virtual ones. What an aggregation added to
    frozen matrices is written as LoRA of the rank it takes.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    head = {n.removeprefix("head."): t for n, t in params.items() if n.startswith("head.")}
    body = {
        n: t.contiguous()
        for n, t in params.items()
        if not n.startswith("head.") and not n.endswith(MERGED) and n != CENTRE
    }
    body, rank = folded(model, params, body)
    write_tensors(folder / "head.safetensors", head, {TUNE: _method(model)})
    (folder / "labels.json").write_text(
        json.dumps(labels, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    if (config := _peft_config(model)) is not None:
        config = copy.copy(config)  # the model trains on with its own
        config.base_model_name_or_path, config.inference_mode = model.source.name, True
        if rank:
            config.r = config.lora_alpha = rank
        for name, value in vars(config).items():
            if isinstance(value, set):  # would be written in another order each time
                setattr(config, name, sorted(value))
        config.save_pretrained(str(folder))
        if config.is_prompt_learning:
            write_tensors(
                folder / "adapter_model.safetensors",
                {"prompt_embeddings": _virtual_tokens(model, body)},
            )
    if body:
        write_tensors(folder / _body_file(model), body)


def load_adapter(folder: str | Path, model: Model) -> Params:
    """The parameters in `folder`, checked against `model`. Raises FedkitError when they do
    not fit.
    """
    from fedkit.wire.payload import check

    folder = Path(folder)
    try:
        _check_meaning(folder, model)
        params = {f"head.{n}": t for n, t in load_file(folder / "head.safetensors").items()}
        if (folder / (body := _body_file(model))).is_file():
            params |= load_file(folder / body)
        check(params, model.params())
    except (OSError, SafetensorError, ValueError) as error:
        raise FedkitError(
            f"no adapter for this model in {folder} ({str(error)[:100]}); give a finished run's"
            " folder"
        ) from None
    return params


def folded(model: Model, params: Params, body: Params) -> tuple[Params, int]:
    """(LoRA pairs of scale 1 that also do what was added to the frozen matrices, their rank);
    without such, (body, 0).
    """
    added = {n.removesuffix(MERGED): t for n, t in params.items() if n.endswith(MERGED)}
    if not added:
        return body, 0
    names = {layer: (f"{layer}.lora_A.weight", f"{layer}.lora_B.weight") for layer in added}
    whole = {
        layer: t + model.adapter_scale * body[names[layer][1]] @ body[names[layer][0]]
        for layer, t in added.items()
    }
    parts = {layer: torch.linalg.svd(t, full_matrices=False) for layer, t in whole.items()}
    rank = max(1, *(int((s > 1e-6 * s[0]).sum()) for _, s, _ in parts.values()))
    out = dict(body)
    for layer, (u, s, v) in parts.items():
        root = s[:rank].sqrt()
        out[names[layer][0]], out[names[layer][1]] = root[:, None] * v[:rank], u[:, :rank] * root
    return out, rank


def _check_meaning(folder: Path, model: Model) -> None:
    """Raise ValueError where tensors of the right shape would mean something else: other labels,
    another method.
    """
    with safe_open(folder / "head.safetensors", "pt") as file:
        # files of before 0.2 have no such note
        kept = (file.metadata() or {}).get(TUNE, _method(model))
    if kept != _method(model):
        raise ValueError(
            f"it was trained with tune {kept!r}, and this model has {_method(model)!r}"
        )
    if json.loads((folder / "labels.json").read_text(encoding="utf-8")) != list(model.labels):
        raise ValueError("it was trained for other labels")
    if (config := _peft_config(model)) is not None:
        settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("adapter_config.json is no object")
        for name in SETTINGS:
            if settings.get(name) != getattr(config, name, None):
                raise ValueError(
                    f"its {name} is {str(settings.get(name))[:20]}, not"
                    f" {getattr(config, name, None)}"
                )


def _method(model: Model) -> str:
    return parse_spec(model.tune)[0]


def _peft_config(model: Model):
    return getattr(model.module.encoder, "peft_config", {}).get("default")


def _body_file(model: Model) -> str:
    """Where the trained tensors of the encoder are."""
    config = _peft_config(model)
    if config is None:
        return "encoder.safetensors"
    return "trained.safetensors" if config.is_prompt_learning else "adapter_model.safetensors"


def _virtual_tokens(model: Model, body: Params) -> Tensor:
    """What the encoder reads when its prompt encoder holds `body`: (tokens, width), for prefixes
    all layers in a row.
    """
    maker, tokens = model.module.encoder.prompt_encoder["default"], model.tuner.tokens
    own = {n.removeprefix("prompt_encoder."): t for n, t in body.items()}
    with torch.no_grad():
        return torch.func.functional_call(maker, own, (torch.arange(tokens),))


def write_tensors(path: Path, tensors: Params, notes: dict[str, str] | None = None) -> None:
    """Write safetensors beside the target, then rename. (save_file would leave nameless files
    behind a kill.)
    """
    temporary = path.with_name(path.name + ".tmp")
    kept, places = {}, set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        # the format holds no tensor twice
        kept[name] = tensor.clone() if tensor.data_ptr() in places else tensor
        places.add(tensor.data_ptr())
    # one note: several come in any order
    temporary.write_bytes(save(kept, metadata=notes or {"format": "pt"}))
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())  # on the disk before its name is
    os.replace(temporary, path)
