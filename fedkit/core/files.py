"""Writing JSON atomically, and reading text files that are part of the package."""

from __future__ import annotations

import importlib.resources
import json
import math
import os
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]  # of a clone, with notebooks/ and data/


def write_json(path: Path, values: Any) -> Path:
    """Write `values` as JSON to `path` atomically (temporary file, fsync, rename); return `path`.

    NaN and infinity are written as null.
    """
    text = json.dumps(nan_to_none(values), indent=1, ensure_ascii=False, allow_nan=False)
    temporary = path.with_name(path.name + ".tmp")
    # backslashreplace: a lone surrogate, from a file name that is not UTF-8, becomes a JSON escape
    with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return path


def nan_to_none(value: Any) -> Any:
    """Return `value` with NaN and infinity replaced by None, in nested dicts, lists and tuples."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: nan_to_none(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_to_none(v) for v in value]
    return value


def read_packaged_text(package: str, name: str) -> str:
    """Return the text of a UTF-8 file inside a package of fedkit, such as a template."""
    return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")
