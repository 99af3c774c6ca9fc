"""The lessons: how they are written (quick), and that every one runs to its end as it stands
(slow).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = "10_executive_demo"  # a page to show, not a lesson to read: see test_showcase.py
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if path.stem != DEMO]
NAMES = [path.stem for path in LESSONS]
LONGEST = 600  # seconds that one cell may take in fast mode: for a cell that hangs, not a timing


@pytest.fixture(params=LESSONS, ids=NAMES)
def lesson(request):
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(params=NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(lesson) -> list[str]:
    return [cell.source for cell in lesson.cells if cell.cell_type == "code"]


def test_the_first_three_lessons_are_there():
    assert NAMES[:3] == ["00_start_here", "01_centralized", "02_federated_lora"]


def test_is_a_valid_notebook_for_any_python_kernel(notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3" and "widgets" not in notebook.metadata
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_stores_no_outputs(notebook):
    stored = [
        c.id
        for c in notebook.cells
        if c.cell_type == "code" and (c.outputs or c.execution_count is not None)
    ]
    assert not stored, f"cells with stored outputs: {stored}; clear all outputs before you save"


def test_is_short(lesson):
    assert 15 <= len(lesson.cells) <= 30
    long = [source.splitlines()[0] for source in code(lesson) if len(source.splitlines()) > 10]
    assert not long, f"code cells of more than ten lines begin with: {long}"


def test_no_line_runs_out_of_the_cell(notebook):
    wide = [line for source in code(notebook) for line in source.splitlines() if len(line) > 125]
    assert not wide


def test_every_cell_is_python(notebook):
    for source in code(notebook):
        ast.parse(source)


def test_starts_with_a_question_three_goals_and_its_run_time(lesson):
    first = lesson.cells[0]
    assert first.cell_type == "markdown"
    assert "question:**" in first.source and "Three goals" in first.source
    assert re.findall(r"^(\d)\. ", first.source, re.M) == ["1", "2", "3"]
    assert re.search(r"Run time:\*\* about [\w ]*minutes? on two cores", first.source)


def test_ends_with_answers_and_two_exercises(lesson):
    titles = [
        (i, c.source.splitlines()[0])
        for i, c in enumerate(lesson.cells)
        if c.source.startswith("## ")
    ]
    (answers, first), (exercises, second) = titles[-2:]
    assert first == "## The three goals, answered" and second == "## Two exercises"
    shown = "".join(c.source for c in lesson.cells[answers:exercises] if c.cell_type == "code")
    assert all(f'f"{n}. ' in shown or f'"{n}. ' in shown for n in "123")
    assert re.findall(r"^(\d)\. ", lesson.cells[-1].source, re.M) == ["1", "2"]


def test_asks_for_predictions(lesson):
    asked = sum("**Predict" in c.source for c in lesson.cells if c.cell_type == "markdown")
    assert asked >= 4


def test_prose_states_no_measured_number(lesson):
    """Numbers come from cells: a percentage or a count of megabytes or points in prose is out of
    date at once.
    """
    prose = "\n".join(c.source for c in lesson.cells if c.cell_type == "markdown").replace(
        "95 %", ""
    )
    assert not re.findall(r"\d[\d.,]* ?(?:%|points|MB|kB)", prose)


def test_links_lead_to_lessons(lesson):
    for cell in lesson.cells:
        for target in re.findall(r"\]\(([\w./-]+\.ipynb)\)", cell.source):
            assert (ROOT / "notebooks" / target).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_runs_to_its_end(path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("FEDKIT_FAST", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lesson = nbformat.read(path, as_version=4)
    client = NotebookClient(
        lesson,
        timeout=LONGEST,
        kernel_name="python3",
        resources={"metadata": {"path": ROOT / "notebooks"}},
    )
    client.execute()
    complaints = [
        o.text for c in lesson.cells for o in c.get("outputs", ()) if o.get("name") == "stderr"
    ]
    assert not complaints, f"written to stderr: {complaints[0][:300]}"
