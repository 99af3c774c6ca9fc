"""Registries of methods with parameters: building and describing an entry from its text form.

A registry is a literal dict {name: frozen dataclass}. The fields of the dataclass are the
parameters, the first paragraph of its docstring says what it is, and the optional class attribute
`needs` says what it requires of the other settings.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fedkit.core.config import parse_spec
from fedkit.core.errors import FedkitError


def build_entry(kind: str, registry: dict[str, type], spec: str) -> Any:
    """Build an entry of `registry` from 'name', 'name:value' or 'name:key=value,...'.

    kind: what the entry is, for messages. A bare value is the first parameter. Raises FedkitError,
    which names what is allowed, for an unknown name or parameter or a value of a wrong type.
    """
    name, options = parse_spec(spec, kind)
    if name not in registry:
        raise FedkitError(f"{kind} {name!r} is not known; choose one of: {', '.join(registry)}")
    entry, kinds = registry[name], parameter_types(registry[name])
    if (bare := options.pop("", None)) is not None:  # stands for the first parameter
        if not kinds or bare in kinds:
            raise FedkitError(
                f"{kind} {spec!r}: expected key=value after {name!r}, got {bare!r}; example:"
                f" {_example(name, kinds)}"
            )
        first = next(iter(kinds))
        if first in options:
            raise FedkitError(f"{kind} {spec!r}: {first} is given twice; give it once")
        if not _can_convert(kinds[first], bare):
            raise FedkitError(
                f"{kind} {spec!r}: {bare!r} is not a number; example: {_example(name, kinds)}"
            )
        options = {first: bare, **options}
    if unknown := [key for key in options if key not in kinds]:
        allowed = ", ".join(kinds) or "none"
        raise FedkitError(
            f"{kind} {name!r} has no parameter {unknown[0]!r}; its parameters: {allowed}"
        )
    try:
        values = {key: kinds[key](value) for key, value in options.items()}
    except ValueError:
        wanted = ", ".join(f"{key}={t.__name__}" for key, t in kinds.items())
        raise FedkitError(f"{kind} {spec!r}: a value is not a number; expected {wanted}") from None
    return entry(**values)


def parameter_types(entry: type) -> dict[str, type]:
    """Return the parameters of an entry with their types, in order."""
    return {f.name: type(f.default) for f in fields(entry) if f.init}


def describe_entries(registry: dict[str, type]) -> list[dict[str, Any]]:
    """Return a dict for each entry: name, about, parameters with their defaults, needs."""
    return [
        {
            "name": name,
            "about": first_paragraph(entry),
            "parameters": {f.name: f.default for f in fields(entry) if f.init},
            "needs": getattr(entry, "needs", ""),
        }
        for name, entry in registry.items()
    ]


def first_paragraph(entry: Any) -> str:
    """Return the first paragraph of an entry's docstring on one line; "" without one."""
    return " ".join((entry.__doc__ or "").strip().split("\n\n")[0].split())


def _example(name: str, kinds: dict[str, type]) -> str:
    if not kinds or "r" in kinds:
        return "lora:r=8,alpha=16"
    first, kind = next(iter(kinds.items()))
    return f"{name}:{first}={1 if kind is int else 0.1}"


def _can_convert(kind: type, value: str) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True
