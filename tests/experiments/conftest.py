"""Processes that may be killed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import pytest

IMPORTED = [
    "fedkit.cli.main",
    "fedkit.experiments.runner",
    "fedkit.models.loading",
    "peft",
    "transformers.models.bert.modeling_bert",
]


@pytest.fixture(scope="module")
def forked(tmp_path_factory) -> Callable[..., int]:
    """Call a function with its arguments and a cache folder in a process forked from one that has
    everything imported; kill it after some seconds. Its exit code.
    """
    cache = str(tmp_path_factory.mktemp("cache"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)

    def call(function: Callable, *args, seconds: float = 120) -> int:
        process = context.Process(target=function, args=(*args, cache))
        process.start()
        process.join(seconds)
        process.kill()
        process.join(10)
        return process.exitcode

    return call
