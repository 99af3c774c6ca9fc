"""The adviser's panel without a browser: controls, their help, the table, its speed, and what is
shown without widgets.
"""

from __future__ import annotations

import time
from statistics import median

import pytest

from fedkit.experiments.advise import Needs
from fedkit.network import DEVICES, LINKS
from fedkit.widgets.advice_panel import AdviserPanel, StaticTable, advice_table, adviser_panel


@pytest.fixture
def needs(tiny_model) -> Needs:
    return Needs(model=tiny_model, labels=3, examples=50, sites=4, tokens=(12.0, 16))


def test_moving_a_control_redraws_the_table(needs):
    panel = AdviserPanel(needs)
    before = panel.table.value
    panel.hours.value, panel.link.value = 0.5, "field-64k"
    assert panel.table.value != before and "a night has 30.0 min" not in before
    assert (
        panel.needs.hours == 0.5
        and panel.needs.link == "field-64k"
        and panel.needs.model == needs.model
    )
    panel.memory.value = 500_000_000
    assert "Nothing fits" in panel.table.value and "a site has 500 MB free" in panel.table.value
    panel.memory.value = None
    assert "Nothing fits" not in panel.table.value and "fedkit run" in panel.table.value


def test_choices_are_those_of_the_registries(needs):
    panel = AdviserPanel(needs)
    assert {v for _, v in panel.devices.options} == set(DEVICES) and {
        v for _, v in panel.link.options
    } == set(LINKS)


def test_a_setting_that_is_no_option_becomes_one(needs):
    panel = AdviserPanel(
        Needs(**{**vars(needs), "link": "3mbps/5ms", "examples": 77, "memory": 1_500_000_000})
    )
    assert (
        panel.link.value == "3mbps/5ms"
        and panel.examples.value == 77
        and panel.memory.value == 1_500_000_000
    )


def test_every_control_has_a_line_of_help_and_a_name(needs):
    panel = AdviserPanel(needs)
    boxes = panel.view().children[0].children
    assert len(boxes) == len(panel.controls()) == 7
    for control, box in zip(panel.controls(), boxes):
        assert (
            box.children[0] is control and control.description and len(box.children[1].value) > 100
        )


def test_a_table_is_redrawn_within_100_ms(needs):
    panel, took = AdviserPanel(needs), []
    for value in (0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 3.0):
        began = time.perf_counter()
        panel.hours.value = value
        took.append(time.perf_counter() - began)
    assert median(took) < 0.1


def test_words_from_outside_become_no_tags(needs):
    panel = AdviserPanel(needs)
    page = advice_table(Needs(**{**vars(needs), "data": "<script>x"}), panel.advices)
    assert "<script>" not in page and "&lt;script&gt;x" in page


def test_a_mistake_is_said_in_the_panel(needs):
    panel = AdviserPanel(needs)
    panel.start = Needs(**{**vars(needs), "labels": 0})
    panel.draw()
    assert "labels 0 given" in panel.table.value


def test_without_widgets_there_is_a_table_and_the_reason(needs, hide_module):
    hide_module("ipywidgets")
    shown = adviser_panel(needs)
    assert isinstance(shown, StaticTable)
    assert "No sliders here" in shown._repr_html_() and "<table" in shown._repr_html_()
