"""A document as DOCX: real styles, repeated table heads, page numbers, Japanese fonts, marked
blanks.

The same document gives the same bytes: no time of writing is stored in it.
"""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, time
from typing import Any

from docx import Document as new_word
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_COLOR_INDEX
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

from fedkit.reports.brief.text_metrics import text_width
from fedkit.reports.governance import markdown as blocks
from fedkit.reports.governance.markdown import Block, Document, Table, split_blanks, visible_text

LATIN, MONO = "Calibri", "Consolas"
EAST_ASIAN = {"en": "Yu Gothic", "ja": "游ゴシック"}
LANGUAGE = {"en": "en-GB", "ja": "ja-JP"}
SOFT, NOTED = "EDEFF2", "FFF4CE"  # background of a table's head, of a note
EPOCH = (1980, 1, 1, 0, 0, 0)  # of files in the archive: the earliest that a zip can say
WIDE = 16.6  # cm between the margins of a page
STYLES = ("Normal", "Title", "Heading 1", "Heading 2", "List Bullet", "Table Grid", "Footer")


def to_docx(document: Document) -> bytes:
    """Return the document as the bytes of a .docx file."""
    word = new_word()
    _set_page(word.sections[0])
    _set_styles(word, document.lang)
    _set_properties(word.core_properties, document)
    for block in document.blocks:
        _add_block(word, block)
    return _without_times(word)


def _add_block(word: Any, block: Block) -> None:
    match block:
        case Table():
            _add_table(word, block)
        case blocks.Bullets(items):
            for item in items:
                _add_runs(word.add_paragraph(style="List Bullet"), item)
        case blocks.Code(line):
            word.add_paragraph().add_run(line).font.name = MONO
        case blocks.Note(text):
            note = _add_runs(word.add_paragraph(), text, bold=True)
            _append(note._p.get_or_add_pPr(), "w:shd", val="clear", color="auto", fill=NOTED)
        case _:
            _add_runs(word.add_paragraph(style=block.style), block.text)


def _add_table(word: Any, table: Table) -> None:
    grid = word.add_table(rows=0, cols=len(table.head), style="Table Grid")
    grid.autofit = False
    margins = _element("w:tblCellMar")
    for side in ("top", "bottom"):  # space above and below text, in twentieths of a point
        _append(margins, f"w:{side}", w="50", type="dxa")
    grid._tbl.tblPr.find(qn("w:tblLook")).addprevious(margins)
    for column, width in zip(grid.columns, column_widths(table)):
        column.width = Cm(width)
    for texts in (table.head, *table.rows):
        row, is_head = grid.add_row(), texts is table.head
        _append(row._tr.get_or_add_trPr(), "w:cantSplit", val="true")
        if is_head:
            _append(row._tr.get_or_add_trPr(), "w:tblHeader", val="true")
        for cell, text in zip(row.cells, texts):
            if is_head:
                _append(cell._tc.get_or_add_tcPr(), "w:shd", val="clear", color="auto", fill=SOFT)
            _set_small(_add_runs(cell.paragraphs[0], text, bold=is_head))
            # no head alone at the foot of a page
            cell.paragraphs[0].paragraph_format.keep_with_next = True if is_head else None
    _set_small(word.add_paragraph())  # room below: two tables in a row would become one


def column_widths(table: Table) -> list[float]:
    """Return the width of each column in cm, WIDE in total: its longest word, then by amount of
    text.
    """
    em, padding = 9 / 72 * 2.54, 0.4
    columns = [[visible_text(cell) for cell in column] for column in zip(table.head, *table.rows)]
    words = [
        max(text_width(word, em, True) for cell in column for word in cell.split(" "))
        for column in columns
    ]
    floors = [
        (6 if any(blank for cell in column for _, blank in split_blanks(cell)) else 2.5) * em
        for column in columns
    ]
    least = [min(max(1.1 * word, floor), 12 * em) + padding for word, floor in zip(words, floors)]
    held = [min(max(text_width(cell, em) for cell in column), 60 * em) for column in columns]
    spare = WIDE - sum(least)
    if spare <= 0:
        return [WIDE * one / sum(least) for one in least]
    return [one + spare * text / sum(held) for one, text in zip(least, held)]


def _add_runs(paragraph: Any, text: str, bold: bool = False) -> Any:
    """Add the text as runs; blanks to fill in are marked yellow."""
    for piece, blank in split_blanks(text):
        run = paragraph.add_run(piece)
        run.bold = True if bold else None
        if blank:
            run.font.highlight_color = WD_COLOR_INDEX.YELLOW
    return paragraph


def _set_small(paragraph: Any) -> None:
    paragraph.paragraph_format.space_after = Pt(0)
    paragraph.paragraph_format.line_spacing = 1.0
    for run in paragraph.runs:
        run.font.size = Pt(9)


def _set_styles(word: Any, lang: str) -> None:
    """Set the fonts of every style, Latin and East Asian, and the spelling checker's language."""
    for name in STYLES:
        style = word.styles[name]
        style.font.name = LATIN
        fonts = style.element.rPr.rFonts
        # the theme's would win
        for key in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(qn(f"w:{key}"), None)
        fonts.set(qn("w:eastAsia"), EAST_ASIAN[lang])
    for name, size in (("Normal", 10.5), ("Title", 20), ("Heading 1", 14), ("Heading 2", 12)):
        word.styles[name].font.size = Pt(size)
        word.styles[name].font.color.rgb = RGBColor(0x22, 0x22, 0x22)
    for tongue in word.styles.element.iter(qn("w:lang")):
        tongue.set(qn("w:val"), LANGUAGE["en"] if lang == "en" else "en-US")
        tongue.set(qn("w:eastAsia"), "ja-JP")


def _set_properties(core: Any, document: Document) -> None:
    core.title = visible_text(document.title)[:255]
    core.author, core.language = "fedkit", LANGUAGE[document.lang]
    core.comments = core.last_modified_by = core.keywords = core.subject = ""
    for stamp in [e for e in core._element if e.tag.endswith(("}created", "}modified"))]:
        core._element.remove(stamp)
    if document.date is not None:
        core.created = core.modified = datetime.combine(document.date, time())


def _set_page(page: Any) -> None:
    """Set A4, margins, and a footer '3 / 12' of fields that the word processor fills."""
    page.page_width, page.page_height = Cm(21.0), Cm(29.7)
    page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = Cm(2.2)
    foot = page.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for text, field in (("", "PAGE"), (" / ", "NUMPAGES")):
        foot.add_run(text)
        _append(foot.add_run()._r, "w:fldChar", fldCharType="begin")
        _append(foot.add_run()._r, "w:instrText").text = field
        _append(foot.add_run()._r, "w:fldChar", fldCharType="separate")
        _append(foot.add_run()._r, "w:t").text = "1"  # shown until it is filled
        _append(foot.add_run()._r, "w:fldChar", fldCharType="end")


def _append(parent: Any, tag: str, **values: str) -> Any:
    element = _element(tag, **values)
    parent.append(element)
    return element


def _element(tag: str, **values: str) -> Any:
    return OxmlElement(tag, {qn(f"w:{key}"): value for key, value in values.items()})


def _without_times(word: Any) -> bytes:
    """Return the archive with every time in it set to the same one."""
    first, out = io.BytesIO(), io.BytesIO()
    word.save(first)
    with zipfile.ZipFile(first) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as kept:
        for name in given.namelist():
            kept.writestr(zipfile.ZipInfo(name, EPOCH), given.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()
