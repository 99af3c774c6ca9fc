"""Files that the kit writes and files that it carries."""

from __future__ import annotations

import importlib.resources
import json
import math
import os
from pathlib import Path
from typing import Any

# of a clone; the lessons and the bundled data are there
REPOSITORY = Path(__file__).resolve().parents[2]


def write_json(path: Path, values: Any) -> Path:
    """Write JSON beside its target, flush it to disk, then rename: never a half-written file."""
    text = json.dumps(finite(values), indent=1, ensure_ascii=False, allow_nan=False)
    temporary = path.with_name(path.name + ".tmp")
    # backslashreplace: a lone surrogate, as in a file name that is not UTF-8, becomes the escape
    # that JSON has for it
    with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return path


def finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value


def packaged(package: str, name: str) -> str:
    """Return the text of a file that lies in a package of the kit, such as a template (UTF-8)."""
    return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")
