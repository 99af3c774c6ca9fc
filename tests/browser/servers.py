"""JupyterLab and Voila on loopback, with a small notebook that shows the bench panel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from factories.tiny import write_tiny_data, write_tiny_model

ROOT = Path(__file__).resolve().parents[2]


CELL = """
from fedkit import RunConfig
from fedkit.widgets.bench.bench import bench_panel
panel = bench_panel(RunConfig(data="data", model="model", clients=3, examples_per_client=32,
                              partition="iid", rounds=50, local_epochs=2))
panel
""".strip()


@contextmanager
def served(place: str, prepare: Callable[[Path], None]) -> Iterator[tuple[str, Path]]:
    """(address, folder) of a running JupyterLab or Voila on the bench.ipynb that `prepare` writes
    into folder/work.
    """
    pytest.importorskip(
        "voila" if place == "voila" else "jupyterlab", reason="pip install -e '.[browser]'"
    )
    # short: Chromium dislikes long socket paths
    folder = Path(tempfile.mkdtemp(prefix=f"fedkit-{place}-"))
    prepare(folder / "work")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = open(folder / "log", "w")  # noqa: SIM115
    process = subprocess.Popen(
        line(place, folder, port),
        env=environment(folder),
        cwd=folder / "work",
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield up(port, process, folder), folder
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def write_notebook(folder: Path) -> None:
    """bench.ipynb beside a tiny model and tiny data."""
    import nbformat

    write_tiny_model(folder / "model")
    write_tiny_data(folder / "data", rows=600)
    # Voila's own page asks for icons from elsewhere: refused
    shutil.copy(ROOT / "notebooks" / "voila.json", folder)
    cells = [nbformat.v4.new_code_cell(CELL)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}),
        folder / "bench.ipynb",
    )
    quiet = {
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
        }
    }
    (folder.parent / "app").mkdir()
    (folder.parent / "app" / "overrides.json").write_text(json.dumps(quiet))


def line(place: str, folder: Path, port: int) -> list[str]:
    if place == "voila":
        return [sys.executable, "-m", "voila", "bench.ipynb", "--no-browser", f"--port={port}"]
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--allow-root",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder / 'work'}",
        f"--LabApp.app_settings_dir={folder / 'app'}",
        "--LabApp.extension_manager=readonly",
    ]


def environment(folder: Path) -> dict[str, str]:
    names = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "JUPYTER_RUNTIME_DIR",
    )
    offline = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **{name: str(folder / name) for name in names}, **offline}


def up(port: int, process: subprocess.Popen, folder: Path) -> str:
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            with urllib.request.urlopen(
                f"{address}/{'api' if 'lab' in folder.name else 'voila/static/'}", timeout=2
            ):
                return address
        except urllib.error.HTTPError:
            return address  # it answers
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.5)
    pytest.fail(f"the server did not start: {(folder / 'log').read_text()[-600:]}")
