"""TODO"""

from __future__ import annotations

from dataclasses import dataclass

from fedkit.core.formatting import tidy


@dataclass(frozen=True)
class Look:
    """How a method is called and drawn: display name, a name short enough to stand beside a line,
    colour, dash.
    """

    name: str
    short: str
    colour: str
    dash: str = "dash"


METHODS: dict[str, Look] = {
    "majority": Look("Majority class", "Majority class", "#8c8c8c", "dot"),
    "frozen-pooled": Look(
        "Frozen encoder + logistic regression, pooled", "Frozen, pooled", "#e69f00"
    ),
    "frozen-local": Look(
        "Frozen encoder + logistic regression, local only", "Frozen, local", "#56b4e9"
    ),
    "local": Look("Local only", "Local only", "#d55e00"),
    "pooled": Look("Pooled (centralized)", "Pooled", "#009e73"),
    "full": Look("Full tuning, pooled", "Full tuning", "#cc79a7"),
    "federated": Look("Federated", "Federated", "#0072b2", "solid"),
}


def look(method: str) -> Look:
    """The look of a method; one we do not know is drawn black, under its own name."""
    return METHODS.get(method) or Look(tidy(method, 60), tidy(method, 16), "#000000")
