"""The wheel holds all that it needs: it is installed where nothing of the checkout is in reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("fedkit", "pyproject.toml", "README.md", "LICENSE")


def call(*words: object, folder: Path, code: int = 0) -> str:
    """Run a command that must end with `code`; return what it prints."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([str(w) for w in words], cwd=folder, env=env, capture_output=True)
    out = done.stdout.decode(errors="replace")
    assert done.returncode == code, f"{words}: {done.returncode}\n{out}\n{done.stderr.decode()}"
    return out


@pytest.fixture(scope="module")
def fedkit(tmp_path_factory) -> Path:
    """Return the command of a new environment: the wheel, and the libraries it asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        place = ROOT / name
        copy = shutil.copytree if place.is_dir() else shutil.copy
        copy(place, folder / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    call(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", "made", ".", folder=folder)
    venv.create(folder / "env", with_pip=False)
    there = sysconfig.get_path("purelib", vars={"base": str(folder / "env")})
    # a path in a .pth file brings the libraries, and not the checkout that is installed beside them
    Path(there, "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    (wheel,) = (folder / "made").glob("fedkit-*.whl")
    command = folder / "env" / "bin" / "python"
    call(*pip, "--python", command, "install", "--no-deps", "--no-index", wheel, folder=folder)
    code = "import fedkit; print(fedkit.__file__)"
    assert call(command, "-c", code, folder=folder / "env").startswith(there)
    return command.with_name("fedkit")


@pytest.mark.slow
def test_a_wheel_runs_checks_and_briefs_without_the_checkout(
    fedkit, tiny_data, tiny_model, tmp_path
):
    given = ("--data", tiny_data, "--model", tiny_model, "--partition", "column:site")
    call(fedkit, "run", *given, "--rounds", 1, "--out", "runs/mine", folder=tmp_path)
    call(fedkit, "baselines", *given, "--rounds", 1, "--out", "runs/others", folder=tmp_path)
    call(fedkit, "compare", "runs/mine", "runs/others", "--html", "page.html", folder=tmp_path)
    call(fedkit, "brief", "runs/mine", "runs/others", "--lang", "en,ja", folder=tmp_path)
    for lang in ("en", "ja"):
        assert any((tmp_path / "runs" / "brief").rglob(f"*{lang}*.html")), lang
    file, not_yet = Path(tiny_data, "train.csv"), 3  # its texts are far too much alike
    told = call(fedkit, "check", file, "--out", "checked", folder=tmp_path, code=not_yet)
    assert "verdict: not yet" in told and (tmp_path / "checked" / "check.html").is_file()
    for name in ("showcase", "audit", "methods", "epsilon"):
        assert f"fedkit {name} " in call(fedkit, name, "--help", folder=tmp_path)
    assert "fedavg" in call(fedkit, "methods", folder=tmp_path)
