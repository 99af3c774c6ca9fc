"""DP-SGD at a site: each example's gradient, the clip, the noise, the draw of batches."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedkit.core.errors import FedkitError
from fedkit.core.tensors import CENTRE_NAME
from fedkit.experiments.job import prepare
from fedkit.federated.local.dp_sgd import (
    balance_bias,
    clipped_head_sum,
    clipped_sum,
    clipped_sum_by_groups,
    per_example_gradients,
    poisson_batches,
    private_fit,
    unflatten_params,
)
from fedkit.federated.local.train import PrivatePlan, Task
from fedkit.privacy.noise import NoiseKey


@pytest.fixture(scope="module")
def config(tiny_config):
    return tiny_config(clients=4, partition="iid", tune="lora:r=4", rounds=2, device="cpu")


def one_by_one(model, task, rows, adjust=None) -> torch.Tensor:
    """Gradients (n, P), each example alone through plain autograd."""
    out = []
    for row in rows:
        loss = model.forward(*model.batch(task.examples, np.array([row])))
        loss = loss if adjust is None else loss + adjust
        loss = torch.nn.functional.cross_entropy(
            loss, torch.tensor([int(task.examples.labels[row])])
        )
        found = torch.autograd.grad(loss, list(model.trainable.values()), allow_unused=True)
        zeros = [torch.zeros_like(p) for p in model.trainable.values()]
        out.append(torch.cat([(z if g is None else g).flatten() for g, z in zip(found, zeros)]))
    return torch.stack(out)


def moved(job) -> dict:
    """Parameters away from their start, so that no gradient is zero because B is."""
    generator = torch.Generator().manual_seed(1)
    return {n: p + 0.05 * torch.randn(p.shape, generator=generator) for n, p in job.start.items()}


# --- each example's own gradient


@pytest.mark.parametrize("clip", [1e9, 0.3])
@pytest.mark.parametrize(
    "tune, engine",
    [
        ("lora:r=4", "fast"),
        ("lora:r=4,layers=1", "fast"),
        ("head", "fast"),
        ("lora:r=4", "plain"),
        ("full", "plain"),
        ("bitfit", "plain"),
        ("adapter", "plain"),
        ("head", "plain"),
    ],
)
def test_the_sum_is_that_of_one_by_one_autograd(config, tune, engine, clip):
    job = prepare(replace(config, tune=tune, engine=engine))
    model, client = job.model, job.clients[0]
    model.load_params(moved(job))
    rows, adjust = np.array([0, 3, 4, 7, 11]), torch.tensor([0.5, -0.2, 0.1])
    gradients = one_by_one(model, Task("a", {}, client.train, iter(())), rows, adjust)
    head = torch.cat(
        [torch.full((p.numel(),), n.startswith("head.")) for n, p in model.trainable.items()]
    )
    wanted = clipped_sum_by_groups(gradients, head, clip)
    with per_example_gradients(model) as summed:
        texts, labels = (
            [client.train.tokens[i] for i in rows],
            torch.from_numpy(client.train.labels[rows]),
        )
        found, loss = summed(texts, labels, adjust, clip, frozenset(), None)
    assert wanted.norm() > 1e-3
    assert (found - wanted).norm() <= 2e-4 * wanted.norm()
    assert loss > 0


def test_opacus_leaves_the_model_as_it_was(config):
    job = prepare(replace(config, engine="plain"))
    model, rows = job.model, np.arange(3)
    before = model.forward(*model.batch(job.test, rows)).detach()
    with per_example_gradients(model) as summed:
        summed([job.test.tokens[0]], torch.tensor([0]), None, 1.0, frozenset(), None)
    assert torch.equal(model.forward(*model.batch(job.test, rows)), before)
    assert not model.module.training and all(p.grad is None for p in model.module.parameters())


def test_where_gradients_cannot_be_told_apart_it_is_refused(config, monkeypatch):
    from fedkit.federated.local import dp_sgd

    job = prepare(replace(config, tune="full", engine="plain"))
    monkeypatch.setattr(dp_sgd, "separate_positions", lambda encoder, args, kwargs: (args, kwargs))
    with (
        pytest.raises(FedkitError, match=r"together differ from those alone.*use --tune lora"),
        per_example_gradients(job.model),
    ):
        pass


def test_the_head_in_closed_form_by_hand():
    """One text, two labels, all zero: p = (1/2, 1/2), p - y = (-1/2, 1/2); z = (3, 4) / 5, norm
    sqrt(1/2) sqrt(2) = 1.
    """
    z, label = torch.tensor([[0.6, 0.8]]), torch.tensor([0])
    weight, bias, loss = clipped_head_sum(z, label, torch.zeros(2, 2), torch.zeros(2), clip=0.5)
    assert weight.flatten().tolist() == pytest.approx([-0.15, -0.2, 0.15, 0.2])
    assert bias.tolist() == pytest.approx([-0.25, 0.25]) and loss.item() == pytest.approx(
        math.log(2)
    )


def test_about_a_centre_the_bias_has_no_gradient_of_its_own():
    z, label, centre = torch.tensor([[0.6, 0.8]]), torch.tensor([0]), torch.tensor([0.6, 0.0])
    weight, bias, _ = clipped_head_sum(
        z, label, torch.zeros(2, 2), torch.zeros(2), 1e9, None, centre
    )
    assert weight.flatten().tolist() == pytest.approx([0.0, -0.4, 0.0, 0.4]) and bias.tolist() == [
        0.0,
        0.0,
    ]
    step = balance_bias({"head.weight": weight, "head.bias": bias}, centre)
    at_centre = step["head.weight"] @ centre + step["head.bias"]
    assert at_centre.tolist() == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_a_centre_means_the_same_to_every_engine(config, engine):
    job = prepare(replace(config, tune="head", engine=engine))
    model, client = job.model, job.clients[0]
    start = moved(job)
    model.load_params(start)
    centre = torch.from_numpy(job.model.features(client.train).mean(0))
    vectors, labels = (
        torch.from_numpy(model.features(client.train)),
        torch.from_numpy(client.train.labels),
    )
    wanted = clipped_head_sum(
        vectors, labels, start["head.weight"], start["head.bias"], 0.3, None, centre
    )
    with per_example_gradients(model) as summed:
        found, _ = summed(list(client.train.tokens), labels, None, 0.3, frozenset(), centre)
    parts = unflatten_params(found, model.trainable)
    assert (
        torch.allclose(parts["head.weight"], wanted[0], atol=1e-4)
        and parts["head.bias"].abs().max() == 0
    )


# --- the clip


def test_the_clip_by_hand():
    """(3, 4) has length 5 and is cut to 1, (0.3, 0.4) stays: sum (0.6 + 0.3, 0.8 + 0.4)."""
    assert clipped_sum(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0).tolist() == pytest.approx(
        [0.9, 1.2]
    )


def test_no_example_moves_the_sum_by_more_than_the_clip():
    generator = torch.Generator().manual_seed(0)
    gradients = 10 ** (4 * torch.rand(50, 1, generator=generator) - 2) * torch.randn(
        50, 9, generator=generator
    )
    head = torch.arange(9) < 4
    for total in (lambda g: clipped_sum(g, 0.7), lambda g: clipped_sum_by_groups(g, head, 0.7)):
        whole = total(gradients)
        moves = [
            (whole - total(torch.cat([gradients[:i], gradients[i + 1 :]]))).norm().item()
            for i in range(50)
        ]
        assert max(moves) <= 0.7 * (1 + 1e-5) and max(moves) > 0.69


def test_a_gradient_that_is_not_finite_does_not_reach_the_sum():
    gradients = torch.tensor([[math.nan, 1.0], [math.inf, 0.0], [0.3, 0.4]])
    assert clipped_sum(gradients.nan_to_num(0, 0, 0), 1.0).isfinite().all()
    weight, bias, _ = clipped_head_sum(
        torch.tensor([[math.nan, 0.0], [0.6, 0.8]]),
        torch.tensor([0, 0]),
        torch.zeros(2, 2),
        torch.zeros(2),
        1.0,
    )
    assert weight.isfinite().all() and bias.isfinite().all() and bias.abs().max() > 0


# --- the draw, the noise

CHANCE = NoiseKey.from_seed(0).stream("rows")


def test_poisson_batches_draw_each_row_alone():
    """Sizes vary as n q (1 - q), and two rows are drawn together as often as independence says."""
    draws = list(poisson_batches(40, 0.3, 4000, CHANCE))
    there = np.zeros((4000, 40))
    for i, rows in enumerate(draws):
        there[i, rows] = 1
    sizes = there.sum(1)
    assert sizes.mean() == pytest.approx(12, abs=0.2) and sizes.var() == pytest.approx(
        40 * 0.3 * 0.7, rel=0.1
    )
    assert np.allclose(there.mean(0), 0.3, atol=0.035)
    assert (there[:, 0] * there[:, 1]).mean() == pytest.approx(0.09, abs=0.02)
    assert any(len(rows) == 0 for rows in poisson_batches(3, 0.1, 50, CHANCE))
    assert all(len(rows) == 40 for rows in poisson_batches(40, 1.0, 5, CHANCE))


def private_task(job, **changes) -> Task:
    plan = PrivatePlan(
        clip=0.5,
        sigma=0.5,
        rate=1.0,
        steps=1,
        scale=1.0,
        head_lr=1.0,
        key=NoiseKey.from_seed(0),
        only_gradient=True,
    )
    client = job.clients[0]
    return Task("a", moved(job), client.train, iter(()), private=replace(plan, **changes))


@pytest.fixture(scope="module")
def head_job(config):
    return prepare(replace(config, tune="head"))


def test_the_noise_is_that_of_the_plan(head_job):
    """What two visits give with and without noise differs by N(0, (sigma / n)^2) on every value."""
    n = len(head_job.clients[0].train)
    plain = private_fit(head_job.model, private_task(head_job, sigma=0.0), head_job.config).given
    noise = []
    for visit in range(20):
        given = private_fit(
            head_job.model, private_task(head_job, key=NoiseKey.from_seed(visit)), head_job.config
        ).given
        noise.append(torch.cat([(given[k] - plain[k]).flatten() for k in plain]) * n)
    values = torch.cat(noise)
    assert values.mean().item() == pytest.approx(0, abs=4 * 0.5 / math.sqrt(len(values)))
    assert values.std().item() == pytest.approx(0.5, rel=0.03)
    assert torch.corrcoef(torch.stack(noise[:2]))[0, 1].abs() < 0.4, "two visits share their noise"


def test_the_same_visit_twice_is_the_same(head_job):
    a, b = (
        private_fit(head_job.model, private_task(head_job), head_job.config).given for _ in range(2)
    )
    assert all(torch.equal(a[n], b[n]) for n in a)


def test_a_step_by_hand(head_job):
    """Without noise, of full batch: W - scale lr (sum of clipped gradients) / n."""
    task = private_task(head_job, sigma=0.0, scale=3.0, head_lr=0.2, only_gradient=False)
    done = private_fit(head_job.model, task, head_job.config)
    mean = private_fit(head_job.model, private_task(head_job, sigma=0.0), head_job.config).given
    for n in mean:
        assert torch.allclose(done.params[n], task.start[n] + 0.6 * mean[n], atol=1e-6)


def test_a_centre_is_kept(head_job):
    centre = torch.from_numpy(head_job.model.features(head_job.clients[0].train).mean(0))
    task = private_task(head_job, only_gradient=False, steps=3)
    done = private_fit(
        head_job.model, replace(task, start=task.start | {CENTRE_NAME: centre}), head_job.config
    )
    moved_logits = [p["head.weight"] @ centre + p["head.bias"] for p in (task.start, done.params)]
    assert torch.allclose(*moved_logits, atol=1e-4)
    assert not torch.equal(done.params["head.weight"], task.start["head.weight"])
