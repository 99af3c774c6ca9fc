"""Scoreboard, verdict and differences, on records whose numbers can be checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from factories.records import CONFIG, DATA, baseline, block, everything, federated

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.record import ClientRecord
from fedkit.network import profiles
from fedkit.results.difference import (
    accuracy_difference,
    find_comparable,
    paired_difference,
    unpaired_difference,
)
from fedkit.results.findings import verdict
from fedkit.results.measures import accuracy_interval, client_labels, display_names, sort_runs
from fedkit.results.scoreboard import COLUMNS, scoreboard, to_text
from fedkit.results.verdict import judge_run


def test_scoreboard_has_the_baselines_in_their_order_and_federated_last():
    frame = scoreboard(everything())
    assert list(frame.columns) == list(COLUMNS)
    assert list(frame["method"]) == [
        "Majority class",
        "Frozen encoder + logistic regression, pooled",
        "Frozen encoder + logistic regression, local only",
        "Local only",
        "Pooled (centralized)",
        "Federated",
    ]


def test_scoreboard_numbers_by_hand():
    row = scoreboard(everything()).iloc[-1]
    assert (
        row["accuracy"] == 0.8
        and row["worst client"] == pytest.approx(0.6)
        and row["macro F1"] == 0.8
    )
    assert (row["95 % low"], row["95 % high"], row["interval over"]) == (
        0.75,
        pytest.approx(0.85),
        "test examples",
    )
    assert row["uplink MB per client"] == 2.0  # 2 rounds of 1 MB
    assert row["downlink MB per client"] == 4.0
    # 2 rounds x 2 clients
    assert row["gradient steps"] == 20 and row["train seconds (measured)"] == 4.0
    assert (
        row["simulated seconds (modelled)"] == 8.0
        and row["peak memory MB"] == 5.0
        and row["privacy"] == "none"
    )


def test_traffic_of_local_only_is_nothing_and_of_pooled_unknown():
    frame = scoreboard(everything()).set_index("method")
    assert frame.loc["Local only", "uplink MB per client"] == 0
    assert math.isnan(frame.loc["Pooled (centralized)", "uplink MB per client"])


def test_epsilon_comes_with_its_unit():
    run = federated()
    private = replace(
        run, result=run.result | {"epsilon": 2.9993, "delta": 1e-5, "privacy_unit": "example"}
    )
    assert scoreboard([private])["privacy"][0] == "\u03b5 3 per example, \u03b4 1e-5"
    text = to_text(scoreboard([private]))
    assert text.isascii() and "3 per" in text and "priv.: epsilon for delta 1e-5" in text
    assert max(map(len, text.splitlines())) <= 100


def test_an_unfinished_run_is_shown_as_such_with_an_interval_from_its_test_size():
    run = replace(federated(), result={})
    row = scoreboard([run]).iloc[0]
    assert row["method"] == "Federated (unfinished: 2 of 2 rounds)" and row["accuracy"] == 0.8
    low, high, over = accuracy_interval(run)
    assert low < 0.8 < high and over == "test examples" and math.isnan(row["macro F1"])


def test_runs_of_one_method_are_told_apart_by_their_settings():
    runs = [federated(seed=0), federated(seed=1), federated(seed=1), baseline("local", 0.5)]
    assert display_names(sort_runs(runs)) == [
        "Local only",
        "Federated (seed 0)",
        "Federated (seed 1)",
        "Federated (seed 1)",
    ]
    assert display_names([federated(), federated()]) == ["Federated (no. 1)", "Federated (no. 2)"]
    engines = [federated(engine="fast"), federated(engine="plain")]
    assert display_names(engines) == ["Federated (engine fast)", "Federated (engine plain)"], (
        "the machine's, where nothing else"
    )
    three = [*engines, federated(seed=1, engine="fast")]
    assert display_names(three)[2] == "Federated (seed 1)"


@pytest.mark.parametrize("config", [{}, {"partition": "\u90e8\u7f72" * 40}])
def test_text_fits_a_hundred_columns_and_any_console(config):
    huge = replace(
        federated(**config),
        result=federated().result | {"peak_rss_bytes": 9e11, "simulated_seconds": 1e6},
    )
    text = to_text(scoreboard([*everything(), huge]))
    assert max(map(len, text.splitlines())) <= 100
    assert "Majority class" in text and "45.0-85.0" not in text and "40.0-60.0*" in text
    to_text(scoreboard(everything())).encode("ascii")


def test_text_columns_are_aligned():
    lines = to_text(scoreboard(everything())).splitlines()
    rule = next(line for line in lines if set(line) == {"-"})
    numbered = [line for line in lines if line.endswith("none")]
    assert len(numbered) == 6 and {len(line) for line in numbered} == {len(rule)}


def test_paired_difference_by_hand():
    d = paired_difference("1110" * 25, "1000" * 25)  # 50 gained, none lost, of 100
    assert d.value == 0.5
    up, down = 51 / 102, 1 / 102
    half = 1.959964 * math.sqrt((up + down - (up - down) ** 2) / 102)
    assert (d.low, d.high) == (pytest.approx(up - down - half), pytest.approx(up - down + half))
    assert d.above and "paired over 100 test examples" in d.over
    same = paired_difference("10" * 50, "10" * 50)
    assert same.value == 0 and same.low < 0 < same.high and not same.above and not same.below


def test_unpaired_difference_by_hand():
    d = unpaired_difference(
        federated(0.8, half=0.03), baseline("local", 0.6, over="clients", half=0.04)
    )
    # 3-4-5
    assert d.value == pytest.approx(0.2) and (d.low, d.high) == (
        pytest.approx(0.15),
        pytest.approx(0.25),
    )
    assert "test examples and clients" in d.over


def test_pairing_needs_the_same_seed_and_one_mark_per_test_example():
    ours, theirs = (
        federated(correct="1" * 80 + "0" * 20),
        baseline("pooled", 0.8, "0" * 20 + "1" * 80),
    )
    assert accuracy_difference(ours, theirs).over.startswith("paired")
    for other in (
        replace(theirs, config=CONFIG | {"seed": 7}),
        baseline("pooled", 0.8, "01"),
        baseline("pooled", 0.8, "2" * 100),
    ):
        assert accuracy_difference(ours, other).over.startswith("unpaired")


def test_verdict_when_federation_helped():
    said = verdict(everything(local=0.5))
    assert said[0].startswith(
        "Federation helped here: +30.0 points over local only (95 % interval +18.8 to +41.2"
    )
    assert any("No difference beyond the interval: -2.0 points against pooled" in s for s in said)
    assert any("does not beat the cheap way" in s and "+10.0 points" in s for s in said)
    assert "Before training it stood at 50.0 %; 2 rounds changed that by +30.0 points." in said
    assert not any("Missing" in s for s in said)


def test_verdict_when_a_gain_may_be_chance():
    said = verdict(everything(local=0.75))
    assert said[0].startswith("It is not shown that federation helped here: +5.0 points")
    assert not any(s.startswith("Federation helped") for s in said)


@pytest.mark.parametrize(
    ("local", "why"), [(0.81, "not above local only beyond chance"), (0.99, "do better alone")]
)
def test_verdict_when_federation_did_not_help(local, why):
    said = verdict(everything(local=local))
    assert said[0].startswith("Federation did not help here: ") and why in said[0]
    assert not any("helped here" in s for s in said)


def test_verdict_is_paired_when_both_records_know_what_they_got_right():
    better = baseline("pooled", 0.9, "1" * 90 + "0" * 10)
    said = verdict([federated(correct="1" * 80 + "0" * 20), better])
    assert any(
        s.startswith("Keeping text at the clients costs accuracy: -10.0 points against pooled")
        for s in said
    )
    assert any("paired over 100 test examples" in s for s in said)


def test_verdict_names_what_is_missing_or_not_comparable():
    said = verdict([federated()])
    assert said[0].startswith("Whether federation helped is not known")
    assert any(
        s.startswith("Missing here: majority class; frozen encoder") and "pooled (centralized)" in s
        for s in said
    )
    other_data = replace(baseline("local", 0.1), data=DATA | {"sha256": "cd"})
    said = verdict([federated(), other_data])
    assert not any("helped here" in s for s in said)
    assert any("other data or other clients: local only" in s for s in said)


def test_verdict_tells_an_unlike_number_of_steps_and_a_run_that_learned_nothing():
    said = verdict([federated(0.2), *everything()[1:]])
    assert any("Pooled took 10 gradient steps and federated 20" in s for s in said)
    assert any(s.startswith("Nothing was learned") for s in said)
    assert any(
        s.startswith("Federated is not above, beyond the interval, clients that fit") for s in said
    )


@pytest.mark.parametrize(
    "other",
    [{"tune": "full"}, {"rounds": 77}, {"local_epochs": 7}, {"model": "o"}, {"max_tokens": 7}],
)
def test_verdict_names_what_was_made_with_other_settings_as_the_brief_does(other):
    unlike = replace(baseline("local", 0.5), config=CONFIG | other)
    runs = [federated(), unlike, baseline("pooled", 0.5)]
    (told,) = (s for s in verdict(runs) if s.startswith("Made with other settings"))
    assert told.endswith(": local only.") and judge_run(runs[0], runs).other_settings == ("local",)
    alike = [federated(), baseline("local", 0.5)]
    assert not any(s.startswith("Made with other settings") for s in verdict(alike))


def test_verdict_without_a_federated_run_and_with_several():
    assert "no federated run" in verdict([baseline("local", 0.5)])[0]
    said = verdict([federated(seed=0), federated(seed=1), baseline("local", 0.5)])
    assert said[0].startswith("Federated (seed 0): Federation helped here")
    assert any(s.startswith("Federated (seed 1): Federation helped here") for s in said)


def test_the_partner_is_the_one_with_the_same_seed():
    runs = [
        replace(baseline("local", a), config=CONFIG | {"seed": s}) for s, a in ((1, 0.1), (0, 0.2))
    ]
    assert (
        find_comparable(federated(), runs, "local") is runs[1]
        and find_comparable(federated(seed=9), runs, "local") is runs[0]
    )


def test_labels_that_a_client_lacks_count_as_none():
    frame = client_labels(federated())
    assert (
        frame.loc["east", "no"] == 0
        and frame.loc["west", "no"] == 15
        and frame.to_numpy().sum() == 30
    )


ROUND = federated().rounds[0]
DAMAGED = {
    "result.accuracy is 'high'": {"result": {"accuracy": "high"}},
    "method": {"method": ["federated"]},
    "config": {"config": [1]},
    "data.clients.0 is 'east'": {"data": DATA | {"clients": ["east"]}},
    "rounds: expected": {"rounds": (ROUND, ROUND)},
    "rounds: expected numbers": {"start": ROUND, "rounds": (replace(ROUND, round=2),)},
    "rounds.0.accuracy is 1.5": {"rounds": (replace(ROUND, accuracy=1.5),)},
    "rounds.0.clients.0.uplink_bytes is -1": {
        "rounds": (replace(ROUND, clients=(ClientRecord("east", uplink_bytes=-1),)),)
    },
    "rounds.0.clients.0.id": {"rounds": (replace(ROUND, clients=(ClientRecord(["east"]),)),)},
}


@pytest.mark.parametrize("message", DAMAGED)
def test_a_damaged_record_is_refused_in_one_line_that_names_the_field(message):
    run = replace(federated(), **DAMAGED[message])
    for use in (scoreboard, verdict):
        with pytest.raises(FedkitError, match=f"^damaged run record: {message}.*$"):
            use([run])


def test_numbers_that_are_not_there_are_said_to_be_unknown():
    run = replace(
        federated(),
        result=block(0.8) | {"accuracy": None, "accuracy_ci95": None, "peak_rss_bytes": None},
    )
    row = scoreboard([run]).iloc[0]
    assert (
        math.isnan(row["accuracy"])
        and math.isnan(row["95 % low"])
        and math.isnan(row["peak memory MB"])
    )
    assert "  - " in to_text(scoreboard([run])) and any("not known" in s for s in verdict([run]))


def test_numbers_in_words():
    sizes = [formatting.megabytes(v) for v in (0.00017, 0.0187, 1.953, 90.26, 1805.2)]
    assert sizes == ["170 bytes", "18.7 kB", "1.95 MB", "90.3 MB", "1.81 GB"]
    assert [formatting.seconds(v) for v in (8.64, 200, 9000)] == ["8.6 s", "3.3 min", "2.5 h"]
    assert (
        profiles.describe_link("20mbps:2mbps/60ms")
        == "20 Mbit/s down and 2 Mbit/s up, 60 ms latency"
    )
    assert formatting.percent(float("nan")) == "not known" and formatting.points(-0.021) == "-2.1"
