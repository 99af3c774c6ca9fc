"""`fedkit lab` and `fedkit showcase`: serve the notebooks on this machine only, with a token."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from pathlib import Path

import typer

from fedkit.cli import console, flags
from fedkit.core.errors import FedkitError
from fedkit.core.files import PRIVATE, REPOSITORY, write_file
from fedkit.core.locale import LANGS

NOTEBOOKS = REPOSITORY / "notebooks"
NOTEBOOK = NOTEBOOKS / "10_executive_demo.ipynb"
HOST = "127.0.0.1"
WAIT = 60.0  # seconds


def lab_command(port: int = 8888) -> None:
    """Open JupyterLab on the first lesson. It listens on this machine only and asks for
    its token.
    """
    flags.require_between("--port", port, 1024, 65535)
    first = NOTEBOOKS / "00_start_here.ipynb"
    if not first.is_file():
        raise FedkitError(
            f"no lessons in {NOTEBOOKS};"
            " run this from a clone of the project that `make install` set up"
        )
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}", str(first)]
    raise typer.Exit(subprocess.call(command, cwd=NOTEBOOKS))


def showcase_command(port: int = 8866, lang: str = "en", no_browser: bool = False) -> None:
    """Open the demo for executives: five steps, no code, English or Japanese. It listens on this
    machine only, with a token.
    """
    raise typer.Exit(serve(port, lang, not no_browser))


def serve(port: int, lang: str, browser: bool) -> int:
    """Serve until Ctrl-C or until the server ends; return its exit code. Raises FedkitError."""
    check_arguments(port, lang)
    # ending this process, or closing its terminal, ends the server as Ctrl-C does
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    token = secrets.token_urlsafe(24)
    values = server_environment(token, lang)
    process = subprocess.Popen(
        server_command(port), cwd=NOTEBOOKS, env=values, start_new_session=True
    )
    try:
        address = f"http://{HOST}:{port}/?token={token}"
        wait_for_server(port, process)
        where = f"The showcase is at {address}"
        console.print_lines([where, "It runs on this machine only. Press Ctrl-C to end it."])
        with tempfile.TemporaryDirectory(prefix="fedkit-") as private:
            if browser:
                webbrowser.open(write_redirect(Path(private), address).as_uri())
            return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        end_server(process)


def check_arguments(port: int, lang: str) -> None:
    """Raise FedkitError for an invalid port or language, a taken port or a missing notebook."""
    flags.require_between("--port", port, 1024, 65535)
    if lang not in LANGS:
        raise FedkitError(f"--lang {lang[:20]!r} given; write one of: {', '.join(LANGS)}")
    if not NOTEBOOK.is_file():
        raise FedkitError(
            f"no {NOTEBOOK.name} in {NOTEBOOK.parent};"
            " run this from a clone that `make install` set up"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise FedkitError(
                f"port {port} is in use on this machine;"
                f" choose another, such as --port {port + 1 if port < 65535 else 8866}"
            ) from None


def server_command(port: int) -> list[str]:
    """Return the server's command; its headers come from notebooks/voila.json."""
    settings = {"ip": HOST, "port_retries": 0, "auto_token": True, "log_level": "ERROR"}
    given = [f"--Voila.{name}={value}" for name, value in settings.items()]
    voila = [sys.executable, "-m", "voila", NOTEBOOK.name, "--no-browser"]
    return [*voila, f"--port={port}", *given]


def server_environment(token: str, lang: str) -> dict[str, str]:
    """Return the server's environment: no list of processes shows the token; no hub is asked."""
    from fedkit.showcase.records import LANG

    return {**os.environ, "JUPYTER_TOKEN": token, LANG: lang, "HF_HUB_OFFLINE": "1"}


def write_redirect(folder: Path, address: str) -> Path:
    """Write a page into a private folder that leads to `address`; return its path.

    A browser's command line, which other users of the machine can read, then holds no token.
    """
    refresh = f'<meta http-equiv="refresh" content="0; url={address}">'
    return write_file(
        folder / "showcase.html", f"<!doctype html><title>fedkit</title>{refresh}\n", PRIVATE
    )


def wait_for_server(port: int, process: subprocess.Popen) -> None:
    """Wait for the server; FedkitError if it ends or does not answer within WAIT seconds."""
    ends = time.monotonic() + WAIT
    while time.monotonic() < ends and process.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise FedkitError(
        "the showcase's server did not start;"
        " see `fedkit doctor`, or open notebooks/10_executive_demo.ipynb in JupyterLab"
    )


def end_server(process: subprocess.Popen) -> None:
    """End the server and its kernels, which are one process group."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(10)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
