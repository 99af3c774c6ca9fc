"""The wire bench, the promises, and what they catch."""

from __future__ import annotations

import pytest
import torch

from fedkit.experiments.job import prepare
from fedkit.federated.aggregation.aggregators import combine_updates, make_aggregator
from fedkit.federated.local.train import ClientUpdate
from fedkit.lessons.assertions import assert_exact_mean, assert_nothing_lost
from fedkit.widgets.compression_panel import (
    WireBench,
    draw_message_lengths,
    record_updates,
    send_updates,
    wire_spec,
)
from fedkit.wire.pipeline import make_wire


@pytest.fixture(scope="module")
def updates(tiny_config):
    config = tiny_config()
    return record_updates(prepare(config), rounds=4)


def test_the_updates_are_really_trained_each_from_where_the_one_before_ended(updates):
    assert len(updates) == 4 and all(any(t.any() for t in u.values()) for u in updates)
    assert not torch.equal(updates[0]["head.weight"], updates[1]["head.weight"])


def test_what_is_missing_adds_up_without_a_memory_and_shrinks_with_one(updates):
    steady = [updates[0]] * 8
    without, kept = (
        send_updates(steady, "topk:0.1").missing,
        send_updates(steady, "ef+topk:0.1").missing,
    )
    assert without[0] == pytest.approx(without[-1]) and kept[-1] < 0.8 * kept[0]
    assert kept[0] == pytest.approx(without[0]) and send_updates(updates, "none").missing[-1] < 1e-6


def test_a_promise_kept_and_one_broken(updates):
    zero = {n: torch.zeros_like(t) for n, t in updates[0].items()}
    half = {n: t / 2 for n, t in updates[0].items()}
    assert_nothing_lost(updates, updates)
    assert_nothing_lost(updates[:1], [half], half)
    with pytest.raises(AssertionError, match=r"50 %.*lost"):
        assert_nothing_lost(updates[:1], [half])
    with pytest.raises(AssertionError, match="100 %"):
        assert_nothing_lost(updates[:1], [zero])


@pytest.mark.parametrize(("name", "kept"), [("fedex", True), ("flora", True), ("mean", False)])
def test_the_mean_of_products_is_asserted(name, kept):
    rule, rng = make_aggregator(name), torch.Generator().manual_seed(0)
    shared = {
        "q.lora_A.weight": torch.randn(2, 5, generator=rng),
        "q.lora_B.weight": torch.zeros(4, 2),
        "head.bias": torch.zeros(3),
    }
    begin = rule.round_start(shared, 1, 0)
    sent = [
        ClientUpdate(
            str(i), {n: torch.randn(t.shape, generator=rng) for n, t in begin.items()}, 1 + i
        )
        for i in range(3)
    ]
    done = combine_updates(rule, begin, sent, 2.0)
    if name == "flora":  # forgets the pair, so the assertion is about the new shared tensors
        assert done.error < 1e-5
    elif kept:
        assert_exact_mean(begin, sent, done, 2.0)
    else:
        with pytest.raises(AssertionError, match=r"\d+ % off"):
            assert_exact_mean(begin, sent, done, 2.0)


@pytest.mark.slow
def test_every_position_of_the_sliders_works_or_is_said(updates):
    bench = WireBench(updates[:1])
    refused = []
    for control in bench.controls:
        for _, value in control.options:
            control.value = value
            refused += [bench.spec] if "a40000" in bench.words.value else []
            assert bench.result.nbytes > 0 and bench.figure.layout.title.text
    assert len(refused) < 6, refused


def test_the_bench_says_the_wire_that_the_command_line_takes(updates):
    bench = WireBench(updates)
    assert make_wire(bench.spec) and f"--wire {bench.spec}" in bench.words.value
    bench.controls[0].value = "ef"
    assert (
        bench.spec
        == bench.result.spec
        == "ef+topk:0.1+int4+ans"
        == wire_spec("ef", "topk:0.1", "int4", "ans")
    )
    assert "ef+topk" in str(bench.figure.layout.annotations)


def test_a_chain_that_cannot_work_is_said_and_the_figure_stays(updates):
    bench = WireBench(updates)
    bench.controls[0].value = "ef"
    before = bench.result
    bench.controls[1].value, bench.controls[2].value, bench.controls[3].value = "", "", ""
    assert "a40000" in bench.words.value and bench.result is not None and before.spec != ""


def test_lengths_names_every_wire_with_its_wait(updates):
    fig = draw_message_lengths(
        [send_updates(updates, spec) for spec in ("none", "int4+ans")], "A sentence."
    )
    text = str(fig.layout.annotations)
    assert "none" in text and "int4+ans" in text and "ms over 1 Mbit/s" in text


def test_a_moved_slider_is_drawn_without_training(updates, monkeypatch):
    bench = WireBench(updates)
    monkeypatch.setattr("fedkit.widgets.compression_panel.train", None)
    bench.controls[2].value = "int8"
    assert bench.result.spec == "topk:0.1+int8+ans"
