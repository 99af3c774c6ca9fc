"""Save and load trained models: the adapter in PEFT's format where it has one, and the head."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from fedkit.core.config import parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_json, require_file, write_file, write_json
from fedkit.core.record import Run
from fedkit.core.tensors import CENTRE_NAME, Params
from fedkit.models.classifier import MERGED, Model

TUNE_KEY = "tune"  # metadata of head.safetensors: the tuning method
# of PEFT, which change the meaning of the tensors
PEFT_SETTINGS = ("peft_type", "lora_alpha", "use_rslora", "use_dora")


def save_adapter(folder: str | Path, model: Model, params: Params, labels: list[str]) -> list[Path]:
    """Write the tuned parameters into `folder`, readable without fedkit; return the files.

    PEFT methods: adapter_config.json and adapter_model.safetensors, as
    `PeftModel.from_pretrained(encoder, folder)` reads them. For virtual tokens PEFT stores the
    resulting vectors (prompt_embeddings); the trained tensors are in trained.safetensors. Other
    methods: encoder.safetensors, only the trained tensors, under the encoder's own names; of
    bottlenecks down and up, see tuners/own.py. Always: head.safetensors (weight (labels, d),
    bias (labels,)) and labels.json. Sentence vector = normalised mean of the last hidden states
    over real tokens, which come after the virtual ones. What an aggregation added to frozen
    matrices is written as LoRA of the rank it needs.
    """
    folder = Path(folder)
    head = {n.removeprefix("head."): t for n, t in params.items() if n.startswith("head.")}
    body = {
        n: t.contiguous()
        for n, t in params.items()
        if not n.startswith("head.") and not n.endswith(MERGED) and n != CENTRE_NAME
    }
    body, rank = fold_merged(model, params, body)
    written = [
        write_tensors(folder / "head.safetensors", head, {TUNE_KEY: _method(model)}),
        write_json(folder / "labels.json", labels),
    ]
    if (config := _peft_config(model)) is not None:
        config = copy.copy(config)  # the model keeps its own
        config.base_model_name_or_path, config.inference_mode = model.source.name, True
        if rank:
            config.r = config.lora_alpha = rank
        values = {k: sorted(v) if isinstance(v, set) else v for k, v in config.to_dict().items()}
        text = json.dumps(values, indent=2, sort_keys=True)
        written.append(write_file(folder / "adapter_config.json", text))
        if config.is_prompt_learning:
            tokens = {"prompt_embeddings": _virtual_tokens(model, body)}
            written.append(write_tensors(folder / "adapter_model.safetensors", tokens))
    if body:
        written.append(write_tensors(folder / _body_file(model), body))
    return written


def load_adapter(folder: str | Path, model: Model) -> Params:
    """Return the parameters in `folder`. Raises FedkitError if they do not fit `model`."""
    from fedkit.wire.payload import check_tensors

    folder = Path(folder)
    if (folder / "run.json").exists():
        Run.load(folder).check_files(folder)
    try:
        _check_method(folder, model)
        params = {f"head.{n}": t for n, t in load_file(folder / "head.safetensors").items()}
        if require_file(body := folder / _body_file(model)).exists():
            params |= load_file(body)
        check_tensors(params, model.params())
    except (OSError, SafetensorError, ValueError) as error:
        raise FedkitError(
            f"no adapter for this model in {folder} ({str(error)[:100]}); give a finished run's"
            " folder"
        ) from None
    return params


def fold_merged(model: Model, params: Params, body: Params) -> tuple[Params, int]:
    """Return (LoRA pairs of scale 1 that include what was added to frozen matrices, their rank).

    Returns (body, 0) if nothing was added.
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


def _check_method(folder: Path, model: Model) -> None:
    """Raise ValueError if the folder was saved for other labels or another tuning method."""
    with safe_open(require_file(folder / "head.safetensors"), "pt") as file:
        # files from before 0.2 have no such metadata
        kept = (file.metadata() or {}).get(TUNE_KEY, _method(model))
    if kept != (own := _method(model)):
        raise ValueError(f"it was trained with tune {kept!r}, and this model has {own!r}")
    if read_json(folder / "labels.json") != list(model.labels):
        raise ValueError("it was trained for other labels")
    if (config := _peft_config(model)) is not None:
        settings = read_json(folder / "adapter_config.json")
        if not isinstance(settings, dict):
            raise ValueError("adapter_config.json is no object")
        for name in PEFT_SETTINGS:
            given, wanted = settings.get(name), getattr(config, name, None)
            if given != wanted:
                raise ValueError(f"its {name} is {str(given)[:20]}, not {wanted}")


def _method(model: Model) -> str:
    return parse_spec(model.tune)[0]


def _peft_config(model: Model):
    return getattr(model.module.encoder, "peft_config", {}).get("default")


def _body_file(model: Model) -> str:
    """Return the name of the file with the encoder's trained tensors."""
    config = _peft_config(model)
    if config is None:
        return "encoder.safetensors"
    return "trained.safetensors" if config.is_prompt_learning else "adapter_model.safetensors"


def _virtual_tokens(model: Model, body: Params) -> Tensor:
    """Return the virtual tokens (tokens, width) computed from `body`; prefixes for all layers."""
    maker = model.module.encoder.prompt_encoder["default"]
    tokens: int = getattr(model.tuner, "tokens", 0)
    own = {n.removeprefix("prompt_encoder."): t for n, t in body.items()}
    with torch.no_grad():
        return torch.func.functional_call(maker, own, (torch.arange(tokens),))


def write_tensors(
    path: Path, tensors: Params, notes: dict[str, str] | None = None, mode: int = 0o666
) -> Path:
    """Write safetensors with `write_file`; return `path`."""
    kept, places = {}, set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        # the format does not allow shared memory
        kept[name] = tensor.clone() if tensor.data_ptr() in places else tensor
        places.add(tensor.data_ptr())
    # a single entry of metadata: several have no fixed order
    return write_file(path, save(kept, metadata=notes or {"format": "pt"}), mode)
