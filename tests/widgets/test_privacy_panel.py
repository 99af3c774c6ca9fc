"""The promise in words, tables, the front, the figure and the panel: numbers that can be checked by
hand.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from factories.records import federated, one, private, private_runs

from fedkit import plots
from fedkit.cli.summaries import run_summary
from fedkit.core.record import Run
from fedkit.plots.panel import StaticPanel
from fedkit.plots.privacy import accuracy_range, curve_finding, privacy_cost, privacy_cost_figures
from fedkit.results.findings import describe_runs, leanest_method, method_findings
from fedkit.results.methods import group_methods
from fedkit.results.privacy_curve import Curve
from fedkit.results.privacy_promise import (
    INCOMPARABLE,
    Promise,
    describe_attacker,
    format_chance,
    format_delta,
    format_epsilon,
    guess_bound,
    promise_lines,
    short_promise,
    weakest_promise,
)
from fedkit.results.scoreboard import build_method_board, pareto_front
from fedkit.widgets.privacy_panel import (
    STOPS_BETWEEN,
    PrivacyPanel,
    privacy_panel,
    promise_sentences,
    slider_epsilons,
)

EXAMPLE, CLIENT = Promise(8, 1e-5, "example", alone=True), Promise(8, 1e-5, "client")


@pytest.fixture(scope="module")
def curve() -> Curve:
    return Curve.from_runs(private_runs())


def kept(run: Run, epsilon: float, unit: str = "example") -> Run:
    """`run` with a promise."""
    spec = {"privacy": f"{unit}:eps={epsilon:g}"}
    told = {"epsilon": epsilon, "delta": 1e-5, "privacy_unit": unit}
    return replace(run, config=run.config | spec, result=run.result | told)


# ---- what a promise is, and what it lets an attacker tell


def test_what_covers_what():
    assert EXAMPLE.covers(Promise()) and not Promise().covers(EXAMPLE) and EXAMPLE.covers(EXAMPLE)
    assert replace(EXAMPLE, epsilon=3).covers(EXAMPLE) and not EXAMPLE.covers(
        replace(EXAMPLE, epsilon=3)
    )
    assert not EXAMPLE.covers(CLIENT) and not CLIENT.covers(EXAMPLE), "other units are not ranked"
    assert EXAMPLE.covers(replace(EXAMPLE, alone=False)) and not replace(
        EXAMPLE, alone=False
    ).covers(EXAMPLE)
    assert not EXAMPLE.covers(Promise(sealed=True)) and replace(EXAMPLE, sealed=True).covers(
        Promise(sealed=True)
    )


def test_a_method_promises_what_its_weakest_run_does():
    assert weakest_promise([private(8, 0.8), private(3, 0.8)]).epsilon == pytest.approx(0.9996 * 8)
    assert weakest_promise([private(8, 0.8), federated()]) == weakest_promise([]) == Promise()
    assert weakest_promise([private(8, 0.8)]).alone
    assert not weakest_promise(
        [private(8, 0.8, privacy="example:eps=8,trust=sum", secure="masks")]
    ).alone
    assert weakest_promise([federated(secure="masks")]) == Promise(sealed=True)


def test_the_worst_case_by_hand():
    assert guess_bound(math.log(3)) == pytest.approx(0.75) and guess_bound(0) == 0.5
    assert guess_bound(math.log(3), 0.1) == pytest.approx((3 + 0.1) / 4) and guess_bound(1e9) == 1.0
    assert (
        format_chance(guess_bound(8)) == "99.97 %"
        and format_chance(guess_bound(1)) == "73.1 %"
        and format_chance(guess_bound(40)) == "more than 99.99 %"
    )
    assert "99.97 %" in describe_attacker(8, "example") and "weak bound" in describe_attacker(
        8, "example", 1e-5
    )
    assert "strong promise" in describe_attacker(
        1, "client"
    ) and "a certain site took part" in describe_attacker(1, "client")
    assert "leaves real doubt" in describe_attacker(3, "example") and "95.3 %" in describe_attacker(
        3, "example"
    )


def test_numbers_are_written_as_people_do():
    assert (
        format_epsilon(7.9996),
        format_epsilon(0.9931),
        format_epsilon(3.0012),
        format_delta(1e-5),
        format_delta(1e-10),
    ) == ("8", "0.994", "3.01", "1e-5", "1e-10")
    assert (
        short_promise(EXAMPLE) == "\u03b5 8 per example, \u03b4 1e-5"
        and short_promise(Promise()) == "none"
    )


def test_the_end_of_a_run_says_what_is_promised_and_all_that_belongs_beside_it():
    said = run_summary(private(8, 0.8))
    assert said[-2:] == [
        "privacy: epsilon 8 per example, delta 1e-5, spent in 2 rounds; trusted: nobody",
        "  unit: one text",
    ]
    assert (
        promise_lines(federated())[0].startswith("privacy: nothing is promised")
        and len(promise_lines(federated())) == 1
    )
    assert "sums only" in promise_lines(federated(secure="masks"))[0]
    assert all(line.isascii() for line in said)


# ---- the scoreboard's fourth axis


def test_a_method_without_privacy_does_not_beat_one_with():
    points = [(1.0, 0.9), (1.0, 0.8), (2.0, 0.7), (2.0, 0.7), (3.0, 0.6)]
    none = Promise()
    assert pareto_front(points) == [True, False, False, False, False]
    assert pareto_front(points, [none, EXAMPLE, EXAMPLE, CLIENT, replace(EXAMPLE, epsilon=1)]) == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert pareto_front([(1.0, 0.9), (1.0, 0.9)], [none, EXAMPLE]) == [False, True], (
        "as good, and a promise"
    )


def test_the_board_has_the_number_its_unit_and_delta():
    runs = [
        one(0.9, 10),
        kept(one(0.8, 10), 8),
        kept(one(0.7, 10), 3),
        kept(one(0.6, 10), 8, "client"),
    ]
    frame = build_method_board(runs).set_index("method")
    assert frame["privacy"].to_dict() == {
        "no privacy": "none",
        "example:eps=8": "\u03b5 8 per example, \u03b4 1e-5",
        "example:eps=3": "\u03b5 3 per example, \u03b4 1e-5",
        "client:eps=8": "\u03b5 8 per client, \u03b4 1e-5",
    }
    assert list(frame["front"]) == ["*"] * 4
    text, said, values = describe_runs(runs)
    assert text.isascii() and max(map(len, text.splitlines())) <= 100 and "8 per\n" in text
    rows = {row["method"]: row for row in values["methods"]}
    assert (rows["client:eps=8"]["epsilon"], rows["client:eps=8"]["privacy unit"]) == (8, "client")
    assert [row["privacy_unit"] for row in values["scoreboard"]] == [
        None,
        "example",
        "example",
        "client",
    ]
    assert INCOMPARABLE in said and "of 4 methods with unlike promises of privacy" in said[0]
    assert any(
        "example:eps=3, 70.0 % (-20.0 points against no privacy, which promises nothing" in s
        for s in said
    )


def test_secure_aggregation_is_part_of_the_name():
    assert [m.name for m in group_methods([one(0.8, 10), one(0.8, 10, secure="masks")])] == [
        "updates seen",
        "masks",
    ]
    assert [
        m.name for m in group_methods([one(0.8, 10, tune="head"), one(0.8, 10, tune="full")])
    ] == ["head", "full"]


def test_sending_less_does_not_make_up_for_promising_less():
    top, lean = kept(one(0.9, 100), 8), one(0.895, 10)
    found = group_methods([top, lean])
    assert (
        leanest_method(found, found[0]) is None
        and "nothing that sends less" in method_findings([top, lean])[0]
    )
    assert (
        leanest_method(
            found := group_methods([top, kept(one(0.895, 10, wire="int4"), 8)]), found[0]
        )
        is not None
    )


def test_a_private_run_beside_baselines_says_that_they_promise_nothing():
    _, said, _ = describe_runs(
        [private(8, 0.8), *[r for r in private_runs() if r.method == "local"][:1]]
    )
    assert (
        said[-1]
        == "The federated run promises epsilon 8 per example, delta 1e-5; what it is compared with"
        " promises nothing."
    )
    assert "promises" not in " ".join(describe_runs([federated()])[1])


def test_the_front_figure_tells_promises_apart():
    fig = plots.pareto([one(0.9, 10), kept(one(0.8, 20), 8), kept(one(0.85, 40), 8, "client")])
    assert len({t.marker.color for t in fig.data if t.mode == "markers"}) == 3
    assert (
        not any(t.name == "Pareto front" for t in fig.data)
        and "promises less" in fig.layout.meta["caption"]
    )
    assert "no \u03b5" in " ".join(a.text for a in fig.layout.annotations)


# ---- the figure


def test_the_figure_has_every_number(curve):
    fig = privacy_cost(curve)
    by_name = {t.name: t for t in fig.data}
    assert list(by_name["measured"].x) == [1, 4, 16] and by_name["measured"].y == pytest.approx(
        (52, 72, 82)
    )
    assert (
        len(by_name["seeds"].y) == 9
        and by_name["interpolated"].line.dash == "dash"
        and fig.layout.xaxis.type == "log"
    )
    assert "\u03b5 per example, \u03b4 = 1e-5: smaller is stronger" in fig.layout.xaxis.title.text
    assert sorted(s.y0 for s in fig.layout.shapes if s.type == "line") == pytest.approx(
        [61.0, 91.0]
    )
    said = " ".join(a.text for a in fig.layout.annotations)
    for words_ in (
        "91.0 %",
        "61.0 %",
        "stronger promise",
        "weaker",
        "not measured",
        "together, no<br>privacy",
        "52.0 %",
    ):
        assert words_ in said, words_
    assert (
        curve_finding(curve)
        == "Per example, \u03b5\u00a016 costs 9.0 points of accuracy, \u03b5\u00a01 costs 39.0; at"
        " \u03b5\u00a01 each site does better alone."
    )


def test_runs_that_make_no_curve_have_no_figure():
    assert len(privacy_cost_figures(private_runs())) == 1
    assert (
        privacy_cost_figures([federated()])
        == privacy_cost_figures([private(8, 0.8)])
        == privacy_cost_figures([private(8, 0.8), private(8, 0.7, unit="client")])
        == []
    )


def test_a_curve_with_nothing_to_compare_with_still_draws():
    bare = Curve.from_runs([private(8, 0.8), private(1, 0.5)])
    low, high = accuracy_range(bare)
    assert (
        low < 50
        and high > 80
        and curve_finding(bare) == "\u03b5 8: 80.0 % right; \u03b5 1: 50.0 % right."
    )
    assert len(privacy_cost(Curve.from_runs([private(8, 0.8)])).data) == 3


# ---- the panel


def test_the_slider_stops_at_what_was_measured_and_between(curve):
    found = slider_epsilons(curve)
    assert (
        {1.0, 4.0, 16.0} <= set(found)
        and found == sorted(found)
        and len(found) == 3 + 2 * STOPS_BETWEEN
    )
    panel = PrivacyPanel(curve)
    assert {words_ for words_, v in panel.slider.options if v in (1.0, 4.0, 16.0)} == {
        "1 measured",
        "4 measured",
        "16 measured",
    }
    assert panel.epsilon == 16.0


def test_moving_the_slider_shows_numbers_and_marks_what_nobody_measured(curve):
    panel = PrivacyPanel(curve)
    panel.slider.value = 4.0
    said = panel.words.value
    assert "72.0 %" in said and ">measured</span>" in said and "not measured" not in said
    assert (
        "19.0 points less than without privacy (91.0 %)" in said and "paired over 3 seeds" in said
    )
    assert (
        "11.0 points more than each site alone" in said and "by seed 70.0 %, 74.0 %, 72.0 %" in said
    )
    assert format_chance(guess_bound(4)) in said and "nobody" in said
    assert panel.figure.data[-1].marker.symbol == "circle-open" and panel.figure.data[
        -1
    ].y == pytest.approx((72.0,))
    between = next(e for e in slider_epsilons(curve) if 1.9 < e < 2.3)
    panel.slider.value = between
    value = 100 * curve.at(between)[0]
    said = panel.words.value
    assert (
        f"about {value:.0f} %" in said
        and "interpolated, not measured" in said
        and "Nobody ran this epsilon" in said
    )
    assert ">measured</span>" not in said and "95 % interval" not in said, "no interval for a guess"
    assert panel.figure.data[-1].marker.symbol == "diamond-open" and panel.figure.data[
        -1
    ].y == pytest.approx((value,))
    assert any(
        "not measured" in a.text for a in panel.figure.layout.annotations if "\u03b5" in a.text
    )
    panel.slider.value = 1.0
    assert (
        "training together does not pay" in panel.words.value
        and "9.0 points less than each site alone" in panel.words.value
    )


def test_what_a_reload_brings_back_is_what_is_shown(curve):
    panel = PrivacyPanel(curve)
    panel.slider.value = 1.0
    state = panel.figure._trait_values
    assert [t.get("x") for t in state["_widget_data"]] == [t.get("x") for t in panel.figure._data]
    assert len(panel.figure.data) == len(PrivacyPanel(curve).figure.data), "always the same traces"


def test_words_from_a_file_become_no_tags(curve):
    evil = replace(curve, trust="<script>alert(1)</script>", unit="<b>x", notes=("<img src=x>",))
    said = PrivacyPanel(evil).words.value
    assert "<script>" not in said and "<img" not in said and "<b>x" not in said
    fig = privacy_cost(evil)
    shown = [
        fig.layout.title.text,
        fig.layout.xaxis.title.text,
        *(t.hovertemplate or "" for t in fig.data),
    ]
    assert not any("<b>x" in text for text in shown) and any("&lt;b&gt;x" in text for text in shown)
    assert promise_sentences(evil, 4.0)["Beside it"] == ["<img src=x>."]


def test_without_widgets_there_is_a_figure_and_the_reason(curve, hide_module):
    hide_module("ipywidgets")
    shown = privacy_panel(curve)
    assert isinstance(shown, StaticPanel)
    html = shown._repr_html_()
    assert "No slider here" in html and "fedkit doctor" in html and "72.0 %" in html
