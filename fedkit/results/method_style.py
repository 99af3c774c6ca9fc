"""Display names, colours and line styles of the methods."""

from __future__ import annotations

from dataclasses import dataclass

from fedkit.core.formatting import printable_line


@dataclass(frozen=True)
class MethodStyle:
    """Display name of a method, a short name for labels beside lines, colour and dash."""

    name: str
    short: str
    colour: str
    dash: str = "dash"


METHODS: dict[str, MethodStyle] = {
    "majority": MethodStyle("Majority class", "Majority class", "#8c8c8c", "dot"),
    "frozen-pooled": MethodStyle(
        "Frozen encoder + logistic regression, pooled", "Frozen, pooled", "#e69f00"
    ),
    "frozen-local": MethodStyle(
        "Frozen encoder + logistic regression, local only", "Frozen, local", "#56b4e9"
    ),
    "local": MethodStyle("Local only", "Local only", "#d55e00"),
    "pooled": MethodStyle("Pooled (centralized)", "Pooled", "#009e73"),
    "full": MethodStyle("Full tuning, pooled", "Full tuning", "#cc79a7"),
    "federated": MethodStyle("Federated", "Federated", "#0072b2", "solid"),
}


def method_style(method: str) -> MethodStyle:
    """Return the style of a method; an unknown one is drawn black, under its own name."""
    return METHODS.get(method) or MethodStyle(
        printable_line(method, 60), printable_line(method, 16), "#000000"
    )
