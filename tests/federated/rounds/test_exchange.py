"""Both directions of a run: what is sent, what is not, every byte, and that a stop changes
nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories.records import unmeasured

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.experiments.job import Job, prepare
from fedkit.experiments.runner import run, run_rounds
from fedkit.federated.aggregation.aggregators import AGGREGATORS
from fedkit.federated.algorithm import federate
from fedkit.federated.local.train import FitResult
from fedkit.federated.rounds.exchange import Exchange, check_exchange
from fedkit.federated.rounds.head_start import compute_head_start
from fedkit.federated.rounds.messages import decode_update, local_names
from fedkit.wire.payload import Payload, encode_tensors
from fedkit.wire.pipeline import Context, make_wire

LOSSY = "ef21+topk:0.2+int8+ans"


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(rounds=3, batch_size=8, tune="lora:r=4,alpha=8")


def begun(job: Job, **changes) -> tuple[Exchange, dict, RunConfig]:
    """An exchange after the start, what is shared, and the settings."""
    config = replace(job.config, **changes)
    job.model.load_params(job.start)
    shared, *_ = compute_head_start(job.model, job.clients, config)
    return Exchange(job.model, job.clients, shared, config, {}), shared, config


def traffic(record: Run, way: str) -> list[list[int]]:
    return [[getattr(c, f"{way}link_bytes") for c in r.clients] for r in record.rounds]


def same_end(a: Run, b: Run) -> bool:
    """Equal in everything that is not measured by a clock; one may be without a folder."""
    one, two = (unmeasured(replace(run, files={}).to_dict()) for run in (a, b))
    return one == two and (not a.files or not b.files or a.files == b.files)


# --- what travels


def test_what_the_seed_draws_is_not_sent_and_what_does_not_change_is_not_sent_again(job):
    exchange, shared, _ = begun(job)
    exchange.publish(shared, 1)
    _, first = exchange.download("site-0")
    assert first == encode_tensors({"head.weight": shared["head.weight"]}).nbytes, (
        "the adapter is drawn, the bias is zero"
    )
    moved = {n: t + 1 for n, t in shared.items()}
    exchange.publish(moved, 2)
    assert exchange.download("site-0")[1] == encode_tensors(moved).nbytes
    exchange.publish(moved, 3)
    assert exchange.download("site-0")[1] == 0, "nothing has changed"


def test_a_client_that_missed_rounds_catches_up(job):
    exchange, shared, _ = begun(job)
    head = {n: t + 1 if n.startswith("head.") else t for n, t in shared.items()}
    exchange.publish(shared, 1), exchange.publish(head, 2)
    assert (
        exchange.download("site-1")[1]
        == encode_tensors({n: t for n, t in head.items() if n.startswith("head.")}).nbytes
    )


def test_catching_up_over_a_lossy_wire_takes_all_missed_messages_or_everything_once(job):
    exchange, shared, _ = begun(job, wire=LOSSY)
    rng = torch.Generator().manual_seed(0)
    for number in range(1, 60):
        shared = {n: t + 0.1 * torch.randn(t.shape, generator=rng) for n, t in shared.items()}
        exchange.publish(shared, number)
        sizes = exchange.broadcast.sent[: number + 1, 0].tolist()
        assert exchange.broadcast.nbytes(number - 1) == sizes[number]
        whole = encode_tensors({n: exchange.broadcast.held[n] for n in shared}).nbytes
        assert exchange.broadcast.nbytes(0) == min(sum(sizes), whole)
    assert sum(sizes) > whole, "after so many rounds everything once is shorter"


def test_what_a_lossy_download_loses_is_sent_later(job):
    """The clients' tensors come close to the server's, although each message carries a fifth of the
    values.
    """
    exchange, shared, _ = begun(job, wire="topk:0.2", wire_down=None)
    target = {
        n: t + torch.randn(t.shape, generator=torch.Generator().manual_seed(1))
        for n, t in shared.items()
    }
    exchange.publish(shared, 1)
    gaps = []
    for number in range(2, 8):
        exchange.publish(target, number)
        gaps.append(
            sum((target[n] - exchange.broadcast.held[n]).square().sum().item() for n in target)
        )
    assert all(late < early for early, late in itertools.pairwise(gaps)) or gaps[-1] == 0
    assert gaps[0] > 0 and gaps[-1] < 1e-9


def test_clients_start_from_what_they_hold_not_from_what_the_server_has(job):
    exchange, shared, _ = begun(job, wire="int2")
    exchange.publish(shared, 1)
    mine, _ = exchange.download("site-0")
    assert not torch.equal(mine["head.weight"], shared["head.weight"]), (
        "two bits are not thirty-two"
    )
    assert torch.equal(mine["head.weight"], exchange.broadcast.held["head.weight"])


def test_error_feedback_is_kept_per_client_and_forgotten_by_nobody(job):
    exchange, shared, _ = begun(job, wire="ef+topk:0.1")
    exchange.publish(shared, 1)
    given, received = {}, {}
    for number in (1, 2, 3):
        exchange.publish(shared, number)
        for name in ("site-0", "site-1"):
            mine, _ = exchange.download(name)
            rng = torch.Generator().manual_seed(10 * number + int(name[-1]))
            moved = {n: t + torch.randn(t.shape, generator=rng) for n, t in mine.items()}
            upload = exchange.upload(name, mine, FitResult(moved, 1, 8, 0.0, 0.0), 8)
            assert not upload.reason
            exchange.accept(upload)
            for total, delta in (
                (given, {n: moved[n] - mine[n] for n in mine}),
                (received, upload.update.delta),
            ):
                kept = total.setdefault(name, torch.zeros(0))
                flat = torch.cat([delta[n].flatten() for n in sorted(delta)])
                total[name] = flat if not len(kept) else kept + flat
    for name in given:
        (slot,) = [s for s in exchange.memory if s.startswith(f"{name[-1]}.")]
        left = torch.cat([t.flatten() for t in exchange.memory[slot].values()])
        assert torch.allclose(received[name] + left, given[name], atol=1e-4)


def test_a_rejected_upload_changes_nothing_that_is_remembered(job):
    exchange, shared, _ = begun(job, wire=LOSSY, share="lora_A|head")
    exchange.publish(shared, 1)
    mine, _ = exchange.download("site-0")
    broken = {n: torch.full_like(t, torch.nan) for n, t in mine.items()}
    upload = exchange.upload("site-0", mine, FitResult(broken, 1, 8, 0.0, 0.0), 8)
    assert upload.update is None and "NaN" in upload.reason and upload.nbytes > 0
    exchange.accept(upload)
    assert not exchange.memory and not exchange.home


def test_an_upload_that_is_not_accepted_leaves_its_sender_as_it_was(job):
    exchange, shared, _ = begun(job, wire="ef+topk:0.1", share="lora_A|head")
    exchange.publish(shared, 1)
    mine, _ = exchange.download("site-0")
    moved = {n: t + 1.0 for n, t in mine.items()}
    upload = exchange.upload("site-0", mine, FitResult(moved, 1, 8, 0.0, 0.0), 8)
    assert upload.update is not None and not exchange.memory and not exchange.home, (
        "lost on the way"
    )
    exchange.accept(upload)
    assert exchange.memory and exchange.home


def test_an_upload_with_impossible_notes_is_rejected():
    wire, template = make_wire("none"), {"a": torch.zeros(2)}
    for notes in (
        {},
        {"client": 3, "examples": 1},
        {"client": "x", "examples": 0},
        {"client": "x", "examples": True},
    ):
        update, reason = decode_update(
            wire, encode_tensors(template, notes), template, Context("x", 1, 0, {})
        )
        assert update is None and "notes" in reason
    for loss in (None, "1", True, -1.0, 1e10):
        update, reason = decode_update(
            wire,
            encode_tensors(template, {"client": "x", "examples": 1, "loss": loss}),
            template,
            Context("x", 1, 0, {}),
            ("loss",),
        )
        assert update is None and "loss" in reason
    own = {"client": "x", "examples": 1}
    assert (
        decode_update(
            wire,
            encode_tensors({"a": torch.tensor([1e8, 0.0])}, own),
            template,
            Context("x", 1, 0, {}),
        )[0]
        is not None
    )
    for sender, value, said in (("y", 0.0, "another client"), ("x", 1e10, "beyond")):
        payload = encode_tensors({"a": torch.tensor([value, 0.0])}, own)
        update, reason = decode_update(wire, payload, template, Context(sender, 1, 0, {}))
        assert update is None and said in reason
    assert decode_update(wire, Payload(b"nonsense"), template, Context("x", 1, 0, {}))[0] is None


# --- partial sharing


@pytest.mark.slow
def test_what_is_not_shared_stays_with_its_client_and_is_judged_there(config, job):
    mine = replace(config, share="lora_A|head")
    record = run(mine, job=replace(job, config=mine))
    whole = run(config, job=job)
    up, all_up = traffic(record, "up")[0][0], traffic(whole, "up")[0][0]
    assert up < all_up - 4 * sum(t.numel() for n, t in job.start.items() if "lora_B" in n) + 2000
    assert len(set(record.result["correct"])) >= 1 and len(record.result["correct"]) == len(
        job.test
    )
    done = list(federate(job.model, job.clients, job.start, replace(mine, loss="balanced")))[-1]
    assert set(done.home) == {0, 1, 2, 3} and all(
        "lora_B" in n for own in done.home.values() for n in own
    )
    name = next(n for n in job.start if "lora_B" in n)
    assert torch.equal(done.shared[name], job.start[name]), "the server never saw it"
    assert not torch.equal(done.home[0][name], done.home[1][name])


@pytest.mark.slow
def test_a_client_goes_on_with_its_own_tensors(job):
    config = replace(job.config, share="head", rounds=2)
    first, second = federate(job.model, job.clients, job.start, config)
    name = next(n for n in job.start if "lora_B" in n)
    step = (second.home[0][name] - first.home[0][name]).norm()
    assert 0 < step < second.home[0][name].norm() + first.home[0][name].norm()
    assert not torch.equal(first.home[0][name], second.home[0][name])


@pytest.mark.parametrize(
    ("share", "said"),
    [("lora_C", "'lora_C'.*such as"), ("", "nothing|no trained"), ("head|x9", "'x9'")],
)
def test_a_pattern_that_fits_nothing_is_refused(job, share, said):
    with pytest.raises(FedkitError, match=said):
        check_exchange(replace(job.config, share=share), job.model)


def test_fedsa_is_sharing_a_alone(job):
    names = list(job.start)
    from fedkit.federated.aggregation.aggregators import make_aggregator

    shared = local_names(make_aggregator("mean"), "lora_A|head", names)
    assert shared == local_names(make_aggregator("fedsa"), "all", names)


# --- every rule


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["fast", "plain"])
@pytest.mark.parametrize("name", AGGREGATORS)
def test_every_rule_runs_learns_counts_and_repeats(config, name, engine, tmp_path):
    mine = replace(config, aggregate=name, engine=engine, rounds=2)
    record = run(mine, tmp_path / "run")
    assert record.finished and record.rounds[-1].loss < record.start.loss
    assert all(n > 0 for r in traffic(record, "up") for n in r)
    error = record.rounds[-1].aggregation_error
    if name in ("ffa", "rolora", "flora", "fedex"):
        assert error < 1e-5
    elif name == "fedsa":
        assert error is None
    else:
        assert error > 1e-4
    assert same_end(record, run(mine))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ffa", "rolora"])
def test_a_frozen_half_is_neither_trained_nor_sent(job, name):
    config = replace(job.config, aggregate=name, rounds=1)
    (done,) = federate(job.model, job.clients, job.start, config)
    moved = {n for n, t in done.shared.items() if not torch.equal(t, job.start[n])}
    assert moved == {n for n in job.start if "lora_A" not in n}
    a = sum(t.numel() for n, t in job.start.items() if "lora_A" in n)
    (plain,) = federate(job.model, job.clients, job.start, replace(config, aggregate="mean"))
    assert plain.clients[0].uplink_bytes - done.clients[0].uplink_bytes > 4 * a


@pytest.mark.slow
def test_the_fast_engine_leaves_a_frozen_half_alone_too(job):
    config = replace(job.config, aggregate="rolora", rounds=2)
    first, second = federate(job.model, job.clients, job.start, config)
    for name, tensor in first.shared.items():
        assert torch.equal(tensor, second.shared[name]) == ("lora_B" in name)


@pytest.mark.parametrize("weights", ["examples", "uniform"])
def test_clients_of_a_lower_rank_send_less_and_their_rows_stay_zero(job, weights):
    config = replace(job.config, aggregate="hetlora:ranks=1|4", rounds=1, weights=weights)
    exchange = Exchange(job.model, job.clients, job.start, config, {})
    exchange.publish(job.start, 1)
    small, _ = exchange.download("site-0")
    name = next(n for n in job.start if "lora_A" in n)
    assert small[name][0].any() and not small[name][1:].any()
    (done,) = federate(job.model, job.clients, job.start, config)
    sizes = [c.uplink_bytes for c in done.clients]
    assert sizes[0] < 0.6 * sizes[1] and sizes[0] == sizes[2]


@pytest.mark.parametrize("name", ["flora", "fedex"])
@pytest.mark.slow
def test_the_download_of_an_exact_rule_is_counted(config, job, name):
    mine = replace(config, aggregate=name)
    exact, plain = run(mine, job=replace(job, config=mine)), run(config, job=job)
    assert traffic(exact, "down")[1][0] > 1.5 * traffic(plain, "down")[1][0]
    assert traffic(exact, "down")[0] == traffic(plain, "down")[0], (
        "before round 1 there is nothing to correct"
    )


def test_the_model_is_as_it_came_once_an_exact_run_is_over(config, job):
    job.model.load_params(job.start)
    before = job.model.features(job.test)
    mine = replace(config, aggregate="flora", rounds=1)
    run(mine, job=replace(job, config=mine))
    assert job.model.merged and not np.allclose(job.model.features(job.test), before, atol=1e-4)
    job.model.load_params(job.start)
    assert not job.model.merged and np.allclose(job.model.features(job.test), before, atol=1e-6)


def test_one_client_with_flora_is_that_client(job):
    """What is merged is what the client had learned: the same vectors."""
    config = replace(job.config, aggregate="flora", rounds=1)
    exchange = Exchange(job.model, job.clients[:1], job.start, config, {})
    from fedkit.federated.local.train import fit, make_task
    from fedkit.federated.rounds.exchange import aggregation_params

    shared = job.start | aggregation_params(job.model, config)
    exchange = Exchange(job.model, job.clients[:1], shared, config, {})
    exchange.publish(shared, 1)
    mine, _ = exchange.download("site-0")
    learned = fit(job.model, make_task(job.clients[0], mine, config, 1, None, 3), config).params
    job.model.load_params(learned)
    alone = job.model.features(job.test)
    (done,) = federate(job.model, job.clients[:1], shared, config)
    job.model.load_params(done.shared)
    assert np.allclose(job.model.features(job.test), alone, atol=1e-5)


@pytest.mark.parametrize("name", ["flora", "fedex"])
@pytest.mark.slow
def test_the_adapter_of_an_exact_rule_is_read_by_peft_and_is_the_model_that_was_judged(
    config, name, tmp_path
):
    from peft import PeftModel
    from transformers import AutoModel

    from fedkit.models.classifier import TextClassifier

    mine = replace(config, aggregate=name)
    job = prepare(mine)
    run(mine, tmp_path / "run", job=job)
    wanted = job.model.features(job.test)
    encoder = PeftModel.from_pretrained(AutoModel.from_pretrained(config.model), tmp_path / "run")
    encoder.base_model.model.pooler = None
    ids, mask = job.model.pad_batch(job.test.tokens)
    found = TextClassifier(encoder.eval(), 32, 3).features(ids, mask).detach().numpy()
    assert np.allclose(found, wanted, atol=1e-4)


def test_what_stayed_at_home_is_kept_with_the_run(config, tmp_path):
    from safetensors.torch import load_file

    run(replace(config, aggregate="fedsa", rounds=1), tmp_path / "run")
    home = load_file(tmp_path / "run" / "home.safetensors")
    assert {n.split("/")[0] for n in home} == {"0", "1", "2", "3"} and all(
        "lora_B" in n for n in home
    )


@pytest.mark.parametrize("tune", ["dora:r=2", "ia3", "prompt"])
@pytest.mark.slow
def test_tuners_without_pairs_move_all_they_train(config, tune):
    job = prepare(replace(config, tune=tune, rounds=2))
    done = list(federate(job.model, job.clients, job.start, job.config))[-1]
    assert all(not torch.equal(t, job.start[n]) for n, t in done.shared.items())


# --- stopping and going on


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"wire": "ef+topk:0.1+int4+ans"},
        {"wire": LOSSY, "clients_per_round": 2},
        {"wire": "ef21+randk:0.3+nf4", "wire_down": "int8"},
        {"aggregate": "fedex", "clients_per_round": 2},
        {"aggregate": "flora"},
        {"aggregate": "fedsa", "clients_per_round": 2},
        {"aggregate": "flexlora"},
        {"aggregate": "rolora", "wire": "ef+sign+ans"},
        {"share": "head", "clients_per_round": 2},
    ],
    ids=str,
)
def test_a_run_that_was_stopped_ends_with_the_same_numbers(config, job, changes, tmp_path):
    mine = replace(config, **changes)
    job = replace(job, config=mine)
    whole = run(mine, tmp_path / "whole", job=job)
    going = run_rounds(mine, tmp_path / "stopped", job=job)
    for _ in range(2):
        next(going)
    going.close()
    resumed = run(mine, tmp_path / "stopped", resume=True)
    assert same_end(resumed, whole)
    for name in sorted(
        p.name for p in Path(tmp_path / "whole").iterdir() if p.suffix == ".safetensors"
    ):
        assert (tmp_path / "whole" / name).read_bytes() == (
            tmp_path / "stopped" / name
        ).read_bytes(), name


# --- refusals


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aggregate": "fedavg"}, "mean, ffa"),
        ({"aggregate": "flora", "wire_down": "int8"}, "wire-down none"),
        ({"aggregate": "hetlora:ranks=0"}, "'ranks=0'"),
        ({"wire": "gzip"}, "'gzip'"),
        ({"wire": "int8+topk"}, "order"),
        ({"wire_down": "int8+topk"}, "order"),
        ({"head_start": "ridge"}, "analytic"),
    ],
)
def test_what_cannot_work_is_refused_before_any_data_is_read(config, changes, said):
    with pytest.raises(FedkitError, match=said):
        prepare(replace(config, data="/nowhere", **changes))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in AGGREGATORS if n != "mean"])
@pytest.mark.parametrize("tune", ["head", pytest.param("full", marks=pytest.mark.slow), "dora"])
def test_rules_for_pairs_refuse_what_has_none(config, name, tune):
    with pytest.raises(FedkitError, match=rf"aggregate '{name}' works on LoRA pairs.*--tune lora"):
        prepare(replace(config, aggregate=name, tune=tune))


@pytest.mark.parametrize("name", ["flora", "fedex", "flexlora", "hetlora"])
def test_rules_for_whole_pairs_refuse_half_of_them(config, name):
    with pytest.raises(FedkitError, match="both matrices"):
        prepare(replace(config, aggregate=name, share="lora_A|head"))
