"""Simulated seconds by hand, links as people write them, and replay without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fedkit.errors import FedkitError
from fedkit.network import DEVICES, LINKS, Device, Link, client_seconds, parse_device, parse_link, replay, round_seconds
from fedkit.record import ClientRecord, RoundRecord, Run

LINK = Link(down=8e6, up=4e6, latency=0.1)  # a megabyte takes 1 s down and 2 s up
TWICE = Device(2.0, None, "for the test")
FAST = ClientRecord("a", train_seconds=1.0, uplink_bytes=500_000, downlink_bytes=1_000_000)
SLOW = ClientRecord("b", train_seconds=3.0, uplink_bytes=1_000_000, downlink_bytes=1_000_000)


def run_of(*rounds: tuple[ClientRecord, ...], start: RoundRecord | None = None) -> Run:
    made = tuple(RoundRecord(i + 1, 0.5, 1.0, 0.5, clients=clients) for i, clients in enumerate(rounds))
    return Run("federated", {}, {}, {}, {}, start, made)


def test_two_clients_by_hand():
    assert client_seconds(FAST, LINK, TWICE) == pytest.approx(0.2 + 1.0 + 1.0 + 2 * 1.0)
    assert client_seconds(SLOW, LINK, TWICE) == pytest.approx(0.2 + 1.0 + 2.0 + 2 * 3.0)
    assert round_seconds([FAST, SLOW], LINK, TWICE) == pytest.approx(9.2), "the server waits for the last"
    assert round_seconds([SLOW, FAST], LINK, TWICE) == pytest.approx(9.2)
    assert round_seconds([FAST], LINK, TWICE) == pytest.approx(4.2)
    assert round_seconds([], LINK, TWICE) == 0


@pytest.mark.parametrize(
    ("spec", "link"),
    [
        ("10mbps/40ms", Link(10e6, 10e6, 0.04)),
        ("20mbps:2mbps/60ms", Link(20e6, 2e6, 0.06)),
        ("64kbps", Link(64e3, 64e3, 0.0)),
        ("1gbps:500mbps", Link(1e9, 500e6, 0.0)),
        ("1.5mbps/0.5ms", Link(1.5e6, 1.5e6, 0.0005)),
        (" 10MBPS/40MS\n", Link(10e6, 10e6, 0.04)),  # capitals and blanks around are forgiven
    ],
)
def test_a_link_as_people_write_it(spec, link):
    made = parse_link(spec)
    assert (made.down, made.up, made.latency) == pytest.approx((link.down, link.up, link.latency))


@pytest.mark.parametrize(
    "spec",
    ["", "fast", "10", "10mb/40ms", "10mbps/40", "10mbps/40s", "mbps/40ms", "-1mbps/40ms", "0mbps/40ms", "10mbps:0kbps",
     "1.2.3mbps", ".mbps", "10mbps/1.2.3ms", "10mbps/40ms/40ms", "10 mbps", "10mbps/999999ms", "nanmbps", "１０mbps",
     "10mbps:2mbps:1mbps", "dsl/40ms", "inf", "1e9mbps"],
)  # fmt: skip
def test_a_link_that_is_not_understood_is_refused(spec):
    with pytest.raises(FedkitError, match=r"10mbps/40ms.*dsl") as error:
        parse_link(spec)
    assert repr(spec) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", LINKS)
def test_every_link_profile_can_be_chosen(name):
    link = parse_link(name)
    assert link is LINKS[name] and link.down >= link.up > 0 and 0 <= link.latency < 1


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_profile_says_its_basis(name):
    assert parse_device(name) is DEVICES[name] and DEVICES[name].slowdown > 0 and DEVICES[name].basis


def test_an_unknown_device_is_refused():
    with pytest.raises(FedkitError, match=r"'cray'.*as-measured"):
        parse_device("cray")


def test_replay_by_hand():
    start = RoundRecord(0, 0.1, 1.0, 0.1, clients=(ClientRecord("a", uplink_bytes=1_000, downlink_bytes=0),))
    run = run_of((FAST, SLOW), (FAST,), start=start)
    seconds = replay(run, "8mbps:4mbps/100ms", "half-speed").ends
    assert seconds == pytest.approx([0.202, 0.202 + 9.2, 0.202 + 9.2 + 4.2])
    assert replay(run_of((FAST,)), "8mbps:4mbps/100ms").ends == pytest.approx([0.0, 3.2]), (
        "a run without a start exchange"
    )


def test_replay_changes_with_the_link_and_the_device_and_never_the_record():
    run = run_of((FAST, SLOW), (FAST, SLOW))
    before = json.dumps(run.to_dict())
    ends = [replay(run, link).seconds for link in ("field-64k", "dsl", "4g", "office-100m", "lan-1g")]
    assert ends == sorted(ends, reverse=True) and len(set(ends)) == 5
    assert replay(run, "dsl", "tenth-speed").seconds == pytest.approx(replay(run, "dsl").seconds + 9 * 6.0)
    assert json.dumps(run.to_dict()) == before


def test_replay_needs_no_torch(tmp_path):
    path = run_of((FAST, SLOW)).save(tmp_path)
    code = (
        "import sys; from fedkit.network import replay; from fedkit.record import Run; "
        f"print(replay(Run.load({str(path)!r}), 'dsl').ends); print(*sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert json.loads(said[0]) == pytest.approx([0.0, 0.08 + 0.8 + 8.0 + 3.0])
    assert not {"torch", "transformers", "peft", "pandas", "plotly"} & set(said[1].split())
