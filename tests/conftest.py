"""Before anything is imported: no hub, no telemetry, no tokenizer threads.

Slow tests carry `@pytest.mark.slow`; `make test-quick` leaves them out with `-m "not slow"`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from factories.tiny import write_tiny_data, write_tiny_model

if TYPE_CHECKING:
    from fedkit.core.config import RunConfig

accounts = tempfile.TemporaryDirectory(prefix="fedkit-tests-accounts-")  # goes when the tests end
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    FLWR_TELEMETRY_ENABLED="0",
    DO_NOT_TRACK="1",
    TOKENIZERS_PARALLELISM="false",
    FEDKIT_CACHE=os.path.join(tempfile.gettempdir(), "fedkit-tests-cache"),
    FEDKIT_ACCOUNTS=accounts.name,
)
hypothesis.settings.register_profile("untimed", deadline=None)  # machines are shared and noisy
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> str:
    """Path of a tiny model folder."""
    return str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> str:
    """Path of a tiny data folder with train.csv and test.csv (120 and 40 rows, 3 labels, 4
    sites).
    """
    return str(write_tiny_data(tmp_path_factory.mktemp("data") / "tiny"))


@pytest.fixture(scope="session")
def tiny_config(tiny_data, tiny_model) -> Callable[..., RunConfig]:
    """Make the settings of a run on the tiny data and model: a client per site, unless told."""
    from fedkit.core.config import RunConfig

    return partial(
        RunConfig,
        data=tiny_data,
        model=tiny_model,
        partition="column:site",
        max_tokens=32,
        dtype="float32",
    )


@pytest.fixture
def fed(capfd, tmp_path, monkeypatch) -> Callable[..., tuple[int, str, str]]:
    """Run a command in a folder of its own: (exit code, stdout, stderr)."""
    from fedkit.cli.main import main

    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(word) for word in words])
        return code, *capfd.readouterr()

    return call


@pytest.fixture(scope="module")
def job(config):
    """The module's `config`, prepared."""
    from fedkit.experiments.job import prepare

    return prepare(config)


@pytest.fixture(scope="module")
def whole(config, job, tmp_path_factory) -> Path:
    """The folder of a run of the module's `config` that nobody disturbed."""
    from fedkit.experiments.runner import run

    out = tmp_path_factory.mktemp("whole") / "run"
    run(config, out, job=job)
    return out
