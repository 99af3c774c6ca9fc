"""Lesson 9 in JupyterLab as a person uses it: the panel opens, a heading is clicked, Check gives a
verdict, a copy is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from browser.driver import Bench
from browser.servers import ROOT, served, write_notebook
from factories.tiny import write_tiny_data, write_tiny_model

LESSON = ROOT / "notebooks" / "09_your_own_data.ipynb"
UPTO = 5  # cells: title, names, imports, "look", panel


@pytest.fixture(scope="module", params=["lab", "voila"])
def place(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def server(place) -> Iterator[tuple[str, Path]]:
    with served(place, write_lesson) as running:
        yield running


def write_lesson(folder: Path) -> None:
    """The lesson up to its panel as bench.ipynb, on tiny data with a Japanese file name and a tiny
    model, so that Check is quick.
    """
    write_notebook(folder)
    write_tiny_model(folder / "model"), write_tiny_data(folder / "own", rows=60)
    (folder / "own" / "train.csv").rename(folder / "報告.csv")
    lesson = nbformat.read(LESSON, as_version=4)
    lesson.cells = [cell for cell in lesson.cells[:UPTO] if cell.cell_type == "code"]
    source = "\n".join(cell.source for cell in lesson.cells).replace(
        "../data/messy/branch_reports.xlsx", "報告.csv"
    )
    source = source.replace("../runs/my_data", "out").replace('MODEL = "minilm"', 'MODEL = "model"')
    lesson.cells = [nbformat.v4.new_code_cell(source)]
    nbformat.write(lesson, folder / "bench.ipynb")


class Panel(Bench):
    def ready(self) -> None:
        self.until(
            lambda: self.page.locator("button", has_text="Write a cleaned copy").count() > 0, 120
        )

    def heading(self, words: str):
        return self.page.locator("button", has_text=words)


@pytest.fixture(scope="module")
def panel(browser, server, place) -> Iterator[Panel]:
    page = browser.new_page(viewport={"width": 1300, "height": 1100})
    panel = Panel(page, place, server[0])
    panel.open()
    yield panel
    page.close()


def test_the_panel_shows_the_file_and_the_guesses(panel):
    panel.until("報告.csv")
    for words in ("text: TEXT", "label: LABEL", "site: SITE"):
        assert panel.heading(words).is_visible()
    assert "Click a heading" in panel.words() and "in room train 0" in panel.words()
    panel.shot("own_1_open")


def test_a_heading_that_is_clicked_changes_its_role(panel):
    panel.heading("site: SITE").click()
    panel.until(lambda: panel.heading("site: not used").count() == 1, 20)
    for now, then in (("not used", "TEXT"), ("TEXT", "LABEL"), ("LABEL", "SITE")):
        panel.heading(f"site: {now}").click()
        panel.until(lambda then=then: panel.heading(f"site: {then}").count() == 1, 20)
    for name, clicks in (("label", 2), ("text", 1)):  # their roles were taken on the way
        for _ in range(clicks):
            before = panel.heading(f"{name}: ").inner_text()
            panel.heading(f"{name}: ").click()
            panel.until(
                lambda name=name, before=before: panel.heading(f"{name}: ").inner_text() != before,
                20,
            )
    panel.until(
        lambda: panel.heading("text: TEXT").count() and panel.heading("label: LABEL").count(), 20
    )


def test_check_gives_a_verdict_and_clean_writes_a_file(panel, server):
    assert not panel.button("Write a cleaned copy").is_enabled()
    panel.button("Check").click()
    panel.until(
        lambda: any(
            word in panel.words() for word in ("Not yet\n", "Usable with care\n", "Ready\n")
        ),
        60,
    )
    panel.shot("own_2_checked")
    panel.button("Write a cleaned copy").click()
    panel.until("Written: out", 30)
    panel.shot("own_3_cleaned")
    assert (server[1] / "work" / "out" / "報告.clean.csv").is_file() and (
        server[1] / "work" / "報告.csv"
    ).is_file()


def test_an_upload_with_a_hostile_name_stays_in_its_folder(panel, server):
    body = b"text,label\n" + b"".join(
        b"roof %d leaks,%s\n" % (i, (b"a", b"b")[i % 2]) for i in range(30)
    )
    upload = {"name": "..\\..\\<img src=x>.csv", "mimeType": "text/csv", "buffer": body}
    with panel.page.expect_file_chooser() as chooser:
        panel.page.locator("button", has_text="Upload a file").click()
    chooser.value.set_files(upload)
    panel.until("roof 0 leaks", 30)
    panel.shot("own_4_uploaded")
    kept = list((server[1] / "work").rglob("*img*"))
    assert len(kept) == 1 and kept[0].parent == server[1] / "work" / "out" / "uploads"


def test_nothing_left_this_machine_and_no_script_failed(panel):
    assert panel.outside == [] and panel.errors == []
