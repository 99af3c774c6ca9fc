"""How bad input is refused: by a FedkitError of one line, and by one line on stderr."""

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


def assert_one_line(line: str, words: str = "") -> None:
    """One line for people: it names every one of `words`, in any order, and shows no Python."""
    assert line.startswith("fedkit: ") and line.count("\n") == 1 and line.endswith("\n"), line
    missing = [word for word in words.split(" ") if word.casefold() not in line.casefold()]
    assert not missing, f"{missing} not in: {line}"
    assert len(line) < 500 and not any(
        word in line for word in ("Traceback", "Error:", "object at", "Errno")
    ), line
