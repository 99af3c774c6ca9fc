"""How the command line speaks: a progress line, one-line errors, exit codes."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.progress import Progress

USER_ERROR, STOPPED = 2, 130
# control characters, those that turn the direction of writing, and halves of characters
STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
SETTING = (
    rf"^(no |unknown |)({'|'.join(f.name.replace('_', '[- ]') for f in fields(RunConfig))}):?"
    r" (?=['\d-])"
)
LONGEST = 1_000  # characters of an error: a damaged file may quote itself at length


def call(command: Callable[[], Any]) -> int:
    """Run a command; turn what a user can cause into one line on stderr and an exit code."""
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # what libraries tell programmers
            code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except FedkitError as error:
        return fail(str(error))
    except (Cancelled, KeyboardInterrupt) as error:
        fail(str(error) or "stopped")
        return STOPPED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return fail(
            f"{error.filename or 'file'}: {error.strerror or error}; check the path, the"
            " permissions, the free space"
        )
    except Exception as error:
        if said := _parser_says(error) or _no_memory(error):
            return fail(said)
        raise


def _parser_says(error: Exception) -> str:
    """The option parser's own errors in this kit's words, with the --help to read; '' for any other
    error.
    """
    if not (hasattr(error, "exit_code") and hasattr(error, "format_message")):
        return ""
    said = re.sub(r"^Invalid value for '(.+?)':", r"\1", error.format_message()).rstrip(".")
    said = re.sub(
        r"^Missing argument '(.+?)'", lambda found: f"{found[1].upper()} is missing", said
    )
    path = getattr(getattr(error, "ctx", None), "command_path", "fedkit")
    return f"{said[:1].lower()}{said[1:]}; see: {path} --help"


def _no_memory(error: Exception) -> str:
    """What to do when memory ran out, which torch tells as a RuntimeError; '' for any
    other error.
    """
    short = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and re.search("out of memory|allocate memory|not enough memory", str(error))
    )
    return (
        "out of memory; use a smaller --batch-size or --max-tokens, or fewer examples"
        if short
        else ""
    )


def fail(message: str) -> int:
    """One line on stderr; the exit code for a user's mistake."""
    line = plain(re.sub(SETTING, _flag, " ".join(message.split())))
    print("fedkit:", line if len(line) <= LONGEST else line[: LONGEST - 1] + "…", file=sys.stderr)
    return USER_ERROR


def _flag(found: re.Match[str]) -> str:
    """A setting at the head of a message, as the flag it is on the command line."""
    return f"{found[1]}--{found[2].replace(' ', '-')} "


def plain(text: str) -> str:
    """`text` without what could steer a terminal: labels and names come from files that strangers
    wrote.
    """
    return STEERING.sub("\ufffd", text)


def say(*words: object) -> None:
    """A line for people, on stderr, so that --json leaves stdout to programs."""
    print(*words, file=sys.stderr, flush=True)


def show(lines: Iterable[str]) -> None:
    """Lines for people on stdout; what the terminal cannot print is replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in "\n".join(lines).split("\n"):
        print(plain(line).encode(encoding, "replace").decode(encoding))


def show_json(values: Any) -> None:
    """Values for programs on stdout; escaped where stdout is not Unicode."""
    from fedkit.core.files import finite

    unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(json.dumps(finite(values), ensure_ascii=not unicode, indent=1, allow_nan=False))


@contextmanager
def on_stop(words: Callable[[], str]) -> Iterator[None]:
    """When the block is stopped (Ctrl-C), say what `words` returns: what is kept, and how
    to go on.
    """
    try:
        yield
    except (KeyboardInterrupt, Cancelled):
        raise Cancelled(words()) from None


class Line:
    """A progress listener that rewrites one line on a terminal, and elsewhere prints a line for
    each new round.

    Use it as a context manager: at its end, also by an error, the terminal's line is cleared.
    """

    def __init__(self) -> None:
        self.last = (None, None)
        self.live = sys.stderr.isatty()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def __call__(self, now: Progress) -> None:
        if self.live:
            self.wait(str(now))
        elif (now.stage, now.round) != self.last:
            say(plain(str(now)))
        self.last = (now.stage, now.round)

    def wait(self, text: str) -> None:
        """A passing remark, on a terminal only."""
        if self.live:
            width = _columns() - 1
            print(f"\r\033[K{plain(text)[:width]}", end="", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        say(plain(text))

    def clear(self) -> None:
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns
