"""run.json: what is written is what is read, the contract is kept, and strangers' files are refused
in one line.
"""

from __future__ import annotations

import json
import math
import os

import pytest

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import nan_to_none, write_json
from fedkit.core.record import SCHEMA, ClientRecord, RoundRecord, Run
from fedkit.experiments.runner import run

NUMBER = (int, float)
MAYBE = (int, float, type(None))
CLIENT = {
    "id": str,
    "status": str,
    "reason": str,
    "examples": int,
    "steps": int,
    "train_seconds": NUMBER,
    "uplink_bytes": int,
    "downlink_bytes": int,
}
ROUND = {
    "round": int,
    "accuracy": NUMBER,
    "loss": NUMBER,
    "worst_client_accuracy": NUMBER,
    "epsilon": MAYBE,
    "simulated_seconds": MAYBE,
    "clients": list,
}
CONTRACT = {  # what plots, tables and other programs rely on
    "environment": {
        "fedkit": str,
        "python": str,
        "torch": str,
        "device": str,
        "dtype": str,
        "threads": int,
    },
    "data": {
        "name": str,
        "sha256": str,
        "labels": list,
        "train": int,
        "validation": int,
        "test": int,
        "clients": list,
    },
    "model": {"name": str, "source": str, "sha256": str, "parameters": int, "trainable": int},
    "result": {
        "accuracy": NUMBER,
        "accuracy_ci95": list,
        "macro_f1": NUMBER,
        "worst_client_accuracy": NUMBER,
        "uplink_bytes": int,
        "downlink_bytes": int,
        "train_seconds": NUMBER,
        "peak_rss_bytes": int,
        "epsilon": MAYBE,
        "delta": MAYBE,
        "privacy_unit": (str, type(None)),
        "simulated_seconds": NUMBER,
    },
}


def small(**changes) -> Run:
    """A record made by hand: a start, two rounds, two clients."""
    clients = (
        ClientRecord("site-1", "ok", "", 10, 2, 1.5, 100, 200),
        ClientRecord(
            "site-2", "rejected", "head.bias: holds NaN or infinity", 20, 4, 2.5, 100, 200
        ),
    )
    start = RoundRecord(
        0, 0.2, 2.0, 0.1, clients=(ClientRecord("site-1", uplink_bytes=7, downlink_bytes=3),)
    )
    rounds = tuple(
        RoundRecord(n, 0.5 + n / 10, 1.0, 0.4, 0.6, None, 3.5, 4.5, clients) for n in (1, 2)
    )
    fields = {
        "method": "federated",
        "config": {"data": "東京", "lr": None},
        "environment": {},
        "data": {},
        "model": {},
        "start": start,
        "rounds": rounds,
        "result": {"accuracy": 0.7},
    }
    return Run(**fields | changes)


@pytest.fixture(scope="module")
def real(tiny_config, tmp_path_factory) -> dict:
    """run.json of a real, tiny run, as any program would read it."""
    config = tiny_config(rounds=2)
    out = tmp_path_factory.mktemp("runs") / "real"
    run(config, out)
    return json.loads((out / "run.json").read_text(encoding="utf-8"))


# --- the contract


def assert_kept(block: dict, contract: dict) -> None:
    for key, kinds in contract.items():
        assert key in block, f"{key} is missing"
        assert isinstance(block[key], kinds) and type(block[key]) is not bool, (
            f"{key} is {block[key]!r}"
        )


def test_a_real_run_keeps_the_contract(real):
    assert real["schema"] == SCHEMA and isinstance(real["config"], dict)
    for name, contract in CONTRACT.items():
        assert_kept(real[name], contract)
    for record in (real["start"], *real["rounds"]):
        assert_kept(record, ROUND)
        for client in record["clients"]:
            assert_kept(client, CLIENT)
            assert client["status"] in ("ok", "late", "lost", "rejected")
    for client in real["data"]["clients"]:
        assert_kept(client, {"id": str, "train": int, "labels": dict})
        assert sum(client["labels"].values()) == client["train"]


def test_the_numbers_of_a_real_run_agree_with_each_other(real):
    result, rounds = real["result"], real["rounds"]
    assert [r["round"] for r in rounds] == [1, 2] and real["config"]["rounds"] == 2
    everyone = [c for r in (real["start"], *rounds) for c in r["clients"]]
    for name in ("uplink_bytes", "downlink_bytes"):
        assert result[name] == sum(c[name] for c in everyone) > 0
    assert result["train_seconds"] == pytest.approx(sum(c["train_seconds"] for c in everyone))
    assert result["simulated_seconds"] == pytest.approx(
        sum(r["simulated_seconds"] for r in (real["start"], *rounds))
    )
    low, high = result["accuracy_ci95"]
    assert low <= result["accuracy"] <= high and result["accuracy"] == rounds[-1]["accuracy"]
    assert (
        result["worst_client_accuracy"] == rounds[-1]["worst_client_accuracy"] <= result["accuracy"]
    )
    assert len(result["correct"]) == real["data"]["test"] == 40
    assert result["correct"].count("1") / 40 == result["accuracy"]
    assert result["epsilon"] is None and result["delta"] is None, (
        "no differential privacy, no promise"
    )
    assert real["data"]["train"] == sum(c["train"] for c in real["data"]["clients"])
    assert set(real["config"]) == set(RunConfig().to_dict())


def test_the_bytes_are_those_of_what_travelled(real):
    """Four bytes for each number, and less than 4 kB of names, shapes and checksum around them.

    Before round 1 both sides draw the adapter from the seed, so only the head start goes down.
    """
    head = 3 * 32
    for number, record in enumerate(real["rounds"], start=1):
        for client in record["clients"]:
            assert 0 < client["uplink_bytes"] - 4 * real["model"]["trainable"] < 4_000
            sent = head if number == 1 else real["model"]["trainable"]
            assert 0 < client["downlink_bytes"] - 4 * sent < 4_000


# --- reading what was written


def test_what_is_written_is_what_is_read(tmp_path):
    record = small()
    path = record.save(tmp_path)
    assert path == tmp_path / "run.json" and os.listdir(tmp_path) == ["run.json"]
    assert Run.load(tmp_path) == Run.load(path) == record
    assert record.finished and not small(result={}).finished
    assert "東京" in path.read_text(encoding="utf-8"), "people can read their own labels in it"


def test_saving_again_replaces_the_whole_file(tmp_path):
    small().save(tmp_path)
    small(rounds=(), result={}).save(tmp_path)
    assert Run.load(tmp_path) == small(rounds=(), result={})


def test_a_name_that_is_not_unicode_survives(tmp_path):
    record = small(config={"data": "/tmp/\udcff.csv"})  # how Python spells a path with the byte ff
    record.save(tmp_path)
    assert Run.load(tmp_path) == record


def test_nan_and_infinity_become_null(tmp_path):
    values = {
        "a": math.nan,
        "b": [math.inf, 1.5, -math.inf],
        "c": {"d": (math.nan, 2)},
        "e": "nan",
        "f": 10**30,
        "g": True,
    }
    assert nan_to_none(values) == {
        "a": None,
        "b": [None, 1.5, None],
        "c": {"d": [None, 2]},
        "e": "nan",
        "f": 10**30,
        "g": True,
    }
    text = write_json(tmp_path / "x.json", values).read_text()
    assert json.loads(text, parse_constant=pytest.fail)["a"] is None
    small(rounds=(RoundRecord(1, 0.5, math.nan, 0.5),)).save(tmp_path)
    assert math.isnan(Run.load(tmp_path).rounds[0].loss)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    small().save(tmp_path)
    with pytest.raises(TypeError):
        small(config={"bad": object()}).save(tmp_path)
    assert Run.load(tmp_path) == small()


def test_to_frame_has_a_row_per_client_and_round():
    frame = small().to_frame()
    assert len(frame) == 5 and frame["round"].tolist() == [0, 1, 1, 2, 2]
    assert frame.columns.tolist() == [
        "round",
        "accuracy",
        "loss",
        "worst_client_accuracy",
        "validation_accuracy",
        "epsilon",
        "simulated_seconds",
        "seconds",
        "aggregation_error",
        "noise",
        "client",
        "status",
        "reason",
        "examples",
        "steps",
        "train_seconds",
        "uplink_bytes",
        "downlink_bytes",
        "work_seconds",
        "delay",
        "staleness",
        "began",
    ]
    assert frame["client"].tolist() == ["site-1"] + ["site-1", "site-2"] * 2
    assert frame["uplink_bytes"].sum() == 407 == small().total("uplink_bytes")
    assert (
        len(small(start=None).to_frame()) == 4 and len(small(start=None, rounds=()).to_frame()) == 0
    )


def test_totals_are_over_everything_or_over_what_is_asked():
    record = small()
    assert (record.total("downlink_bytes"), record.total("steps")) == (803, 12)
    assert record.total("train_seconds", record.rounds[:1]) == 4.0
    assert small(start=None).total("uplink_bytes") == 400


# --- what is refused


def text_of(**changes) -> str:
    return json.dumps(small().to_dict() | changes)


def client_with(**changes) -> list:
    rounds = json.loads(text_of())["rounds"]
    rounds[0]["clients"][0] |= changes
    return rounds


def round_with(**changes) -> list:
    rounds = json.loads(text_of())["rounds"]
    rounds[0] |= changes
    return rounds


BAD = {
    "nothing": "",
    "half a file": text_of()[:200],
    "not JSON": "PK\x03\x04",
    "a list": "[]",
    "a word": '"run"',
    "NaN": "NaN",
    "no schema": "{}",
    "a schema to come": text_of(schema="fedkit.run/2"),
    "a schema that is a list": text_of(schema=[SCHEMA] * 1_000),
    "an endless schema": text_of(schema="x" * 100_000),
    "nested too deep": "[" * 100_000,
    "nested too deep within": text_of()[:-1] + ', "extra": ' + "[" * 100_000,
    "a number of 5,000 digits": text_of()[:-1] + ', "extra": ' + "9" * 5_000 + "}",
    "an unknown key": text_of(extra=1),
    "an unknown key in two lines": text_of(**{"extra\nTraceback": 1}),
    "no rounds": json.dumps({"schema": SCHEMA}),
    "rounds a number": text_of(rounds=3),
    "rounds null": text_of(rounds=None),
    "rounds an object": text_of(rounds={"a": 1}),
    "rounds of words": text_of(rounds=["one"]),
    "a round without a loss": text_of(
        rounds=[{"round": 1, "accuracy": 0, "worst_client_accuracy": 0, "clients": []}]
    ),
    "a round that is a list": text_of(rounds=[[1]]),
    "clients a number": text_of(rounds=round_with(clients=5)),
    "clients of numbers": text_of(rounds=round_with(clients=[1, 2])),
    "an unknown key in a client": text_of(rounds=client_with(password="x")),
    "an accuracy in words": text_of(rounds=round_with(accuracy="high")),
    "an accuracy that is a list": text_of(rounds=round_with(accuracy=[0.5])),
    "an accuracy that is true": text_of(rounds=round_with(accuracy=True)),
    "a round number in words": text_of(rounds=round_with(round="1")),
    "an id that is a number": text_of(rounds=client_with(id=7)),
    "bytes in words": text_of(rounds=client_with(uplink_bytes="many")),
    "bytes null": text_of(rounds=client_with(uplink_bytes=None)),
    "seconds in words": text_of(rounds=client_with(train_seconds="1 s")),
    "a start that is a number": text_of(start=5),
    "a start that is a list": text_of(start=[1]),
    "a method that is a number": text_of(method=1),
    "a config that is a list": text_of(config=[]),
    "an environment in words": text_of(environment="laptop"),
    "data null": text_of(data=None),
    "a model that is a number": text_of(model=2),
    "a result that is a list": text_of(result=[0.5]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_or_hostile_record_is_refused_in_one_line(tmp_path, case):
    (tmp_path / "run.json").write_text(BAD[case], encoding="utf-8")
    with pytest.raises(FedkitError) as error:
        Run.load(tmp_path)
    message = str(error.value)
    assert message and "\n" not in message and len(message) < 400 + len(str(tmp_path))


def test_bytes_that_are_not_utf8_are_refused(tmp_path):
    (tmp_path / "run.json").write_bytes(text_of().encode("utf-16"))
    with pytest.raises(FedkitError, match="cannot read"):
        Run.load(tmp_path)


@pytest.mark.parametrize("where", ["", "no such folder", "no/such/run.json"])
def test_no_record_there_says_what_to_give(tmp_path, where):
    with pytest.raises(FedkitError, match=r"no run record at .*fedkit run --out"):
        Run.load(tmp_path / where)


def test_a_folder_named_run_json_is_refused(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(FedkitError):
        Run.load(tmp_path)


def test_a_path_in_the_config_is_kept_as_text(tmp_path):
    from pathlib import Path

    from fedkit.core.config import RunConfig

    assert RunConfig(data=Path("some") / "folder").to_dict()["data"] == str(Path("some") / "folder")
