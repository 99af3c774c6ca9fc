"""The command line as a process: closed output, impatient Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

FEDKIT = [sys.executable, "-c", "from fedkit.cli.main import script; script()"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors of POSIX")


def test_closed_output_is_no_failure():
    shell = '"$@" >&-'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *FEDKIT, "epsilon", "--noise", "4", "--steps", "1"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_five_times_ctrl_c_prints_one_line(tiny_config, tmp_path):
    config = tiny_config()
    argv = ["run", "--data", config.data, "--model", config.model, "--partition", "column:site"]
    argv += ["--rounds", "10000", "--out", str(tmp_path / "run")]
    process = subprocess.Popen([*FEDKIT, *argv], stderr=subprocess.PIPE, text=True)
    for _ in range(6000):
        if (tmp_path / "run" / "run.json").exists():
            break
        time.sleep(0.05)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 130
    assert "Traceback" not in said and "KeyboardInterrupt" not in said
    assert said.rstrip().splitlines()[-1].startswith("fedkit: ")
    assert sum(line.startswith("fedkit: ") for line in said.splitlines()) == 1
