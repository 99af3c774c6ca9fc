"""The showcase's server: it ends with its terminal, and no command line shows its token."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from fedkit.cli import showcase

SERVE = """
import sys
from pathlib import Path
from fedkit.cli import showcase

port, ready = int(sys.argv[1]), sys.argv[2]
SERVER = f'''
import os, socket, time
place = socket.socket()
place.bind(("127.0.0.1", {port}))
place.listen()
open({ready!r} + ".part", "w").write(str(os.getpid()))
os.rename({ready!r} + ".part", {ready!r})
time.sleep(600)
'''
showcase.server_command = lambda port: [sys.executable, "-c", SERVER]
showcase.serve(port, "en", False)
"""


def test_the_browser_is_given_a_page_and_no_token(tmp_path):
    page = showcase.write_redirect(tmp_path, "http://127.0.0.1:8866/?token=secret-token")
    assert "secret-token" not in page.as_uri()
    assert "url=http://127.0.0.1:8866/?token=secret-token" in page.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP on this platform")
def test_the_server_ends_when_the_terminal_is_closed(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ready = tmp_path / "ready"
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port), str(ready)])
    for _ in range(2000):
        if ready.exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    process.wait(60)
    with pytest.raises(ProcessLookupError):
        os.kill(int(ready.read_text()), 0)
