"""Command lines of fedkit as text, quoted for the shell of this system."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path

from fedkit.core.config import RunConfig


def command_line(name: str, config: RunConfig, *rest: str | Path) -> str:
    """Return the command that runs `fedkit NAME` with the settings of `config`.

    Only settings that differ from the default are written; `rest` follows them.
    """
    words, default = ["fedkit", name], RunConfig()
    for key in (f.name for f in fields(RunConfig) if f.metadata.get("flag", True)):
        if (value := getattr(config, key)) != getattr(default, key):
            whole = isinstance(value, float) and value == int(value)
            words += ["--" + key.replace("_", "-"), str(int(value) if whole else value)]
    return quote_command(*words, *rest)


def quote_command(*words: str | Path) -> str:
    """Return the words as one command line, quoted for the shell of this system."""
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)
