"""Output of the command line: progress line, one-line errors, exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.files import nan_to_none, read_packaged_table
from fedkit.core.memory import is_out_of_memory
from fedkit.core.progress import Progress

TEXT = read_packaged_table("fedkit.cli", "text.toml")
USER_ERROR, STOPPED = 2, 130
# control characters, those that turn the direction of writing, and unpaired surrogates
STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
SETTING = (
    rf"^(no |unknown |)({'|'.join(f.name.replace('_', '[- ]') for f in fields(RunConfig))}):?"
    r" (?=['\d-])"
)
LONGEST = 1_000  # characters of an error: a damaged file may quote itself at length


def run_command(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code; users' errors are printed as one line on stderr."""
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # what libraries tell programmers
            code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except FedkitError as error:
        return print_error(str(error))
    except (Cancelled, KeyboardInterrupt) as error:
        print_error(str(error) or "stopped")
        return STOPPED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return print_error(
            _memory_message(error)
            or f"{error.filename or 'file'}: {error.strerror or error};"
            " check the path, the permissions, the free space"
        )
    except Exception as error:
        if said := _parser_message(error) or _memory_message(error):
            return print_error(said)
        raise


def prepare_streams() -> None:
    """Make output and Ctrl-C safe for the rest of this process.

    A closed stdout or stderr is replaced, so that a finished run does not fail by printing. The
    first Ctrl-C stops the command; further ones do not disturb it while it puts things away.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w")))

    def stop_once(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop_once)


def _parser_message(error: Exception) -> str:
    """Return an error of the option parser in this kit's words, '' for any other error."""
    if not (hasattr(error, "exit_code") and hasattr(error, "format_message")):
        return ""
    said = re.sub(r"^Invalid value for '(.+?)':", r"\1", error.format_message()).rstrip(".")
    if missing := re.match(r"Missing argument '(.+?)'", said):
        said = f"{missing[1].upper()} is missing{said[missing.end() :]}"
    path = getattr(getattr(error, "ctx", None), "command_path", "fedkit")
    return f"{said[:1].lower()}{said[1:]}; see: {path} --help"


def _memory_message(error: Exception) -> str:
    """Return what to do when memory ran out, '' for any other error."""
    words = "out of memory; use a smaller --batch-size or --max-tokens, or fewer examples"
    return words if is_out_of_memory(error) else ""


def print_error(message: str) -> int:
    """Print one line on stderr and return the exit code for a user's mistake."""
    line = without_control(re.sub(SETTING, _flag, " ".join(message.split())))
    print("fedkit:", line if len(line) <= LONGEST else line[: LONGEST - 1] + "…", file=sys.stderr)
    return USER_ERROR


def _flag(found: re.Match[str]) -> str:
    """Return a setting at the head of a message as its command-line flag."""
    return f"{found[1]}--{found[2].replace(' ', '-')} "


def without_control(text: str) -> str:
    """Return `text` without characters that steer a terminal; names come from unknown files."""
    return STEERING.sub("\ufffd", text)


def print_note(*words: object) -> None:
    """Print a line on stderr, so that --json leaves stdout to programs."""
    print(*words, file=sys.stderr, flush=True)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout; what the terminal cannot print is replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in "\n".join(lines).split("\n"):
        print(without_control(line).encode(encoding, "replace").decode(encoding))


def print_json(values: Any) -> None:
    """Print values as JSON on stdout, escaped where stdout is not Unicode."""
    unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(json.dumps(nan_to_none(values), ensure_ascii=not unicode, indent=1, allow_nan=False))


def print_result(as_json: bool, values: Any, lines: Iterable[str]) -> None:
    """Print what a command found: its values as JSON, or its lines."""
    if as_json:
        print_json(values)
    else:
        print_lines(lines)


class ProgressLine:
    """A progress listener: one line on a terminal, cleared at the end, else a line a round."""

    def __init__(self) -> None:
        self.last = (None, None)
        self.live = sys.stderr.isatty()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def __call__(self, now: Progress) -> None:
        if self.live:
            self.update(str(now))
        elif (now.stage, now.round) != self.last:
            print_note(without_control(str(now)))
        self.last = (now.stage, now.round)

    def update(self, text: str) -> None:
        """Replace the line, on a terminal only."""
        if self.live:
            text = without_control(text)[: shutil.get_terminal_size().columns - 1]
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def print(self, text: str) -> None:
        """Print a line that stays."""
        self.clear()
        print_note(without_control(text))

    def clear(self) -> None:
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextmanager
def progress_line(
    first: str, when_stopped: Callable[[], str] | None = None
) -> Iterator[ProgressLine]:
    """Show progress while the block runs, beginning with the text `first`.

    when_stopped: returns what Ctrl-C leaves and how to continue, the message of Cancelled.
    """
    try:
        with ProgressLine() as line:
            line.update(first)
            yield line
    except (KeyboardInterrupt, Cancelled):
        if when_stopped is None:
            raise
        raise Cancelled(when_stopped()) from None
