"""Before round 1: class means whatever the split, their bytes counted, and nothing bad let in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.data.corpus import ClientData, Examples
from fedkit.experiments.job import Job, prepare
from fedkit.federated.rounds.faults import Faults, draw_fate
from fedkit.federated.rounds.head_start import (
    blank_statistics,
    check_head_start,
    client_statistics,
    compute_head_start,
)
from fedkit.models.head_starts import (
    SCALE,
    Analytic,
    class_mean_head,
    symmetric_matrix,
    upper_triangle,
)
from fedkit.wire.payload import encode_tensors

MEANS = ("feature_sums",)


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(loss="calibrated")


def split(job: Job, sizes: list[int]) -> list[ClientData]:
    """The pooled training examples, dealt out again to clients of these sizes and one with the
    rest.
    """
    pooled = job.pooled().train
    rows = np.split(np.random.default_rng(0).permutation(len(pooled)), np.cumsum(sizes))
    nothing = pooled.take([])
    return [ClientData(f"part-{i}", pooled.take(r), nothing) for i, r in enumerate(rows)]


def test_a_class_mean_head_by_hand():
    head = class_mean_head(torch.tensor([[3.0, 4.0], [0.0, -2.0], [0.0, 0.0]]))
    assert torch.allclose(
        head["head.weight"], SCALE * torch.tensor([[0.6, 0.8], [0.0, -1.0], [0.0, 0.0]])
    )
    assert head["head.bias"].tolist() == [0.0, 0.0, 0.0]


def test_the_statistics_of_a_client_by_hand(job):
    client = job.clients[0]
    sent, features = client_statistics(job.model, client, MEANS), job.model.features(client.train)
    for label in range(3):
        rows = client.train.labels == label
        assert sent["label_counts"][label] == rows.sum()
        assert np.allclose(sent["feature_sums"][label], features[rows].sum(0), atol=1e-5)
    assert client_statistics(job.model, client, ()).keys() == {"label_counts"}
    assert {n: t.shape for n, t in sent.items()} == {
        n: t.shape for n, t in blank_statistics(job.model, MEANS).items()
    }


@pytest.mark.parametrize("sizes", [[], [50], [8, 8, 8], [1, 2, 40, 30]])
def test_the_head_is_that_of_pooled_data_whatever_the_split(job, sizes):
    pooled = job.pooled().train
    features = job.model.features(pooled)
    means = np.stack([features[pooled.labels == k].mean(0) for k in range(3)])
    wanted = SCALE * means / np.linalg.norm(means, axis=1, keepdims=True)
    shared, prior, _ = compute_head_start(job.model, split(job, sizes), job.config)
    assert np.allclose(shared["head.weight"], wanted, atol=1e-4)
    assert torch.equal(prior, torch.bincount(torch.from_numpy(pooled.labels)).float() / len(pooled))
    assert shared.keys() == job.start.keys()


@pytest.mark.parametrize("sizes", [[], [50], [8, 8, 8], [1, 2, 40, 30]])
def test_the_analytic_head_is_the_ridge_regression_of_pooled_data_whatever_the_split(job, sizes):
    pooled = job.pooled().train
    z, wanted = job.model.features(pooled).astype(float), np.eye(3)[pooled.labels]
    # scikit-learn's Ridge, written out
    ridge = np.linalg.solve(z.T @ z + 0.1 * np.eye(z.shape[1]), z.T @ wanted).T
    from sklearn.linear_model import Ridge

    assert np.allclose(ridge, Ridge(alpha=0.1, fit_intercept=False).fit(z, wanted).coef_, atol=1e-6)
    shared, _, records = compute_head_start(
        job.model, split(job, sizes), replace(job.config, head_start="analytic")
    )
    assert np.allclose(shared["head.weight"] / SCALE, ridge, atol=2e-3 * np.abs(ridge).max())
    assert all(r.uplink_bytes > 4 * (3 + 3 * 32 + 32 * 33 // 2) for r in records)


@pytest.mark.parametrize("sizes", [[], [8, 8, 8], [1, 2, 40, 30]])
def test_the_discriminant_is_that_of_pooled_data_whatever_the_split(job, sizes):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    pooled = job.pooled().train
    z = job.model.features(pooled).astype(float)
    means = np.stack([z[pooled.labels == k].mean(0) for k in range(3)])
    within = np.cov((z - means[pooled.labels]).T, bias=True)
    ridge = 0.1 * np.trace(within) / len(within)

    class Within:
        def fit(self, x):
            self.covariance_ = np.cov(x.T, bias=True) + ridge * np.eye(x.shape[1])
            return self

    lda = LinearDiscriminantAnalysis(
        solver="lsqr", priors=[1 / 3] * 3, covariance_estimator=Within()
    )
    # scikit-learn estimates per class and averages by the priors; here the classes are alike in
    # size
    wanted = lda.fit(z, pooled.labels).predict(job.model.features(job.test))
    shared, *_ = compute_head_start(
        job.model, split(job, sizes), replace(job.config, head_start="discriminant")
    )
    logits = (
        job.model.features(job.test) @ shared["head.weight"].numpy().T + shared["head.bias"].numpy()
    )
    assert np.array_equal(logits.argmax(1), wanted)


@pytest.mark.parametrize("name", ["analytic", "discriminant"])
def test_a_coarse_wire_does_not_spoil_a_head_that_is_solved_from_few_examples(job, name):
    """Fewer examples than dimensions: the equations magnify every error of the sums, so they travel
    finely.
    """
    few = [ClientData(c.client_id, c.train.take(range(8)), c.validation) for c in job.clients[:3]]
    heads = [
        compute_head_start(job.model, few, replace(job.config, head_start=name, wire=w))[0]
        for w in ("none", "ef+int2+ans")
    ]
    z = job.model.features(job.test)
    said = [(z @ h["head.weight"].numpy().T + h["head.bias"].numpy()).argmax(1) for h in heads]
    assert (said[0] == said[1]).mean() > 0.9


@pytest.mark.parametrize(
    "spec", ["analytic:0", "analytic:strength=-1", "discriminant:shrink=-1", "discriminant:inf"]
)
def test_a_ridge_out_of_range_is_refused(spec):
    with pytest.raises(FedkitError, match=r"must be from 1e-6"):
        check_head_start(replace(RunConfig(), head_start=spec))


def test_a_symmetric_matrix_travels_as_its_upper_half():
    vectors = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    assert upper_triangle(vectors).shape == (15,) and torch.allclose(
        symmetric_matrix(upper_triangle(vectors)), vectors.T @ vectors
    )


def test_a_ridge_by_hand():
    """One feature, two labels: w = sum(z y) / (sum(z z) + strength)."""
    total = {"feature_sums": torch.tensor([[3.0], [1.0]]), "feature_products": torch.tensor([7.0])}
    head = Analytic(strength=1.0).solve(total)
    assert torch.allclose(head["head.weight"], SCALE * torch.tensor([[3 / 8], [1 / 8]]))


def test_a_lossy_wire_makes_the_start_smaller_and_keeps_the_counts(job):
    _, whole, plain = compute_head_start(job.model, job.clients, job.config)
    shared, prior, small = compute_head_start(
        job.model, job.clients, replace(job.config, wire="ef+topk:0.05+int4+ans")
    )
    assert torch.equal(prior, whole)
    assert sum(r.uplink_bytes for r in small) < 0.8 * sum(r.uplink_bytes for r in plain)
    assert (shared["head.weight"] != 0).float().mean() > 0.8, (
        "selecting stages are left out: every value matters here"
    )


def test_every_byte_of_the_exchange_is_recorded(job):
    _, prior, records = compute_head_start(job.model, job.clients, job.config)
    for client, record in zip(job.clients, records):
        assert record.id == client.client_id and record.status == "ok"
        assert (
            record.uplink_bytes
            == encode_tensors(client_statistics(job.model, client, MEANS)).nbytes
            > 4 * (3 + 3 * 32)
        )
        assert record.downlink_bytes == encode_tensors({"label_shares": prior}).nbytes > 4 * 3


def test_only_what_is_needed_is_exchanged(job):
    def exchange(**changes):
        shared, prior, records = compute_head_start(
            job.model, job.clients, replace(job.config, **changes)
        )
        return (
            shared["head.weight"].abs().sum().item() > 0,
            prior is not None,
            [r.downlink_bytes > 0 for r in records],
        )

    assert exchange(head_start="class-means", loss="plain") == (True, True, [False] * 4)
    assert exchange(head_start="zero", loss="calibrated") == (False, True, [True] * 4)
    assert exchange(head_start="zero", loss="plain") == (False, False, []), (
        "a zero head and a plain loss need nothing"
    )
    assert exchange(head_start="zero", loss="balanced") == (False, False, [])


def test_label_shares_alone_are_a_small_message(job):
    *_, small = compute_head_start(job.model, job.clients, replace(job.config, head_start="zero"))
    *_, large = compute_head_start(job.model, job.clients, job.config)
    assert small[0].uplink_bytes < large[0].uplink_bytes - 4 * 3 * 32


def poisoned(job: Job, ids: set[str]) -> list[ClientData]:
    """The clients, those in `ids` with a text whose sentence vector is NaN: one word's embedding is
    damaged.
    """
    embeddings = job.model.module.encoder.get_input_embeddings().weight
    with torch.no_grad():
        embeddings[29_999] = float("nan")
    out = []
    for c in job.clients:
        tokens = ((101, 29_999, 102), *c.train.tokens[1:]) if c.client_id in ids else c.train.tokens
        out.append(
            ClientData(
                c.client_id, Examples(c.train.texts, c.train.labels, None, tokens), c.validation
            )
        )
    return out


def test_statistics_that_are_not_finite_are_rejected_and_the_others_count(
    tiny_data, tiny_model, job
):
    own = prepare(job.config)
    shared, prior, records = compute_head_start(own.model, poisoned(own, {"site-2"}), job.config)
    assert [r.status for r in records] == ["ok", "ok", "rejected", "ok"]
    assert "NaN" in records[2].reason and records[2].uplink_bytes == records[0].uplink_bytes
    rest = [c for c in job.clients if c.client_id != "site-2"]
    wanted, shares, _ = compute_head_start(job.model, rest, job.config)
    assert torch.equal(shared["head.weight"], wanted["head.weight"]) and torch.equal(prior, shares)


@pytest.mark.parametrize("secure", ["none", "masks"])
@pytest.mark.parametrize("head_start", ["class-means", "zero"])
def test_clients_that_join_later_give_nothing_before(job, head_start, secure):
    """The head, the label shares and the bytes are those of the clients that are there."""
    usual = replace(job.config, head_start=head_start, secure=secure)
    late = replace(usual, faults="join=0.5", seed=3)
    fates = [draw_fate(Faults(join=0.5), 3, 1, c.client_id).kind for c in job.clients]
    there = [c for c, fate in zip(job.clients, fates) if fate != "not yet here"]
    assert 2 <= len(there) < len(job.clients)
    shared, prior, records = compute_head_start(job.model, job.clients, late)
    wanted, shares, others = compute_head_start(job.model, there, replace(usual, seed=3))
    assert torch.equal(shared["head.weight"], wanted["head.weight"]) and torch.equal(prior, shares)
    assert records == others and [r.id for r in records] == [c.client_id for c in there]


def test_a_head_that_nobody_is_there_to_start_is_refused(job):
    with pytest.raises(FedkitError, match=r"0 of 4 sites are there before round 1.*--head-start"):
        compute_head_start(job.model, job.clients, replace(job.config, faults="join=1"))
    alone = replace(job.config, faults="join=0.75", secure="masks")
    counted = {}
    for seed in range(20):
        fates = [draw_fate(Faults(join=0.75), seed, 1, c.client_id).kind for c in job.clients]
        counted[fates.count("")] = seed
    with pytest.raises(FedkitError, match="1 of 4 sites"):  # it would be seen in the clear
        compute_head_start(job.model, job.clients, replace(alone, seed=counted[1]))
    quiet = replace(job.config, faults="join=1", head_start="zero", loss="plain")
    assert compute_head_start(job.model, job.clients, quiet)[2] == ()


def test_no_usable_statistics_at_all_is_an_error_for_people(job):
    own = prepare(job.config)
    with pytest.raises(FedkitError, match=r"statistics.*NaN.*damaged"):
        compute_head_start(own.model, poisoned(own, {c.client_id for c in own.clients}), job.config)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("head_start", "means", "zero, class-means"), ("loss", "focal", "plain")],
)
def test_an_unknown_start_or_loss_is_refused(field, value, said):
    with pytest.raises(FedkitError, match=said):
        check_head_start(replace(RunConfig(), **{field: value}))
