"""What strategies ask of a client's training: the proximal term, control variates, another
optimizer; in both engines.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from factories.tensors import distance

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.federated.algorithm import federate
from fedkit.federated.local.cohort import fit_all
from fedkit.federated.local.train import fit, make_task, sgd_momentum

LR = 0.05


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(rounds=2, batch_size=8, optimizer="sgd", lr=LR, head_lr=LR, clip_norm=100.0)


def trained(job, engine, config=None, **changes):
    """Two clients' results from the same start."""
    config = config or job.config
    tasks = [
        replace(make_task(c, job.start, config, 1, None, 3), **changes) for c in job.clients[:2]
    ]
    if engine == "plain":
        return [fit(job.model, task, config) for task in tasks]
    done = {task.name: result for task, result in fit_all(job.model, tasks, config)}
    return [done[c.client_id] for c in job.clients[:2]]


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_a_sgd_step_by_hand(job, engine):
    """With one batch of all its examples, a client moves by -lr times its gradient, which the shift
    lets us see.
    """
    config = replace(job.config, batch_size=1000)
    nothing = {n: torch.zeros_like(t) for n, t in job.start.items()}
    for done in trained(job, engine, config, shift=nothing):
        assert done.steps == 1 and distance(done.params, job.start) > 0
        assert (
            distance(done.params, {n: job.start[n] - LR * g for n, g in done.gradient.items()})
            < 1e-6
        )


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_control_variates_are_the_papers_option_two_under_sgd(job, engine):
    """c_i - c + (start - end) / (K lr), which under SGD is the mean gradient of the steps
    (Karimireddy et al., 2020).
    """
    rng = torch.Generator().manual_seed(0)
    shift = {n: 0.01 * torch.randn(t.shape, generator=rng) for n, t in job.start.items()}  # c - c_i
    for done in trained(job, engine, shift=shift):
        assert done.steps > 1
        paper = {
            n: -shift[n] + (job.start[n] - t) / (done.steps * LR) for n, t in done.params.items()
        }
        assert distance(done.gradient, paper) < 1e-4


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_the_proximal_term_pulls_by_mu_times_the_distance(job, engine):
    """Two full-batch steps: the first is SGD's, the second has -lr mu (w_1 - w_0) = lr^2 mu g_0
    more.
    """
    nothing = {n: torch.zeros_like(t) for n, t in job.start.items()}
    one, two = (replace(job.config, batch_size=1000, local_epochs=epochs) for epochs in (1, 2))
    cases = (
        trained(job, engine, config, shift=nothing, pull=pull)
        for config, pull in ((one, 3.0), (two, 0.0), (two, 3.0))
    )
    for first, free, held in zip(*cases):
        wanted = {n: t + LR**2 * 3.0 * first.gradient[n] for n, t in free.params.items()}
        assert distance(held.params, wanted) < 1e-6 < distance(held.params, free.params)


@pytest.mark.parametrize("changes", [{}, {"pull": 0.5}, {"shift": "ones"}])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "sgd:momentum=0.9"])
@pytest.mark.slow
def test_both_engines_compute_the_same(job, optimizer, changes):
    if "shift" in changes:
        changes = {"shift": {n: 0.01 * torch.ones_like(t) for n, t in job.start.items()}}
    config = replace(job.config, optimizer=optimizer, clip_norm=1.0)
    for fast, plain in zip(
        trained(job, "fast", config, **changes), trained(job, "plain", config, **changes)
    ):
        assert distance(fast.params, plain.params) < (2e-3 if optimizer == "adamw" else 1e-5)
        assert fast.steps == plain.steps and (fast.gradient is None) == (plain.gradient is None)


@pytest.mark.parametrize(
    "spec", ["sgd:momentum=1", "sgd:momentum=-1", "sgd:m=0.5", "adam", "adamw:lr=1", "sgd:x", ""]
)
def test_another_optimizer_is_refused(job, spec):
    with pytest.raises(FedkitError, match="adamw, sgd"):
        sgd_momentum(replace(job.config, optimizer=spec))


@pytest.mark.slow
def test_scaffold_counts_both_ways_and_its_variates_add_up(job):
    """With every client in every round, the server's c is the weighted mean of the clients' c_i."""
    config = replace(job.config, strategy="scaffold", rounds=3)
    done = list(federate(job.model, job.clients, job.start, config))
    plain = list(federate(job.model, job.clients, job.start, replace(config, strategy="fedavg")))
    assert done[1].clients[0].uplink_bytes > 1.9 * plain[1].clients[0].uplink_bytes
    assert done[1].clients[0].downlink_bytes > 1.9 * plain[1].clients[0].downlink_bytes
    state, sizes = done[-1].state, [len(c.train) for c in job.clients]
    for n in job.start:
        own = [state[f"exchange/control/{i}/{n}.control"] for i in range(4)]
        mean = sum(w * t for w, t in zip(sizes, own)) / sum(sizes)
        assert (
            torch.allclose(state[f"strategy/{n}.control"], mean, atol=1e-6) and mean.abs().max() > 0
        )
    assert set(done[-1].shared) == set(job.start)
