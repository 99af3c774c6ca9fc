"""The folder of a run: run.json, the adapter in PEFT format, and the state to resume from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fedkit.core.config import MACHINE_SETTINGS, RunConfig
from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.record import Run
from fedkit.core.tensors import Params
from fedkit.models.adapter_io import save_adapter, write_tensors
from fedkit.models.classifier import Model
from fedkit.wire.payload import check_tensors

REQUIRED = {  # fields of a record that a run can be resumed from
    "environment": ("dtype", "attention"),
    "data": ("sha256", "labels"),
    "model": ("sha256",),
}
ADAPTER_FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "encoder.safetensors",
    "head.safetensors",
    "trained.safetensors",
    "home.safetensors",
    "labels.json",
)
# prefix in the state of tensors that stay with a client, before its index
HOME = "exchange/home/"


class Store:
    """Where a run is kept; with folder None, nowhere.

    No file is ever half-written. State is written first and under the name of its round, run.json
    last: after a crash run.json always names a state that is complete.
    """

    def __init__(self, folder: str | Path | None):
        self.folder = None if folder is None else Path(folder)

    def previous_record(self, config: RunConfig, resume: bool) -> Run | None:
        """Return the record to resume, or None for a new run. Writes nothing.

        Raises FedkitError instead of overwriting a run, or when the settings have changed.
        """
        if self.folder is None:
            return None
        check_writable(self.folder)
        there = (self.folder / "run.json").exists()
        if there and not resume:
            raise FedkitError(
                f"{self.folder} already holds a run; add --resume to go on with it, or choose"
                " another --out"
            )
        if not there:
            if foreign := [name for name in ADAPTER_FILES if (self.folder / name).exists()]:
                raise FedkitError(
                    f"--out {self.folder} holds {foreign[0]} and no run; choose a new folder"
                )
            return None
        before = Run.load(self.folder)
        if lacking := [
            key
            for block, keys in REQUIRED.items()
            for key in keys
            if key not in getattr(before, block)
        ]:
            raise FedkitError(
                f"cannot resume {self.folder}: its run.json lacks {lacking[0]!r}; choose another"
                " --out"
            )
        # the record may lack newer settings: they had their defaults
        given, kept = config.to_dict(), RunConfig().to_dict() | before.config
        if changed := sorted(
            k for k in given if k not in MACHINE_SETTINGS and given[k] != kept.get(k)
        ):
            name = changed[0]
            raise FedkitError(
                f"cannot resume {self.folder}: {name} was {kept.get(name)!r} and is now"
                f" {given[name]!r}; use the same settings or another --out"
            )
        return before

    def create_folder(self) -> None:
        """Create the folder. Raises FedkitError if that fails."""
        if self.folder is not None:
            try:
                (self.folder / "state").mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FedkitError(
                    f"cannot create {self.folder}: {error.strerror}; choose another --out"
                ) from None

    def save_round(
        self,
        record: Run,
        model: Model,
        shared: Params,
        extra: dict[str, Any],
        state: Params | None = None,
    ) -> None:
        """Write the state of a round, then run.json.

        A finished run keeps its adapter and no state. Raises FedkitError if that fails.
        """
        if self.folder is None:
            return
        try:
            self._save(record, model, shared, extra, state or {})
        except OSError as error:
            raise FedkitError(
                f"cannot write to {self.folder}: {error.strerror or error}; the rounds written"
                " before are whole: make room and use --resume"
            ) from None

    def write_record(self, record: Run) -> None:
        """Write a record without state, such as a baseline's. Raises FedkitError if that fails."""
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                record.save(self.folder)
            except OSError as error:
                raise FedkitError(
                    f"cannot write to {self.folder}: {error.strerror or error}; make room or choose"
                    " another --out"
                ) from None

    def _save(
        self, record: Run, model: Model, shared: Params, extra: dict[str, Any], state: Params
    ) -> None:
        tensors = {f"shared/{n}": t for n, t in shared.items()} | {
            f"state/{n}": t for n, t in state.items()
        }
        tensors |= {f"extra/{n}": t for n, t in extra.items() if t is not None}
        path = self._path(len(record.rounds))
        write_tensors(path, tensors)
        if record.finished:
            save_adapter(self.folder, model, shared, list(record.data["labels"]))
            if home := {n.removeprefix(HOME): t for n, t in state.items() if n.startswith(HOME)}:
                # CLIENT/NAME: each client's own part
                write_tensors(self.folder / "home.safetensors", home)
        record.save(self.folder)
        for old in path.parent.glob("round-*.safetensors*"):
            if record.finished or old != path:
                old.unlink()
        if record.finished and not any(path.parent.iterdir()):
            path.parent.rmdir()

    def read_state(
        self, record: Run, template: Params
    ) -> tuple[Params, Params, torch.Tensor | None, int]:
        """Return (shared parameters, strategy state, label shares, secret of the noise).

        As they were after the last round of the record. Raises FedkitError for a damaged state.
        """
        path = self._path(len(record.rounds))
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise FedkitError(
                f"cannot resume {self.folder}: {path.name} is missing or damaged"
                f" ({type(error).__name__}); start again in another --out"
            ) from None
        parts: dict[str, Params] = {"shared": {}, "state": {}, "extra": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = tensor
        secret = parts["extra"].pop("secret", torch.tensor(0))
        prior = {"prior": torch.zeros(len(record.data["labels"]))}
        try:
            check_tensors(parts["shared"], template)
            check_tensors(
                parts["extra"],
                prior if parts["extra"] or record.config["loss"] == "calibrated" else {},
            )
        except PayloadError as error:
            raise FedkitError(f"cannot resume {self.folder}: {error}") from None
        if secret.shape or secret.dtype != torch.int64 or secret < 0:
            raise FedkitError(
                f"cannot resume {self.folder}: the secret of its noise is damaged; start again"
            )
        return parts["shared"], parts["state"], parts["extra"].get("prior"), int(secret)

    def _path(self, number: int) -> Path:
        return self.folder / "state" / f"round-{number:04d}.safetensors"


def check_writable(folder: Path) -> None:
    """Raise FedkitError unless `folder` is, or can be made, a folder to write in.

    Leaves nothing behind.
    """
    try:
        place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        if not place.is_dir():
            raise FedkitError(f"--out {folder}: {place} is a file; give a folder")
        # write a file: permissions say too little about /proc and network drives
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise FedkitError(
            f"--out {folder}: cannot write there ({error.strerror}); choose a folder of your own"
        ) from None
