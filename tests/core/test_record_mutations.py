"""A record may come from anybody: whatever stands in it, every reader works or says one line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from factories.mutations import mutate
from factories.records import DATA, baseline, everything, federated, private

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_json, write_json
from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.data.load import load_corpus, local_data_sha256
from fedkit.experiments.job import recorded_config
from fedkit.experiments.plan import Plan
from fedkit.experiments.sweep import (
    count_finished,
    read_sweep_plan,
    refused_runs,
    unfinished_entries,
)
from fedkit.results import measures

Reader = Callable[[Path], None]
COUNT = int(os.environ.get("FEDKIT_MUTATIONS", "200"))  # 3000 once before a release


@cache
def base(seed: int) -> Run:
    """One of the records that are damaged: plain, private, and as a real run writes it."""
    full = RunConfig(rounds=2, link="8mbps/0ms", server_link="100mbps", deadline=60.0).to_dict()
    about = {"sha256": "ab" * 32, "source": "by hand", "name": "m", "trainable": 100}
    fields = {
        "environment": {"fedkit": "0.1.0", "python": "3", "dtype": "float32", "threads": 2}
        | {"attention": "eager", "engine": "plain"},
        "model": {"base_bytes": 50_000_000, "parameters": 10, "trainable_bytes": 400} | about,
        "data": DATA | {"notes": ["label column: 'label'"]},
    }
    private_run = private(8.0, 0.8)
    said = {
        "noise": 1.1,
        "rate": 0.2,
        "steps": 3,
        "clip": 1.0,
        "start": 2.0,
        "visits": 2,
        "turns": 0,
        "blocks": [[1.1, 0.2, 6]],
        "beside": {"rdp": 8.1, "prv": None},
    }
    result = private_run.result | {"privacy": private_run.result["privacy"] | said}
    plain = federated(0.8, correct="1" * 80 + "0" * 20)
    plain = replace(
        plain, result=plain.result | {"own_mix_accuracy": 0.7, "train_seconds": 4.0, "delta": None}
    )
    rounds = tuple(
        replace(r, client_accuracy={"east": 0.5, "west": 0.6}, simulated_seconds=3.0, seconds=1.0)
        for r in plain.rounds
    )
    plain = replace(plain, rounds=rounds)
    made = (plain, replace(private_run, result=result), baseline("local", 0.5))
    run = made[seed % len(made)]
    return replace(run, **fields, config=full | {"privacy": run.config.get("privacy", "none")})


def hostile_text(seed: int) -> str:
    """run.json of mutation number `seed`."""
    return mutate(json.loads(json.dumps(base(seed).to_dict())), seed)


def beside(run: Run) -> list[Run]:
    return [run, *everything()[1:], federated(0.7, seed=1)]


def read_frame(folder: Path) -> None:
    run = Run.load(folder)
    run.to_frame()
    run.total("uplink_bytes")
    run.save(folder)


def compare(folder: Path) -> None:
    from fedkit.results.findings import describe_runs

    table, _, values = describe_runs(beside(Run.load(folder)))
    json.dumps(values)
    assert table


def compare_page(folder: Path) -> None:
    from fedkit.reports.report import render_report

    render_report(beside(Run.load(folder)), "x")


def compare_alone(folder: Path) -> None:
    from fedkit.reports.report import render_report
    from fedkit.results.findings import describe_runs

    describe_runs([Run.load(folder)])
    render_report([Run.load(folder)], "x")


def replay_text(folder: Path) -> None:
    from fedkit.reports.replay_report import replay_lines

    replay_lines(folder, None, None, "recorded", "recorded", None)
    replay_lines(folder, "dsl", "old-pc", "60", "100mbps", None)


def replay_page(folder: Path) -> None:
    from fedkit.reports.replay_report import replay_lines

    replay_lines(folder, None, None, "recorded", "recorded", folder / "x.html")


def summary(folder: Path) -> None:
    from fedkit.cli.next_steps import after_stop
    from fedkit.cli.summaries import run_summary

    run_summary(Run.load(folder))
    after_stop(folder)


def brief(folder: Path) -> None:
    from fedkit.reports.brief.page import render_brief
    from fedkit.reports.brief.returns import Assumptions
    from fedkit.reports.write_brief import brief_to_dict, decide

    made = decide([Run.load(folder), *everything()[1:]], "ja", Assumptions())
    render_brief(made)
    json.dumps(brief_to_dict(made))


def brief_files(folder: Path) -> None:
    from fedkit.reports.write_brief import write_brief

    write_brief([Run.load(folder), *everything()[1:]], folder / "brief")


def governance(folder: Path) -> None:
    from fedkit.reports.governance.pack import make_documents

    for document in make_documents([Run.load(folder), *everything()[1:]], "en"):
        assert document.blocks


def audit(folder: Path) -> None:
    from fedkit.audit.recorded_run import recorded_promise

    promise = recorded_promise(Run.load(folder), 40)
    if promise is not None:
        promise.allowed(0.01)


def resume(folder: Path) -> None:
    from fedkit.experiments.job import check_config
    from fedkit.experiments.store import Store

    config = RunConfig.from_dict(Run.load(folder).config)
    check_config(config)
    Store(folder).previous_record(config, resume=True)


def figures(folder: Path) -> None:
    from fedkit import plots
    from fedkit.network import replay

    run = Run.load(folder)
    runs = measures.check_runs(beside(run))
    for draw in (plots.accuracy_by_round, plots.scoreboard_bars, plots.traffic, plots.pareto):
        draw(runs)
    plots.training_load(runs)
    if plots.has_aggregation_errors(runs):
        plots.aggregation_error(runs)
    plots.who_has_what(run)
    plots.round_seconds(run)
    plots.accuracy_by_time(run)
    plots.draw_round(replay(run))


def privacy_curve(folder: Path) -> None:
    from fedkit import plots
    from fedkit.results.privacy_curve import Curve

    plots.privacy_cost(Curve.from_runs([Run.load(folder), private(8.0, 0.7, 1), federated()]))


def showcase(folder: Path) -> None:
    from fedkit.showcase.numbers import compare_run

    run = measures.check_runs([Run.load(folder)])[0]
    others = everything()[1:]
    compare_run(run, tuple(others), 10_000)


QUICK = (read_frame, compare, replay_text, summary, governance, resume, showcase)
SLOW = (compare_page, compare_alone, replay_page, brief, brief_files, audit, figures, privacy_curve)
READERS = {reader.__name__: reader for reader in (*QUICK, *SLOW)}


def try_all(seeds: Iterable[int], readers: Iterable[Reader], folder: Path) -> dict[str, int]:
    """Give mutated records to readers; return how often each of them worked."""
    worked: dict[str, int] = {}
    for seed in seeds:
        (folder / "run.json").write_text(hostile_text(seed), encoding="utf-8")
        for reader in readers:
            try:
                reader(folder)
            except FedkitError as error:
                assert "\n" not in str(error) and len(str(error)) < 1_000, (seed, reader)
            except Exception as error:
                error.add_note(f"mutation {seed}, reader {reader.__name__}")
                raise
            else:
                worked[reader.__name__] = worked.get(reader.__name__, 0) + 1
    return worked


def test_a_mutated_record_is_read_or_refused_in_one_line(tmp_path):
    worked = try_all(range(30), QUICK, tmp_path)
    assert set(worked) == {reader.__name__ for reader in QUICK}, "every reader gets past the door"


@pytest.mark.slow
def test_no_mutation_ends_in_a_traceback(tmp_path):
    worked = try_all(range(30, COUNT), (*QUICK, *SLOW) if COUNT > 200 else QUICK, tmp_path)
    worked |= try_all(range(20), SLOW, tmp_path)
    assert set(worked) == set(READERS)


ROUNDS = base(0).to_dict()["rounds"]


def config_with(**changes) -> dict:
    return base(0).to_dict() | {"config": base(0).config | changes}


CASES = {
    "infinite clients_per_round": config_with(clients_per_round=-math.inf),
    "lr is no number": config_with(lr=math.nan),
    "seed is a list": config_with(seed=[1]),
    "server_link is a table": config_with(server_link={}),
    "work_seconds of 400 digits": base(0).to_dict()
    | {"rounds": [r | {"clients": [{"id": "e", "work_seconds": 10**400}]} for r in ROUNDS]},
}


@pytest.mark.parametrize("case", CASES)
def test_what_ended_in_a_traceback_is_one_line(tmp_path, fed, case):
    (tmp_path / "run.json").write_text(json.dumps(CASES[case]), encoding="utf-8")
    for command in ("compare", "brief", "replay", "attack", "audit"):
        code, _, err = fed(command, tmp_path)
        assert code == 2 and err.count("\n") == 1 and "Traceback" not in err, (command, err)


def test_a_large_record_is_checked_in_one_go():
    """100 rounds of 100 clients, whole and with one wrong value at the very end."""
    clients = tuple(ClientRecord(f"site-{i}", examples=i, train_seconds=0.5) for i in range(100))
    rounds = tuple(RoundRecord(n, 0.5, 1.0, 0.4, clients=clients) for n in range(1, 101))
    values = replace(base(0), start=None, rounds=rounds).to_dict()
    assert Run.from_dict(values).rounds == rounds
    values["rounds"][99]["clients"][99]["steps"] = "many"
    with pytest.raises(FedkitError, match=r"rounds\.99\.clients\.99\.steps is 'many'"):
        Run.from_dict(values)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["run.json", "sweep.json"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, fed, name):
    os.mkfifo(tmp_path / name)
    for words in (("compare", tmp_path), ("sweep", "--resume", "--out", tmp_path)):
        code, _, err = fed(*words)
        assert code == 2 and err.count("\n") == 1, err


def test_json_that_is_too_long_too_deep_or_no_number_is_refused(tmp_path):
    path = tmp_path / "labels.json"
    for text, said in (
        ("[" * 60 + "]" * 60, "nested too deep"),
        ("[" * 100_000, "nested too deep"),
        ("[NaN]", "no finite number"),
        ("[1e999]", "no finite number"),
        ("[" + "9" * 400 + "]", "a number of 400 digits"),
        ('["' + "x" * 2_000 + '"]', "at most 1,000 are read"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            read_json(path, 1_000 if "read" in said else 10**6)
    assert read_json(tmp_path / "labels.json", 10**6) == ["x" * 2_000]


def test_a_mutated_sweep_is_read_or_refused_in_one_line(tmp_path):
    plan = Plan({"rounds": 2}, {"wire": ["none", "int8"]}, [{"lr": 0.1}])
    run = {"folder": "a", "settings": {}, "seed": 0, "status": "refused", "reason": "x"}
    values = {"schema": "fedkit.sweep/1", "plan": plan.to_dict(), "runs": [run]}
    for seed in range(200):
        (tmp_path / "sweep.json").write_text(mutate(json.loads(json.dumps(values)), seed))
        try:
            count_finished(tmp_path)
            refused_runs(tmp_path)
            unfinished_entries(read_sweep_plan(tmp_path), tmp_path)
        except FedkitError as error:
            assert "\n" not in str(error), seed


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data", "hub:evil/data"),
        ("data", "banking77"),
        ("data", "//evil/share/x.csv"),
        ("data", "\\\\evil\\share\\x.csv"),
        ("data", "somewhere/else.csv"),
        ("model", "evil/model"),
    ],
)
def test_what_only_a_record_names_is_not_fetched(tmp_path, fed, monkeypatch, setting, value):
    """attack, audit, resume and sweep --resume say how to repeat it, and ask for nothing."""
    asked = []

    def ask(*name) -> None:
        asked.append(name)
        raise FedkitError("the hub was asked")

    monkeypatch.setattr("fedkit.data.load.read_hub", ask)
    monkeypatch.setattr("fedkit.models.base._from_hub", ask)
    config = base(0).config | {setting: value}
    replace(base(0), config=config).save(tmp_path)
    sweep = {"schema": "fedkit.sweep/1", "plan": Plan({setting: value}).to_dict(), "runs": []}
    write_json(tmp_path / "sweep.json", sweep)
    for words in (
        ("attack", tmp_path),
        ("audit", tmp_path),
        ("run", "--resume", "--out", tmp_path),
        ("sweep", "--resume", "--out", tmp_path),
    ):
        code, _, err = fed(*words)
        assert code == 2 and f"repeat it: --{setting} '" in err and err.count("\n") == 1, err
    assert not asked
    if value == "hub:evil/data":  # repeated, it is asked for
        fed("attack", tmp_path, "--data", value)
        assert asked


def test_a_local_file_is_read_again_only_with_the_bytes_of_the_record(tmp_path, tiny_data):
    there = local_data_sha256(tiny_data)
    run = replace(base(0), config=base(0).config | {"data": tiny_data})
    with pytest.raises(FedkitError, match=r"is not what the record was made with.*--data"):
        recorded_config(run)
    same = replace(run, data=run.data | {"sha256": there})
    assert recorded_config(same).data == tiny_data
    assert recorded_config(run, {"data": tiny_data}).data == tiny_data
    assert there == load_corpus(tiny_data).sha256
