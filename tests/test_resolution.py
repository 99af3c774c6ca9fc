"""What is pinned can be installed elsewhere: every extra resolves to wheels for other systems.

Slow, and only where the package index can be asked: `make resolve`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11.5", "3.12", "3.13", "3.14")
MACOS = "14.0"  # torch has no wheel for an older one, and none for Intel
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("uv") is None, reason="uv is not installed"),
]


def resolve(platform: str, python: str, macos: str = MACOS) -> str:
    """Return "" if all extras resolve to wheels within constraints.txt, else what uv says."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--all-extras"]
    command += ["--python-platform", platform, "--python-version", python]
    command += ["--only-binary", ":all:", "-c", "constraints.txt", "pyproject.toml"]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": macos}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if any(sign in done.stderr for sign in ("Failed to fetch", "error sending request")):
        pytest.skip("the package index does not answer")
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", ["windows", "linux", "macos"])
def test_all_extras_resolve(platform, python):
    assert not resolve(platform, python)


def test_the_stated_minimum_is_the_true_one():
    assert "3.11.5" in resolve("linux", "3.11.4")
    assert "torch" in resolve("macos", "3.12", macos="13.0")
