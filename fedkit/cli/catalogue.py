"""List every method that can be chosen, from the registries, for `fedkit methods`."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any

from fedkit.cli.console import TEXT
from fedkit.core.spec import describe_entries, first_paragraph

REGISTRIES: dict[str, list[str]] = TEXT["registries"]  # setting: what it decides, module, name


def list_methods() -> dict[str, list[dict[str, Any]]]:
    """Return {setting: [{name, about, parameters, needs}]}, with parameters {name: default}."""
    return {setting: _entries(setting, *place) for setting, (_, *place) in REGISTRIES.items()}


def method_lines(width: int = 100) -> list[str]:
    """Return the methods as text: a group for each setting, at most `width` columns."""
    out = []
    for setting, entries in list_methods().items():
        out += ["", f"{setting.replace('_', '-')}: {REGISTRIES[setting][0]}"]
        for entry in entries:
            words = [entry["about"]]
            words += [f"limits: {entry['needs']}"] if entry["needs"] else []
            values = ", ".join(f"{k}={_short(v)}" for k, v in entry["parameters"].items())
            words += [f"parameters: {values}"] if values else []
            out += _rows(entry["name"], words, width)
    return out[1:]


def _entries(setting: str, module: str, name: str) -> list[dict[str, Any]]:
    registry = getattr(importlib.import_module(module), name)
    if isinstance(registry, Mapping) and all(
        isinstance(e, type) and is_dataclass(e) for e in registry.values()
    ):
        return describe_entries(dict(registry))
    values = registry if isinstance(registry, Mapping) else dict.fromkeys(registry)
    return [
        {
            "name": entry,
            "about": _about(setting, entry, value),
            "parameters": TEXT["parameters"].get(entry, {}),
            "needs": "",
        }
        for entry, value in values.items()
    ]


def _about(setting: str, name: str, value: Any) -> str:
    from fedkit.network import Device, Link, profiles

    if name in (written := TEXT["methods"].get(setting, {})):
        return written[name]
    if isinstance(value, str):
        return value
    if isinstance(value, Link):
        return f"{profiles.describe_link(name).partition(': ')[2]}: {value.about}."
    if isinstance(value, Device):
        room = "" if value.memory is None else f", {value.memory / 1e9:g} GB to train in"
        return f"{value.slowdown:g} times the training seconds{room}: {value.basis}."
    return first_paragraph(value) if inspect.isfunction(value) else ""


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rows(name: str, words: Iterable[str], width: int) -> list[str]:
    indent = 17
    lines = [
        line
        for part in words
        for line in textwrap.wrap(part, width - indent - 2, subsequent_indent="  ")
    ]
    first = f"  {name:<{indent - 2}}"
    return [
        f"{first if i == 0 else ' ' * indent}{line}".rstrip()
        for i, line in enumerate(lines or [""])
    ]
