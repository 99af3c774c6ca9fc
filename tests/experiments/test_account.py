"""The privacy account: every private run on a data set counts once, and the owner's limit holds."""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dp_accounting import GaussianDpEvent, get_epsilon_gaussian
from dp_accounting.pld import PLDAccountant
from factories.refusals import refusal
from factories.tiny import write_tiny_data

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.data.load import load_corpus
from fedkit.experiments import account as accounts
from fedkit.experiments.account import Account, Charges, Entry, Limit, spent
from fedkit.experiments.estimate import measure_speed
from fedkit.experiments.job import prepare
from fedkit.experiments.plan import Plan
from fedkit.experiments.runner import run, run_rounds
from fedkit.experiments.sweep import sweep
from fedkit.privacy.accounting import Releases

SHA = "0" * 64


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder of accounts."""
    monkeypatch.setenv("FEDKIT_ACCOUNTS", str(tmp_path / "accounts"))
    return tmp_path / "accounts"


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(tune="head", rounds=2, privacy="example:eps=3", weights="uniform")


def entry(name: str = "a", **more) -> Entry:
    usual = {"when": "2030-01-01T00:00:00+00:00", "what": "runs/a", "privacy": "example:eps=1"}
    usual |= {"unit": "example", "delta": 1e-5, "blocks": [Releases(2.0)]}
    return Entry(name, **(usual | more))


def of_data(config: RunConfig) -> Account:
    return accounts.find_account(config.data)


def independent(records: list[Run], delta: float = 1e-5) -> float:
    """Epsilon of whole runs together, straight from dp-accounting: Gaussians without sampling."""
    blocks = [block for r in records for block in r.result["privacy"]["blocks"]]
    assert all(rate == 1 for _, rate, _ in blocks)
    return get_epsilon_gaussian(1 / math.sqrt(sum(n / z**2 for z, _, n in blocks)), delta)


# ---- what is added up


def test_two_runs_add_up(config, job, tmp_path):
    said: list[str] = []
    first = run(config, tmp_path / "first", job=job, tell=said.append)
    second = run(config, job=job, tell=said.append)
    account = of_data(config)
    total = spent(account.entries, 1e-5)
    assert total == pytest.approx(independent([first, second]), rel=1e-9)
    assert total > 1.3 * first.result["epsilon"]
    assert [e.what for e in account.entries] == [str(tmp_path / "first"), "in memory"]
    assert all(e.finished and e.seeded and e.privacy == "example:eps=3" for e in account.entries)
    assert [e.id for e in account.entries] == [r.data["account"] for r in (first, second)]
    assert said == [
        "privacy account of tiny: epsilon 0 spent in 0 runs (per example, delta 1e-5), this run"
        " adds up to 3: 3 in all; no limit",
        "privacy account of tiny: epsilon 3 spent in 1 run (per example, delta 1e-5), this run"
        " adds up to 3: 4.47 in all; no limit",
    ]


def test_sampled_releases_of_two_runs_compose_as_dp_accounting_says():
    from dp_accounting import PoissonSampledDpEvent, SelfComposedDpEvent

    blocks = [Releases(1.5, 0.2, 20), Releases(1.1, 0.1, 30)]
    accountant = PLDAccountant()
    for b in blocks:
        sampled = PoissonSampledDpEvent(b.rate, GaussianDpEvent(b.noise))
        accountant.compose(SelfComposedDpEvent(sampled, b.steps))
    both = [entry("a", blocks=blocks[:1]), entry("b", blocks=blocks[1:])]
    assert spent(both, 1e-5) == pytest.approx(accountant.get_epsilon(1e-5), rel=2e-3)


def test_a_sweep_adds_up(config, tmp_path):
    given = {k: v for k, v in config.to_dict().items() if k not in ("seed", "privacy")}
    plan = Plan(given, {"privacy": ["example:eps=1", "client:eps=2"]}, seeds=(0, 1), baselines=())
    said: list[str] = []
    made = sweep(plan, tmp_path / "sweep", tell=said.append)
    account = of_data(config)
    assert len(account.entries) == len(said) == 4
    for unit in ("example", "client"):
        own = [r for r in made if r.result["privacy_unit"] == unit]
        entries = [e for e in account.runs(unit) if e.unit == unit]
        assert len(own) == len(entries) == 2
        assert spent(entries, 1e-5) == pytest.approx(independent(own), rel=1e-9)


def test_every_round_is_charged_before_it_is_computed(config, job, tmp_path):
    """Stopped after the start, or after round 1: that and the round being computed count."""
    budget = job.budget
    for finished in (0, 1):
        out = tmp_path / str(finished)
        going = run_rounds(config, out, job=job)
        for _ in range(finished + 1):
            next(going)
        going.close()
        [mine] = [e for e in of_data(config).entries if e.what == str(out)]
        assert mine.blocks == budget.planned(finished + 1) and not mine.finished
        assert Run.load(out).data["account"] == mine.id
        end = run(config, out, resume=True, job=job)
        assert [e.blocks for e in of_data(config).entries if e.what == str(out)] == [
            [Releases(*block) for block in end.result["privacy"]["blocks"]]
        ]
        assert run(config, out, resume=True) == end  # read, not made
    assert len(of_data(config).entries) == 2 and all(e.finished for e in of_data(config).entries)


def test_what_fails_before_round_1_stays_charged(config, job, monkeypatch):
    monkeypatch.setattr("fedkit.experiments.runner.begin_run", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(config, job=job)
    [mine] = of_data(config).entries
    assert mine.blocks == job.budget.planned(1) and not mine.finished


def test_a_copy_of_an_unfinished_run_that_goes_on_as_well_counts_as_another(config, job, tmp_path):
    going = run_rounds(config, tmp_path / "one", job=job)
    next(going), next(going), going.close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for name in ("one", "two"):
        run(config, tmp_path / name, resume=True, job=job)
    assert [Path(e.what).name for e in of_data(config).entries] == ["one", "two"]


def test_a_run_of_before_the_account_is_entered_whole_when_it_goes_on(config, job, tmp_path):
    going = run_rounds(config, tmp_path / "run", job=job)
    next(going), next(going), going.close()
    before = Run.load(tmp_path / "run")
    del before.data["account"]
    of_data(config).path.unlink()
    before.save(tmp_path / "run")
    run(config, tmp_path / "run", resume=True, job=job)
    [mine] = of_data(config).entries
    assert mine.finished and mine.blocks == job.budget.planned(2)


def test_a_plan_ends_where_the_runs_own_budget_does(config, job):
    spare = replace(config, privacy="example:noise=20,eps=3,steps=20,start=0.3", rounds=50)
    planned = Charges(replace(job, config=spare)).plan
    assert sum(b.steps for b in planned.blocks) < 50 * 20
    assert 2.5 < spent([planned], 1e-5) <= 3


def test_what_is_not_entered(config, job, folder, tiny_model):
    run(replace(config, privacy="none"), job=replace(job, config=replace(config, privacy="none")))
    measure_speed(job)  # only seconds are told
    assert not list(folder.glob("*"))


def test_bundled_data_and_its_copies_are_nobodys(config, tmp_path):
    corpus = load_corpus("plant_alarms")
    assert Account(corpus.sha256, corpus.name).bundled and not Account(SHA, "x").bundled
    own = replace(config, partition="auto", rounds=1, examples_per_client=20)
    job = prepare(replace(own, data="plant_alarms", client="site"), corpus)
    assert job.budget and Charges(job).plan is None
    with pytest.raises(FedkitError, match="come with the kit"):
        accounts.set_limit(accounts.find_account("plant_alarms"), "example", 8.0, None)


# ---- the owner's limit


def test_a_sweep_refuses_the_runs_past_the_limit_and_makes_the_others(config, tmp_path):
    accounts.set_limit(of_data(config), "example", 3.5, None)
    given = {k: v for k, v in config.to_dict().items() if k not in ("seed", "privacy")}
    plan = Plan(given, {"privacy": ["example:eps=3", "none"]}, seeds=(0, 1), baselines=())
    said: list[str] = []
    made = sweep(plan, tmp_path / "sweep", tell=said.append)
    assert [r.config["privacy"] for r in made] == ["example:eps=3", "none", "none"]
    assert [line for line in said if "refused" in line and "limit 3.5" in line] == said[1:]


def test_the_limit_refuses_beforehand_and_nothing_is_written(config, job, tmp_path):
    run(config, job=job)
    accounts.set_limit(of_data(config), "example", 4.0, None)
    line = refusal(run, config, tmp_path / "out", job=job)
    assert "epsilon 3 spent in 1 run" in line and "4.47 in all; limit 4" in line
    assert line.endswith("or ask the owner (fedkit account --help)")
    assert not (tmp_path / "out").exists() and len(of_data(config).entries) == 1
    accounts.set_limit(of_data(config), "example", 4.48, None)
    run(config, tmp_path / "out", job=job)


def test_a_limit_of_one_unit_does_not_bind_the_other(config, job):
    accounts.set_limit(of_data(config), "client", 0.1, None)
    run(config, job=job)
    client = replace(config, privacy="client:eps=1")
    assert "limit 0.1" in refusal(run, client, job=replace(job, config=client))


def test_a_run_stops_before_a_round_that_another_has_spent_meanwhile(config, job, tmp_path):
    accounts.set_limit(of_data(config), "example", 4.0, None)
    going = run_rounds(config, tmp_path / "slow", job=job)
    next(going)
    other = replace(config, privacy="example:eps=2.5", rounds=1)
    run(other, job=replace(job, config=other))
    with pytest.raises(FedkitError, match="limit 4"):
        next(going)
    assert spent(of_data(config).entries, 1e-5) <= 4
    assert len(Run.load(tmp_path / "slow").rounds) == 1  # what was made is kept


def test_the_delta_of_the_limit_counts(config):
    blank = of_data(config)
    assert accounts.set_limit(blank, "example", 3.0, 1e-6).limits == {"example": Limit(3.0, 1e-6)}
    assert accounts.set_limit(blank, "example", 4.0, None).limits == {"example": Limit(4.0, 1e-6)}
    for eps, delta in ((0.0, None), (-1.0, None), (8.0, 0.0), (8.0, 1.0), (math.nan, None)):
        refusal(accounts.set_limit, blank, "example", eps, delta)
    assert of_data(config).limits["example"].eps == 4.0


# ---- the file


def test_the_file_is_the_users_alone(config, job, folder):
    run(config, job=job)
    [path] = folder.glob("*")
    assert path.name == f"{job.corpus.sha256}.json"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["schema"] == "fedkit.account/1"


def test_without_a_variable_it_is_in_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("FEDKIT_ACCOUNTS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert accounts.accounts_folder() == tmp_path / "data" / "fedkit" / "accounts"


DAMAGE = {
    "empty": "",
    "list": "[]",
    "cut": '{"sha256": "',
    "deep": "[" * 100_000,
    "no entries": '{"sha256": "SHA", "name": "x", "schema": "fedkit.account/2"}',
    "other data": json.dumps({"sha256": "1" * 64, "name": "x"}),
    "rate": '{"sha256": "SHA", "name": "x", "entries": [{"id": "a", "when": "", "what": "",'
    ' "privacy": "", "unit": "example", "delta": 0.1, "blocks": [{"noise": 1, "rate": 7}]}]}',
    "noise": '{"sha256": "SHA", "name": "x", "entries": [{"id": "a", "when": "", "what": "",'
    ' "privacy": "", "unit": "example", "delta": 0.1, "blocks": [{"noise": null}]}]}',
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_account_refuses_private_runs_in_one_line(config, job, folder, damage, tmp_path):
    path = of_data(config).path
    folder.mkdir()
    path.write_text(DAMAGE[damage].replace("SHA", path.stem))
    line = refusal(run, config, tmp_path / "out", job=job)
    assert "privacy account" in line and "good copy" in line
    assert path.read_text() == DAMAGE[damage].replace("SHA", path.stem)
    assert not (tmp_path / "out").exists()


def test_a_strange_records_hash_leads_nowhere(tmp_path):
    (tmp_path / "run").mkdir()
    record = Run("federated", RunConfig().to_dict(), {}, {"sha256": "../../x", "name": "n"}, {})
    record.save(tmp_path / "run")
    assert "sha256" in refusal(accounts.find_account, str(tmp_path / "run"))


def test_an_account_is_found_by_run_data_and_hash(config, job, tmp_path):
    run(config, tmp_path / "run", job=job)
    whole = of_data(config)
    for target in (tmp_path / "run", config.data, whole.sha256[:8], whole.sha256):
        assert accounts.find_account(str(target)) == whole
    assert accounts.read_accounts() == [whole]
    refusal(accounts.find_account, "f" * 12)
    other = write_tiny_data(tmp_path / "other", rows=60)
    assert accounts.find_account(str(other)).entries == []


def add_entries(folder: str, who: int, times: int) -> None:
    """Enter runs from a process of its own."""
    import os

    os.environ["FEDKIT_ACCOUNTS"] = folder
    for i in range(times):
        charges = object.__new__(Charges)
        charges.account, charges.data = Account(SHA, "shared"), "shared.csv"
        charges.plan = entry(f"{who}-{i}")
        charges.budget = Fixed()
        charges.charge(())


class Fixed:
    """A budget whose runs release one Gaussian."""

    unit, noise, trust_sum = "client", 2.0, False

    def blocks(self, visits: list[float]) -> list[Releases]:
        return [Releases(2.0)]


@pytest.mark.slow
def test_processes_that_enter_at_once_lose_nothing(folder):
    context = multiprocessing.get_context("spawn")
    several = [context.Process(target=add_entries, args=(str(folder), i, 20)) for i in range(2)]
    for process in several:
        process.start()
    for process in several:
        process.join(120)
        assert process.exitcode == 0
    found = accounts.read_account(Account(SHA, "shared")).entries
    assert sorted(e.id for e in found) == sorted(f"{i}-{j}" for i in range(2) for j in range(20))
    assert {p.suffix for p in folder.iterdir()} == {".json"}


def test_a_run_that_hides_clients_counts_for_examples_with_half_its_noise(config, tmp_path):
    hides = replace(config, privacy="client:eps=3", weights="uniform")
    record = run(hides, tmp_path / "run")
    account = of_data(config)
    (entry,) = account.runs("example")
    assert [b.noise for b in entry.blocks] == [b[0] / 2 for b in record.result["privacy"]["blocks"]]
    assert spent(account.runs("example"), 1e-5) > spent(account.runs("client"), 1e-5) > 2.9
    accounts.set_limit(account, "example", 4.0, None)
    assert "per example" in refusal(run, hides, tmp_path / "more")
    assert not (tmp_path / "more").exists()


def test_a_run_on_examples_says_nothing_of_clients(config, job):
    run(config, job=job)
    assert of_data(config).runs("client") == []
