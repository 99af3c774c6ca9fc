"""--privacy and --secure as a whole: what is promised, what is refused, what a record says was
spent.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.experiments.job import check_config, prepare
from fedkit.experiments.privacy_report import privacy_result
from fedkit.experiments.runner import run, run_rounds
from fedkit.federated.rounds.head_start import client_statistics, privacy_budget
from fedkit.federated.rounds.private_statistics import (
    STATISTIC_WEIGHTS,
    bound_statistics,
    released_label_counts,
    statistics_sensitivity,
)
from fedkit.federated.rounds.sampling import choose_clients
from fedkit.privacy.accounting import epsilon
from fedkit.privacy.mechanisms import PRIVACY, Budget, Example, make_privacy, visit_noises
from fedkit.privacy.noise import NoiseKey
from fedkit.results.privacy_promise import (
    format_epsilon,
    missed_wish,
    promise_lines,
    promise_paragraph,
)
from fedkit.wire.pipeline import STAGES, Context, make_wire

KEY = NoiseKey.from_seed(0)


@pytest.fixture(scope="module")
def config(tiny_config):
    return tiny_config(
        clients=4,
        partition="iid",
        tune="head",
        rounds=3,
        device="cpu",
        batch_size=8,
        privacy="example:eps=8,rate=1",
    )


CLIENT = {"privacy": "client:eps=8", "weights": "uniform"}
SUM = {"privacy": "example:eps=8,trust=sum", "secure": "masks"}
SPECS = {
    "example": {},
    "client": CLIENT,
    "ftrl": {"privacy": "ftrl:eps=8", "weights": "uniform", "clients_per_round": 0.5},
    "none": {"privacy": "none"},
}


# --- every entry


def test_each_entry_is_tried_here():
    assert set(SPECS) == set(PRIVACY)


@pytest.mark.parametrize("name", SPECS)
def test_a_run_keeps_within_what_was_asked_for_and_says_so(config, job, name):
    record = run(
        replace(config, **SPECS[name]), job=replace(job, config=replace(config, **SPECS[name]))
    )
    result = record.result
    if name == "none":
        assert result["epsilon"] is None and all(r.epsilon is None for r in record.rounds)
        return
    spent = [r.epsilon for r in (record.start, *record.rounds)]
    assert spent == sorted(spent) and 7.9 < spent[-1] <= 8 and 0 < spent[0] < spent[1]
    assert (result["epsilon"], result["delta"]) == (spent[-1], 1e-5)
    assert result["privacy_unit"] == PRIVACY[name].unit and result["privacy"]["notes"][
        0
    ].startswith("unit:")
    blocks = result["privacy"]["blocks"]
    from fedkit.privacy.accounting import Releases

    assert epsilon([Releases(z, q, int(t)) for z, q, t in blocks], 1e-5) == pytest.approx(spent[-1])
    assert result["privacy"]["beside"]["rdp"] >= spent[-1] and result["privacy"]["trust"]


def test_noise_is_all_that_privacy_changes(config, job):
    """With next to no noise and a clip that never acts, a private run learns what a noisy one
    cannot.
    """
    loose = run(
        replace(config, privacy="example:noise=0.001,clip=5", rounds=5),
        job=job_of(job, config, privacy="example:noise=0.001,clip=5", rounds=5),
    )
    tight = run(
        replace(config, privacy="example:eps=0.1", rounds=5),
        job=job_of(job, config, privacy="example:eps=0.1", rounds=5),
    )
    assert loose.result["accuracy"] > tight.result["accuracy"] + 0.2


def job_of(job, config, **changes):
    return replace(job, config=replace(config, **changes))


# --- the budget


@pytest.mark.slow
def test_a_budget_by_hand():
    """Two visits of three steps each at rate 0.1 and noise 1.5, after a start of noise 4."""
    budget = Budget(Example(), 1.5, 0.1, 3, 4.0, 8.0, 10)
    assert [(b.noise, b.rate, b.steps) for b in budget.blocks([1.5, 1.5])] == [
        (4.0, 1.0, 1),
        (1.5, 0.1, 6),
    ]
    assert budget.unamplified([1.5]) > budget.epsilon([1.5])


def test_clients_in_turn_are_accounted_by_their_turns(config):
    """Every second round, three rounds: two turns, so the noise counts as that over sqrt(2)."""
    budget = privacy_budget(replace(config, **SPECS["ftrl"]), 4)
    _, block = budget.blocks([budget.noise] * 3)
    assert (budget.turns, block.noise) == (2, pytest.approx(budget.noise / 2**0.5))


def test_noise_alone_gives_an_epsilon_and_noise_with_eps_a_limit(config, job):
    free = run(
        replace(config, privacy="example:noise=5"),
        job=job_of(job, config, privacy="example:noise=5"),
    )
    assert free.result["epsilon"] > 0 and len(free.rounds) == 3
    limited = replace(config, privacy="example:noise=5,eps=2.0", rounds=30)
    stopped = run(limited, job=replace(job, config=limited))
    assert 0 < len(stopped.rounds) < 30 and stopped.result["epsilon"] <= 2.0
    assert f"after round {len(stopped.rounds)} of 30" in stopped.result["privacy"]["stopped"]
    budget = privacy_budget(limited, 4)
    assert budget.epsilon([budget.noise] * (len(stopped.rounds) + 1)) > 2.0, "it stopped too early"


def test_not_even_one_round_is_refused(config):
    with pytest.raises(FedkitError, match=r"not even one round.*more noise"):
        prepare(replace(config, privacy="example:noise=0.3,eps=1"))


def test_no_sampling_counts_where_the_server_sees_who_takes_part(config):
    """Sums of clients that are drawn: planned and paid as if all were in every round."""
    drawn = replace(config, **CLIENT, clients_per_round=0.5)
    trusted, masked = (privacy_budget(replace(drawn, secure=s), 40) for s in ("none", "masks"))
    assert [b.rate for b in trusted.blocks([trusted.noise])] == [1.0, 0.5]
    assert [b.rate for b in masked.blocks([masked.noise])] == [1.0, 1.0]
    assert masked.noise > 1.3 * trusted.noise and masked.cohort == trusted.cohort == 20
    whole = privacy_budget(replace(config, **CLIENT, secure="masks"), 40)
    assert masked.noise == pytest.approx(whole.noise), "the draw is still worth something"
    paid = masked.epsilon([masked.noise] * 3)
    assert masked.unamplified([masked.noise] * 3) == pytest.approx(paid) and 7.9 < paid <= 8
    # rows that a site draws are its secret, also under masks
    rows = privacy_budget(replace(config, privacy="example:rate=0.5,trust=sum", secure="masks"), 4)
    assert rows.blocks([rows.noise])[-1].rate == 0.5


def test_a_round_that_released_nothing_is_charged(config, job):
    """Whether two or more are drawn depends on who is there. The start is no round."""
    kind = replace(config, **CLIENT, secure="masks", clients_per_round=0.25, rounds=6)
    record = run(kind, job=replace(job, config=kind))
    closed = [r for r in record.rounds if r.noise is None]
    assert closed and len(closed) < 6, "this seed shows nothing"
    budget = privacy_budget(kind, 4)
    paid = visit_noises((record.start, *record.rounds), budget)
    assert len(paid) == 6 and paid.count(budget.noise) >= len(closed)
    assert record.result["epsilon"] == pytest.approx(8, rel=1e-3)


def test_noise_that_arrives_beyond_the_plan_is_never_charged_more(config):
    """With sampling all rounds count at the least noise; without, each at its own."""
    for rate in (1, 0.5):
        spec = f"example:eps=2,trust=sum,rate={rate}"
        budget = privacy_budget(replace(config, privacy=spec, secure="masks"), 4)
        z = budget.noise
        planned, more, most = (budget.epsilon([z, z, k * z]) for k in (1, 1.2, 1.4))
        assert planned >= more >= most and planned <= 2
        assert budget.epsilon([1.4 * z] * 3) < 0.8 * planned


def test_a_wish_that_is_missed_is_said(config, job):
    record = run(config, job=job)
    assert record.result["privacy"]["missed"] == missed_wish(record) == ""
    less = replace(job.budget, noise=0.9 * job.budget.noise)
    over = replace(record, result=privacy_result(record, less))
    assert "is more than the 8 asked for" in missed_wish(over)
    assert any("missed: epsilon" in line for line in promise_lines(over))
    assert any("missed: epsilon" in line for line in promise_paragraph(over))


@pytest.mark.slow
def test_both_epsilons_are_told_where_they_differ(config, job):
    """Whoever knows who took part, or which rows, has the one without amplification."""
    for changes, who in (
        (CLIENT | {"clients_per_round": 0.5}, "the server, the network, readers of this record"),
        ({"privacy": "example:eps=3,rate=0.5"}, "which rows a site drew is its secret"),
    ):
        mine = replace(config, **changes)
        record = run(mine, job=replace(job, config=mine))
        seen = record.result["privacy"]["unamplified"]
        assert seen > 1.2 * record.result["epsilon"]
        for lines in (promise_lines(record), promise_paragraph(record)):
            (told,) = [line for line in lines if "amplified by sampling" in line]
            assert who in told and f"epsilon {format_epsilon(seen)}" in told
    masked = replace(config, **CLIENT, clients_per_round=0.5, secure="masks")
    said = " ".join(promise_lines(run(masked, job=replace(job, config=masked))))
    assert "amplified by" not in said and "every round counts in full" in said


def test_a_resumed_run_neither_forgets_nor_pays_twice(config, job, tmp_path):
    whole = run(config, job=job)
    steps = run_rounds(config, tmp_path / "run", job=job)
    next(steps), next(steps)
    steps.close()
    resumed = run(config, tmp_path / "run", resume=True, job=job)
    assert [r.epsilon for r in resumed.rounds] == [r.epsilon for r in whole.rounds]
    assert [r.accuracy for r in resumed.rounds] == [r.accuracy for r in whole.rounds]
    assert Run.load(tmp_path / "run").result["privacy"]["visits"] == 3


def test_noise_of_the_system_cannot_be_drawn_again(config, job, tmp_path):
    """Two runs differ; one that goes on has the noise it began with; no record, and nothing that is
    left, holds it.
    """
    secret = replace(config, privacy="example:eps=8,rate=1,noise_from=system")
    mine = replace(job, config=secret)
    one, two = run(secret, tmp_path / "one", job=mine), run(secret, job=mine)
    assert [r.loss for r in one.rounds] != [
        r.loss for r in two.rounds
    ] and one.start.loss != two.start.loss
    assert (
        not (tmp_path / "one" / "state").exists() and one.result["epsilon"] == two.result["epsilon"]
    )
    steps = run_rounds(secret, tmp_path / "three", job=mine)
    next(steps), next(steps)
    steps.close()
    from fedkit.experiments.store import Store
    from fedkit.federated.rounds.exchange import aggregation_params

    record = Run.load(tmp_path / "three")
    kept = Store(tmp_path / "three").read_state(
        record, mine.start | aggregation_params(mine.model, secret)
    )[-1]
    assert len(kept.key) == 32
    assert kept.key.hex() not in (tmp_path / "three" / "run.json").read_text()
    folder = tmp_path / "three" / "state"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}
    again = run(secret, tmp_path / "three", resume=True, job=mine)
    assert again.rounds[0] == record.rounds[0] and again.finished


def test_a_lost_upload_is_paid_for(config, job):
    """Somebody may have read it on its way; a client that was away has nothing to pay."""
    faulty = replace(config, faults="lost=1.0")
    lost = run(faulty, job=replace(job, config=faulty))
    assert lost.result["epsilon"] == pytest.approx(run(config, job=job).result["epsilon"])
    away = replace(config, faults="away=1.0")
    assert run(away, job=replace(job, config=away)).result["epsilon"] == pytest.approx(
        lost.start.epsilon
    )
    assert visit_noises(lost.rounds, privacy_budget(config, 4)) != visit_noises(
        (), privacy_budget(config, 4)
    )


# --- the start


def test_no_example_moves_the_start_by_more_than_is_said(job):
    budget = job.budget
    client = job.clients[0]
    more = client_statistics(job.model, client, ("feature_sums",))
    for i in range(5):
        rest = replace(
            client, train=client.train.take([j for j in range(len(client.train)) if j != i])
        )
        less = client_statistics(job.model, rest, ("feature_sums",))
        a, b = bound_statistics(more, budget), bound_statistics(less, budget)
        move = sum((a[n] - b[n]).square().sum() for n in a).sqrt().item()
        assert move == pytest.approx(statistics_sensitivity(a, budget), rel=1e-3), (
            "the bound is not the one that is met"
        )


def test_a_sites_loss_knows_only_what_the_site_has_released(config, job):
    """The counts in its loss are the noisy ones, and the same whenever they are asked for."""
    client, budget = job.clients[0], job.budget
    one, two = (
        released_label_counts(
            client.train.labels, 3, config, budget, "site-1", NoiseKey.from_seed(0)
        )
        for _ in range(2)
    )
    true = torch.bincount(torch.from_numpy(client.train.labels), minlength=3).float()
    assert torch.equal(one, two) and (one - true).abs().min() > 0
    fewer = released_label_counts(
        client.train.labels[1:], 3, config, budget, "site-1", NoiseKey.from_seed(0)
    )
    assert (one - fewer).abs().sum() == pytest.approx(1.0, abs=1e-4) or (one == 0).any()
    assert STATISTIC_WEIGHTS["label_counts"] < 1
    silent = replace(config, head_start="zero", loss="balanced")
    assert released_label_counts(
        client.train.labels, 3, silent, privacy_budget(silent, 4), "site-1", 0
    ).tolist() == [1, 1, 1]


# --- who is drawn


@pytest.mark.slow
def test_clients_are_drawn_by_chance_where_the_accounting_says_so(config, job):
    """Each with probability 1/2, so that a round may have any number of them."""
    half = replace(config, **CLIENT, clients_per_round=0.5)
    sizes = [len(choose_clients(job.clients, half, privacy_budget(half, 4), n)) for n in range(200)]
    assert set(sizes) >= {0, 1, 2, 3, 4} and sum(sizes) / 200 == pytest.approx(2, abs=0.3)
    exact = replace(config, clients_per_round=0.5)
    assert {
        len(choose_clients(job.clients, exact, privacy_budget(exact, 4), n)) for n in range(20)
    } == {2}


def test_clients_in_turn_wait_as_long_as_the_bands_are_wide(config, job):
    turn = replace(config, **SPECS["ftrl"])
    who = [
        [c.client_id for c in choose_clients(job.clients, turn, privacy_budget(turn, 4), n)]
        for n in range(1, 5)
    ]
    assert who[0] == who[2] and who[1] == who[3] and not set(who[0]) & set(who[1])


# --- sealed


def test_a_masked_run_is_the_plain_run_but_for_rounding(config, job):
    plain = run(replace(config, privacy="none"), job=job_of(job, config, privacy="none"))
    sealed = run(
        replace(config, privacy="none", secure="masks"),
        job=job_of(job, config, privacy="none", secure="masks"),
    )
    assert [r.loss for r in sealed.rounds] == pytest.approx(
        [r.loss for r in plain.rounds], abs=2e-3
    )
    up = sealed.rounds[0].clients[0].uplink_bytes
    assert up > 4 * job.model.num_trainable(), "the upload itself is missing"
    assert sealed.rounds[0].clients[0].downlink_bytes > plain.rounds[0].clients[0].downlink_bytes


def test_lost_uploads_are_recovered_from(config, job):
    """Seed 0 loses some, and the sum of the others is still read."""
    kind = {"privacy": "none", "faults": "lost=0.3", "rounds": 1}
    plain = run(replace(config, **kind), job=job_of(job, config, **kind))
    sealed = run(
        replace(config, **kind, secure="masks"), job=job_of(job, config, **kind, secure="masks")
    )
    assert any(c.status == "lost" for r in plain.rounds for c in r.clients)
    assert sealed.rounds[0].loss == pytest.approx(plain.rounds[0].loss, abs=1e-3)


def test_with_too_few_nothing_is_read(config, job):
    kind = {"privacy": "none", "faults": "lost=0.9", "rounds": 1, "secure": "masks:threshold=0.9"}
    record = run(replace(config, **kind), job=job_of(job, config, **kind))
    assert {c.status for c in record.rounds[0].clients} == {"lost"}
    assert any("too few arrived" in c.reason for c in record.rounds[0].clients) or all(
        "the upload was lost" in c.reason for c in record.rounds[0].clients
    )
    assert record.rounds[0].loss == pytest.approx(record.start.loss)


def test_a_hostile_body_is_rejected_and_the_round_goes_on(config, job):
    kind = {"privacy": "none", "attack": "truncate:1", "secure": "masks"}
    record = run(replace(config, **kind), job=job_of(job, config, **kind))
    assert [c.status for c in record.rounds[0].clients].count("rejected") == 1
    assert record.result["accuracy"] > 0.3


def test_a_sum_of_gradients_carries_the_noise_that_is_owed(config, job):
    kind = replace(config, **SUM)
    record = run(kind, job=replace(job, config=kind))
    budget = privacy_budget(kind, 4)
    assert [r.noise for r in record.rounds] == pytest.approx([budget.noise] * 3, rel=1e-3)
    assert record.result["epsilon"] <= 8 and "shares" in record.result["privacy"]["trust"]


def test_noise_that_was_lost_is_paid_for(config, job):
    kind = replace(config, **SUM, faults="lost=0.3")
    record = run(kind, job=replace(job, config=kind))
    budget, released = privacy_budget(kind, 4), [r.noise for r in record.rounds if r.noise]
    assert released and min(released) >= budget.noise, "less noise than the wish needs"
    assert any(c.status == "lost" for r in record.rounds for c in r.clients)
    assert record.result["epsilon"] <= 8 * (1 + 1e-9) and not record.result["privacy"]["missed"]
    paid = visit_noises(record.rounds, budget)
    assert len(paid) == 3 and set(paid) <= {*released, budget.noise}, "a round is not charged"


# --- what breaks the promise


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"privacy": "example:sampling=shuffle"}, "shuffled batches are not Poisson"),
        ({"privacy": "example:trust=sum"}, "add --secure masks"),
        ({**SUM, "clients_per_round": 0.5}, "needs everyone's share"),
        ({**SUM, "local_epochs": 2}, "one gradient a round"),
        ({"strategy": "fedbuff"}, "how often a site takes part"),
        ({"strategy": "scaffold"}, "control variates"),
        ({"strategy": "qfedavg"}, "their loss, which nothing protects"),
        ({"strategy": "fedlc"}, "depends on the counts"),
        ({"head_start": "discriminant"}, "magnify the noise"),
        ({"weights": "validation"}, "their validation, which nothing protects"),
        ({"privacy": "client"}, "use --weights uniform"),
        ({**CLIENT, "wire": "int8"}, "'int8' can make them longer"),
        ({**CLIENT, "wire": "ef+topk:0.1"}, "'ef' can make them longer"),
        ({**CLIENT, "robust": "median"}, "not bounded by the clip"),
        ({**CLIENT, "aggregate": "fedex"}, "otherwise than in a mean"),
        ({**CLIENT, "late": "carry", "deadline": 5.0}, "count twice"),
        ({"privacy": "ftrl", "weights": "uniform"}, "add --clients-per-round"),
        ({"privacy": "none", "secure": "masks", "wire": "int8+ans"}, "cannot be summed unread"),
        ({"privacy": "none", "secure": "masks", "robust": "krum"}, "sees the sum alone"),
        (
            {"privacy": "none", "secure": "masks", "strategy": "fednova"},
            "more of each client than a sum",
        ),
        (
            {"privacy": "none", "secure": "masks", "aggregate": "hetlora:2|4", "tune": "lora:r=4"},
            "every client's matrices",
        ),
        ({**CLIENT, "secure": "masks", "wire": "randk:0.1"}, "can make them longer"),
        ({**SUM, "wire": "randk:0.1"}, "not for what is left of it"),
        (
            {"privacy": "client:quantile=0.5", "weights": "uniform", "secure": "masks"},
            "adaptive clipping",
        ),
        ({"privacy": "none", "secure": "locks"}, "secure 'locks' is not known"),
        ({"privacy": "example:eps=-1"}, "from 0 to 1000"),
        ({"privacy": "example:eps=0"}, "no noise is enough"),
        (
            {"privacy": "example:noise=0"},
            "noise=0 promises nothing; write a larger number such as 1",
        ),
        ({"privacy": "client:eps=3,noise=0", "weights": "uniform"}, "promises nothing"),
        ({"privacy": "ftrl:noise=1e-200", "weights": "uniform"}, "promises nothing"),
        ({"privacy": "eps=3"}, "such as example:eps=3"),
        ({"privacy": "example:rate=0"}, "above 0 and at most 1"),
        ({"privacy": "example:delta=0.5"}, "delta"),
    ],
)
def test_what_breaks_the_promise_is_refused_with_the_reason(config, changes, why):
    with pytest.raises(FedkitError, match=why) as refused:
        check_config(replace(config, **changes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_is_said_not_to_lengthen_does_not(name):
    """On the worst that 200 draws find; and those that can are found to."""
    entry = STAGES[name]
    if entry.role in ("memory", "code"):
        assert getattr(entry, "expands", True) == (entry.role == "memory")
        return
    wire, longest = make_wire(name), 0.0
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(4, 9, generator=generator) ** (1 + 2 * (seed % 3))
        context = Context("a", seed, seed, {})
        payload, _ = wire.encode({"w": values}, context)
        read, _ = wire.decode(payload, {"w": values}, context)
        longest = max(longest, (read["w"].norm() / values.norm()).item())
    if not getattr(entry, "expands", True):
        assert longest <= 1 + 1e-5
    else:
        assert longest > 1 + 1e-5, "it never lengthens: it could be allowed"


def test_specs_read_as_they_should():
    privacy = make_privacy("example:eps=3,delta=1e-6,clip=0.5")
    assert (privacy.eps, privacy.delta, privacy.clip, privacy.unit) == (3.0, 1e-6, 0.5, "example")


# --- what is said


def test_a_delta_that_would_let_a_text_be_published_is_refused(config):
    with pytest.raises(FedkitError, match=r"publishing one of them whole.*at most 1 / \(10 n\)"):
        prepare(replace(config, privacy="example:delta=0.02"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes, words",
    [
        ({"privacy": "example"}, "no eps given, 8 is used"),
        ({"privacy": "example:eps=1000"}, "promises next to nothing"),
        ({"privacy": "none", "secure": "masks"}, "not secure, for teaching"),
        ({"privacy": "example:eps=8,rate=0.1"}, "draws each row with probability 0.1"),
        (CLIENT | {"secure": "masks", "clients_per_round": 0.5}, "drawing sites buys no privacy"),
        (SUM | {"faults": "lost=0.1"}, "uploads may be lost, so sites add noise that is enough"),
    ],
)
def test_what_a_reader_could_take_for_more_is_said(config, job, changes, words):
    from fedkit.federated.validation import privacy_notes

    assert words in " ".join(privacy_notes(replace(config, **changes), job.clients))
    assert privacy_notes(replace(config, privacy="none"), job.clients) == []


def test_notes_say_who_is_not_covered_and_whose_noise_it_was(config, job):
    seeded = " ".join(run(config, job=job).result["privacy"]["notes"])
    assert "k of them together" in seeded and "follows its seed" in seeded
    secret = replace(config, privacy="example:eps=8,rate=1,noise_from=system")
    assert "seed" not in " ".join(
        run(secret, job=replace(job, config=secret)).result["privacy"]["notes"]
    )


# --- beside others


def test_baselines_promise_nothing_and_take_the_steps_of_usual_training(config, job):
    """What a protected run is held against is what could be had without protection, not a run as
    short as its own.
    """
    from fedkit.experiments.baselines import baseline

    one, other = (
        baseline("pooled", job_of(job, config, privacy=p)) for p in ("example:eps=8,rate=1", "none")
    )
    assert one.config["privacy"] == "none" and one.result["steps"] == other.result["steps"]
    assert one.result["epsilon"] is None and one.result["accuracy"] == other.result["accuracy"]


def test_the_next_command_does_not_ask_for_private_baselines(config, tmp_path):
    from fedkit.cli.next_steps import after_run

    lines = after_run(config, tmp_path / "run")
    assert not any("--privacy" in line for line in lines if "baselines" in line)
    assert any(line.endswith("-open") and "--privacy" not in line for line in lines), (
        "what the noise costs is not asked"
    )
