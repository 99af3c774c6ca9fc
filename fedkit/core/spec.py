"""Named methods with parameters: one grammar and one way to say what is wrong, for every registry
of the kit.

A registry is a literal dict {name: frozen dataclass}. Its fields are the parameters, the first line
of its docstring says what it is, and `needs` (optional, a class attribute) says what it asks of the
rest.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fedkit.core.config import parse_spec
from fedkit.core.errors import FedkitError


def build(kind: str, registry: dict[str, type], spec: str) -> Any:
    """The entry that 'name', 'name:value' or 'name:key=value,...' describes; a bare value is the
    first parameter.

    Raises FedkitError, which names what is allowed, for an unknown name or parameter or a value of
    another kind.
    """
    name, options = parse_spec(spec)
    if name not in registry:
        raise FedkitError(f"{kind} {name!r} is not known; choose one of: {', '.join(registry)}")
    entry, kinds = registry[name], parameters(registry[name])
    if (bare := options.pop("", None)) is not None:  # stands for the first parameter
        if not kinds or bare in kinds:
            raise FedkitError(
                f"{kind} {spec!r}: expected key=value after {name!r}, got {bare!r}; example:"
                f" {_example(name, kinds)}"
            )
        first = next(iter(kinds))
        if not _reads(kinds[first], bare):
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


def _example(name: str, kinds: dict[str, type]) -> str:
    return (
        "lora:r=8,alpha=16"
        if not kinds or "r" in kinds
        else f"{name}:{next(iter(kinds))}={1 if next(iter(kinds.values())) is int else 0.1}"
    )


def _reads(kind: type, value: str) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True


def parameters(entry: type) -> dict[str, type]:
    """{parameter: its type}, in order."""
    return {f.name: type(f.default) for f in fields(entry) if f.init}


def describe(registry: dict[str, type]) -> list[dict[str, Any]]:
    """Every entry for people and programs: name, about, parameters with their defaults, needs."""
    return [
        {
            "name": name,
            "about": summary(entry),
            "parameters": {f.name: f.default for f in fields(entry) if f.init},
            "needs": getattr(entry, "needs", ""),
        }
        for name, entry in registry.items()
    ]


def summary(entry: Any) -> str:
    """Return the first paragraph of an entry's docstring on one line; "" without one."""
    return " ".join((entry.__doc__ or "").strip().split("\n\n")[0].split())
