"""What the lesson on real sites counts and draws, and its bench of time."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from factories.figures import notes_of

from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.experiments.job import prepare
from fedkit.lessons import sites as pictures
from fedkit.network import replay
from fedkit.plots.timeline import draw_round
from fedkit.widgets import network_panel as bench_of

CLIENTS = ("a", "b", "c", "<b>d")
CONFIG = {
    "devices": "old-pc=0.5,gpu-server=0.5",
    "link": "1mbit",
    "pace": 0.02,
    "seed": 0,
    "deadline": None,
}


def record(late: str = "", rounds: int = 3, **config) -> Run:
    """Four clients, 48 examples each, 300 kB both ways; those named in `late` never arrive
    in time.
    """
    visits = tuple(
        ClientRecord(
            c,
            "late" if c in late else "ok",
            examples=48,
            steps=6,
            uplink_bytes=300_000,
            downlink_bytes=300_000,
            work_seconds=0.96,
        )
        for c in CLIENTS
    )
    own = dict(zip(CLIENTS, (0.9, 0.4, 0.7, 0.6)))
    every = tuple(
        RoundRecord(i, 0.5 + i / 10, 1.0, 0.4, clients=visits, client_accuracy=own)
        for i in range(1, rounds + 1)
    )
    data = {"clients": [{"id": c, "train": 48, "labels": {}} for c in CLIENTS], "test": 100}
    return Run("federated", CONFIG | config, {}, data, {}, RoundRecord(0, 0.5, 1.0, 0.4), every)


def test_apart_judges_each_site_and_their_mean(tiny_config):
    config = tiny_config()
    job = prepare(config)
    bias = {"head.bias": torch.tensor([2e6, 0.0, 0.0])}
    shared = {n: torch.zeros_like(t) if n.startswith("head") else t for n, t in job.start.items()}
    shared["head.bias"] = torch.tensor([0.0, 0.0, 1.8e6])
    other = {"head.bias": torch.tensor([0.0, 3e6, 0.0])}
    found = pictures.measure_drift(job, shared, [bias, other], most=10_000)
    share = np.bincount(job.test.labels, minlength=3) / len(job.test)
    assert found.alone == pytest.approx((share[0], share[1]))
    assert found.start == found.together == pytest.approx(share[2]), (
        "half of each step, and neither is enough"
    )


def test_drift_draws_every_site_the_mean_and_the_start():
    found = {
        "alike": pictures.DriftAccuracy(0.5, (0.6, 0.7), 0.8),
        "<i>unlike": pictures.DriftAccuracy(0.5, (0.1, 0.2), 0.4),
    }
    fig = pictures.accuracy_drift(found, "A finding.")
    assert list(fig.data[3].x) == pytest.approx([10, 20]) and list(fig.data[4].x) == pytest.approx(
        [40]
    )
    assert "<i>" not in str(fig.layout.yaxis.ticktext) and "A finding." in fig.layout.title.text


def test_curves_by_round_and_by_time_label_every_line():
    runs = {"waiting": record(), "in a hurry": record(rounds=2)}
    by_round, by_time = (
        pictures.curves_by_round(runs, "A finding."),
        pictures.curves_by_time(runs, "A finding."),
    )
    assert list(by_round.data[1].x) == [0, 1, 2, 3] and list(by_round.data[1].y) == pytest.approx(
        [50, 60, 70, 80]
    )
    assert (
        list(by_time.data[1].x) == replay(runs["waiting"]).ends and by_round.layout.xaxis.dtick == 1
    )
    assert all(name in notes_of(fig) for name in runs for fig in (by_round, by_time))
    assert "80.0 %" in notes_of(by_round) and "70.0 %" in notes_of(by_round)


def test_who_is_always_late_and_how_wide_chance_is():
    assert (
        pictures.always_late(record("ab")) == {"a", "b"} and pictures.always_late(record()) == set()
    )
    once = replace(record("b"), rounds=(*record("b").rounds, *record("bc").rounds[:1]))
    assert pictures.always_late(once) == {"b"}
    assert pictures.interval_half_width(record()) == pytest.approx(
        0.078, abs=0.005
    )  # 80 of 100 right


def test_who_gave_counts_what_counted_and_keeps_those_who_gave_nothing():
    run = record("b")
    table = pictures.contribution_table(run)
    assert (
        dict(table["updates"]) == {"a": 3, "c": 3, "<b>d": 3, "b": 0}
        and list(table.index)[-1] == "b"
    )
    assert (
        table.loc["b", "mean staleness (rounds)"] == "-"
        and table.loc["a", "own accuracy (%)"] == "90.0"
    )
    assert set(table["computer"]) == {"old-pc", "gpu-server"}


def test_left_behind_puts_the_worst_at_the_bottom_and_marks_the_late():
    own = record().rounds[-1].client_accuracy
    fig = pictures.accuracy_changes(dict.fromkeys(CLIENTS, 0.8), own, {"b"}, "A finding.")
    assert fig.layout.yaxis.ticktext[0] == "b (always late)" and list(
        fig.data[0].x
    ) == pytest.approx([80, 40])
    assert fig.data[0].line.color == pictures.PALETTE[2] != fig.data[1].line.color
    assert "&lt;b&gt;d" in fig.layout.yaxis.ticktext


def test_one_round_names_each_computer():
    fig = draw_round(replay(record()))
    assert sum("old-pc" in t for t in fig.layout.yaxis.ticktext) == 2
    assert sum("gpu-server" in t for t in fig.layout.yaxis.ticktext) == 2


@pytest.mark.parametrize("link", ["1mbit", "field-64k"])
@pytest.mark.slow
def test_in_a_round_that_began_together_everyone_waits_for_the_last(link):
    """Also where adding up the seconds of the rounds before has rounded."""
    timeline = replay(record(rounds=20), link, "old-pc")
    titles = [draw_round(timeline, r.number).layout.title.text for r in timeline.rounds if r.visits]
    assert len(titles) == 20 and not [t for t in titles if "nobody waits" in t]


def test_the_bench_redraws_at_once_and_says_what_needs_a_new_run(monkeypatch):
    bench = bench_of.time_bench(record())
    before = bench.timeline.seconds
    bench.controls["Computers"].value = "all GPU servers"
    assert (
        bench.timeline.seconds < before
        and "Exact" in bench.words.value
        and "new run" not in bench.words.value
    )
    bench.controls["Deadline"].value = "2 s"
    assert "Needs a new run" in bench.words.value and "12 uploads" in bench.words.value
    assert "deadline" in str(bench.figure.layout.title.text)
    bench.controls["Deadline"].value = "none"
    bench.controls["Computers"].value = bench_of.RECORDED
    assert bench.timeline.seconds == before and "Exact" in bench.words.value


@pytest.mark.slow
def test_the_live_figure_is_always_the_one_that_would_be_drawn_anew():
    bench = bench_of.time_bench(record())
    for name, options in bench_of.CHOICES.items():
        for option in (*options, next(iter(options))):
            bench.controls[name].value = option
            fresh = bench_of.time_bench_figure(bench.timeline)
            shown = bench.figure.layout
            assert list(shown.yaxis.ticktext) == list(fresh.layout.yaxis.ticktext)
            assert [s.visible for s in shown.shapes] == [s.visible for s in fresh.layout.shapes]
            assert [s.x0 for s in shown.shapes] == [s.x0 for s in fresh.layout.shapes]
            assert [a.text for a in shown.annotations] == [a.text for a in fresh.layout.annotations]
            assert [list(t.x) for t in bench.figure.data] == [list(t.x) for t in fresh.data]


@pytest.mark.slow
def test_a_moved_slider_is_drawn_within_a_tenth_of_a_second():
    bench, took = bench_of.time_bench(record(rounds=20)), []
    for line in (*bench_of.LINES, *bench_of.LINES):
        began = time.process_time()
        bench.controls["Lines"].value = line
        took.append(time.process_time() - began)
    assert sorted(took)[len(took) // 2] < 0.1


def test_where_widgets_cannot_run_there_is_a_picture_with_the_reason(monkeypatch):
    def missing(run):
        raise ImportError("no widgets here")

    monkeypatch.setattr(bench_of, "TimeBench", missing)
    fig = bench_of.time_bench(record())
    assert type(fig) is go.Figure and "no widgets here" in fig.layout.title.text and fig.data
