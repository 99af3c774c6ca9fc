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


def test_every_path_in_the_tree_exists():
    tree = re.search(r"## What is where\n```\n(.*?)```", README, re.DOTALL)[1]
    names = re.findall(r"^( *)(\S+?\.(?:py|txt|yml)|\S+/)(?:\s+(\S+\.py))?", tree, re.MULTILINE)
    for indent, *given in names:
        for name in filter(None, given):
            assert (ROOT / ("fedkit" if indent else "") / name).exists(), name


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
