"""Test the demo: what it writes, what it leaves when stopped, and what it never touches."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from fedkit.cli import console, demo
from fedkit.cli.demo import NAMES, run_demo
from fedkit.cli.main import main
from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.record import Run


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(client="site", rounds=1, tune="lora:r=2", lr=0.05, partition="auto")


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """A demo's folder, what it said, and what it returned. Do not write to it."""
    out, said = tmp_path_factory.mktemp("demo") / "demo", []
    return out, said, run_demo(out, config, tell=said.append)


def tree(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_centralized_then_local_then_federated_each_announced(finished):
    out, said, _ = finished
    steps = [line.partition(":")[0] for line in said if " of 4  " in line]
    assert steps == [
        "1 of 4  Centralized",
        "2 of 4  Local only",
        "3 of 4  Federated",
        "4 of 4  Yardsticks",
    ]
    assert len(said) == 8 and all("right on" in line for line in said[1::2])
    times = [(out / name / "run.json").stat().st_mtime_ns for name in NAMES]
    assert NAMES[:3] == ["pooled", "local", "federated"] and times == sorted(times)


def test_the_records_the_page_and_the_scoreboard(finished):
    out, said, (page, lines, values) = finished
    records = {name: Run.load(out / name) for name in NAMES}
    assert all(r.finished and r.method == name for name, r in records.items())
    assert len({json.dumps(r.data) for r in records.values()}) == 1  # all on the same data
    assert (
        f"right on the test texts: {100 * records['pooled'].result['accuracy']:.1f} % (pooled)"
        in said[1]
    )
    shown = "\n".join(lines)
    assert all(
        name in shown
        for name in ("Majority", "Local only", "Pooled", "Federated", "MB up", "train")
    )
    assert len(values["scoreboard"]) == 6 and values["verdict"] and json.dumps(values)
    html = page.read_text(encoding="utf-8")
    assert (
        page == out / "index.html"
        and "Would these 4 companies gain from learning together?" in html
    )
    assert f"{100 * records['federated'].result['accuracy']:.1f} %" in html


@pytest.mark.slow
def test_what_is_frozen_is_frozen_although_it_comes_last(finished, config, tmp_path):
    """The yardsticks come after training in the same model, and must be those of a fresh one."""
    from fedkit.experiments.baselines import run_baselines

    fresh = run_baselines(config, which=["frozen-pooled", "frozen-local"])
    for name, record in fresh.items():
        last, loss = Run.load(finished[0] / name).rounds[-1], record.rounds[-1].loss
        assert abs(last.loss - loss) < 1e-6


@pytest.mark.slow
def test_a_second_demo_replaces_the_first_and_nothing_else(finished, config, tmp_path):
    out = tmp_path / "demo"
    shutil.copytree(finished[0], out)
    first = tree(out)
    mine = {
        "notes.txt",
        "pooled/notes.txt",
        "pooled/run.json.mine",
        "federated/state/mine.txt",
        "mine/run.json",
    }
    for name in mine:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("keep me")
    (out / "federated" / "state" / "round-0003.safetensors").write_bytes(b"left by a stop")
    (out / "local" / "run.json").write_text("damaged")
    run_demo(out, config)
    assert tree(out) == first | mine
    assert all((out / name).read_text() == "keep me" for name in mine)
    assert Run.load(out / "local").finished


def test_a_link_that_leads_elsewhere_is_not_followed(finished, config, tmp_path):
    out, elsewhere = tmp_path / "demo", tmp_path / "elsewhere"
    shutil.copytree(finished[0], out)
    shutil.move(out / "pooled", elsewhere)
    os.symlink(elsewhere, out / "pooled")
    before = tree(elsewhere)
    from fedkit.cli.demo import clear_folder

    clear_folder(out)
    assert tree(elsewhere) == before and not (out / "local").exists()


@pytest.mark.parametrize("mark", [None, "[]", "{}", "damaged", "[" * 100_000])
def test_a_folder_that_no_demo_wrote_is_left_alone(config, tmp_path, mark):
    out = tmp_path / "theirs"
    (out / "federated").mkdir(parents=True)
    (out / "federated" / "run.json").write_text("a run of weeks")
    if mark is not None:
        (out / "demo.json").write_text(mark)
    before = tree(out)
    with pytest.raises(FedkitError, match="holds files that no demo wrote"):
        run_demo(out, config)
    assert tree(out) == before and (out / "federated" / "run.json").read_text() == "a run of weeks"


def test_bad_settings_cost_an_earlier_demo_nothing(finished, config, tmp_path):
    out = tmp_path / "demo"
    shutil.copytree(finished[0], out)
    before = {name: (out / name).read_bytes() for name in tree(out)}
    with pytest.raises(FedkitError, match="rounds 0"):
        run_demo(out, replace(config, rounds=0))
    assert {name: (out / name).read_bytes() for name in tree(out)} == before


@pytest.mark.parametrize(
    ("step", "kept"), [(3, {"pooled", "local"}), (4, {"pooled", "local", "federated"})]
)
@pytest.mark.slow
def test_stopped_in_the_middle_keeps_what_was_finished_and_starts_anew(
    finished, config, tmp_path, step, kept
):
    def stop(line):
        if line.startswith(f"{step} of 4"):
            raise KeyboardInterrupt

    out = tmp_path / "demo"
    shutil.copytree(finished[0], out)
    with pytest.raises(KeyboardInterrupt):
        run_demo(out, config, tell=stop)
    assert {p.parent.name for p in out.glob("*/run.json")} == kept  # none of the earlier demo's
    assert all(Run.load(out / name).finished for name in kept) and not (out / "index.html").exists()
    run_demo(out, config)
    assert tree(out) == tree(finished[0])


def test_a_demo_goes_on_where_it_stopped(config, tmp_path, monkeypatch):
    out, made, original = tmp_path / "demo", [], demo.baseline

    def make(name, *rest):
        made.append(name)
        if name == "majority" and made.count(name) == 1:
            raise Cancelled
        return original(name, *rest)

    monkeypatch.setattr(demo, "baseline", make)
    with pytest.raises(Cancelled):
        run_demo(out, config)
    kept = {name: (out / name / "run.json").read_bytes() for name in ("local", "federated")}
    with pytest.raises(FedkitError, match="seed was 0"):
        run_demo(out, replace(config, seed=1), resume=True)
    page, *_ = run_demo(out, config, resume=True)
    assert page.exists() and made.count("local") == 1 and made.count("majority") == 2
    assert all((out / name / "run.json").read_bytes() == kept[name] for name in kept)


def test_ctrl_c_is_one_line_that_says_what_is_kept(tmp_path, monkeypatch, capfd):
    """Through the command, before it has begun to train."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        console.ProgressLine, "update", lambda *_: signal.raise_signal(signal.SIGINT)
    )
    assert main(["demo"]) == 130
    out, err = capfd.readouterr()
    assert (out, err) == ("", "fedkit: stopped before the first record was written; start again\n")
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_real_demo_in_small(tmp_path, monkeypatch, capfd):
    """The command as `make demo` calls it, on real model and bundled data, with one round."""
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--rounds", "1"]) == 0
    out, err = capfd.readouterr()
    assert [
        line for line in err.splitlines() if " of 4  " in line
    ] and "federated: round 1/1" in err
    assert "Federated" in out and "page: runs/demo/index.html" in out
    records = {name: Run.load(tmp_path / "runs" / "demo" / name) for name in NAMES}
    accuracy = {name: r.result["accuracy"] for name, r in records.items()}
    assert accuracy["majority"] < 0.2 < accuracy["local"] + 0.03 < accuracy["federated"]
    assert records["pooled"].result["steps"] == records["federated"].result["steps"]
    assert (tmp_path / "runs" / "demo" / "index.html").stat().st_size > 1_000_000

    assert main(["compare", "runs/demo", "--json"]) == 0
    out, _ = capfd.readouterr()
    assert {row["accuracy"] for row in json.loads(out)["scoreboard"]} == set(accuracy.values())
