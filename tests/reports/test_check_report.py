"""What a check leaves behind: lines, files, and the page, on tables whose findings are made by
hand.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fedkit.core.errors import FedkitError
from fedkit.data.load import read_rows
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.report import assess
from fedkit.reports.check_report import (
    check_lines,
    columns_in_copy,
    finding_lines,
    render_check,
    write_checked,
)

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "my.csv"
    body = "".join(
        f"the {'printer' if i % 2 else 'roof'} number {i},{'IT' if i % 2 else 'House'},s{i % 2}\n"
        for i in range(40)
    )
    path.write_text(
        f"text,label,site\n{body}the roof number 0,House,s0\n,IT,s1\n", encoding="utf-8"
    )
    return read_rows(path)


@pytest.fixture
def quality(table):
    return assess(table, CheckOptions(slow=False))


def finding(level: str, what: str, mended: bool = False, **more) -> Finding:
    return Finding(
        "made-up",
        level,
        more.pop("count", 3),
        40,
        what,
        "because",
        "do this",
        mended=mended,
        **more,
    )


def test_files_are_written_beside_and_say_what_was_done(table, quality, tmp_path):
    before = (tmp_path / "my.csv").read_bytes()
    written = write_checked(table, quality, tmp_path / "out")
    assert [path.name for path in written.paths] == [
        "my.clean.csv",
        "my.review.csv",
        "check.json",
        "check.html",
    ]
    assert written.clean == written.paths[0] and (tmp_path / "my.csv").read_bytes() == before
    assert (
        len(written.clean.read_text("utf-8-sig").splitlines()) == 41
    )  # the header, and neither the double nor the blank
    values = json.loads((tmp_path / "out" / "check.json").read_text())
    assert (
        values["verdict"] == quality.verdict
        and values["clean"] == "my.clean.csv"
        and len(values["mended"]) == 2
    )
    assert values["mended"] == list(written.changes)


def test_the_report_never_replaces_the_file(table, quality, tmp_path):
    with pytest.raises(FedkitError, match="would be written over"):
        write_checked(replace(table, source=str(tmp_path / "check.json")), quality, tmp_path)


def test_a_folder_that_cannot_be_made_is_one_line(table, quality, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(FedkitError, match="choose another place") as error:
        write_checked(table, quality, tmp_path / "taken" / "out")
    assert "\n" not in str(error.value)


def test_lines_name_columns_findings_verdict_and_the_next_command(table, quality, tmp_path):
    again = check_lines(quality, None, ("--header-row", "3"))[-1]
    assert " --header-row 3 --out checked" in again, "a flag of this check is needed in the next"
    said = check_lines(quality)
    assert said[0] == "my: 42 rows; text 'text', label 'label', site 'site'"
    assert any(line.startswith("verdict: ") for line in said) and "fedkit check" in said[-1]
    written = write_checked(table, quality, tmp_path / "out")
    command = check_lines(quality, written)[-1]
    assert "--client site --partition column" in command and "my.clean.csv" in command
    named = replace(
        quality,
        findings=(replace(finding("care", "names"), kind="personal-data"),),
        verdict="not yet",
    )
    said = check_lines(named, replace(written, changes=("1 row left out",)))
    assert (
        "add --mask" in said[-3] and said[-2] == "next, once what is marked `stop` above is mended:"
    )
    assert not any(
        "add --mask" in line
        for line in check_lines(
            named, replace(written, changes=("2 texts with personal data masked",))
        )
    )


def test_a_note_takes_one_line_and_others_say_why():
    assert (
        len(finding_lines(finding("note", "a"))) == 1
        and len(finding_lines(finding("care", "a"))) == 3
    )


def test_columns_of_the_copy_cannot_be_formulas(quality):
    assert columns_in_copy(replace(quality.columns, text="=a", client=None)).text == "'=a"


def test_what_must_be_mended_comes_first_and_what_the_copy_mends_last(quality):
    found = (
        finding("stop", "S-mended", True),
        finding("stop", "S-open"),
        finding("care", "C"),
        finding("note", "N"),
    )
    page = render_check(replace(quality, findings=found, verdict="not yet", reasons=()))
    places = [
        page.index(word)
        for word in ("What must be mended first", "S-open", "S-mended", "C<", "Good to know", "N<")
    ]
    assert places == sorted(places) and "a cleaned copy mends this" in page


def test_rows_are_named_and_the_rest_counted(quality):
    found = finding("care", "C", count=30, rows=tuple(range(2, 32)))
    page = render_check(replace(quality, findings=(found,)))
    assert "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 18 more" in page


def test_nothing_from_the_data_is_html_and_personal_data_is_masked(quality):
    found = finding("care", EVIL, examples=(EVIL, "write to anna.kern@example.com"))
    made = replace(
        quality,
        name=EVIL,
        findings=(found,),
        reasons=(EVIL,),
        notes=(EVIL,),
        labels={EVIL: 3},
        clients={EVIL: 2},
    )
    page = render_check(made, [EVIL], "x.clean.csv", "x.review.csv")
    assert "<script" not in page and page.count("&lt;script") >= 7
    assert "anna.kern" not in page and "[email]" in page and "x.review.csv" in page
    assert "default-src 'none'" in page and "http" not in page.split("</style>")[1]


def test_many_labels_are_counted_not_all_drawn(quality):
    page = render_check(replace(quality, labels={f"label {i}": 100 - i for i in range(77)}))
    assert "77 labels" in page and "and 47 more" in page and "label 40" not in page
