"""Files that unpack to gigabytes are refused in one line, in little memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
from factories.bombs import BOMBS

from fedkit.core.errors import FedkitError
from fedkit.data import limits
from fedkit.data.load import load_corpus
from fedkit.data.preview import preview_file
from fedkit.data.readers import parquet, workbook

SCALE = 0.002
QUICK_TO_BUILD = (
    "20 GB in a dictionary",
    "a footer that lies",
    "one row of 15 million cells",
    "40 million empty rows",
    "4 million merged cells",
)


@pytest.fixture
def small_limits(monkeypatch):
    for name in ("UNPACKED", "ROWS", "LINES", "CELLS", "SHEET_CELLS", "PIECE", "TAGS"):
        least = 20_000 if name == "PIECE" else 1
        value = max(least, int(getattr(limits, f"MAX_{name}") * SCALE))
        monkeypatch.setattr(limits, f"MAX_{name}", value)
    monkeypatch.setattr(workbook.WeighedZip, "tags", limits.MAX_TAGS)
    monkeypatch.setattr(workbook, "MAX_SHEETS", 100)
    monkeypatch.setattr(workbook, "MAX_PARTS", 100)
    monkeypatch.setattr(parquet, "MAX_PAGES", 100)
    monkeypatch.setattr(parquet, "MAX_PAGE", 200_000)


@pytest.mark.filterwarnings("ignore:Workbook contains no stylesheet")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_one_line(tmp_path, small_limits, name):
    file, build = BOMBS[name]
    path = tmp_path / file
    path.write_bytes(build(SCALE))
    with pytest.raises(FedkitError) as error:
        load_corpus(str(path))
    assert file in str(error.value) and "\n" not in str(error.value) and ";" in str(error.value)
    assert "\n" not in preview_file(path).problem


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory in KiB, and limits, are Linux's")
@pytest.mark.parametrize("name", QUICK_TO_BUILD)
def test_a_bomb_of_full_size_takes_less_than_a_gigabyte(tmp_path, name):
    file, build = BOMBS[name]
    path = tmp_path / file
    path.write_bytes(build(1))
    # its own peak: what the system counts for a child begins with the size of its parent
    command = (
        "import atexit, resource as r; r.setrlimit(r.RLIMIT_CPU, (120, 120));"
        " from fedkit.core.memory import peak_rss_bytes;"
        " atexit.register(lambda: print(peak_rss_bytes()));"
        " from fedkit.cli.main import script; script()"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, "check", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 2 and int(done.stdout.split()[-1]) < 1_000_000_000
