"""How the command line speaks: a progress line, one-line errors, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from fedkit.errors import Cancelled, FedkitError
from fedkit.progress import Progress

USER_ERROR, STOPPED = 2, 130


def call(command: Callable[[], Any]) -> int:
    """Run a command; turn what a user can cause into one line on stderr and an exit code."""
    try:
        code = command()
        return code if isinstance(code, int) else 0
    except FedkitError as error:
        return fail(str(error))
    except (Cancelled, KeyboardInterrupt) as error:
        fail(str(error) or "stopped; finished rounds are kept, go on with --resume")
        return STOPPED
    except OSError as error:
        return fail(f"{error.filename or 'file'}: {error.strerror or error}")
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # the option parser's own errors
            return fail(f"{error.format_message()} (see --help)")
        raise


def fail(message: str) -> int:
    """One line on stderr; the exit code for a user's mistake."""
    print("fedkit:", " ".join(message.split()), file=sys.stderr)
    return USER_ERROR


def say(*words: object) -> None:
    """A line for people, on stderr, so that --json leaves stdout to programs."""
    print(*words, file=sys.stderr, flush=True)


def show_json(values: Any) -> None:
    from fedkit.record import finite

    print(json.dumps(finite(values), ensure_ascii=False, indent=1, allow_nan=False))


class Line:
    """A progress listener that rewrites one line on a terminal, and is quiet in a file except for new rounds."""

    def __init__(self) -> None:
        self.last = (None, None)
        self.live = sys.stderr.isatty()

    def __call__(self, now: Progress) -> None:
        if self.live:
            print(f"\r\033[K{now}", end="", file=sys.stderr, flush=True)
        elif (now.stage, now.round) != self.last:
            say(now)
        self.last = (now.stage, now.round)

    def close(self) -> None:
        if self.live and self.last[0]:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
