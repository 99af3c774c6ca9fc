"""The README's promises that a machine can check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example() -> str:
    return re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]


def test_example_is_ten_lines_or_fewer():
    assert len([line for line in example().splitlines() if line.strip()]) <= 10


@pytest.mark.slow
def test_example_runs_as_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(example(), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "Federated" in printed
    assert "bytes" in printed
    assert (tmp_path / "runs" / "readme" / "run.json").is_file()


def floor_plan() -> str:
    return re.search(r"## The floor plan\n.*?```\n(.*?)```", README, re.DOTALL)[1]


def test_it_can_be_read_in_five_minutes():
    assert len(README.splitlines()) <= 150


def test_the_floor_plan_is_that_of_the_house():
    from test_house import FLOORS

    floors: dict[int, set[str]] = {}
    number = 0
    for line in floor_plan().splitlines():
        if found := re.match(r"  (?:(\d) |  )(\w+)/ ", line):
            number = int(found[1] or number)
            floors.setdefault(number, set()).add(found[2])
    assert floors == {number: set(floor) for number, floor in enumerate(FLOORS, 1)}


def test_every_path_named_in_it_exists():
    known = {path.name for path in (ROOT / "fedkit").rglob("*")}
    named = set(re.findall(r"\b(\w+)(?:\.py\b|\.toml\b|/)", floor_plan()))
    assert named
    for name in named - {"fedkit", "notebooks", "tests", "data", "bench"}:
        assert {name, f"{name}.py", f"{name}.toml"} & known, name
    rows = re.search(r"## Carry on the work\n(.*?)\n\n", README, re.DOTALL)[1]
    for path in re.findall(r"`([\w/]+(?:/|\.py|\.toml))`", rows.replace("_XX", "_en")):
        folders = ("", "fedkit", "fedkit/reports/text", "tests/wire")
        assert any((ROOT / folder / path).exists() for folder in folders), path


def test_commands_named_in_the_readme_exist():
    from fedkit.cli.main import app

    known = {c.name or c.callback.__name__ for c in app.registered_commands}
    blocks = "\n".join(README.split("```")[1::2])
    used = set(re.findall(r"^fedkit (\w+)", blocks, re.MULTILINE))
    assert used
    assert used <= known


def test_make_targets_named_in_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make ([a-z-]+)", README)) - {"them"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_no_placeholders_left():
    assert not re.findall(r"@[A-Z]+@", README)


def test_picture_is_committed_and_small():
    picture = ROOT / re.search(r"!\[.*?\]\((.*?)\)", README)[1]
    assert picture.stat().st_size < 100_000
