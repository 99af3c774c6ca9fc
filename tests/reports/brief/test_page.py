"""The page of the brief: inert, whole on a screen, and one sheet of A4 when printed, in both
languages and at its worst.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from factories.brief_samples import SAMPLES, english, japanese
from factories.pages import Page

from fedkit.reports.brief import page, pictures, text_metrics
from fedkit.reports.brief.brief import Bar, Swing

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.fixture(scope="module", params=SAMPLES)
def rendered(request):
    brief = SAMPLES[request.param]()
    return brief, page.render_brief(brief)


def test_nothing_runs_loads_or_links(rendered):
    read = Page(rendered[1])
    assert not {tag for tag, _ in read.tags} & {
        "script",
        "img",
        "a",
        "iframe",
        "object",
        "link",
        "form",
        "foreignobject",
        "base",
    }
    assert not [
        name
        for _, attributes in read.tags
        for name in attributes
        if name.startswith("on") or name in ("href", "src", "srcset")
    ]
    assert (
        "default-src 'none'" in rendered[1]
        and "url(" not in rendered[1]
        and "{%" not in rendered[1]
    )


def test_no_bidi_or_control_character_is_left(rendered):
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\ufffe\ud800-\udfff]", rendered[1])
    rendered[1].encode("utf-8")


@pytest.mark.slow
def test_every_sentence_stands_on_the_page():
    for brief in (english(), japanese()):
        words = " ".join(Page(page.render_brief(brief)).words)
        said = (
            *brief.privacy,
            *brief.left,
            *brief.stayed,
            *brief.leaving,
            *brief.conditions,
            *brief.next_steps,
            *brief.phrases,
            *brief.caveats,
            *brief.tried,
            brief.headline,
            brief.question,
            brief.bars_sentence,
            brief.returns.sentence,
        )
        assert [line for line in said if line not in words] == []
        assert all(f.value in words and f.source in words for f in brief.returns.assumptions)


def test_a_sample_of_usual_length_is_printed_uncut():
    for brief in (english(), japanese()):
        level = page.choose_density(brief)
        assert level.clamp == level.items == 99 and level.size >= 8.8


def test_pictures_are_sound_xml_with_a_name(rendered):
    for svg in re.findall(r"<svg.*?</svg>", rendered[1], re.S):
        root = ElementTree.fromstring(svg)
        assert root.get("aria-hidden") or (root.get("role") == "img" and root.get("aria-label"))


def test_bars_show_values_and_intervals_by_hand():
    brief = replace(english(), bars=(Bar("federated", "Federated", 0.5, 0.4, 0.6),))
    svg = pictures.accuracy_bars(brief)
    assert (
        'width="91.0"' in svg and "50.0%" in svg and "40.0% to 60.0%" in svg and "#0072b2" in svg
    )  # 332 - 150 px are 100 %
    assert "M222.8," in svg and "H259.2" in svg  # 150 + 0.4 * 182, 150 + 0.6 * 182


def test_a_bar_without_an_interval_or_value_is_drawn():
    nan = float("nan")
    assert "–" in pictures.accuracy_bars(
        replace(english(), bars=(Bar("local", "Local", nan, nan, nan),))
    )


def test_the_widest_swing_stands_on_top():
    small, wide, odd = (
        Swing("a", "1", "2", 5, 6),
        Swing("b", "1", "2", 9, 1),
        Swing("c", "1", "2", float("nan"), 1),
    )
    assert pictures.widest_first([small, wide, odd]) == [wide, small]


def test_labels_of_the_tornado_stay_within_it():
    for brief in (make() for make in SAMPLES.values()):
        root = ElementTree.fromstring(pictures.tornado(brief))
        for text in root.iter("{http://www.w3.org/2000/svg}text"):
            long = text_metrics.text_width(
                text.text or "", float(text.get("font-size")), bool(text.get("font-weight"))
            )
            x = (
                float(text.get("x"))
                - {"start": 0, "middle": long / 2, "end": long}[text.get("text-anchor")]
            )
            assert x >= -4 and x + long <= pictures.SLIM + 4, text.text


def test_sign_and_word_stand_beside_colour():
    html = page.render_brief(english())
    assert html.count('aria-label="met"') == 4 and html.count('aria-label="not met"') == 2
    assert "✗" in html and "✓" in html and "Go, with conditions" in html


@pytest.mark.parametrize("verdict", pictures.DARK)
def test_contrast(verdict):
    for paper in (pictures.PALE[verdict], "#ffffff"):
        assert contrast(pictures.DARK[verdict], paper) >= 4.5 and contrast("#595959", paper) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, of two colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_lists_are_cut_and_say_so():
    assert text_metrics.first_items("abcdef", 3) == (("a", "b", "c"), 3)
    # to say "one more" would take as much room
    assert text_metrics.first_items("abcd", 3) == (("a", "b", "c", "d"), 0)
    assert (
        text_metrics.cut_lines("one two three", 4, 1.0) == ["one two…"]
        or len(text_metrics.cut_lines("one two three", 4, 1.0)) == 1
    )
    assert text_metrics.wrap_lines("あいうえお", 2, 1.0) == ["あい", "うえ", "お"]
    # no line begins with a closing sign
    assert text_metrics.wrap_lines("あい）う", 2, 1.0) == ["あ", "い）", "う"]


def test_an_empty_brief_is_drawn():
    nothing = replace(
        english(),
        bars=(),
        hours_rows=(),
        hours_head=(),
        conditions=(),
        costs=(),
        tiles=(),
        left=(),
        sources=(),
    )
    bare = replace(nothing.returns, swings=(), curve=(), assumptions=(), break_even=(), sentence="")
    assert "<h2>" in page.render_brief(replace(nothing, returns=bare))


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium here")
    with api.sync_playwright() as play:
        opened = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_one_sheet_of_a4_with_nothing_beyond_its_edge(browser, tmp_path, name):
    (tmp_path / "a.html").write_text(page.render_brief(SAMPLES[name]()), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 794, "height": 1123})
    tab.goto((tmp_path / "a.html").as_uri())
    tab.emulate_media(media="print")
    tall, room, beyond = tab.evaluate(MEASURE)
    assert tall <= room and beyond == 0
    pdf = tab.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1 and re.search(
        rb"/MediaBox \[0 0 59[456][.\d]* 84[12][.\d]*\]", pdf
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_no_sideways_scrolling_on_screens(browser, tmp_path, name):
    (tmp_path / "a.html").write_text(page.render_brief(SAMPLES[name]()), encoding="utf-8")
    for width in (390, 900):
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.goto((tmp_path / "a.html").as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


MEASURE = """() => {
  const main = document.querySelector('main'), edge = main.getBoundingClientRect();
  const out = [...main.querySelectorAll('section, .tile, .foot, li, td')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && (box.right > edge.right - 24 || box.bottom > edge.bottom - 10); });
  return [main.scrollHeight, main.clientHeight, out.length]; }"""
