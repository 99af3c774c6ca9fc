"""The fast engine: clients trained together end where each would have ended alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from factories.tensors import distance

from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.data.corpus import ClientData
from fedkit.experiments.job import Job, prepare
from fedkit.experiments.runner import run
from fedkit.federated.algorithm import federate
from fedkit.federated.local import cohort
from fedkit.federated.local.cohort import fit_all, num_seats
from fedkit.federated.local.train import fit, make_task
from fedkit.federated.rounds.head_start import compute_head_start
from fedkit.models.fast.autograd import AdaptedLinear, FrozenLinear, WindowAttention
from fedkit.models.fast.packing import pack_texts

PRIOR = torch.tensor([0.2, 0.3, 0.5])
TUNES = [
    "lora:r=4,alpha=8",
    "lora:r=2,layers=1",
    "lora:r=3,alpha=4,targets=query|key|dense",
    "head",
]
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
    ),
]


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(batch_size=8, local_epochs=2, loss="calibrated", engine="fast", lr=0.01)


def unequal(job: Job) -> list[ClientData]:
    """Clients of 3, 9, 26, 1 and 17 examples: other sizes, other numbers of steps, batches of other
    lengths.
    """
    train = job.pooled().train
    cuts = np.cumsum([0, 3, 9, 26, 1, 17])
    return [
        ClientData(f"c{i}", train.take(range(a, b)), train.take([]))
        for i, (a, b) in enumerate(pairwise(cuts))
    ]


def tasks(job: Job, clients, start_at=None):
    return [
        make_task(c, job.start if start_at is None else start_at, job.config, 1, PRIOR, 3)
        for c in clients
    ]


def both(job: Job, clients, start_at=None):
    """(together, alone): name -> Fit."""
    together = {
        t.name: done for t, done in fit_all(job.model, tasks(job, clients, start_at), job.config)
    }
    alone = {t.name: fit(job.model, t, job.config) for t in tasks(job, clients, start_at)}
    return together, alone


# --- equal to the plain path


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("tune", TUNES)
def test_together_is_alone(config, monkeypatch, tune, device):
    """Every client's parameters, steps, examples and loss, from parameters that are not zero."""
    monkeypatch.setattr(cohort, "num_seats", lambda *_: 3)
    job = prepare(replace(config, tune=tune, device=device))
    draw = torch.Generator().manual_seed(1)
    begun = {n: t + 0.05 * torch.randn(t.shape, generator=draw) for n, t in job.start.items()}
    together, alone = both(job, unequal(job), begun)
    assert together.keys() == alone.keys() == {"c0", "c1", "c2", "c3", "c4"}
    for name, one in alone.items():
        found = together[name]
        assert distance(found.params, one.params) < 2e-5, name
        assert (found.steps, found.examples) == (one.steps, one.examples)
        assert found.loss == pytest.approx(one.loss, abs=1e-5) and found.seconds > 0
    assert distance(begun, alone["c2"].params) > 1e-2, "nothing was learned"


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_the_number_of_seats_changes_nothing(job, monkeypatch, at_once):
    wanted, _ = both(job, unequal(job))
    monkeypatch.setattr(cohort, "num_seats", lambda *_: at_once)
    found, _ = both(job, unequal(job))
    assert max(distance(found[n].params, wanted[n].params) for n in wanted) < 2e-5


@pytest.mark.parametrize("loss", ["plain", "balanced", "calibrated"])
@pytest.mark.slow
def test_every_loss(config, loss):
    job = prepare(replace(config, loss=loss))
    together, alone = both(job, job.clients)
    assert max(distance(together[n].params, alone[n].params) for n in alone) < 2e-5


def test_a_small_bound_of_the_gradient_norm(config):
    job = prepare(replace(config, clip_norm=0.01))
    together, alone = both(job, job.clients)
    assert max(distance(together[n].params, alone[n].params) for n in alone) < 2e-5


@pytest.mark.slow
@pytest.mark.parametrize("tune", [*TUNES, "full"])
def test_a_whole_run_by_both_engines(config, tune):
    config = replace(config, rounds=3, tune=tune, engine="auto", clients_per_round=3.0)
    fast, plain = run(config), run(replace(config, engine="plain"))
    assert (fast.environment["engine"], plain.environment["engine"]) == (
        "plain" if tune == "full" else "fast",
        "plain",
    )
    assert [r.loss for r in fast.rounds] == pytest.approx([r.loss for r in plain.rounds], abs=1e-4)
    assert [c.id for r in fast.rounds for c in r.clients] == [
        c.id for r in plain.rounds for c in r.clients
    ]
    assert fast.result["steps"] == plain.result["steps"]


@pytest.mark.parametrize("tune", TUNES)
@pytest.mark.slow
def test_evaluation_is_the_plain_one(config, tune):
    fast, plain = (
        prepare(replace(config, tune=tune)),
        prepare(replace(config, tune=tune, engine="plain")),
    )
    for job in (fast, plain):
        job.model.load_params({n: t + 0.1 for n, t in job.start.items()})
    assert np.abs(fast.model.predict(fast.test) - plain.model.predict(plain.test)).max() < 1e-4
    assert fast.model.predict(fast.test.take([])).shape == (0, 3)


@pytest.mark.slow
def test_bfloat16_follows_float32(config):
    """Losses of a run: within what rounding to 8 bits does."""
    losses = [
        [r.loss for r in run(replace(config, rounds=3, dtype=d)).rounds]
        for d in ("float32", "bfloat16")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=0.02)


# --- what is frozen is computed once


@pytest.mark.parametrize("tune", ["lora:r=2,layers=1", "head"])
@pytest.mark.slow
def test_kept_activations_are_exact(config, tune):
    job = prepare(replace(config, tune=tune))
    kept, _ = both(job, unequal(job))
    job.model.fast_encoder.cache.clear()
    job.model.fast_encoder.cache.budget = 0
    computed, _ = both(job, unequal(job))
    assert job.model.fast_encoder.cache.used == 0
    assert max(distance(kept[n].params, computed[n].params) for n in kept) < 1e-6


def test_what_is_below_is_computed_once_for_training_and_evaluation(config, monkeypatch):
    job = prepare(replace(config, tune="head", rounds=2))
    texts, compute = [], job.model.fast_encoder.cache.compute
    monkeypatch.setattr(
        job.model.fast_encoder.cache, "compute", lambda t: (texts.extend(t), compute(t))[1]
    )
    run(job.config, job=job)
    everything = {t for c in job.clients for e in (c.train, c.validation) for t in e.tokens} | set(
        job.test.tokens
    )
    assert len(texts) == len(set(texts)) and set(texts) == everything


# --- nobody harms a neighbour


@pytest.mark.slow
def test_what_overflows_in_one_client_stays_with_it(config, monkeypatch):
    """A damaged word, which only c1 uses: its numbers become NaN, as they do alone, and nobody
    else's change.
    """
    monkeypatch.setattr(cohort, "num_seats", lambda *_: 5)
    job = prepare(config)
    clients = unequal(job)
    sound, _ = both(job, clients)
    with torch.no_grad():
        job.model.module.encoder.get_input_embeddings().weight[29_999] = float("nan")
    tokens = ((101, 29_999, 102), *clients[1].train.tokens[1:])
    clients[1] = replace(clients[1], train=replace(clients[1].train, tokens=tokens))
    together, alone = both(job, clients)
    assert not torch.cat([t.flatten() for t in together["c1"].params.values()]).isfinite().all()
    assert not torch.cat([t.flatten() for t in alone["c1"].params.values()]).isfinite().all()
    for name in ("c0", "c2", "c3", "c4"):
        assert distance(together[name].params, sound[name].params) < 2e-5


def test_a_damaged_text_leaves_the_others_their_answers(config):
    job = prepare(config)
    wanted = job.model.predict(job.test)
    with torch.no_grad():
        job.model.module.encoder.get_input_embeddings().weight[29_999] = float("nan")
    found = job.model.predict(replace(job.test, tokens=((101, 29_999, 102), *job.test.tokens[1:])))
    assert np.isnan(found[0]).all() and np.abs(found[1:] - wanted[1:]).max() < 1e-5


def test_a_tick_before_every_step_of_every_client_and_it_can_stop(job):
    seen: list[str] = []
    list(fit_all(job.model, tasks(job, unequal(job)), job.config, seen.append))
    assert {n: seen.count(n) for n in set(seen)} == {"c0": 2, "c1": 4, "c2": 8, "c3": 2, "c4": 6}

    def stop(_):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        list(fit_all(job.model, tasks(job, unequal(job)), job.config, stop))


# --- when it is used


def test_what_cannot_be_computed_together_falls_back_or_is_refused(config):
    assert prepare(replace(config, tune="full", engine="auto")).model.engine == "plain"
    with pytest.raises(
        FedkitError, match=r"engine 'fast' cannot compute tune 'full'.*whole model.*--engine auto"
    ):
        prepare(replace(config, tune="full"))


def folder_of(kind: str, tiny_model: str, folder):
    """The tiny model's tokenizer with another architecture."""
    from transformers import DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

    shutil.copytree(tiny_model, folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if kind == "roberta":
            shape = {
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 64,
            }
            made = RobertaModel(
                RobertaConfig(vocab_size=30522, max_position_embeddings=66, pad_token_id=0, **shape)
            )
        else:
            made = DistilBertModel(DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64))
    made.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(("kind", "engine"), [("roberta", "fast"), ("distilbert", "plain")])
def test_other_architectures(config, tiny_model, tmp_path, kind, engine):
    """RoBERTa is built like BERT; DistilBERT is not, and is trained one client after another."""
    tune = "lora:r=2,alpha=4" if kind == "roberta" else "lora:r=2,targets=q_lin|v_lin"
    config = replace(
        config, model=folder_of(kind, tiny_model, tmp_path / kind), engine="auto", tune=tune
    )
    job = prepare(config)
    assert job.model.engine == engine
    if engine == "fast":
        together, alone = both(job, unequal(job))
        assert max(distance(together[n].params, alone[n].params) for n in alone) < 2e-5
    else:
        with pytest.raises(FedkitError, match="not built like BERT"):
            prepare(replace(config, engine="fast"))


def test_a_look_alike_is_found_out(config, monkeypatch):
    """An encoder whose layers carry BERT's names and compute something else is not trusted to the
    fast engine.
    """
    from fedkit.models.fast import encoder

    monkeypatch.setattr(encoder.EncoderLayer, "__init__", spoiled(encoder.EncoderLayer.__init__))
    assert prepare(replace(config, engine="auto")).model.engine == "plain"


def spoiled(init):
    def call(self, layer, names):
        init(self, layer, names)
        self.act = lambda x: 100 * x

    return call


def test_seats_are_bounded_by_texts_rank_and_memory(job, monkeypatch):
    some = tasks(job, [job.clients[0]] * 400)
    assert num_seats(job.model, some, 8) == 1, (
        "r=8 adapters of a model 32 wide: one client's are a quarter of a matrix"
    )
    head = prepare(replace(job.config, tune="head"))
    assert num_seats(head.model, some, 8) == 32 // 6
    monkeypatch.setattr(cohort, "SEAT_VALUES", 3 * head.model.num_trainable())
    assert num_seats(head.model, some, 8) == 3 and num_seats(head.model, some[:2], 8) == 2


@pytest.mark.slow
def test_only_some_of_very_many_clients_are_asked_before_round_one(config, monkeypatch):
    from fedkit.federated.rounds import head_start as module

    monkeypatch.setattr(module, "MAX_ASKED", 3)
    job = prepare(config)
    _, prior, records = compute_head_start(job.model, job.clients, job.config)
    assert len(records) == 3 and prior.sum() == pytest.approx(1)
    again = compute_head_start(job.model, job.clients, job.config)[2]
    assert [r.id for r in records] == [r.id for r in again], "drawn by the seed"
    assert (
        len(list(federate(job.model, job.clients, job.start, job.config, prior)))
        == job.config.rounds
    )


# --- the operations


@pytest.mark.parametrize("clients", [1, 3])
@pytest.mark.parametrize("rows", [[slice(0, 4)], [slice(0, 4), slice(8, 12)], []])
def test_the_derivatives_of_the_adapted_matrix(clients, rows):
    draw = torch.Generator().manual_seed(0)
    tokens, width, rank = 6, 5, 2

    def random(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_()

    frozen = FrozenLinear(random(12, width).detach(), random(12).detach())
    own = None
    if clients > 1:
        own = torch.eye(clients, dtype=torch.float64)[
            torch.arange(tokens) % clients
        ].repeat_interleave(rank, 1)
    a = random(len(rows) * clients * rank, width) if rows else None
    b = [random(4, clients * rank) for _ in rows]
    x = random(tokens, width)
    assert torch.autograd.gradcheck(
        lambda x, a, *b: AdaptedLinear.apply(x, frozen, own, rows, a, *b), (x, a, *b)
    )


def test_the_derivatives_of_attention():
    packed = pack_texts([tuple(range(n)) for n in (3, 5, 2)], torch.device("cpu"))
    biases = [b.bias(2, torch.float64) for b in packed.blocks]
    qkv = torch.randn(
        packed.size, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).requires_grad_()

    def attended(qkv):
        return WindowAttention.apply(qkv, packed.blocks, 2, *biases)[packed.token_rows]

    assert torch.autograd.gradcheck(attended, (qkv,))
    q, k, v = (
        qkv[packed.token_rows[3:8]].detach().view(5, 3, 2, 2)[:, i].transpose(0, 1)
        for i in range(3)
    )
    by_hand = torch.softmax(q @ k.transpose(1, 2) / 2**0.5, -1) @ v
    assert torch.allclose(attended(qkv)[3:8], by_hand.transpose(0, 1).flatten(1))


def test_a_packed_matrix_multiplies_like_a_plain_one():
    draw = torch.Generator().manual_seed(0)
    weight, x = torch.randn(24, 16, generator=draw), torch.randn(7, 16, generator=draw)
    bias, dy = torch.randn(24, generator=draw), torch.randn(7, 24, generator=draw)
    frozen = FrozenLinear(*(t.to(torch.bfloat16) for t in (weight, bias)))
    assert torch.allclose(frozen.forward(x.bfloat16()).float(), x @ weight.T + bias, atol=0.2)
    assert torch.allclose(frozen.backward(dy.bfloat16()).float(), dy @ weight, atol=0.2)
