"""The folder of a run: run.json, the adapter in PEFT format, and the state to resume from."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fedkit.core.config import MACHINE_SETTINGS, RunConfig
from fedkit.core.errors import FedkitError, PayloadError
from fedkit.core.files import (
    PRIVATE,
    file_sha256,
    leftovers,
    lock_folder,
    refuse_links,
    require_file,
    write_error,
)
from fedkit.core.formatting import one_line_error
from fedkit.core.record import Run
from fedkit.core.tensors import Params
from fedkit.experiments.job import LOCAL_SHA256, Job
from fedkit.federated.methods import methods_of
from fedkit.models.adapter_io import save_adapter, write_tensors
from fedkit.models.classifier import Model
from fedkit.privacy.mechanisms import run_key
from fedkit.privacy.noise import KEY_BYTES, NoiseKey
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
# names in state/ that are ours, with what a writer left that was killed
STATE = re.compile(r"round-\d{4,}\.safetensors|\.round-\d{4,}\.safetensors\.\d+-[0-9a-f]{8}\.tmp")
# prefix in the state of tensors that stay with a client, before its index
HOME = "exchange/home/"


class Store:
    """Where a run is kept; with folder None, nowhere.

    No file is ever half-written. State is written first and under the name of its round, run.json
    last: after a crash run.json always names a state that is complete.
    """

    def __init__(self, folder: str | Path | None):
        self.folder = None if folder is None else Path(folder)
        self.held: Callable[[], bool] = lambda: True

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing to the folder; make it. Raises FedkitError."""
        if self.folder is None:
            yield
            return
        check_writable(self.folder)
        with lock_folder(self.folder) as self.held:
            yield

    def previous_record(self, config: RunConfig, resume: bool) -> Run | None:
        """Return the record to resume, or None for a new run. Writes nothing.

        Raises FedkitError instead of overwriting a run, or when the settings have changed.
        """
        if self.folder is None:
            return None
        check_writable(self.folder)
        if not (self.folder / "run.json").exists():
            if foreign := [name for name in ADAPTER_FILES if (self.folder / name).exists()]:
                raise FedkitError(
                    f"--out {self.folder} holds {foreign[0]} and no run; choose a new folder"
                )
            return None
        if not resume:
            raise FedkitError(
                f"{self.folder} already holds a run; add --resume to go on with it, or choose"
                " another --out"
            )
        before = Run.load(self.folder)
        before.check_files(self.folder)
        for block, keys in REQUIRED.items():
            if lacking := [key for key in keys if key not in getattr(before, block)]:
                lacks = f"its run.json lacks {lacking[0]!r}; choose another --out"
                raise FedkitError(f"cannot resume {self.folder}: {lacks}")
        # the record may lack newer settings: they had their defaults
        given, kept = config.to_dict(), RunConfig().to_dict() | before.config
        for name in sorted(given.keys() - MACHINE_SETTINGS):
            if given[name] != kept.get(name) and not _is_same_source(before, name, given[name]):
                raise FedkitError(
                    f"cannot resume {self.folder}: {name} was {kept.get(name)!r} and is now"
                    f" {given[name]!r}; use the same settings or another --out"
                )
        return before

    def save_round(
        self,
        record: Run,
        model: Model,
        shared: Params,
        extra: dict[str, Any],
        state: Params | None = None,
    ) -> Run:
        """Write the state of a round, then run.json; return the record with the files' digests.

        A finished run keeps its adapter and no state. Raises FedkitError if that fails.
        """
        if self.folder is None:
            return record
        if not self.held():
            raise FedkitError(f"{self.folder} now belongs to a run that was started later here")
        try:
            written = self._write_tensors(record, model, shared, extra, state or {})
            digests = {p.relative_to(self.folder).as_posix(): file_sha256(p) for p in written}
            record = replace(self._placed(record), files=digests)
            record.save(self.folder)
            self._clear_states(record)
            return record
        except (FedkitError, OSError) as error:
            said = write_error(self.folder, error) if isinstance(error, OSError) else error
            raise FedkitError(
                f"{said}; the rounds written before are whole: go on with --resume"
            ) from None

    def write_record(self, record: Run) -> None:
        """Write a record without state, such as a baseline's. Raises FedkitError if that fails."""
        if self.folder is not None:
            self._placed(record).save(self.folder)

    def _placed(self, record: Run) -> Run:
        """Return the record with the way from its folder to where its relative paths lead on."""
        paths = [Path(record.config[name]) for name in LOCAL_SHA256 if name in record.config]
        way = {}
        if any(os.path.exists(path) and not path.is_absolute() for path in paths):
            with suppress(ValueError):  # another drive
                way["started_in"] = os.path.relpath(Path.cwd(), self.folder.resolve())
        return replace(record, environment=way | record.environment)

    def _write_tensors(
        self, record: Run, model: Model, shared: Params, extra: dict[str, Any], state: Params
    ) -> list[Path]:
        """Write the round's state, at the end the adapter; return the files to keep."""
        kept = {n: t for n, t in extra.items() if t is not None}
        parts = {"shared": shared, "state": state, "extra": kept}
        tensors = {f"{part}/{n}": t for part, named in parts.items() for n, t in named.items()}
        path = self._path(len(record.rounds))
        refuse_links(path.parent, self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        written = write_tensors(path, tensors, mode=PRIVATE)  # it may hold the key of the noise
        if not record.finished:
            return [written]
        adapter = save_adapter(self.folder, model, shared, list(record.data["labels"]))
        if home := {n.removeprefix(HOME): t for n, t in state.items() if n.startswith(HOME)}:
            # CLIENT/NAME: each client's own part
            adapter.append(write_tensors(self.folder / "home.safetensors", home))
        return adapter

    def _clear_states(self, record: Run) -> None:
        """Delete older states, all of a finished run, and what a killed writer left."""
        latest = self._path(len(record.rounds))
        old = [p for p in latest.parent.iterdir() if STATE.fullmatch(p.name)]
        for name in ("run.json", *ADAPTER_FILES):
            old += leftovers(self.folder / name)
        for place in old:
            if record.finished or place != latest:
                place.unlink()
        if record.finished and not any(latest.parent.iterdir()):
            latest.parent.rmdir()

    def read_state(
        self, record: Run, template: Params
    ) -> tuple[Params, Params, torch.Tensor | None, NoiseKey]:
        """Return (shared parameters, strategy state, label shares, key); FedkitError if damaged."""
        path = self._path(len(record.rounds))
        try:
            tensors = load_file(require_file(path))
        except (OSError, SafetensorError, FedkitError) as error:
            raise FedkitError(
                f"cannot resume {self.folder}: {path.name} is missing or damaged"
                f" ({one_line_error(error)}); start again in another --out"
            ) from None
        parts: dict[str, Params] = {"shared": {}, "state": {}, "extra": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = tensor
        config, secret = RunConfig.from_dict(record.config), parts["extra"].pop("secret", None)
        prior = {"prior": torch.zeros(len(record.data["labels"]))}
        has_prior = parts["extra"] or record.config["loss"] == "calibrated"
        try:
            check_tensors(parts["shared"], template)
            check_tensors(parts["extra"], prior if has_prior else {})
        except PayloadError as error:
            raise FedkitError(f"cannot resume {self.folder}: {error}") from None
        privacy = methods_of(config).privacy
        key = run_key(privacy, config.seed)
        if privacy.has_secret_noise:
            if secret is None or secret.shape != (KEY_BYTES,) or secret.dtype != torch.uint8:
                raise FedkitError(
                    f"cannot resume {self.folder}: the secret of its noise is damaged; start again"
                )
            key = NoiseKey(bytes(secret.tolist()))
        return parts["shared"], parts["state"], parts["extra"].get("prior"), key

    def _path(self, number: int) -> Path:
        return self.folder / "state" / f"round-{number:04d}.safetensors"


def _is_same_source(record: Run, name: str, value: Any) -> bool:
    """Return whether data or model under another path are those of the record, byte by byte."""
    now = LOCAL_SHA256[name](value) if name in LOCAL_SHA256 else None
    return now is not None and now == getattr(record, name)["sha256"]


def check_sources(record: Run, job: Job | None) -> None:
    """Raise FedkitError if data or model of `job` are no longer those of the record."""
    for what, now in (("data", job.corpus), ("model", job.model.source)) if job else ():
        if getattr(record, what)["sha256"] != now.sha256:
            raise FedkitError(
                f"cannot resume: the {what} has changed since {record.method} was recorded (sha256"
                " differs); choose another --out"
            )


def check_writable(folder: Path) -> None:
    """Raise FedkitError unless `folder` is or can be made a folder to write in; leave nothing."""
    try:
        place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        if not place.is_dir():
            raise FedkitError(f"--out {folder}: {place} is a file; give a folder")
        # write a file: permissions say too little about /proc and network drives
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise FedkitError(
            f"--out {folder}: cannot write there ({error.strerror}); choose a folder of your own"
        ) from None
