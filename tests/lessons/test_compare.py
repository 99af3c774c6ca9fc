"""What the lesson that compares everything draws and picks, on records whose numbers can be checked
by hand.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace

import pandas as pd
import pytest
from factories.figures import notes_of
from factories.records import one, pooled

from fedkit.lessons import choice_panel as choice
from fedkit.lessons import compare as pictures
from fedkit.lessons.choice_panel import Limits
from fedkit.plots.panel import StaticPanel
from fedkit.results.privacy_promise import Promise

FOUR, TOP = "int4+ans", "topk:0.03+int4+ans"
EPS8 = {"privacy": "example:eps=8,trust=sum", "secure": "masks"}


def board() -> list:
    """Per seed: LoRA 80 % at 100 kB, LoRA 4 bits 79.5 % at 10 kB, head 70 % at 20 kB, head with
    epsilon 8 60 % at 20 kB.
    """
    runs = []
    for seed in range(3):
        luck = 0.01 * seed  # of the split: the same for all
        runs += [
            one(0.80 + luck, 100.0, 2.0, seed=seed, tune="lora:r=8"),
            one(
                0.795 + luck + 0.001 * (seed == 1), 10.0, 2.5, seed=seed, tune="lora:r=8", wire=FOUR
            ),
            one(0.70 + luck + 0.001 * (seed == 2), 20.0, 0.1, seed=seed, tune="head"),
            private(one(0.60 + luck, 20.0, 0.1, seed=seed, tune="head", **EPS8)),
            pooled(0.82 + luck, seed),
        ]
    return runs


def many_tests(run):
    """The run, judged on so many test examples that their luck is nearly nothing."""
    bounds = [run.result["accuracy"] - 1e-4, run.result["accuracy"] + 1e-4]
    return replace(run, result=run.result | {"accuracy_ci95": bounds})


def private(run):
    return replace(
        run, result=run.result | {"epsilon": 8.0, "delta": 1e-5, "privacy_unit": "example"}
    )


def test_ways_have_names_that_fit_and_what_each_costs():
    found = {w.name: w for w in pictures.measured_methods(board())}
    assert list(found) == ["LoRA", "LoRA, 4 bits", "Head", "Head, ε 8, sums only"]
    assert (found["LoRA"].kb, found["LoRA"].seconds) == (100.0, 2.0)
    assert found["LoRA"].accuracy.value == pytest.approx(0.81)


def test_two_ways_of_one_name_keep_their_own():
    names = [
        w.name
        for w in pictures.measured_methods(
            [one(0.8, 9.0, tune="lora:r=8"), one(0.8, 5.0, tune="lora:r=4")]
        )
    ]
    assert len(set(names)) == 2 and "LoRA" not in names


def test_who_has_to_be_trusted_stands_with_the_promise():
    assert pictures.promise_label(Promise()) == ""
    assert pictures.promise_label(Promise(sealed=True)) == "sums only"
    assert pictures.promise_label(Promise(8.0, 1e-5, "example", alone=True)) == "ε 8, each alone"


def test_the_front_is_of_this_cost_and_of_privacy():
    found = pictures.measured_methods(board())
    traffic, seconds, _ = pictures.AXES
    # the head sends more than LoRA at 4 bits
    assert pictures.pareto_members(found, traffic) == [True, True, False, True]
    assert pictures.pareto_members(found, seconds) == [True, False, True, True]


def test_the_finding_names_what_is_nearly_as_good_for_less():
    said = pictures.axis_finding(pictures.measured_methods(board()), pictures.AXES[0])
    assert said.startswith("LoRA is the most accurate (81.0 %); LoRA, 4 bits is 0.5 points lower")
    assert said.endswith("takes 10.0 times less.")
    assert "nothing that takes less" in pictures.axis_finding(
        pictures.measured_methods(board()), pictures.AXES[1]
    ).replace("LoRA, 4", "")


def test_each_button_shows_its_own_traces_only():
    fig = pictures.accuracy_against_costs(board())
    buttons = fig.layout.updatemenus[0].buttons
    assert [b.label for b in buttons] == ["Traffic", "Training time", "Memory", "Privacy"]
    shown = [b.args[0]["visible"] for b in buttons]
    assert all(sum(column) == 1 for column in zip(*shown)) and len(shown[0]) == len(fig.data)
    assert [t.visible is not False for t in fig.data] == list(shown[0])  # as it opens
    assert "Pooled" in notes_of(fig) and "LoRA, 4 bits" in notes_of(fig)


def test_without_promises_there_is_no_button_for_them():
    fig = pictures.accuracy_against_costs(
        [one(0.8, 9.0, tune="lora:r=8"), one(0.7, 5.0, tune="head")]
    )
    assert [b.label for b in fig.layout.updatemenus[0].buttons] == [
        "Traffic",
        "Training time",
        "Memory",
    ]


def test_differences_are_paired_so_that_the_luck_of_a_split_falls_out():
    gaps = pictures.differences_to(board(), "LoRA")
    assert not gaps["Pooled"].above and gaps["Head"].below  # 100 tests do not show two points
    runs = [many_tests(run) for run in board()]
    gaps = pictures.differences_to(runs, "LoRA")
    assert list(gaps) == ["Head, ε 8, sums only", "Head", "LoRA, 4 bits", "Pooled"]
    assert gaps["Pooled"].value == pytest.approx(0.02) and gaps["Pooled"].above
    assert gaps["Head"].below
    assert (
        "4 of 4 are told apart from LoRA"
        in pictures.difference_intervals(runs, "LoRA").layout.meta["sentence"]
    )


def test_markup_in_a_name_stays_text():
    fig = pictures.accuracy_against_costs(
        [one(0.8, 9.0, tune="<b>x</b>"), one(0.7, 5.0, tune="head")]
    )
    assert "<b>x" not in notes_of(fig) and "&lt;b&gt;x" in notes_of(fig)


def test_thinned_keeps_every_nth_row_and_the_columns():
    from pathlib import Path

    folder = Path(pictures.thin_dataset("service_desk", 100))
    whole, part = (
        pd.read_csv(f / "train.csv") for f in (pictures.BUNDLED_FOLDER / "service_desk", folder)
    )
    assert len(part) == math.ceil(len(whole) / 100) and list(part) == list(whole)
    assert part.text[1] == whole.text[100]


@pytest.mark.parametrize(
    ("needs", "picked"),
    [
        (Limits(), "LoRA, 4 bits"),  # half a point lower, a tenth of the bytes
        (Limits(promise=choice.PROMISES["ε 8 for each text"]), "Head, ε 8, sums only"),
        (Limits(promise=choice.PROMISES["the server reads sums only"]), "Head, ε 8, sums only"),
        (Limits(promise=choice.PROMISES["ε 8, and nobody is trusted"]), None),
        (Limits(promise=choice.PROMISES["ε 1 for each text"]), None),
        (Limits(kb=5.0), None),
        (Limits(memory=1.0), None),
    ],
)
def test_the_choice_meets_every_need_or_names_nothing(needs, picked):
    made = choice.choose(pictures.measured_methods(board()), needs)
    assert (made.picked and made.picked.name) == picked
    assert picked is None or picked not in made.refused


def test_what_does_not_fit_says_why():
    refused = choice.choose(pictures.measured_methods(board()), Limits(kb=15.0)).refused
    assert refused["LoRA"] == "sends 100 kB" and "LoRA, 4 bits" not in refused


def test_the_page_gives_the_reason_and_the_command():
    runs = board()
    page = choice.choice_html(runs, pictures.measured_methods(runs), Limits())
    assert "LoRA is 0.5 points more accurate, and sends 10.0 times as much." in page
    assert "Against all in one place:" in page and "fedkit run" in page and f"--wire {FOUR}" in page
    assert "Nothing that was measured fits." in choice.choice_html(
        runs, pictures.measured_methods(runs), Limits(kb=1.0)
    )


def test_markup_in_a_way_is_escaped_on_the_page():
    runs = [one(0.8, 9.0, tune="<script>x"), one(0.7, 5.0, tune="head")]
    assert not re.search(
        "<script", choice.choice_html(runs, pictures.measured_methods(runs), Limits())
    )


def test_the_panel_follows_its_drop_downs():
    pytest.importorskip("ipywidgets")
    panel = choice.choice_panel(board())
    assert "<b style='color:#0072b2'>LoRA, 4 bits</b>" in panel.words.value
    panel.controls[1].value = choice.PROMISES["ε 8 for each text"]
    assert (
        panel.needs.promise.epsilon == 8.0
        and "<b style='color:#0072b2'>Head, ε 8" in panel.words.value
    )
    assert "No drop-downs here" in panel._repr_mimebundle_()["text/html"]


def test_without_widgets_the_choice_is_still_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    still = choice.choice_panel(board(), Limits(kb=15.0))
    assert isinstance(still, StaticPanel)
    assert "fedkit doctor" in still._repr_html_() and "LoRA, 4 bits" in still._repr_html_()
