"""The one way to write a file, locks of folders, digests, and text files of the package."""

from __future__ import annotations

import errno
import hashlib
import importlib.resources
import json
import math
import os
import secrets
import socket
import stat
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from fedkit.core.errors import FedkitError

REPOSITORY = Path(__file__).resolve().parents[2]  # of a clone, with notebooks/ and data/
PRIVATE = 0o600  # mode of files that hold a secret
LOCK = "fedkit.lock"
HELD: dict[Path, ExitStack] = {}  # the locked folders of this process
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write_file(
    path: Path, content: str | bytes | Callable[[BinaryIO], object], mode: int = 0o666
) -> Path:
    """Write all of a file or nothing, and return `path`; its folder is made.

    content: text (as UTF-8), bytes, or a function that writes to the open file. mode: permissions,
    before the umask. The bytes go to a new file beside `path` that then takes its name: a reader
    sees the old file or the new one, and a link at `path` is replaced, never followed. Raises
    FedkitError if that fails; the old file is then whole.
    """
    path = Path(path)
    own = f".{path.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    temporary = make_folder(path.parent) / own
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, mode)
        try:
            with open(handle, "wb") as file:
                if isinstance(content, str):
                    # a lone surrogate, from a file name that is not UTF-8, becomes "?"
                    file.write(content.encode("utf-8", "replace"))
                elif isinstance(content, bytes):
                    file.write(content)
                else:
                    content(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise write_error(path, error) from None
    return path


def write_json(path: Path, values: Any, mode: int = 0o666) -> Path:
    """Write `values` as JSON with `write_file`; NaN and infinity are written as null."""
    text = json.dumps(nan_to_none(values), indent=1, ensure_ascii=False, allow_nan=False)
    # a lone surrogate becomes a JSON escape, which is read as the same
    return write_file(path, (text + "\n").encode("utf-8", "backslashreplace"), mode)


def leftovers(path: Path) -> list[Path]:
    """Return what writers of `path` left beside it when they were killed."""
    return [p for p in path.parent.glob(f".{path.name[:40]}.*-*.tmp") if p.is_file()]


def refuse_links(folder: Path, below: Path) -> None:
    """Raise FedkitError if `folder`, or a folder between it and `below`, is a link.

    It would lead out of the folder that the user named.
    """
    for place in (folder, *folder.parents)[: len(folder.relative_to(below).parts)]:
        if place.is_symlink():
            raise FedkitError(
                f"{place} is a link to another folder; remove the link, or choose another --out"
            )


def make_folder(folder: Path) -> Path:
    """Make `folder` with its parents, and return it. Raises FedkitError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        what = "a file" if folder.exists() else "a link to what is not there"
        raise FedkitError(
            f"cannot write below {folder}: it is {what}; choose another place"
        ) from None
    except OSError as error:
        raise write_error(folder, error) from None
    return folder


def write_error(path: Path, error: OSError) -> FedkitError:
    """Return the error that says in one line why `path` cannot be written, and what to do."""
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
    advice = "make room, or choose another place" if full else "choose another place"
    return FedkitError(f"cannot write {path}: {error.strerror or error}; {advice}")


@contextmanager
def lock_folder(folder: Path) -> Iterator[Callable[[], bool]]:
    """Let no other process write a run into `folder` while the block runs.

    Gives a function that tells whether the lock is still held: a later block of this process takes
    it over, as the notebook cell that was interrupted in a loop never ends its block. Makes the
    folder, and removes what it made if that is empty at the end. Errors as for `make_folder` and
    `hold_lock`.
    """
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    place = make_folder(folder).resolve()
    try:
        if place in HELD:
            HELD.pop(place).close()
        with ExitStack() as lock:
            lock.enter_context(hold_lock(folder / LOCK))
            HELD[place] = lock
            try:
                yield lambda: HELD.get(place) is lock
            finally:
                if HELD.get(place) is lock:
                    del HELD[place]
    finally:
        with suppress(OSError):  # not empty
            for new in made:
                new.rmdir()


@contextmanager
def hold_lock(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path`, which says who holds it, while the block runs.

    wait: seconds to wait for another holder. The system frees the lock with the process; where it
    knows no locks, one of a process that has ended on this computer is taken over. Raises
    FedkitError that names the holder.
    """
    until = time.monotonic() + wait
    while (handle := _take_lock(path, time.monotonic() >= until)) is None:
        time.sleep(0.02)
    try:
        yield
    finally:
        with suppress(OSError):
            os.ftruncate(handle, 0)  # where a file that is open cannot be removed
            path.unlink()
        os.close(handle)


def _take_lock(path: Path, refuse: bool) -> int | None:
    """Return the open lock file, or None to try again. Raises FedkitError if `refuse` and held."""
    here = socket.gethostname()
    try:
        make_folder(path.parent)
        handle = os.open(require_file(path), os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
        with open(handle, "r+b", buffering=0, closefd=False) as file, ExitStack() as closing:
            closing.callback(os.close, handle)
            number, _, host = file.read(300).decode("utf-8", "replace").partition(" ")
            gone = Path("/proc/self").exists() and not Path(f"/proc/{number}").exists()
            try:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = bool(host) and host != here
            except BlockingIOError:
                held = True
            except (ImportError, OSError):  # a system or a drive without locks
                held = bool(host) and not (host == here and gone)
            if held and refuse:
                raise FedkitError(
                    f"{path.parent} is in use by process {number or '?'} on {host or here}; wait"
                    f" for it, or choose another --out (if it no longer runs, delete {path})"
                )
            # the holder may have removed the file that was opened
            if held or not os.path.samestat(os.fstat(handle), os.lstat(path)):
                return None
            file.truncate(0)
            file.seek(0)
            file.write(f"{os.getpid()} {here}".encode())
            closing.pop_all()
            return handle
    except FileNotFoundError:  # it or its folder has just been removed
        return None
    except OSError as error:
        raise write_error(path, error) from None


def require_file(path: Path, most: int = 10_000_000_000) -> Path:
    """Return `path` if it is a file of at most `most` bytes, or if nothing is there.

    A pipe or a device would be waited for. Raises FedkitError, OSError.
    """
    with suppress(FileNotFoundError):
        found = path.stat()  # once: it may be replaced at any moment
        if not stat.S_ISREG(found.st_mode):
            raise FedkitError(f"{path} is no file (a folder, pipe or device)")
        if found.st_size > most:
            raise FedkitError(f"{path} has {found.st_size:,} bytes; at most {most:,} are read")
    return path


def read_json(path: Path, most: int = 10_000_000) -> Any:
    """Return the values of a JSON file that anybody may have written.

    most: bytes. Raises OSError, and ValueError with one line for what is no JSON, such as NaN,
    for numbers beyond 64 bits or float64, and for values nested deeper than 50.
    """
    try:
        values = json.loads(
            require_file(path, most).read_bytes().decode("utf-8"),
            parse_float=_finite,
            parse_int=_whole,
            parse_constant=_finite,
        )
        _refuse_deep([values], 51)
        return values
    except RecursionError:
        raise ValueError("nested too deep") from None
    except UnicodeDecodeError:
        raise ValueError("it is no JSON in UTF-8") from None


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def _whole(text: str) -> int:
    if len(text) > 20:  # digits of 2**64
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _refuse_deep(value: Any, levels: int) -> None:
    if not levels:
        raise ValueError("nested too deep")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            _refuse_deep(inner, levels - 1)


def file_sha256(path: Path) -> str:
    """Return the hex sha256 of a file. Raises FedkitError if it cannot be read."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError(errno.EINVAL, "not a file")
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FedkitError(
            f"cannot read {path}: {error.strerror}; copy or install it again"
        ) from None


def nan_to_none(value: Any) -> Any:
    """Return `value` with NaN and infinity replaced by None, in nested dicts, lists and tuples."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: nan_to_none(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_to_none(v) for v in value]
    return value


def read_packaged_text(package: str, name: str) -> str:
    """Return the text of a UTF-8 file inside a package of fedkit, such as a template."""
    return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")


def read_packaged_table(package: str, name: str) -> dict[str, Any]:
    """Return a TOML file inside a package: words, rules, controls."""
    return tomllib.loads(read_packaged_text(package, name))


def read_packaged_words(package: str, name: str) -> dict[str, str]:
    """Return {key: text} of a TOML file inside a package: everything it says in one language."""
    return read_packaged_table(package, name)
