"""A finished run over another world: by hand, against its own record, and against threads that
really slept.
"""

from __future__ import annotations

import json
import queue
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from fedkit.cli import main
from fedkit.core.errors import FedkitError
from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.network import DEVICES, World, replay
from fedkit.network.replay import client_ids

FAST = ClientRecord("a", train_seconds=1.0, uplink_bytes=500_000, downlink_bytes=1_000_000)
SLOW = ClientRecord("b", train_seconds=3.0, uplink_bytes=1_000_000, downlink_bytes=1_000_000)
LINE = "8mbps:4mbps/100ms"  # a megabyte takes 1 s down and 2 s up
CRASHED = ClientRecord(
    "c", "lost", "crashed after 50 % of its training", work_seconds=2.0, downlink_bytes=1_000_000
)


def run_of(*rounds: tuple[ClientRecord, ...], start: RoundRecord | None = None, **config) -> Run:
    made = tuple(
        RoundRecord(i + 1, 0.5, 1.0, 0.5, clients=clients) for i, clients in enumerate(rounds)
    )
    return Run("federated", {"link": LINE, **config}, {}, {}, {}, start, made)


def test_replay_by_hand():
    start = RoundRecord(
        0, 0.1, 1.0, 0.1, clients=(ClientRecord("a", uplink_bytes=1_000, downlink_bytes=0),)
    )
    run = run_of((FAST, SLOW), (FAST,), start=start)
    timeline = replay(run, devices="half-speed")
    assert (
        timeline.ends == pytest.approx([0.202, 0.202 + 9.2, 0.202 + 9.2 + 4.2])
        and timeline.needs_new_run == ()
    )
    assert timeline.seconds == timeline.ends[-1]
    one = timeline.rounds[1]
    assert (one.number, one.began, one.last_visit.client) == (1, pytest.approx(0.202), "b")
    bar = one.visits[0]
    assert (bar.client, bar.device, bar.status) == ("a", "half-speed", "ok")
    at = [bar.began, bar.downloaded, bar.trained, bar.uploaded]
    assert at == pytest.approx([0.202, 1.302, 3.302, 4.402])
    assert replay(run_of((FAST,))).ends == pytest.approx([0.0, 3.2]), (
        "a run without a start exchange"
    )
    assert replay(run_of((replace(FAST, work_seconds=5.0, delay=10.0),))).seconds == pytest.approx(
        3.2 + 4 + 10
    )


def test_a_hung_upload_hangs_for_as_many_round_times_elsewhere():
    run = run_of((replace(FAST, delay=3 * 3.2),))
    assert replay(run).seconds == pytest.approx(4 * 3.2)
    assert replay(run, devices="half-speed").seconds == pytest.approx(4 * 4.2)


def test_who_is_away_takes_no_time_and_who_crashes_sends_nothing():
    run = run_of((FAST, CRASHED, ClientRecord("d", "away", "away this round")))
    timeline = replay(run)
    assert [bar.client for bar in timeline.rounds[1].visits] == [
        "a",
        "c",
    ] and timeline.seconds == pytest.approx(3.2)
    crash = timeline.rounds[1].visits[1]
    assert crash.status == "crashed" and crash.uploaded == crash.trained == pytest.approx(3.1)
    assert replay(replace(run, config={**run.config, "deadline": 9.0})).seconds == 9.0, (
        "it cannot know"
    )
    assert replay(run_of((ClientRecord("d", "away"),))).ends == [0.0, 0.0]
    lost = replace(SLOW, status="lost", reason="the upload was lost")
    assert replay(run_of((FAST, lost))).seconds == pytest.approx(6.2), "its line breaks at the end"


def test_replay_changes_with_the_link_and_the_device_and_never_the_record():
    run = run_of((FAST, SLOW), (FAST, SLOW))
    before = json.dumps(run.to_dict())
    lines = ("field-64k", "1mbit", "dsl", "office-10m", "4g", "office-100m", "lan-1g")
    ends = [replay(run, link).seconds for link in lines]
    assert ends == sorted(ends, reverse=True) and len(set(ends)) == len(lines)
    assert replay(run, "dsl", "tenth-speed").seconds == pytest.approx(
        replay(run, "dsl").seconds + 9 * 6.0
    )
    tight = replay(run, server_link="4mbps")
    assert tight.seconds > replay(run).seconds and tight.needs_new_run == ()
    assert (
        replay(replace(run, config={**run.config, "server_link": "4mbps"}), server_link=None).ends
        == replay(run).ends
    )
    assert json.dumps(run.to_dict()) == before


# ---- what would have changed learning


def test_a_deadline_that_drops_somebody_needs_a_new_run():
    run = run_of((FAST, SLOW), (FAST, SLOW))
    timeline = replay(run, deadline=5.0)
    assert timeline.needs_new_run == ("2 uploads that counted would come after the deadline",)
    assert timeline.ends == pytest.approx([0, 5, 10]) and [
        b.status for b in timeline.rounds[2].visits
    ] == ["ok", "late"]
    assert (
        timeline.rounds[2].deadline == pytest.approx(10)
        and timeline.rounds[2].last_visit.client == "a"
    )
    wide = replay(run, deadline=7.0)
    assert wide.needs_new_run == () and wide.ends == replay(run).ends, (
        "nobody is later, so that it changes nothing"
    )


def test_a_late_one_that_would_be_in_time_needs_a_new_run():
    run = run_of((FAST, replace(SLOW, status="late", reason="too late")), deadline=5.0)
    assert replay(run).needs_new_run == () and replay(run).ends == pytest.approx([0, 5])
    assert replay(run, link="lan-1g").needs_new_run == (
        "1 upload that came too late would be in time",
    )
    assert replay(run, deadline=None).needs_new_run == (
        "1 upload that came too late would be waited for",
    )
    assert replay(run, deadline=None).seconds == pytest.approx(6.2)
    both = replay(run, "1mbit", deadline=30.0).needs_new_run
    assert both == ("1 upload that came too late would be in time",)
    slower = replay(run, devices="tenth-speed")
    assert slower.needs_new_run == ("1 upload that counted would come after the deadline",)


def test_the_exchange_before_round_1_knows_no_deadline():
    start = RoundRecord(0, 0.1, 1.0, 0.1, clients=(SLOW,))  # 6.2 s
    run = run_of((FAST,), start=start)
    assert (
        replay(run, deadline=5.0).ends == pytest.approx([6.2, 9.4])
        and replay(run, deadline=5.0).needs_new_run == ()
    )
    assert replay(run_of((FAST,), start=start, deadline=5.0)).rounds[0].visits[0].status == "ok"


def test_in_the_recorded_world_the_record_is_believed():
    assert replay(run_of((FAST, replace(SLOW, status="late")))).needs_new_run == ()


@pytest.mark.parametrize("deadline", [0, -1.0, float("inf"), float("nan"), "soon"])
def test_a_deadline_that_cannot_be_is_refused(deadline):
    with pytest.raises(FedkitError, match="seconds above 0"):
        replay(run_of((FAST,)), deadline=deadline)


def test_asynchronous_bars_lie_where_they_were_and_move_in_the_recorded_order():
    """FAST takes 3.2 s and SLOW 6.2 s; the server steps at every update."""
    visits = [
        replace(FAST, began=0.0),
        replace(SLOW, began=0.0, staleness=1),
        replace(FAST, began=3.2, staleness=1),
    ]
    start = RoundRecord(0, 0.1, 1.0, 0.1, clients=(ClientRecord("a", uplink_bytes=0),))  # 0.2 s
    run = run_of(*((visit,) for visit in visits), start=start)
    timeline = replay(run)
    assert timeline.ends == pytest.approx([0.2, 3.4, 6.4, 6.6]) and timeline.needs_new_run == ()
    assert [b.began for r in timeline.rounds[1:] for b in r.visits] == pytest.approx(
        [0.2, 0.2, 3.4]
    )
    moved = replay(run, devices="half-speed")  # 4.2 and 9.2 s
    assert (
        moved.ends == pytest.approx([0.2, 4.4, 9.4, 9.4])
        and "asynchronous" in moved.needs_new_run[0]
    )
    assert moved.rounds[3].visits[0].uploaded == pytest.approx(8.6), (
        "the order of the steps is kept"
    )
    shared = replay(run, server_link="4mbps:4mbps")
    assert shared.ends == pytest.approx([0.2, 4.4, 7.4, 8.6]), "each visit has the line to itself"
    together = run_of((replace(FAST, began=0.0), replace(SLOW, began=1.0)), server_link="8mbps")
    assert replay(together).ends == pytest.approx([0.0, 7.2]), "also beside others of its round"


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "link": "10mbps/40ms/jitter=20ms/loss=0.001",
            "devices": "old-pc=1,gpu-server=1",
            "server_link": "1mbps",
        },
        {
            "deadline": 1.0,
            "pace": 0.03,
            "late": "carry",
            "faults": "lost=0.2,crash=0.2,late=0.2,away=0.2,twice=0.2",
        },
        {
            "strategy": "fedbuff",
            "devices": "old-pc=1,phone=1",
            "link": "30mbps:10mbps/50ms/jitter=20ms",
        },
    ],
)
def test_a_real_runs_replay_is_its_record(tiny_config, settings):
    """Round by round, whatever went wrong: a redraw in the recorded world is what was recorded."""
    from fedkit.experiments.runner import run

    config = tiny_config(rounds=4, tune="head", max_tokens=16, device="cpu", **settings)
    record = run(config)
    timeline = replay(record)
    took = [r.ended - r.began for r in timeline.rounds]
    assert took == pytest.approx(
        [r.simulated_seconds for r in (record.start, *record.rounds)], abs=1e-6
    )
    assert timeline.needs_new_run == () and timeline.seconds == pytest.approx(
        record.result["simulated_seconds"]
    )
    if settings.get("deadline"):
        said = {
            "lost": ("lost", "crashed"),
            "late": ("late",),
            "ok": ("ok",),
            "rejected": ("rejected",),
        }
        for r, drawn in zip(record.rounds, timeline.rounds[1:]):
            there = [c for c in r.clients if c.status != "away"]
            assert all(bar.status in said[c.status] for c, bar in zip(there, drawn.visits))


# ---- against real sleeping


class Sleepers:
    """Threads that sleep what they would take: one per client, a server that waits for what comes
    in its queue.

    Written without the event clock: bits over a line are slept off, alone or in turns on a shared
    line. scale: real seconds for each simulated one.
    """

    def __init__(
        self,
        lines: dict[str, tuple[float, float, float]],
        slowdown: dict[str, float],
        scale: float,
        shared: float | None = None,
    ):
        self.lines, self.slowdown, self.scale, self.shared = lines, slowdown, scale, shared
        self.lock, self.sending = threading.Lock(), {"down": 0, "up": 0}

    def rounds(self, run: Run, deadline: float | None) -> list[float]:
        """Simulated seconds since the start at which each round ended, by the wall clock."""
        began, ends = time.perf_counter(), []
        for record in run.rounds:
            inbox, opened = queue.Queue(), time.perf_counter()
            threads = [
                threading.Thread(target=self._client, args=(c, opened, inbox), daemon=True)
                for c in record.clients
            ]
            for thread in threads:
                thread.start()
            waiting = len(threads)
            try:
                while waiting:
                    left = (
                        None
                        if deadline is None
                        else opened + deadline * self.scale - time.perf_counter()
                    )
                    heard = inbox.get(timeout=None if left is None else max(left, 0))
                    # with a deadline, silence is not known for what it is
                    waiting -= heard or deadline is None
            except queue.Empty:
                pass
            ends.append((time.perf_counter() - began) / self.scale)
        return ends

    def _client(self, record: ClientRecord, opened: float, inbox: queue.Queue) -> None:
        down, up, latency = self.lines[record.id]
        now = self._pass(opened, 8 * record.downlink_bytes, down, "down") + latency * self.scale
        work = record.train_seconds if record.work_seconds is None else record.work_seconds
        now = self._until(now + work * self.slowdown[record.id] * self.scale)
        if not record.reason.startswith("crash"):
            now = self._until(now + latency * self.scale)
            now = self._pass(now, 8 * record.uplink_bytes, up, "up")
        inbox.put(record.status != "lost")

    def _pass(self, start: float, bits: float, speed: float, way: str) -> float:
        """Send `bits` from `start` on; on a shared line in small slices, each at what its rivals
        leave.
        """
        if self.shared is None:
            return self._until(start + bits / speed * self.scale)
        self._until(start)
        with self.lock:
            self.sending[way] += 1
        at = time.perf_counter()
        while bits > 0:
            rate = min(speed, self.shared / self.sending[way])
            time.sleep(min(0.004, bits / rate * self.scale))
            now = time.perf_counter()
            bits -= (
                (now - at) / self.scale * (rate + min(speed, self.shared / self.sending[way])) / 2
            )
            at = now
        with self.lock:
            self.sending[way] -= 1
        return at

    @staticmethod
    def _until(when: float) -> float:
        time.sleep(max(0.0, when - time.perf_counter()))
        return when


def sleepy_run(**config) -> Run:
    """3 rounds of 6 clients: unlike work and lines, one crash, one lost upload."""
    rng = random.Random(4)
    rounds = []
    for number in range(3):
        clients = [
            ClientRecord(
                f"c{i}",
                train_seconds=rng.uniform(2, 9),
                downlink_bytes=rng.randrange(1, 9) * 100_000,
                uplink_bytes=rng.randrange(1, 9) * 100_000,
            )
            for i in range(6)
        ]
        clients[number] = replace(clients[number], status="lost", reason="the upload was lost")
        clients[5] = replace(
            clients[5], status="lost", reason="crashed after 30 %", uplink_bytes=0, work_seconds=2.0
        )
        rounds.append(tuple(clients))
    return run_of(*rounds, **{"link": "5mbps:2mbps/200ms", **config})


def slept_and_replayed(
    run: Run, scale: float, shared: float | None = None
) -> tuple[list[float], list[float]]:
    ids = client_ids(run)
    world = World.from_config(run.config, ids)
    lines = {
        c: (world.link(i).down, world.link(i).up, world.link(i).latency) for i, c in enumerate(ids)
    }
    slow = {c: DEVICES[world.devices[i]].slowdown for i, c in enumerate(ids)}
    slept = Sleepers(lines, slow, scale, shared).rounds(run, run.config.get("deadline"))
    return slept, replay(run).ends[1:]


def check_against_sleep(run: Run, name: str, seconds: float, shared: float | None = None) -> None:
    """Within 2 % of the wall clock, at the end of every round (the best of three: other work shares
    this machine).
    """
    errors, scale = [], seconds / replay(run).seconds
    for _ in range(3):
        slept, told = slept_and_replayed(run, scale, shared)
        errors.append(max(abs(a / b - 1) for a, b in zip(slept, told)))
        print(
            f"{name}: slept {slept[-1]:.3g}, replayed {told[-1]:.3g}, error"
            f" {100 * errors[-1]:.2f} %"
        )
        if errors[-1] < 0.02:
            return
    raise AssertionError(errors)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "shared"),
    [
        ({}, None),
        ({"devices": "half-speed=1,as-measured=1", "link": "dsl=1,4g=1"}, None),
        ({"deadline": 9.0}, None),
        ({"server_link": "6mbps"}, 6e6),
    ],
    ids=["plain", "mixes", "deadline", "shared line"],
)
def test_replay_agrees_with_threads_that_really_slept(config, shared):
    check_against_sleep(sleepy_run(**config), str(config), 3.0, shared)


@pytest.mark.slow
def test_a_real_runs_replay_agrees_with_sleeping(tiny_config):
    from fedkit.experiments.runner import run

    record = run(
        tiny_config(
            rounds=3, tune="head", max_tokens=16, link="256kbps/40ms", devices="old-pc=1,laptop=1"
        )
    )
    check_against_sleep(replace(record, start=None), "a real run", 2.0)


# ---- the command


@pytest.fixture
def saved(tmp_path) -> str:
    rounds = (RoundRecord(1, 0.5, 1.0, 0.5, clients=(FAST, SLOW), simulated_seconds=6.2),)
    replace(run_of((FAST, SLOW)), rounds=rounds).save(tmp_path)
    return str(tmp_path)


def test_the_command_prints_a_table_with_what_needs_a_new_run_first(saved, capsys):
    assert main.main(["replay", saved, "--devices", "half-speed"]) == 0
    said = capsys.readouterr().out
    assert (
        "total: 9.2 s simulated; recorded: 6.2 s" in said
        and "b (half-speed)" in said
        and "new run" not in said
    )
    assert main.main(["replay", saved, "--deadline", "5"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("needs a new run: 1 upload that counted") and any(
        "1 of 2 late" in s for s in said
    )


def test_the_command_gives_json_and_a_page(saved, capsys, tmp_path):
    page = tmp_path / "page.html"
    assert (
        main.main(["replay", saved, "--server-link", "4mbps", "--json", "--html", str(page)]) == 0
    )
    values = json.loads(capsys.readouterr().out)
    assert (
        values["recorded_seconds"] == 6.2
        and values["needs_new_run"] == []
        and values["html"] == str(page)
    )
    assert [bar["client"] for bar in values["rounds"][1]["bars"]] == ["a", "b"] and values[
        "rounds"
    ][1]["last"] == "b"
    text = page.read_text(encoding="utf-8")
    assert "keeps the others waiting" in text and "not measured" in text


@pytest.mark.parametrize(
    "words",
    [
        "--link foo",
        "--devices cray",
        "--devices old-pc=1,cray=2",
        "--deadline soon",
        "--deadline -3",
        "--deadline nan",
        "--server-link 7",
        "--html page.txt",
    ],
)
def test_bad_input_is_refused_in_one_line(saved, capsys, words):
    assert main.main(["replay", saved, *words.split()]) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.strip().splitlines()) == 1


def test_replay_needs_no_torch(tmp_path):
    path = run_of((FAST, SLOW)).save(tmp_path)
    code = (
        "import sys; from fedkit.network import replay; from fedkit.core.record import Run; "
        f"print(replay(Run.load({str(path)!r}), 'dsl').ends); print(*sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert json.loads(said[0]) == pytest.approx([0.0, 0.08 + 0.8 + 8.0 + 3.0])
    assert not {"torch", "transformers", "peft", "pandas", "plotly"} & set(said[1].split())
