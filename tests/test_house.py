"""The house keeps standing: the order of the folders, no import upward, no circle, nothing loose.

A folder may import folders of lower floors only. A new folder gets a place in FLOORS.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fedkit"
FLOORS = (
    ("core",),
    ("data", "network", "wire", "privacy", "results"),
    ("models", "plots"),
    ("federated", "quality"),
    ("experiments", "reports"),
    ("audit", "widgets", "showcase"),
    ("lessons", "cli"),
)
FLOOR = {folder: number for number, floor in enumerate(FLOORS, 1) for folder in floor}
AT_THE_ROOT = {"__init__.py", "__main__.py"}
TYPED = (
    "core",
    "data",
    "network",
    "wire",
    "privacy",
    "models",
    "federated",
    "results",
)  # may only grow
LARGEST = 0.20  # share of the package's lines that one folder may hold
MOST_LINES, MOST_MODULES = 40_712, 230  # may only fall, but for what a feature needs


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def typing_only(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes below `if TYPE_CHECKING:`, which are not run."""
    blocks = [
        n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)
    ]
    return {inner for block in blocks for inner in ast.walk(block)}


def imported(module: str, at_run_time: bool = False) -> set[str]:
    """Return the kit's modules that `module` imports, imports inside functions included."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    skipped = typing_only(tree) if at_run_time else set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, (
                f"{FILES[module]}: write the import with its full name, not relative"
            )
            names |= {
                full if (full := f"{node.module}.{alias.name}") in FILES else str(node.module)
                for alias in node.names
            }
    return {name for name in names if name in FILES} - {module, "fedkit"}


def folder_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of a circle, in order; [] if there is none."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        found = next((f for n in sorted(graph[node]) if (f := walk(n, [*way, node]))), [])
        done.add(node)
        return found

    return next((found for node in graph if (found := walk(node, []))), [])


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_nothing_is_loose_at_the_root():
    loose = {path.name for path in PACKAGE.glob("*.py")} - AT_THE_ROOT
    assert not loose, (
        f"{sorted(loose)}: every module belongs into a folder; see FLOORS in {__file__}"
    )


def test_every_folder_has_a_floor():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(FLOOR), "name a new folder in FLOORS, above all that it imports"


@pytest.mark.parametrize("module", [name for name in FILES if folder_of(name) in FLOOR])
def test_imports_point_down(module):
    mine = folder_of(module)
    for other in imported(module):
        there = folder_of(other)
        assert there == mine or FLOOR[there] < FLOOR[mine], (
            f"{FILES[module].relative_to(ROOT)} imports {other}: {there} (floor {FLOOR[there]}) is"
            f" not below {mine} (floor {FLOOR[mine]}); move what both need down, as to fedkit/core"
        )


def test_no_circle_of_files():
    found = circle({module: imported(module, at_run_time=True) for module in FILES})
    assert not found, (
        f"files import each other: {' -> '.join(found)}; move what both need to a third"
    )


def test_no_circle_of_folders():
    """A folder and the folders inside it are one room here; floors keep the rooms apart."""
    inner = {m: m if FILES[m].name == "__init__.py" else m.rpartition(".")[0] for m in FILES}
    graph: dict[str, set[str]] = {folder: set() for folder in inner.values()}
    for module, here in inner.items():
        others = {inner[other] for other in imported(module)}
        graph[here] |= {o for o in others if not (o.startswith(here) or here.startswith(o))}
    found = circle(graph)
    assert not found, f"folders import each other: {' -> '.join(found)}; move what both need down"


PACKAGES = [module for module, path in FILES.items() if path.name == "__init__.py"][1:]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_explains_itself_and_imports_no_more_than_it_says(package):
    tree = ast.parse(FILES[package].read_text(encoding="utf-8"))
    said = ast.get_docstring(tree) or ""
    text = " ".join(said.split())
    assert len(said.splitlines()) >= 4 and "May import: " in text, (
        f"{package}: say in five lines of its __init__ what the folder is for, what comes in, what "
        "goes out, and what it may import"
    )
    listed = re.split(r"\.(?: |$)", text.partition("May import: ")[2])[0]
    if re.search("everything|below|as `", listed):
        return  # the floors say it
    names = re.sub(r" \(.*?\)", "", listed).split(", ")
    allowed = [package, *(f"fedkit.{name}" for name in names)]
    for module in FILES:
        if package in (module, module.rpartition(".")[0]):
            for other in imported(module):
                named = any(other == name or other.startswith(f"{name}.") for name in allowed)
                assert named, f"{module} imports {other}, and {package} says: {listed}"


def test_no_folder_holds_more_than_a_fifth():
    lines: dict[str, int] = {}
    for module, path in FILES.items():
        folder = folder_of(module)
        lines[folder] = lines.get(folder, 0) + path.read_text(encoding="utf-8").count("\n")
    largest = max(lines, key=lines.__getitem__)
    assert lines[largest] <= LARGEST * sum(lines.values()), (
        f"fedkit/{largest} is too large: split it"
    )


def test_the_package_stays_small():
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in FILES.values())
    assert lines <= MOST_LINES and len(FILES) <= MOST_MODULES, (
        f"{lines} lines in {len(FILES)} modules: say once what is said twice, or words in TOML"
    )


def test_files_beside_the_code_are_declared_for_the_wheel():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    declared = {
        path
        for package, patterns in config["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    others = (
        path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    )
    missing = sorted(str(path.relative_to(ROOT)) for path in others if path not in declared)
    assert not missing, f"{missing}: name them in [tool.setuptools.package-data] of pyproject.toml"


def test_the_formatter_decides():
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        exception = re.search(r"# fmt: (skip|off)|noqa: E501", text)
        assert not exception or path == Path(__file__), f"{path}: {exception and exception[0]}"


def test_types_are_checked_where_they_were():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    unchecked = {name.split(".")[1] for part in config["overrides"] for name in part["module"]}
    assert not unchecked & set(TYPED), (
        "the list of folders without type checks may only get shorter"
    )


def test_files_that_are_written_keep_the_names_of_their_schemas():
    """Older runs, sweeps, demos, briefs and curves can still be read: these are no module names."""
    text = "".join(path.read_text(encoding="utf-8") for path in FILES.values())
    kinds = {"run", "sweep", "demo", "brief", "privacy-curve", "account"}
    assert set(re.findall(r'"fedkit\.([\w.-]+)/1"', text)) == kinds
