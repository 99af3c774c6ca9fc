"""What the lesson on parts of a model counts and draws."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from factories.figures import notes_of

from fedkit.data.load import load_corpus
from fedkit.experiments.job import prepare
from fedkit.lessons import tuning as pictures

RIGHT = {"head": "1100110011" * 8, "<b>full</b>": "1110110111" * 8}
MEMORY = {
    "head": {"the model": 45.0, "gradients and optimizer": 0.1, "kept for the way back": 0.0},
    "full": {"the model": 90.0, "gradients and optimizer": 270.0, "kept for the way back": 60.0},
}


def test_accuracy_by_numbers_names_every_way_and_marks_the_chosen():
    trained = {"head": 4_620, "<b>full</b>": 22_000_000}
    fig = pictures.accuracy_by_parameters(trained, RIGHT, 0.55, "head", "A finding.")
    assert [t.marker.color for t in fig.data] == [pictures.ORANGE, pictures.BLUE]
    assert [t.y[0] for t in fig.data] == [60.0, 80.0]
    assert (
        "head" in notes_of(fig) and "&lt;b&gt;full" in notes_of(fig) and "55.0 %" in notes_of(fig)
    )
    assert "A finding." in fig.layout.title.text
    low, high = fig.layout.yaxis.range
    assert low < 55 and high > 80


def test_cost_stacks_what_a_step_holds():
    fig = pictures.cost_bars({"head": 1.0, "full": 20.0}, MEMORY, "A finding.")
    assert fig.layout.barmode == "stack"
    stacked = [t.x[1] for t in fig.data if t.type == "bar" and t.xaxis == "x2"]
    assert stacked == [90.0, 270.0, 60.0]
    assert " 420" in [t for d in fig.data if d.type == "scatter" for t in d.text]
    assert all(part in notes_of(fig) for part in MEMORY["head"])


@pytest.mark.parametrize("sizes", [[96, 576], [12, 24]])
def test_few_and_many_labels_every_line(sizes):
    table = pd.DataFrame({"head": [0.7, 0.75], "full": [0.6, 0.8]}, index=sizes)
    fig = pictures.accuracy_by_examples(table, "A finding.", ["#000000", "#111111"])
    assert list(fig.data[0].x) == sizes and "75.0 %" in notes_of(fig) and "full" in notes_of(fig)


def test_rounds_against_one_draws_exchanges_as_level_lines():
    fig = pictures.rounds_and_exchanges(
        {"from zero": [0.1, 0.5, 0.6]}, {"analytic": 0.65}, "A finding."
    )
    trained, solved = fig.data
    assert trained.line.dash == "solid" and solved.line.dash == "dash"
    assert list(solved.y) == [65.0] * 3


def test_accuracy_bars_say_numbers_and_share():
    fig = pictures.held_out_accuracy_bars(
        {"full": (22_000, 0.9, (0.87, 0.93))}, "A finding.", ["#000000"]
    )
    assert "full, 22,000 numbers" in notes_of(fig) and "90.0 %" in notes_of(fig)


@pytest.fixture(scope="module")
def memory(tiny_config) -> dict[str, dict[str, float]]:
    out = {}
    for tune in ("head", "bitfit", "full"):
        job = prepare(tiny_config(tune=tune, engine="plain", device="cpu", partition="auto"))
        before = job.model.params()
        out[tune] = pictures.step_memory(job.model, job.clients[0].train, 4)
        assert all(torch.equal(before[n], t) for n, t in job.model.params().items())
        added = 3 * 4 * job.model.num_trainable() / 1e6
        assert out[tune]["gradients and optimizer"] == pytest.approx(added)
        assert out[tune]["the model"] >= 4 * job.model.num_parameters() / 1e6
    return out


def test_a_way_back_is_kept_for_what_lies_inside_the_model(memory):
    kept = {tune: parts["kept for the way back"] for tune, parts in memory.items()}
    assert 0 < 20 * kept["head"] < kept["bitfit"] <= kept["full"]


def test_shortened_thins_out_what_is_judged_on_and_keeps_the_rest(tiny_data):
    corpus = load_corpus(tiny_data)
    short = pictures.thin_evaluation(corpus, 10)
    assert (len(short.test), short.train) == (10, corpus.train)
    assert pictures.thin_evaluation(corpus, None) is corpus
