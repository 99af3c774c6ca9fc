"""TODO"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path

from fedkit.core.config import RunConfig

WITHOUT_FLAG = ("dtype", "clip_norm")  # settings that the command line does not have


def command(name: str, config: RunConfig, *rest: str | Path) -> str:
    """The command line that runs `name` with these settings: those that are not the default, then
    `rest`.
    """
    words, default = ["fedkit", name], RunConfig()
    for key in (f.name for f in fields(RunConfig) if f.name not in WITHOUT_FLAG):
        if (value := getattr(config, key)) != getattr(default, key):
            whole = isinstance(value, float) and value == int(value)
            words += ["--" + key.replace("_", "-"), str(int(value) if whole else value)]
    return shown(*words, *rest)


def shown(*words: str | Path) -> str:
    """Words as one command line, quoted for this system's shell."""
    words = tuple(str(w) for w in words)
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
