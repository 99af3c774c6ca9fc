"""The panel for a file of one's own: what clicks do, what an upload may do, what stands there
without widgets.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from fedkit.core.errors import FedkitError
from fedkit.widgets.data_panel import DataPanel, data_panel
from fedkit.widgets.data_session import DataSession

HEAD = "No,Report,Team,Branch\n"
WORDS = (
    "the printer in room {} is broken",
    "invoice {} was paid twice",
    "the roof above desk {} leaks",
)


def rows(number: int = 45) -> str:
    return "".join(
        f"{i},{WORDS[i % 3].format(i)},{('IT', 'Money', 'House')[i % 3]},{'ab'[i % 2]}\n"
        for i in range(number)
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text(HEAD + rows(), encoding="utf-8")
    return path


@pytest.fixture
def panel(file, tmp_path):
    return DataPanel(file, tmp_path / "out")


def headings(panel) -> dict:
    return {box.children[0].tooltip: box.children[0] for box in panel.table_view.children}


def test_guesses_are_shown_on_the_headings(panel):
    assert panel.roles == {"text": "Report", "label": "Team", "client": "Branch"}
    named = {name: button.description for name, button in headings(panel).items()}
    assert named == {
        "No": "No: not used",
        "Report": "Report: TEXT",
        "Team": "Team: LABEL",
        "Branch": "Branch: SITE",
    }
    assert "the printer in room 0" in panel.table_view.children[1].children[1].value


def test_a_click_gives_the_next_role_and_takes_it_from_another(panel):
    headings(panel)["No"].click()
    assert panel.roles == {"text": "No", "label": "Team", "client": "Branch"}
    headings(panel)["No"].click()
    assert panel.roles == {"label": "No", "client": "Branch"}
    headings(panel)["Branch"].click()
    assert panel.roles == {"label": "No"}


@pytest.mark.slow
def test_check_and_clean_by_clicks(panel, file, tmp_path):
    before = file.read_bytes()
    assert panel.clean_button.disabled
    panel.check_button.click()
    assert panel.quality.rows == 45 and not panel.clean_button.disabled
    panel.clean_button.click()
    assert (
        panel.written.clean == tmp_path / "out" / "my.clean.csv" and "Written" in panel.result.value
    )
    assert (tmp_path / "out" / "check.html").is_file() and file.read_bytes() == before


def test_another_choice_makes_an_earlier_check_void(panel):
    panel.check(slow=False)
    panel.clean(mask=False)
    headings(panel)["Branch"].click()
    assert (
        panel.quality is None
        and panel.written is None
        and panel.clean_button.disabled
        and not panel.result.value
    )
    with pytest.raises(FedkitError, match="no cleaned copy yet"):
        _ = panel.config


@pytest.mark.slow
def test_config_runs_on_the_copy_with_and_without_a_client_column(panel):
    panel.check(slow=False), panel.clean()
    assert (panel.config.partition, panel.config.client, panel.config.text) == (
        "column",
        "Branch",
        "Report",
    )
    panel.choose(client="")
    panel.check(slow=False), panel.clean()
    assert (panel.config.partition, panel.config.client) == ("iid", None)
    assert "Branch" in panel.written.clean.read_text("utf-8-sig").splitlines()[0]


@pytest.mark.slow
def test_a_heading_that_looks_like_a_formula_is_found_in_the_copy(tmp_path):
    from fedkit.data.load import load_corpus

    path = tmp_path / "f.csv"
    path.write_text((HEAD + rows()).replace("Report", "=Report", 1), encoding="utf-8")
    session = DataSession(path, tmp_path / "out")
    session.check(slow=False), session.clean()
    assert load_corpus(session.config.data, session.config.text, session.config.label).labels == (
        "House",
        "IT",
        "Money",
    )


def test_wrong_columns_are_refused_in_one_line(panel):
    with pytest.raises(
        FedkitError, match="no column 'Text'; columns: 'No', 'Report', 'Team', 'Branch'"
    ):
        panel.choose(text="Text")


def test_japanese_in_cp932_looks_right_and_another_encoding_can_be_chosen(tmp_path):
    path = tmp_path / "支店.csv"
    path.write_bytes(
        ("番号,内容,担当\n" + "".join(f"{i},印刷機が動かない{i},総務\n" for i in range(9))).encode(
            "cp932"
        )
    )
    panel = DataPanel(path, tmp_path / "out")
    assert (
        panel.preview.columns == ("番号", "内容", "担当")
        and "印刷機が動かない0" in panel.table_view.children[1].children[1].value
    )
    assert "cp932" in panel.notes.value
    panel.encodings.value = "latin-1"
    assert panel.encoding == "latin-1" and panel.preview.columns != ("番号", "内容", "担当")


@pytest.mark.parametrize(
    "name",
    ["../../evil.csv", "..\\..\\evil.csv", "/etc/evil.csv", "C:\\evil.csv", "a\0b.csv", "con.csv"],
)
def test_an_upload_stays_in_its_folder(tmp_path, name):
    panel = DataPanel(None, tmp_path / "out")
    panel.keep_upload(name, (HEAD + rows()).encode())
    panel.keep_upload(name, (HEAD + rows()).encode())
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == 2 and {path.parent for path in kept} == {tmp_path / "out" / "uploads"}


@pytest.mark.parametrize("name", [".csv", "my.exe", "my.csv.html", ""])
def test_an_upload_that_nothing_reads_is_not_kept(tmp_path, name):
    with pytest.raises(FedkitError):
        DataPanel(None, tmp_path / "out").keep_upload(name, b"text,label\n")
    assert not list(tmp_path.rglob("*"))


def test_an_upload_by_click_is_read(tmp_path):
    panel = DataPanel(None, tmp_path / "out")
    assert panel.check_button.disabled
    content = memoryview((HEAD + rows()).encode())
    panel.upload.value = (
        {
            "name": "my.csv",
            "type": "text/csv",
            "size": 3,
            "content": content,
            "last_modified": datetime.now(UTC),
        },
    )
    assert (
        panel.source.name == "my.csv"
        and panel.roles["text"] == "Report"
        and panel.path.value == str(panel.source)
    )


def test_what_goes_wrong_is_a_line_and_the_panel_goes_on(panel, tmp_path, file):
    panel.path.value = str(tmp_path / "none.csv")
    assert "no file" in panel.result.value and panel.source == file
    panel.path.value = f'"{file}"'  # as file managers copy it
    assert panel.source == file and not panel.result.value


def test_names_from_a_file_are_escaped(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(
        "<script>alert(1)</script>,Team\n<img src=x onerror=a()>,IT\nb <b>,IT\n", encoding="utf-8"
    )
    session = DataSession(path, tmp_path / "out", reason="<i>")
    assert (
        "<script" not in session._repr_html_()
        and "<img" not in session._repr_html_()
        and "<i>" not in session._repr_html_()
    )


def test_without_widgets_there_is_a_session_with_the_same_methods(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    session = data_panel(file, tmp_path / "out")
    assert (
        type(session) is DataSession
        and "No buttons here" in session._repr_html_()
        and "TEXT" in session._repr_html_()
    )
    session.check(slow=False)
    assert session.clean(mask=True).clean.is_file() and "Written" in session._repr_html_()
