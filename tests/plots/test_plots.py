"""Figures: their numbers, their axis titles, and text from data that must stay text."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest
from factories.records import DATA, everything, federated

from fedkit import plots
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import figure_text, printable_line
from fedkit.core.record import ClientRecord
from fedkit.network import replay
from fedkit.plots.clients import phase_seconds
from fedkit.plots.labels import spread_labels
from fedkit.plots.theme import without_title
from fedkit.results.method_style import METHODS

RUN = federated()
FIGURES = {
    "accuracy_by_round": lambda: plots.accuracy_by_round(everything()),
    "accuracy_by_time": lambda: plots.accuracy_by_time(RUN, against=everything()[1:]),
    "scoreboard_bars": lambda: plots.scoreboard_bars(everything()),
    "traffic": lambda: plots.traffic(everything()),
    "round_seconds": lambda: plots.round_seconds(RUN),
    "who_has_what": lambda: plots.who_has_what(RUN),
}
UNIT = re.compile(r"\((%|s|min|h|MB|0 = before training|examples)\)")


def trace(fig, name: str):
    return next(t for t in fig.data if t.name == name)


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_that_is_seen_has_a_title_and_every_scale_a_unit(name):
    fig = FIGURES[name]()
    assert UNIT.search(fig.layout.xaxis.title.text)
    if fig.layout.yaxis.visible is not False:
        title = fig.layout.yaxis.title.text
        assert title in ("Client", "Label") or UNIT.search(title)


@pytest.mark.parametrize("name", FIGURES)
def test_titles_are_sentences_and_nothing_is_random(name):
    fig = FIGURES[name]()
    sentence, caption = fig.layout.meta["sentence"], fig.layout.meta["caption"]
    assert sentence[0].isupper() and sentence.endswith(".") and caption.endswith(".")
    assert fig.layout.title.text.replace("<br>", " ").replace("\u00a0", " ") == f"<b>{sentence}</b>"
    assert (
        without_title(fig).layout.title.text is None
        and without_title(fig).layout.height < fig.layout.height
    )
    assert fig.to_json() == FIGURES[name]().to_json()


def test_a_method_has_one_colour_everywhere():
    colours = {look.colour for look in METHODS.values()}
    assert len(colours) == len(METHODS)
    by_round, bars = FIGURES["accuracy_by_round"](), FIGURES["scoreboard_bars"]()
    assert trace(by_round, "Local only").line.color == METHODS["local"].colour
    assert (
        bars.data[0].marker.color[-1]
        == trace(by_round, "Federated").line.color
        == METHODS["federated"].colour
    )


def test_accuracy_by_round_begins_with_the_head_start():
    fig = plots.accuracy_by_round(everything())
    curve = trace(fig, "Federated")
    assert list(curve.x) == [0, 1, 2] and list(curve.y) == pytest.approx([50, 70, 80])
    assert list(trace(fig, "Local only").y) == [50, 50]
    assert tuple(fig.layout.yaxis.range) == (0, 100) and tuple(fig.layout.xaxis.range) == (0, 2)
    band = trace(fig, "Federated band")
    assert band.y[2] < 80 < band.y[3] and len(band.x) == 6  # low bounds, then high bounds backwards


def test_scoreboard_bars_by_hand():
    bars, worst = plots.scoreboard_bars(everything()).data
    assert list(bars.x) == pytest.approx([20, 70, 30, 50, 82, 80]) and list(bars.y) == [
        5,
        4,
        3,
        2,
        1,
        0,
    ]
    assert bars.error_x.array[-1] == pytest.approx(5) and bars.error_x.arrayminus[
        3
    ] == pytest.approx(10)
    assert worst.x[-1] == pytest.approx(60)


def test_accuracy_by_time_moves_with_the_link_on_a_fixed_axis():
    slow = plots.accuracy_by_time(RUN, "8mbps/0ms", longest=60)
    fast = plots.accuracy_by_time(RUN, "16mbps/0ms", longest=60)
    assert list(trace(slow, "Federated").x) == [0, 4, 8]  # 2 MB down, 1 s, 1 MB up at 1 MB/s
    assert list(trace(fast, "Federated").x) == [0, 2.5, 5]
    assert tuple(slow.layout.xaxis.range) == tuple(fast.layout.xaxis.range) == (0, 60)
    assert "imulated" in slow.layout.xaxis.title.text and "10x" not in slow.layout.title.text


def test_accuracy_by_time_counts_hours_when_it_has_to():
    fig = plots.accuracy_by_time(RUN, "8kbps/0ms")  # 1 kB/s: 3001 s a round
    assert (
        trace(fig, "Federated").x[-1] == pytest.approx(6002 / 60)
        and "(min)" in fig.layout.xaxis.title.text
    )


def test_traffic_beside_full_tuning_that_is_called_calculated():
    received, sent = plots.traffic(everything()).data
    # 50 MB x 2 rounds each way
    assert list(received.x) == [4.0, 100.0] and list(sent.x) == [2.0, 100.0]
    texts = " ".join(a.text for a in plots.traffic(everything()).layout.annotations)
    assert "Calculated, not measured: full tuning" in texts and "Measured: Federated" in texts
    assert "33 times" in plots.traffic(everything()).layout.meta["sentence"]  # 200 / 6
    unknown = plots.traffic([replace(RUN, model={})])
    assert list(unknown.data[0].x) == [4.0]


def test_round_seconds_adds_up_to_the_networks_own_number():
    bar = replay(RUN, "20mbps:2mbps/60ms", "half-speed").rounds[1].visits[0]
    assert sum(phase_seconds(bar)) == pytest.approx(bar.uploaded - bar.began)
    fig = plots.round_seconds(RUN, "8mbps/0ms")
    assert [part.x[0] for part in fig.data] == pytest.approx([2.0, 1.0, 1.0])
    with pytest.raises(FedkitError, match="round 3 is not in this run; it has 2 rounds"):
        plots.round_seconds(RUN, number=3)


@pytest.mark.slow
def test_round_seconds_shows_the_slowest_of_many_clients():
    many = tuple(ClientRecord(f"c{i}", train_seconds=float(i)) for i in range(50))
    run = replace(RUN, rounds=(replace(RUN.rounds[0], clients=many),))
    fig = plots.round_seconds(run, "8mbps/0ms")
    assert (
        len(fig.data[1].x) == 20
        and fig.data[1].x[0] == 49
        and "20 largest of 50" in fig.layout.meta["caption"]
    )


def test_who_has_what_sums_to_the_training_examples():
    cells = plots.who_has_what(RUN).data[0].z
    assert sum(map(sum, cells)) == DATA["train"]
    frame = pd.DataFrame([[3, 1], [0, 6]], index=["a", "b"], columns=["x", "y"])
    fig = plots.who_has_what(frame)
    # a label a row, a client a column
    assert [list(row) for row in fig.data[0].z] == [[3, 0], [1, 6]]
    assert list(fig.layout.xaxis.ticktext) == ["a (4)", "b (6)"] and list(
        fig.layout.yaxis.ticktext
    ) == ["x", "y"]
    assert (
        fig.layout.meta["sentence"]
        == "The clients see unlike text: x is 75 % of the examples at a and 0 % at b."
    )
    assert (fig.data[0].zmin, fig.data[0].zmax) == (0, 6)  # white is none, whatever the least is


def test_who_has_what_calls_alike_what_is_alike():
    frame = pd.DataFrame([[50, 50], [55, 45]], index=["a", "b"], columns=["x", "y"])
    sentence = plots.who_has_what(frame).layout.meta["sentence"]
    assert (
        sentence
        == "The 2 clients have a similar mix of labels: no label's share differs by more than 5"
        " points."
    )
    wide = pd.DataFrame([[1] * 100] * 50, index=map(str, range(50)), columns=map(str, range(100)))
    fig = plots.who_has_what(wide)
    assert len(fig.layout.xaxis.ticktext) <= 12 and len(fig.layout.yaxis.ticktext) <= 30
    assert "to 1 (darkest)" in fig.layout.meta["caption"]
    assert (
        plots.who_has_what(frame.iloc[:1]).layout.meta["sentence"]
        == "All 100 examples are at one client, a."
    )
    assert "No client" in plots.who_has_what(pd.DataFrame()).layout.meta["sentence"]


def test_labels_keep_their_order_and_their_room():
    assert spread_labels([50, 51, 10], [5, 5, 5], 0, 100) == [48, 53, 10]
    assert spread_labels([1, 0, 2], [5, 5, 5], 0, 100) == [5, 0, 10]
    assert spread_labels([99, 100], [4, 6], 0, 100) == [95, 100]
    # too many: closer than asked, still in order
    assert spread_labels([5, 5, 5], [90] * 3, 0, 100) == [0, 50, 100]
    assert spread_labels([], [], 0, 100) == []


def test_text_from_data_cannot_become_markup():
    assert figure_text("<script>alert(1)</script>") == "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert printable_line("a\nb\u202e\x00c") == "a bc" and len(printable_line("x" * 99, 10)) == 10
    evil = "<a href='javascript:1'>%{x}</a>"
    clients = [{"id": evil, "train": 4, "labels": {evil: 4}}]
    run = replace(RUN, data=DATA | {"clients": clients, "labels": [evil]}, method="federated")
    sent = (ClientRecord(evil, uplink_bytes=9),)
    run = replace(run, rounds=(replace(RUN.rounds[0], clients=sent),))
    for fig in (plots.who_has_what(run), plots.round_seconds(run)):
        seen = fig.to_plotly_json()
        seen["layout"].pop("meta")  # holds the sentence as it is, and is never drawn
        assert "<a" not in str(seen) and "&lt;a" in str(seen)
        assert not any("javascript" in (t.hovertemplate or "") for t in fig.data)
