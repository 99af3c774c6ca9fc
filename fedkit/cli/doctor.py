"""Check whether this machine is ready, and say in one line each how to fix what is not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from fedkit.core.files import REPOSITORY, file_sha256, read_packaged_table
from fedkit.models.base import MODELS

ROOT = REPOSITORY
MIN_PYTHON = (3, 11, 5)
MIN_MEMORY_GIB = 4
MIN_DISK_GIB = 2
WEIGHTS_PACKAGE = MODELS["minilm"].package
WEIGHTS_FILE = f"{MODELS['minilm'].folder}/model.safetensors"
WEIGHTS_SHA256 = MODELS["minilm"].sha256
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}  # x86, x86, Arm, Arm
WIDGET_PACKAGES = ("ipywidgets", "anywidget", "jupyterlab")
# the browser part of a widget
WIDGET_EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "anywidget")
MEND: dict[str, str] = read_packaged_table("fedkit.cli", "doctor.toml")


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    ok: bool | None  # True: fine; None: a warning, the kit still works; False: fix it first
    found: str
    mend: str = ""  # how to fix it, one line; empty when there is nothing to fix

    @property
    def word(self) -> str:
        return {True: "OK", None: "warn", False: "FAIL"}[self.ok]


def run_checks(model: str = "minilm", out: str | Path = ".") -> list[Check]:
    """Return every check, in the order in which to fix them; takes seconds (torch, hashing)."""
    looks: dict[str, Callable[[], Check]] = {
        "Python": python_check,
        "packages": packages_check,
        "model weights": partial(weights_check, model),
        "bundled data": data_check,
        "output folder": partial(writable_check, "output folder", Path(out)),
        "cache folder": partial(writable_check, "cache folder", cache_folder(), needed=False),
        "free disk": partial(disk_check, Path(out)),
        "memory": memory_check,
        "threads": threads_check,
        "bf16": bf16_check,
        "GPU": gpu_check,
        "widgets": widgets_check,
    }
    return [_run_check(name, look) for name, look in looks.items()]


def _check(name: str, ok: bool | None, found: str, mend: str = "", **values: object) -> Check:
    """Return a check that says how to fix it where it is not fine; mend: the row of MEND."""
    return Check(name, ok, found, "" if ok else MEND[mend or name].format(**values))


def _run_check(name: str, look: Callable[[], Check]) -> Check:
    """Return the check's result; a check that raises (torch does not import) has failed."""
    try:
        return look()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        found = f"could not be checked: {type(error).__name__}: {reason}"
        return _check(name, False, found, "packages")


# ---- what is installed


def python_check(version: Sequence[int] | None = None) -> Check:
    version = tuple(version or sys.version_info)[:3]
    return _check("Python", version >= MIN_PYTHON, ".".join(map(str, version)))


def requirements() -> list[str]:
    """Return fedkit's direct dependencies, from pyproject.toml or the installed metadata."""
    pyproject = ROOT / "pyproject.toml"
    if pyproject.is_file():
        return tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    return importlib.metadata.requires("fedkit") or []


def packages_check(needed: Sequence[str] | None = None) -> Check:
    """Check installed versions against `needed` (PEP 508 lines; None: fedkit's own)."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in (requirements() if needed is None else needed)]
    wanted = [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    versions = {r: _version(r.name) for r in wanted}
    missing = [f"{r.name} is missing" for r, version in versions.items() if version is None]
    outside = [
        f"{r.name} {version} is not {r.specifier}"
        for r, version in versions.items()
        if version is not None and not r.specifier.contains(version, prereleases=True)
    ]
    torch = f", torch {_version('torch')}" if _version("torch") else ""
    found = "; ".join(missing + outside) or f"{len(wanted)} of {len(wanted)}{torch}"
    return _check("packages", not (missing or outside), found)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def widgets_check(folders: Sequence[str | Path] | None = None) -> Check:
    """Check the widgets' Python packages and prebuilt JupyterLab extensions in `folders`."""
    if folders is None:
        from jupyter_core.paths import jupyter_path

        folders = jupyter_path("labextensions")
    versions = {name: _version(name) for name in WIDGET_PACKAGES}
    extensions = [
        name for name in WIDGET_EXTENSIONS if not any((Path(f) / name).is_dir() for f in folders)
    ]
    missing = [name for name, version in versions.items() if version is None]
    missing += [f"JupyterLab extension {name}" for name in extensions]
    there = ", ".join(f"{name} {version}" for name, version in versions.items())
    found = "missing: " + ", ".join(missing) if missing else there
    return _check("widgets", not missing, found)


# ---- what must be on disk


def weights_check(model: str = "minilm", path: str | Path | None = None) -> Check:
    """Check the base model's weights; for `minilm` the SHA-256, of `path` if it is given."""
    if model != "minilm":
        return _other_model_check(model)
    if path is None:  # finds the package without importing it
        spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
        path = Path(spec.origin).parent / WEIGHTS_FILE if spec and spec.origin else None
    path = path and Path(path)
    ok = False
    if path is None or not path.is_file():
        found = f"no {path or f'package {WEIGHTS_PACKAGE}'}"
    elif (sha256 := file_sha256(path)) != WEIGHTS_SHA256:
        found = f"sha256 {sha256[:12]}, not {WEIGHTS_SHA256[:12]}: {path}"
    else:
        ok = True
        found = f"{path.stat().st_size / 1e6:.0f} MB, sha256 {sha256[:12]} as tested"
    return _check("model weights", ok, f"minilm: {found}")


def _other_model_check(model: str) -> Check:
    folder = Path(model).expanduser()
    if not folder.is_dir():
        found = f"{model}: no such folder here; a hub must be reachable"
        return _check("model weights", None, found, "no model")
    ok = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    state = "config.json and safetensors are there" if ok else None
    found = f"{model}: {state or 'config.json or *.safetensors is missing'}"
    return _check("model weights", ok, found, "part of a model", model=model)


def data_check(root: str | Path = ROOT) -> Check:
    path = Path(root) / "data" / "service_desk" / "train.csv"
    size = path.stat().st_size if path.is_file() else 0
    found = f"service_desk, {size / 1e3:.0f} kB" if size else f"missing or empty: {path}"
    return _check("bundled data", size > 0, found)


def cache_folder() -> Path:
    """Return the folder where models and data sets from a hub are kept, and nothing else."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(os.environ.get("HF_HOME") or os.path.join(cache, "huggingface"))


def writable_check(name: str, folder: Path, needed: bool = True) -> Check:
    """Check that a file can be made in `folder`, or in its nearest parent that exists."""
    place, bad = _existing(folder), False if needed else None
    if not place.is_dir():
        return _check(name, bad, f"{place} is a file, not a folder")
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        return _check(name, bad, f"cannot write in {place}: {error.strerror or error}")
    there = "can write:" if place == folder.absolute() else "can be made in"
    return _check(name, True, f"{there} {place}")


def _existing(path: Path) -> Path:
    """Return `path`, or its nearest ancestor that exists."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())


def disk_check(folder: Path, free_bytes: int | None = None) -> Check:
    free = (shutil.disk_usage(_existing(folder)).free if free_bytes is None else free_bytes) / 2**30
    fine = None if free < MIN_DISK_GIB else True
    return _check("free disk", fine, f"{free:.1f} GiB", least=MIN_DISK_GIB)


# ---- what the machine offers


def memory_check(free_bytes: int | None = None) -> Check:
    if free_bytes is None:
        import psutil

        free_bytes = psutil.virtual_memory().available
    free = free_bytes / 2**30
    fine = None if free < MIN_MEMORY_GIB else True
    return _check("memory", fine, f"{free:.1f} GiB free", least=MIN_MEMORY_GIB)


def threads_check(cpus: int | None = None, threads: int | None = None) -> Check:
    """Check the threads of torch against the processors that this process may use."""
    if threads is None:
        import torch

        threads = torch.get_num_threads()
    allowed = getattr(os, "sched_getaffinity", None)  # by a container or a batch system
    cpus = cpus or (len(allowed(0)) if allowed else os.cpu_count() or 1)
    found = (
        f"{cpus} processors, torch uses {threads},"
        f" OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS') or 'not set'}"
    )
    slow = "more threads than processors" if threads > cpus else "one thread only"
    fine = None if threads > cpus or threads == 1 < cpus else True
    return _check("threads", fine, found, slow=slow, cpus=cpus)


def bf16_check(cpuinfo: str | None = None) -> Check:
    """Report whether the processor computes in bfloat16 natively; either way is fine.

    cpuinfo: text of Linux's /proc/cpuinfo; None: read here, or torch's flags where there is none.
    """
    path = Path("/proc/cpuinfo")
    if cpuinfo is None and path.is_file():
        cpuinfo = path.read_text(encoding="utf-8", errors="replace")
    if cpuinfo is None:
        flags = _torch_flags()
    else:
        line = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
        flags = set(line.group(1).split()) if line else set()
    native = sorted(flags & BF16_FLAGS)
    found = f"native ({', '.join(native)})" if native else "not native; float32 works everywhere"
    return _check("bf16", True, found)


def _torch_flags() -> set[str]:
    import torch

    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # newer torch only
    return {name.removeprefix("arm_") for name, there in capabilities.items() if there is True}


def gpu_check() -> Check:
    import torch

    found = "mps" if torch.backends.mps.is_available() else "none; none is needed"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        found = "cuda: " + ", ".join(names)
    return _check("GPU", True, found)


# ---- how it is shown


def to_table(checks: Sequence[Check]) -> str:
    """Return lines with OK, warn or FAIL, the name and the result; below, how to fix it."""
    width = max((len(c.name) for c in checks), default=0)
    lines = []
    for c in checks:
        lines.append(f"{c.word:<4}  {c.name:<{width}}  {c.found}")
        lines += [f"{'':<4}  {'':<{width}}  -> {c.mend}"] if c.mend else []
    return "\n".join(lines)


def to_json(checks: Sequence[Check]) -> str:
    """Return {"ok": nothing failed, "checks": [{"name", "ok": bool | null, "found", "mend"}]}."""
    values = {"ok": all(c.ok is not False for c in checks), "checks": [asdict(c) for c in checks]}
    return json.dumps(values, indent=2)
