"""Slides of the brief: they open again, charts hold the right numbers and stay editable, no text
leaves its box.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from factories.brief_samples import EVIL, SAMPLES, english
from pptx import Presentation
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.oxml.ns import qn
from pptx.util import Emu

from fedkit.core.errors import FedkitError
from fedkit.reports.brief import slide_boxes as boxes
from fedkit.reports.brief import slide_charts as charts
from fedkit.reports.brief import text_metrics
from fedkit.reports.brief.brief import Swing
from fedkit.reports.brief.slide_boxes import INSET, LEAD, fit_text
from fedkit.reports.brief.slides import write_slides


@pytest.fixture(scope="module", params=SAMPLES)
def deck(request, tmp_path_factory):
    path = write_slides(SAMPLES[request.param](), tmp_path_factory.mktemp("deck") / "brief.pptx")
    return request.param, path, Presentation(path)


def native(deck) -> list:
    return [shape.chart for slide in deck.slides for shape in slide.shapes if shape.has_chart]


def book(chart):
    return openpyxl.load_workbook(io.BytesIO(chart.part.chart_workbook.xlsx_part.blob))


def test_eight_wide_slides_each_with_notes(deck):
    _, _, slides = deck
    assert len(slides.slides) == 8 and round(slides.slide_width / slides.slide_height, 2) == 1.78
    assert all(
        "run" in s.notes_slide.notes_text_frame.text
        or "実行" in s.notes_slide.notes_text_frame.text
        for s in slides.slides
    )


def test_three_native_charts_with_a_workbook_without_formulas_or_links(deck):
    _, _, slides = deck
    assert len(native(slides)) == 3
    for chart in native(slides):
        cells = [
            cell for row in book(chart).active.iter_rows() for cell in row if cell.value is not None
        ]
        assert not any(cell.data_type == "f" or cell.hyperlink for cell in cells)
        assert not any(isinstance(c.value, str) and charts.RISKY.match(c.value) for c in cells)


def test_charts_hold_the_numbers_of_the_brief(tmp_path):
    brief = english()
    right, swing, curve = native(Presentation(write_slides(brief, tmp_path / "a.pptx")))
    assert [name.replace("\n", " ") for name in right.plots[0].categories] == [
        bar.name for bar in brief.bars
    ][::-1]
    assert list(right.plots[0].series[0].values) == [0.861, 0.846, 0.820, 0.741, 0.702, 0.031]
    errors = re.findall(r"<c:(plus|minus)>.*?</c:\1>", right._chartSpace.xml, re.S)
    assert errors == ["plus", "minus"]
    ends = re.findall(
        r"<c:v>([\d.]+)</c:v>", right._chartSpace.xml.split("<c:plus>")[1].split("</c:plus>")[0]
    )
    assert [float(end) for end in ends] == [0, 0.013, 0.014, 0.017, 0.017, 0.005]
    low, high = swing.plots[0].series
    widest = dict(zip(swing.plots[0].categories, zip(low.values, high.values)))["Reports a year"]
    assert (
        widest == (1_530_000, 15_660_000)
        and list(swing.plots[0].categories)[-1] == "Reports a year"
    )
    assert "crossesAt" in swing._chartSpace.xml and 'val="6240000' in swing._chartSpace.xml
    assert list(curve.plots[0].series[0].values) == [v for _, v in brief.returns.curve]
    assert book(right).active["B2"].value == 0.861


def test_labels_of_the_charts_are_guarded_by_nothing_and_stay_on_one_line(deck):
    for chart in native(deck[2]):
        said = [run.text for run in chart._chartSpace.iter(qn("a:t"))]
        assert said and not any(words.strip().startswith("'") for words in said)
        wraps = [
            body.get("wrap")
            for body in chart._chartSpace.iter(qn("a:bodyPr"))
            if body.getparent().tag == qn("c:rich")
        ]
        assert "none" in wraps


def test_axes_of_money_count_in_what_the_language_counts_in(tmp_path):
    for lang, unit, ends in (("en", "¥ million", (-5e6, 20e6)), ("ja", "万円", (-1000, 400))):
        _, swing, curve = native(
            Presentation(write_slides(SAMPLES[lang](), tmp_path / f"{lang}.pptx"))
        )
        assert (
            unit in swing.value_axis.axis_title.text_frame.text
            and unit == curve.value_axis.axis_title.text_frame.text
        )
        assert (swing.value_axis.minimum_scale, swing.value_axis.maximum_scale) == ends
    assert (
        swing.plots[0].series[0].values[-1] == -485 and curve.plots[0].series[0].values[0] == -420
    )
    assert charts.money_format([9e6], 5e5, "JPY", "en") == (
        1.0,
        "#,##0.0,,;\u2212#,##0.0,,;0",
        "¥ million",
    )
    assert charts.money_format([900], 200, "EUR", "en") == (1.0, "#,##0;\u2212#,##0;0", "€")


def test_zero_net_and_the_month_of_pay_back_are_marked(tmp_path):
    _, swing, curve = native(Presentation(write_slides(english(), tmp_path / "a.pptx")))
    drawn = swing.part.part_related_by(RELATIONSHIP_TYPE.CHART_USER_SHAPES).blob.decode()
    assert (
        "Net a year ¥6,240,000" in drawn
        and drawn.count("<cdr:cxnSp") == len(english().returns.swings) + 1
    )
    assert list(curve.plots[0].series[1].values) == [0] and "Month 9" in curve._chartSpace.xml
    _, _, never = native(Presentation(write_slides(SAMPLES["ja"](), tmp_path / "b.pptx")))
    assert len(never.plots[0].series) == 1


def test_a_scale_has_whole_steps_and_zero():
    assert charts.axis_scale(1.0, 9.0) == (0.0, 10.0, 2.0) and charts.axis_scale(
        -120.0, 40.0, 8
    ) == (-120.0, 40.0, 20.0)
    low, high, _ = charts.tornado_axis_scale([Swing("a", "12,000", "48,000", 0.1, 3.0)], 2.0, 280)
    assert low < 0 and high > 3.0


def test_the_type_is_large_enough_to_read(deck):
    for slide in deck[2].slides:
        sizes = [
            run.font.size.pt
            for s in slide.shapes
            if s.has_text_frame
            for p in s.text_frame.paragraphs
            for run in p.runs
        ]
        cells = [
            cell for s in slide.shapes if s.has_table for row in s.table.rows for cell in row.cells
        ]
        assert min(sizes) >= 11
        assert all(
            run.font.size.pt >= 12 for c in cells for p in c.text_frame.paragraphs for run in p.runs
        )


def test_a_value_in_a_table_stays_on_one_line():
    size, rows, _ = boxes.fit_table([["Set-up", "¥1,150,000", "offer"]], [2.0, 1.4, 2.0], 3.0)
    assert (
        size < 18
        and rows[0][1] == "¥1,150,000"
        and len(text_metrics.wrap_lines("¥1,150,000", 72 * (1.4 - 2 * INSET), size, True)) == 1
    )


def test_the_right_figures_stand_on_the_right_slide(tmp_path):
    slides = Presentation(write_slides(english(), tmp_path / "a.pptx")).slides
    said = [" ".join(t for shape in slide.shapes for t in texts(shape)) for slide in slides]
    assert (
        "Go, with conditions" in said[0]
        and "82.0%" in said[0]
        and "Add noise for epsilon 8" in said[5]
    )
    assert "✗ A privacy promise of epsilon 10 or less. → Go with conditions (none)" in said[5]
    assert "Old PC, 2 cores" in said[3] and "1.6 h" in said[3] and "48,000" in said[7]


def texts(shape) -> list[str]:
    if shape.has_text_frame:
        return [p.text for p in shape.text_frame.paragraphs]
    return [cell.text for row in shape.table.rows for cell in row.cells] if shape.has_table else []


def test_every_shape_lies_on_the_slide_and_no_text_leaves_its_box(deck):
    name, _, slides = deck
    for number, slide in enumerate(slides.slides, 1):
        for shape in slide.shapes:
            assert shape.left >= 0 and shape.top >= 0, (number, shape.name)
            assert (
                shape.left + shape.width <= slides.slide_width + 9
                and shape.top + shape.height <= slides.slide_height
            )
            if shape.has_text_frame and shape.text_frame.text.strip() and "TextBox" in shape.name:
                assert tall(shape) <= Emu(shape.height).inches + 0.01, (
                    name,
                    number,
                    shape.text_frame.text[:60],
                )


def tall(shape) -> float:
    """Inches that a text takes, measured with real typefaces as wide as Arial where there
    are any.
    """
    wide, out = Emu(shape.width).inches - 2 * INSET, 2 * INSET
    for paragraph in shape.text_frame.paragraphs:
        font, hang = paragraph.runs[-1].font, Emu(int(paragraph._p.pPr.get("marL", 0))).inches
        rows = lines(paragraph.text, 72 * (wide - hang), font.size.pt, bool(font.bold))
        out += (rows * font.size.pt * LEAD + paragraph.space_after.pt) / 72
    return out


def lines(text: str, wide: float, size: float, bold: bool) -> int:
    """Lines by the true widths of Liberation Sans (as wide as Arial); wide characters are as wide
    as high.
    """
    from PIL import ImageFont

    path = Path(
        f"/usr/share/fonts/truetype/liberation/LiberationSans-{'Bold' if bold else 'Regular'}.ttf"
    )
    if not path.exists():
        return len(text_metrics.wrap_lines(text, wide, size, bold))
    font, count, used = ImageFont.truetype(str(path), 100), 1, 0.0
    for part in text_metrics.breakable_parts(text):
        length = sum(
            size if text_metrics.char_width(c) == 1.0 else font.getlength(c) * size / 100
            for c in part
        )
        if used and used + length > wide:
            count, used = count + 1, 0.0
        used += length
        while used > wide:
            count, used = count + 1, used - wide
    return count


def test_text_boxes_and_charts_do_not_overlap(deck):
    name, _, slides = deck
    for number, slide in enumerate(slides.slides, 1):
        boxes = [s for s in slide.shapes if s.has_chart or s.has_table or "TextBox" in s.name]
        for i, a in enumerate(boxes):
            for b in boxes[i + 1 :]:
                across = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
                down = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
                assert min(across, down) <= 36_000, (name, number, a.name, b.name)


def test_nothing_is_linked_run_or_timed(deck):
    _, path, _ = deck
    with zipfile.ZipFile(path) as package:
        names, every = package.namelist(), {name: package.read(name) for name in package.namelist()}
        assert {info.date_time for info in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert not any(name.endswith(".bin") or "vba" in name.lower() for name in names)
    assert not any(
        b'TargetMode="External"' in content
        for name, content in every.items()
        if name.endswith(".rels")
    )
    assert not any(
        b"<script" in content for name, content in every.items() if name.endswith(".xml")
    )


def test_the_same_brief_gives_the_same_bytes(tmp_path):
    first, second = (write_slides(english(), tmp_path / f"{i}.pptx").read_bytes() for i in "ab")
    assert first == second


def test_text_has_typefaces_for_both_scripts(deck):
    _, path, _ = deck
    with zipfile.ZipFile(path) as package:
        xml = package.read("ppt/slides/slide1.xml").decode()
    assert (
        xml.count('<a:latin typeface="Arial"/>')
        == xml.count('<a:ea typeface="Yu Gothic"/>')
        == xml.count("<a:rPr ")
        > 5
    )


def test_what_a_cell_may_begin_with():
    assert [
        charts.workbook_cell(t)[0]
        for t in ("=1+1", "+1", "-1", "@x", "http://a", "JavaScript:x", "mailto:a")
    ] == ["'"] * 7
    assert (
        charts.workbook_cell("Federated") == "Federated"
        and charts.workbook_cell("a\x00\x08b\ufffe") == "ab"
    )
    assert not any(charts.RISKY.match(charts.workbook_cell(evil)) for evil in EVIL)


def test_text_is_shrunk_then_cut_and_says_so():
    assert fit_text(["word"], 5, 1, (20, 8)) == (20, ["word"])
    assert fit_text(["word " * 60], 5, 1, (20, 8))[0] < 20
    size, shown = fit_text(["word"] * 60, 5, 1, (20, 8))
    assert size == 8 and shown[-1] == f"… +{60 - len(shown) + 1}"


def test_no_room_is_said(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FedkitError, match="cannot write"):
        write_slides(english(), tmp_path / "file" / "a.pptx")
