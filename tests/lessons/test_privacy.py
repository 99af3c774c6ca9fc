"""What the lesson on differential privacy runs, reckons and draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories.figures import words_of

from fedkit.core.record import RoundRecord, Run
from fedkit.lessons import privacy as lesson


@pytest.fixture(scope="module")
def config(tiny_config):
    return tiny_config(clients=2, partition="iid", tune="head", loss="plain", rounds=2)


def test_dealt_anew_is_what_a_fresh_job_would_deal_on_the_same_model(job):
    same, other = lesson.redeal(job), lesson.redeal(job, clients=4, examples_per_client=12)
    assert [c.train.tokens for c in same.clients] == [c.train.tokens for c in job.clients]
    assert (
        other.model is job.model
        and [len(c.train) for c in other.clients] == [12] * 4
        and other.config.clients == 4
    )


def test_a_corpus_with_fewer_rows_keeps_its_test(job):
    few = lesson.thin_training(job.corpus, 30)
    assert len(few.train) == 30 and len(few.test) == len(job.corpus.test)
    assert lesson.thin_training(job.corpus, None) is job.corpus


def test_a_crowd_has_as_many_sites_as_asked_none_with_a_text_twice(job):
    found = lesson.simulate_clients(job, 50, 16, weights="uniform")
    assert [len(c.train) for c in found.clients] == [16] * 50 and found.config.clients == 50
    assert all(len(set(c.train.texts)) == 16 for c in found.clients)
    assert set(found.clients[0].train.texts) != set(found.clients[1].train.texts)


def test_the_start_gives_the_head_and_the_vectors_of_all_rows(job):
    vectors, labels, weight, bias = lesson.start_vectors(job)
    rows = len(job.pooled().train)
    assert (
        vectors.shape == (rows, 32)
        and labels.shape == (rows,)
        and weight.shape == (3, 32)
        and bias.shape == (3,)
    )
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(rows))


@pytest.mark.slow
def test_a_private_run_of_the_lesson_says_its_epsilon(job):
    run = lesson.rerun(job, privacy="example:eps=8,delta=1e-5")
    assert (
        run.result["epsilon"] == pytest.approx(8, rel=1e-3) and 0 <= lesson.final_accuracy(run) <= 1
    )


def test_how_often_a_guess_is_right_from_the_bells_themselves():
    """z of epsilon 4.3772 at delta 1e-5 is 1, and Phi(1/2) = 0.6915; both ends are known."""
    assert lesson.best_guess_accuracy(4.3772, 1e-5) == pytest.approx(0.6915, abs=2e-4)
    assert lesson.best_guess_accuracy(0.001, 1e-5) == pytest.approx(0.5, abs=0.01)
    rng, z = np.random.default_rng(0), 1.0
    hits = (rng.normal(1, z, 100_000) > 0.5).mean() / 2 + (
        rng.normal(0, z, 100_000) <= 0.5
    ).mean() / 2
    assert hits == pytest.approx(lesson.best_guess_accuracy(4.3772, 1e-5), abs=0.005)


def test_what_is_refused_says_why_and_what_is_allowed_says_nothing(job):
    assert "--weights uniform" in lesson.refusal_of_changes(
        job, privacy="client:eps=8", weights="examples"
    )
    assert "Poisson" in lesson.refusal_of_changes(job, privacy="example:eps=8,sampling=shuffle")
    assert lesson.refusal_of_changes(job, privacy="example:eps=8") == ""


def test_arrows_are_drawn_before_and_after():
    before, after = torch.tensor([[3.0, 4.0], [0.5, 0.0]]), torch.tensor([[0.6, 0.8], [0.5, 0.0]])
    fig = lesson.clipped_vectors(before, after, 1.0, "A finding.")
    ends = [(a.x, a.y) for a in fig.layout.annotations if a.axref == "x"]
    assert ends == [(3, 4), (0.5, 0), (pytest.approx(0.6), pytest.approx(0.8)), (0.5, 0)]
    assert fig.layout.shapes[0].x1 == 1.0 and "A finding." in words_of(fig)


def test_the_histogram_parts_what_is_kept_from_what_is_shortened():
    fig = lesson.norm_histogram(torch.tensor([0.1, 0.2, 0.9, 1.5]), 0.5, "A finding.")
    assert [round(x, 3) for x in fig.data[0].x] == [0.1, 0.2] and [
        round(x, 3) for x in fig.data[1].x
    ] == [0.9, 1.5]


def test_two_worlds_has_two_bells_one_apart_a_panel():
    fig = lesson.output_densities((8, 1), 1e-5, "A finding.")
    tops = [t.x[int(np.argmax(t.y))] for t in fig.data]
    assert len(fig.data) == 4 and tops == pytest.approx([0, 1, 0, 1], abs=0.2)
    assert "ε = 8" in words_of(fig) and "80 %" in words_of(fig)


def record_of(rounds: int) -> Run:
    """A run of four rounds after so many of them, with a budget of 3."""
    every = tuple(RoundRecord(i, 0.5, 1.0, 0.4, epsilon=e) for i, e in ((1, 2.5), (2, 3.0)))
    config = {"privacy": "example:eps=3,delta=1e-5", "rounds": 4}
    return Run(
        "federated", config, {}, {}, {}, RoundRecord(0, 0.3, 1.0, 0.2, epsilon=0.9), every[:rounds]
    )


def test_the_budget_is_drawn_round_by_round():
    fig = lesson.budget_by_round(record_of(2), "A finding.")
    assert list(fig.data[0].y) == [0.9, 2.5, 3.0] and list(fig.data[0].x) == [0, 1, 2]
    assert (
        fig.layout.shapes[0].y0 == 3 and "ε = 3" in words_of(fig) and fig.layout.xaxis.range[1] > 4
    )


def test_lines_name_every_line_and_their_level():
    fig = lesson.line_chart(
        {"ε = 8": ([10, 100], [20.0, 70.0]), "<i>other": ([10, 100], [5.0, 15.0])},
        "A finding.",
        "Sites",
        log_x=True,
        colours=lesson.COLOURS,
        level=80.0,
    )
    assert fig.data[0].line.color == lesson.COLOURS["ε = 8"] and fig.layout.xaxis.type == "log"
    assert all(part in words_of(fig) for part in ("ε = 8", "70 %", "80 %", "without privacy"))
    assert fig.layout.yaxis.range[1] > 80, "the level is seen"
    assert "<i>" not in words_of(fig) and fig.layout.shapes[0].y0 == 80.0


def test_arrangements_put_a_dot_for_each_epsilon():
    fig = lesson.accuracy_by_trust(
        {"a | b": {8: 80.0, 1: 30.0}, "c": {8: 90.0, 1: 70.0}}, 95.0, "A finding."
    )
    assert [t.x[0] for t in fig.data] == pytest.approx([80, 30, 90, 70]) and [
        t.y[0] for t in fig.data
    ] == [1, 1, 0, 0]
    assert fig.data[0].marker.color == fig.data[2].marker.color != fig.data[1].marker.color
    assert fig.layout.yaxis.ticktext == ("a<br>b", "c") and fig.layout.shapes[0].x0 == 95


def test_a_live_picture_is_one_widget_that_moves_on(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    show = lesson.live_budget("A finding.")
    for upto in range(3):
        show(record_of(upto))
    assert len(shown) == 1 and list(shown[0].data[0].y) == [0.9, 2.5, 3.0]
    assert [list(t.y) for t in shown[0].data] == [
        list(t.y) for t in lesson.budget_by_round(record_of(2), "A finding.").data
    ]


def test_without_widgets_the_finished_run_is_shown_once(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)

    def missing(fig):
        raise ImportError("no widgets here")

    monkeypatch.setattr(lesson.go, "FigureWidget", missing)
    show = lesson.live_budget("A finding.")
    show(record_of(1)), show(replace(record_of(2), result={"accuracy": 0.5}))
    assert len(shown) == 1 and list(shown[0].data[0].y) == [0.9, 2.5, 3.0]
