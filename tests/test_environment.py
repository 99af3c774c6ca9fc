"""pyproject.toml, environment.yml and constraints.txt say the same thing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
CONDA_TO_PYPI = {"pytorch-cpu": "torch"}  # every other package has one name in both worlds
CONDA_ONLY = {"python", "pip"}  # what pip users have before they start


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def by_name(lines: list[str]) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r for r in requirements}


PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = by_name(PROJECT["dependencies"] + EXTRAS["test"])
EVERY = by_name(PROJECT["dependencies"] + [line for extra in EXTRAS.values() for line in extra])

ENVIRONMENT = yaml.safe_load(text_of("environment.yml"))
CONDA_LINES = [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
PIP_LINES = [
    line
    for block in ENVIRONMENT["dependencies"]
    if isinstance(block, dict)
    for line in block["pip"]
]


def environment_packages() -> dict[str, Requirement]:
    """What environment.yml installs beside Python and pip, under PyPI's names."""
    conda = {re.split(r"[<>=! ]", line)[0]: line for line in CONDA_LINES}
    renamed = [
        CONDA_TO_PYPI.get(name, name) + line.removeprefix(name)
        for name, line in conda.items()
        if name not in CONDA_ONLY
    ]
    return by_name(renamed + [line for line in PIP_LINES if not line.startswith("-")])


def pins() -> dict[str, Version]:
    lines = [
        line
        for line in text_of("constraints.txt").splitlines()
        if line and not line.startswith("#")
    ]
    pairs = [line.split("==") for line in lines]
    assert all(len(pair) == 2 for pair in pairs), "every line of constraints.txt is name==version"
    names = [canonicalize_name(name) for name, _ in pairs]
    assert len(set(names)) == len(names), "a package is pinned twice"
    return {name: Version(version) for name, (_, version) in zip(names, pairs)}


def test_environment_names_the_packages_of_pyproject():
    assert sorted(environment_packages()) == sorted(DIRECT)


def test_environment_has_the_bounds_of_pyproject():
    bounds = {name: str(r.specifier) for name, r in environment_packages().items()}
    assert bounds == {name: str(r.specifier) for name, r in DIRECT.items()}


@pytest.mark.parametrize("name", sorted(EVERY))
def test_constraints_pin_every_direct_dependency_within_its_bounds(name):
    assert EVERY[name].specifier.contains(pins()[name], prereleases=True)


@pytest.mark.parametrize("name", sorted(DIRECT))
def test_environment_admits_the_pinned_version(name):
    assert environment_packages()[name].specifier.contains(pins()[name], prereleases=True)


def test_pins_hold_on_any_machine():
    assert not [name for name, version in pins().items() if version.local], (
        "a local build such as +cpu is one machine's"
    )
    assert not re.search(r"^\s*-|://| @ ", text_of("constraints.txt"), re.MULTILINE)


def test_conda_forge_is_the_only_channel():
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]
    assert not [line for line in CONDA_LINES if "::" in line]


def test_python_of_the_environment_is_one_that_pyproject_allows():
    python = next(Requirement(line) for line in CONDA_LINES if line.startswith("python>"))
    lowest = min(Version(s.version) for s in python.specifier if s.operator == ">=")
    assert lowest in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_the_project_itself_is_installed_by_pip():
    assert "-e ." in PIP_LINES
    assert "pip" in {re.split(r"[<>=]", line)[0] for line in CONDA_LINES}


@pytest.mark.parametrize(
    "name", ["environment.yml", "constraints.txt", "pyproject.toml", "Makefile"]
)
def test_no_host_is_named(name):
    found = re.findall(
        r"\w+://\S+|\b[\w-]+\.(?:org|com|net|io|dev)\b|--(?:extra-)?index-url|--find-links",
        text_of(name),
    )
    assert not found
