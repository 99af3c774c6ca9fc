"""Display names, colours and line styles of the methods."""

from __future__ import annotations

from dataclasses import dataclass

from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import printable_line


@dataclass(frozen=True)
class MethodStyle:
    """Display name of a method, a short name for labels beside lines, colour and dash."""

    name: str
    short: str
    colour: str
    dash: str = "dash"


ROWS = read_packaged_table("fedkit.results", "method_style.toml")
METHODS: dict[str, MethodStyle] = {method: MethodStyle(**row) for method, row in ROWS.items()}


def method_style(method: str) -> MethodStyle:
    """Return the style of a method; an unknown one is drawn black, under its own name."""
    return METHODS.get(method) or MethodStyle(
        printable_line(method, 60), printable_line(method, 16), "#000000"
    )
