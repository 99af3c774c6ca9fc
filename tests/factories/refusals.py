"""How bad input is refused: by a FedkitError of one line."""

from __future__ import annotations

import pytest

from fedkit.core.errors import FedkitError


def refusal(action, *args, **options) -> str:
    """The one line with which `action` refuses its arguments."""
    with pytest.raises(FedkitError) as error:
        action(*args, **options)
    line = str(error.value)
    assert line and "\n" not in line and len(line) < 300
    return line
