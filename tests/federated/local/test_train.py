"""What a client does in a round: its batches, its loss, its steps, and how it is stopped."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled
from fedkit.data.corpus import Examples
from fedkit.federated.local.train import (
    Task,
    client_rng,
    epoch_batches,
    fit,
    log_adjustment,
    logit_adjustment,
    make_optimizer,
    train,
)


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(batch_size=8, loss="calibrated")


PRIOR = torch.full((3,), 1 / 3)


# --- batches


def texts_of(lengths) -> Examples:
    tokens = tuple((7,) * n for n in lengths)
    return Examples(("x",) * len(tokens), np.zeros(len(tokens), np.int64), None, tokens)


@pytest.mark.parametrize(
    ("n", "size"), [(1, 4), (7, 8), (8, 8), (9, 8), (100, 8), (64, 8), (65, 8), (130, 1), (50, 100)]
)
def test_an_epoch_covers_every_row_once_in_batches_of_the_size(n, size):
    lengths = np.random.default_rng(0).integers(3, 30, n)
    batches = list(epoch_batches(texts_of(lengths), size, np.random.default_rng(1)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert len(batches) == math.ceil(n / size), "the number of steps that total_steps counts on"
    assert Counter(map(len, batches)) == Counter(
        {size: n // size} | ({n % size: 1} if n % size else {})
    )


def test_an_epoch_is_decided_by_its_generator():
    examples = texts_of(np.random.default_rng(0).integers(3, 30, 60))

    def order(seed, site="a", round_number=1):
        return [
            b.tolist() for b in epoch_batches(examples, 8, client_rng(seed, round_number, site))
        ]

    assert order(0) == order(0)
    assert (
        order(0) != order(1) and order(0) != order(0, "b") and order(0) != order(0, round_number=2)
    )


def test_a_batch_holds_texts_of_like_length():
    lengths = np.random.default_rng(0).integers(3, 60, 64)
    spread = [
        np.ptp(lengths[rows])
        for rows in epoch_batches(texts_of(lengths), 8, np.random.default_rng(0))
    ]
    assert np.mean(spread) < 15, "of 57 there are, an eighth is about 7"


# --- the loss


def test_the_calibration_by_hand():
    """Two labels, half and half over all clients; this client has two of the first and none of the
    second.

    Smoothing adds 0.5 x 2 x 0.5 = 0.5 to each: shares 2.5 / 3 and 0.5 / 3, over 1 / 2 each.
    """
    adjust = log_adjustment(torch.tensor([2.0, 0.0]), torch.tensor([0.5, 0.5]))
    assert adjust.tolist() == pytest.approx([math.log(5 / 3), math.log(1 / 3)])


def test_a_client_with_the_mix_of_all_is_not_adjusted():
    adjust = log_adjustment(torch.tensor([1.0, 3.0]), torch.tensor([0.25, 0.75]))
    assert adjust.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_a_label_that_nobody_has_is_finite():
    adjust = log_adjustment(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]))
    assert adjust.tolist() == pytest.approx([0.0, -12.0])


def test_each_loss_has_its_adjustment():
    counts, prior = torch.tensor([2.0, 0.0]), torch.tensor([0.9, 0.1])
    assert logit_adjustment("plain", counts, prior) is None
    assert torch.equal(logit_adjustment("calibrated", counts, prior), log_adjustment(counts, prior))
    assert logit_adjustment("balanced", counts, None).tolist() == pytest.approx(
        [math.log(5 / 3), math.log(1 / 3)]
    )


def test_the_first_loss_of_a_zero_head_by_hand(job):
    """All logits are 0: the loss is the log of the number of labels, and with an adjustment that of
    its softmax.
    """
    client, frozen = job.clients[0], replace(job.config, head_lr=1e-30, lr=1e-30)
    loss = fit(job.model, Task("a", job.start, client.train, iter([np.arange(8)])), frozen).loss
    assert loss == pytest.approx(math.log(3), abs=1e-6)
    adjust = torch.tensor([1.0, 2.0, 3.0])
    loss = fit(
        job.model, Task("a", job.start, client.train, iter([np.arange(8)]), adjust), frozen
    ).loss
    wanted = -torch.log_softmax(adjust, 0)[torch.from_numpy(client.train.labels[:8])].mean().item()
    assert loss == pytest.approx(wanted, abs=1e-6)


# --- the update


def test_the_delta_is_local_minus_shared(job):
    client, seen = job.clients[0], []
    update = train(
        job.model, job.start, client, job.config, 1, PRIOR, lambda *where: seen.append(where)
    )
    local = job.model.params()
    assert update.delta.keys() == job.start.keys()
    assert all(torch.equal(update.delta[n], local[n] - t) for n, t in job.start.items())
    assert any(t.abs().sum() > 0 for t in update.delta.values())
    assert update.num_examples == len(client.train) and update.client_id == client.client_id
    assert seen == [(1, client.client_id)] * math.ceil(len(client.train) / 8), (
        "a tick before every step"
    )


def test_the_metrics_count_every_epoch(job):
    client = job.clients[0]
    metrics = train(
        job.model, job.start, client, replace(job.config, local_epochs=3), 1, PRIOR
    ).metrics
    assert metrics["steps"] == 3 * math.ceil(len(client.train) / 8) and metrics[
        "examples"
    ] == 3 * len(client.train)
    assert metrics["seconds"] > 0 and math.isfinite(metrics["loss"])


def test_training_again_gives_the_same_bits_whatever_was_trained_between(job):
    first = train(job.model, job.start, job.clients[1], job.config, 2, PRIOR).delta
    train(job.model, job.start, job.clients[0], replace(job.config, head_lr=1.0, lr=1.0), 2, PRIOR)
    torch.manual_seed(99)
    again = train(job.model, job.start, job.clients[1], job.config, 2, PRIOR).delta
    assert all(torch.equal(first[n], again[n]) for n in first)


def test_training_lowers_the_loss(job):
    """From log 3 = 1.10 of a zero head to about 0.66 in 20 epochs."""
    client, config = job.clients[0], replace(job.config, local_epochs=20, head_lr=0.1)
    train(job.model, job.start, client, config, 1, PRIOR)
    tuned, still = job.model.params(), replace(config, head_lr=1e-30, lr=1e-30)
    again = Task("a", tuned, client.train, epoch_batches(client.train, 8, np.random.default_rng(0)))
    assert fit(job.model, again, still).loss < 0.9


@pytest.mark.parametrize("bound", [1e-3, 0.05, 1e9])
def test_the_gradient_norm_is_bounded(job, bound):
    start = job.start | {
        "head.weight": torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    }
    task = Task("a", start, job.clients[0].train, iter([np.arange(8)]))
    fit(job.model, task, replace(job.config, clip_norm=bound))
    norm = torch.stack([p.grad.norm() for p in job.model.trainable.values()]).norm().item()
    assert norm <= bound * 1.0001 and (norm > 0.9 * bound or (bound > 1 and norm > 0.1)), (
        "clipped to it, or left alone"
    )


def test_head_and_body_have_rates_of_their_own(job):
    body, head = make_optimizer(job.model, replace(job.config, head_lr=0.5)).param_groups
    assert (head["lr"], body["lr"]) == (0.5, job.model.tuner.default_lr) and len(
        head["params"]
    ) == 2
    assert make_optimizer(job.model, replace(job.config, lr=0.25)).param_groups[0]["lr"] == 0.25
    assert head["weight_decay"] == body["weight_decay"] == 0


def test_only_what_is_tuned_changes(job):
    def base():
        return {
            n: p.detach().clone()
            for n, p in job.model.module.named_parameters()
            if not p.requires_grad
        }

    before = base()
    train(job.model, job.start, job.clients[0], replace(job.config, lr=0.1), 1, PRIOR)
    assert len(before) > 20 and all(torch.equal(before[n], t) for n, t in base().items())


def test_a_tick_can_stop_training_before_any_step(job):
    steps = []

    def tick(*_):
        steps.append(1)
        if len(steps) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(job.model, job.start, job.clients[0], job.config, 1, PRIOR, tick)
    assert len(steps) == 3
