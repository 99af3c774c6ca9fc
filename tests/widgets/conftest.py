"""A machine without ipywidgets."""

from __future__ import annotations

import builtins
from collections.abc import Callable

import pytest


@pytest.fixture
def hide_module(monkeypatch) -> Callable[[str], None]:
    """Make the import of a module fail, as where ipywidgets is missing."""
    real = builtins.__import__

    def hide(hidden: str) -> None:
        def refuse(name, *rest, **more):
            if name == hidden:
                raise ImportError("No module named 'ipywidgets'.")
            return real(name, *rest, **more)

        monkeypatch.setattr(builtins, "__import__", refuse)

    return hide
