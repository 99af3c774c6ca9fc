"""The bench panel without a browser: what Run, Cancel, the queue and the sliders do. The picture is
tested through its state.
"""

from __future__ import annotations

import io
import threading
from dataclasses import replace

import pytest

from fedkit import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.experiments import runner
from fedkit.widgets.bench.bench import BenchPanel, bench_panel, static_figure
from fedkit.widgets.bench.views import VIEWS, scene_figure


@pytest.fixture
def config(tiny_config) -> RunConfig:
    return tiny_config(clients=3, examples_per_client=16, partition="iid", rounds=2)


class Counted:
    """The real runner, counting how often it was asked; it can wait before each round until it is
    let go.
    """

    def __init__(self, gate: threading.Event | None = None):
        self.asked, self.gate, self.inside = [], gate, threading.Event()

    def __call__(self, config, **more):
        self.asked.append(config)
        for record in runner.run_rounds(config, **more):
            yield record
            self.inside.set()
            if self.gate is not None:
                assert self.gate.wait(30)


def move(panel: BenchPanel, **values) -> None:
    for name, value in values.items():
        panel.controls.inputs[name].value = value


def curve(panel: BenchPanel, place: int | None = None) -> tuple[list[float], list[float]]:
    """x and y of the latest curve, or of that in `place`, as a browser is given them."""
    shown = [t for t in panel.figure.data if t.type == "scatter" and t.visible and t.x]
    line = shown[-1 if place is None else place]
    return list(line.x), list(line.y)


def said(panel: BenchPanel) -> str:
    return panel.controls.status.value


def title(panel: BenchPanel) -> str:
    return panel.figure.layout.title.text.replace("<br>", " ").replace("\u00a0", " ")


def notes(panel: BenchPanel) -> str:
    return " ".join(note.text for note in panel.figure.layout.annotations)


def full(values):
    """Without the empty tables and Nones that plotly leaves where something was."""
    if isinstance(values, dict):
        return {k: full(v) for k, v in values.items() if v is not None and v != {}}
    return [full(v) for v in values] if isinstance(values, (list, tuple)) else values


# ---- training


@pytest.mark.slow
def test_run_draws_the_record(config):
    panel = BenchPanel(config)
    assert "Press Run" in title(panel)
    panel.run(wait=True)
    seconds, accuracies = curve(panel)
    assert panel.record.finished and not panel.running
    assert accuracies == [100 * r.accuracy for r in (panel.record.start, *panel.record.rounds)]
    assert seconds == sorted(seconds) and len(seconds) == 3
    assert (
        "Finished" in said(panel)
        and "measured" in said(panel)
        and panel.controls.progress.value == 1.0
    )


def test_training_prints_nothing(config, capsys):
    BenchPanel(config).run(wait=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_cancel_keeps_the_finished_rounds_and_the_panel(config):
    gate = threading.Event()
    trains = Counted(gate)
    panel = BenchPanel(config, trains)
    panel.run()
    assert (
        trains.inside.wait(60)
        and panel.controls.run_button.description == "Run next"
        and not panel.controls.cancel_button.disabled
    )
    panel.controls.cancel_button.click()
    gate.set()
    panel.wait()  # raises nothing
    assert "Cancelled" in said(panel) and not panel.record.finished
    assert panel.controls.run_button.description == "Run" and panel.controls.cancel_button.disabled
    panel.run(wait=True)
    assert panel.record.finished and len(trains.asked) == 2


def test_run_twice_with_the_same_settings_trains_once(config):
    gate = threading.Event()
    trains = Counted(gate)
    panel = BenchPanel(config, trains)
    panel.run()
    panel.run()
    assert "already" in said(panel)
    gate.set()
    panel.wait()
    assert len(trains.asked) == 1


@pytest.mark.slow
def test_queue_of_one_keeps_the_last_wish(config):
    gate = threading.Event()
    trains = Counted(gate)
    panel = BenchPanel(config, trains)
    panel.run()
    move(panel, clients=2)
    panel.controls.run_button.click()
    assert "2 clients" in panel.controls.waiting.value
    move(panel, clients=4)
    panel.controls.run_button.click()
    assert (
        "4 clients" in panel.controls.waiting.value
        and "2 clients" not in panel.controls.waiting.value
    )
    gate.set()
    panel.wait()
    assert [c.clients for c in trains.asked] == [3, 4] and panel.controls.waiting.value == ""
    assert len(panel.record.data["clients"]) == 4


def test_cancel_forgets_what_waits(config):
    gate = threading.Event()
    trains = Counted(gate)
    panel = BenchPanel(config, trains)
    panel.run()
    assert trains.inside.wait(60)
    move(panel, clients=2)
    panel.run()
    panel.cancel()
    assert panel.controls.waiting.value == ""
    gate.set()
    panel.wait()
    assert len(trains.asked) == 1 and "Cancelled" in said(panel)


@pytest.mark.slow
def test_run_after_cancel_is_taken_even_while_it_stops(config):
    gate = threading.Event()
    trains = Counted(gate)
    panel = BenchPanel(config, trains)
    panel.run()
    assert trains.inside.wait(60)
    panel.cancel()
    panel.run()  # the same settings, but those are being stopped
    gate.set()
    panel.wait()
    assert len(trains.asked) == 2 and panel.record.finished


def test_failing_run_shows_one_line_and_raises_where_it_is_waited_for(config):
    def broken(config, **more):
        raise RuntimeError("out of <b>paper</b>\nand a second line")
        yield

    panel = BenchPanel(config, broken)
    panel.run()
    with pytest.raises(RuntimeError, match="out of"):
        panel.wait()
    assert "RuntimeError: out of &lt;b&gt;paper" in said(panel) and "second line" not in said(panel)
    assert panel.controls.run_button.description == "Run" and panel.controls.cancel_button.disabled


@pytest.mark.slow
def test_too_many_clients_for_the_data_is_said_in_the_panel(config):
    panel = BenchPanel(config)
    move(panel, clients=12)
    assert "Did not run" in said(panel) and "fewer" in said(panel)
    with pytest.raises(FedkitError):
        panel.run(wait=True)


@pytest.mark.slow
def test_three_results_stay_named_by_what_differs(config):
    panel = BenchPanel(replace(config, rounds=1))
    for clients in (3, 2, 4, 5):
        move(panel, clients=clients)
        panel.run(wait=True)
    assert [r.config.clients for r in panel.results] == [2, 4, 5]
    assert [name for name, _ in panel.scene.runs] == ["2 clients", "4 clients", "5 clients"]
    assert all(
        f"{n} clients" in notes(panel) for n in (2, 4, 5)
    ) and "points against 4 clients" in title(panel)
    assert (
        len({t.line.color for t in panel.figure.data if t.type == "scatter" and t.visible and t.x})
        == 3
    )


@pytest.mark.slow
def test_alike_results_are_numbered(config):
    panel = BenchPanel(replace(config, rounds=1))
    panel.run(wait=True)
    panel.run(wait=True)
    assert [name for name, _ in panel.scene.runs] == ["run 1", "run 2"]


# ---- what redraws at once


def test_bandwidth_and_latency_move_the_curve_and_train_nothing(config):
    trains = Counted()
    panel = BenchPanel(config, trains)
    panel.run(wait=True)
    (fast, before), axis = curve(panel), panel.figure.layout.xaxis2.range
    move(panel, bandwidth="64kbps")
    slow, after = curve(panel)
    move(panel, latency="600ms")
    slower = curve(panel)[0]
    assert all(s > f for s, f in zip(slow[1:], fast[1:])) and all(
        s > f for s, f in zip(slower[1:], slow[1:])
    )
    assert after == before and len(trains.asked) == 1 and panel.figure.layout.xaxis2.range == axis
    assert "64 kbit/s, 600 ms" in title(panel)


def test_slower_pcs_and_mixes_move_the_curve_and_train_nothing(config):
    trains = Counted()
    panel = BenchPanel(config, trains)
    panel.run(wait=True)
    as_measured = curve(panel)[0]
    move(panel, devices="tenth-speed")
    tenth = curve(panel)[0]
    move(panel, devices="old-pc=0.7,gpu-server=0.3")
    assert tenth[-1] > curve(panel)[0][-1] > as_measured[-1] and len(trains.asked) == 1


@pytest.mark.slow
def test_deadline_that_would_drop_uploads_asks_for_a_new_run(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    assert "new run" not in notes(panel)
    move(panel, bandwidth="64kbps", deadline=0.5)
    line = [t for t in panel.figure.data if t.type == "scatter" and t.visible and t.x][-1]
    assert "Would need a new run" in notes(panel) and "6 uploads" in notes(panel)
    assert (
        "Only a new run can tell" in title(panel) and line.opacity < 1 and line.line.dash == "dot"
    )
    panel.controls.views.value = "gantt"
    assert "Would need a new run" in notes(panel)
    panel.controls.views.value = "round"
    assert "new run" not in notes(panel)  # what was measured stays what it is
    move(panel, deadline=0.0)
    panel.controls.views.value = "time"
    assert "new run" not in notes(panel)


def test_clients_and_skew_deal_anew_and_wait_for_run(config):
    trains = Counted()
    panel = BenchPanel(config, trains)
    move(panel, clients=2, skew="dirichlet:0.5")
    assert len(panel.figure.data[0].z) == 2 and not trains.asked
    assert "Run" in said(panel)


@pytest.mark.slow
def test_a_slider_redraws_100_clients_in_less_than_a_tenth_of_a_second(config):
    import time
    from statistics import median

    from fedkit.core.record import ClientRecord, RoundRecord, Run
    from fedkit.widgets.bench.bench import BenchResult

    ids = [f"client-{i:03d}" for i in range(100)]
    sites = tuple(
        ClientRecord(name, "ok", "", 64, 4, 0.5 + i / 100, 60_000, 90_000)
        for i, name in enumerate(ids)
    )
    rounds = tuple(RoundRecord(n, 0.5 + n / 50, 1.0, 0.4, clients=sites) for n in range(1, 21))
    many = replace(config, clients=100, rounds=20)
    run = Run(
        "federated",
        many.to_dict(),
        {},
        {"clients": [{"id": name} for name in ids], "test": 40},
        {},
        None,
        rounds,
    )
    panel = BenchPanel(config)
    panel.results = [
        BenchResult(many, run),
        BenchResult(many, replace(run)),
        BenchResult(many, replace(run)),
    ]
    steps = [spec for _, spec in panel.controls.inputs["bandwidth"].options]
    for view in ("time", "gantt"):
        panel.controls.views.value, took = view, []
        for i in range(20):
            began = time.perf_counter()
            move(panel, bandwidth=steps[i % len(steps)])
            took.append(time.perf_counter() - began)
        assert median(took) < 0.1, f"{view}: {1000 * median(took):.0f} ms"


# ---- the views


@pytest.mark.slow
def test_measured_and_modelled_look_different(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    modelled = [t for t in panel.figure.data if t.type == "scatter" and t.visible][-1]
    assert modelled.line.dash == "dash" and modelled.marker.symbol == "circle-open"
    assert "<i>Modelled</i>" in panel.figure.layout.xaxis2.title.text
    panel.controls.views.value = "round"
    measured = [t for t in panel.figure.data if t.type == "scatter" and t.visible][-1]
    assert (
        measured.line.dash == "solid"
        and measured.marker.symbol == "circle"
        and "measured" in notes(panel)
    )
    panel.controls.views.value = "gantt"
    bars = [t for t in panel.figure.data if t.type == "bar" and t.visible]
    assert {t.marker.pattern.shape for t in bars[:4]} == {"/"}
    panel.controls.views.value = "bytes"
    assert all(
        t.marker.pattern.shape is None for t in panel.figure.data if t.type == "bar" and t.visible
    )


def test_gantt_shows_every_client_of_the_chosen_round(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    panel.controls.views.value = "gantt"
    assert panel.controls.round.layout.visibility == "visible"
    assert [n for _, n in panel.controls.round.options] == [
        -1,
        0,
        1,
        2,
    ] and "Round 2 takes" in title(panel)
    down, train, up, _, wait = (t for t in panel.figure.data if t.type == "bar" and t.visible)
    took = [sum(parts) for parts in zip(down.x, train.x, up.x, wait.x)]
    assert len(took) == 3 and max(took) - min(took) < 1e-6  # the server waits for the last
    last = list(train.x)
    panel.controls.round.value = 1
    assert list(train.x) != last and "Round 1 takes" in title(panel)


@pytest.mark.slow
def test_asynchronous_round_has_nobody_waiting(config):
    panel = BenchPanel(replace(config, strategy="fedbuff", rounds=3))
    panel.run(wait=True)
    panel.controls.views.value = "gantt"
    wait = [t for t in panel.figure.data if t.type == "bar" and t.visible][4]
    assert "nobody waits" in title(panel) and not any(wait.x)
    move(panel, bandwidth="64kbps")
    assert "Would need a new run" in notes(panel)


@pytest.mark.slow
def test_lost_uploads_are_said(config):
    panel = BenchPanel(replace(config, clients=6, faults="lost=0.5"))
    panel.run(wait=True)
    panel.controls.views.value = "gantt"
    words = next(t for t in panel.figure.data if t.type == "scatter" and t.visible).text
    lost = sum(c.status == "lost" for c in panel.record.rounds[-1].clients)
    assert lost and len(words) == lost and f"{lost} of 6 uploads do not count" in title(panel)


def test_bytes_are_those_of_the_record(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    panel.controls.views.value = "bytes"
    down, up = (t for t in panel.figure.data if t.type == "bar" and t.visible)
    assert (
        down.x[0] == panel.record.total("downlink_bytes") / 1e6
        and up.x[0] == panel.record.total("uplink_bytes") / 1e6
    )
    assert "for each client" in title(panel)


def test_client_view_names_the_worst(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    panel.controls.views.value = "client"
    last = panel.record.rounds[-1]
    assert f"{100 * last.worst_client_accuracy:.1f} %" in title(panel)
    (bars,) = (t for t in panel.figure.data if t.type == "bar" and t.visible)
    assert list(bars.x) == [100 * share for share in last.client_accuracy.values()]


def test_client_view_of_a_record_without_clients_accuracies_shows_the_worst_round_by_round(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    old = replace(
        panel.record, rounds=tuple(replace(r, client_accuracy={}) for r in panel.record.rounds)
    )
    drawn = scene_figure(replace(panel.scene, runs=(("", old),), view="client"))
    worst = [100 * r.worst_client_accuracy for r in (old.start, *old.rounds)]
    assert worst in [t["y"] for t in drawn["data"] if t["type"] == "scatter"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.slow
def test_every_view_draws_before_during_and_after_a_run(config, view):
    gate = threading.Event()
    trains = Counted(gate)
    panel = BenchPanel(config, trains)
    panel.controls.views.value = view
    assert "Press Run" in title(panel)
    panel.run()
    assert trains.inside.wait(60)
    gate.set()
    panel.wait()
    fresh, shown = scene_figure(panel.scene), panel.figure.to_plotly_json()
    assert [t.get("x") for t in fresh["data"]] == [t.get("x") for t in shown["data"]]
    assert fresh["layout"]["title"]["text"] == shown["layout"]["title"][
        "text"
    ] and "Press Run" not in title(panel)


@pytest.mark.slow
def test_view_after_view_leaves_nothing_behind(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    first = full(panel.figure.to_plotly_json())
    for view in [*VIEWS, "time"]:
        panel.controls.views.value = view
    assert full(panel.figure.to_plotly_json()) == first


@pytest.mark.slow
def test_what_a_reload_brings_back_is_what_is_shown(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    for view in VIEWS:
        panel.controls.views.value = view
        state = panel.figure.get_state()
        assert [t.get("x") for t in state["_widget_data"]] == [
            t.get("x") for t in panel.figure._data
        ]
        assert state["_widget_layout"]["title"]["text"] == panel.figure.layout.title.text


# ---- settings


def test_settings_are_the_command_that_reproduces_them(config):
    panel = BenchPanel(config)
    move(
        panel,
        bandwidth="1mbps",
        clients=2,
        rank=4,
        lost=0.1,
        wire="int8+ans",
        epochs=2,
        deadline=5.0,
    )
    for words in (
        "--clients 2",
        "--link 1mbps/40ms",
        "--tune lora:r=4,alpha=16",
        "--faults lost=0.1",
        "--wire int8+ans",
        "--local-epochs 2",
        "--deadline 5",
    ):
        assert words in panel.command and words in panel.controls.command.value


def test_a_panel_that_nobody_touched_has_the_settings_it_was_given(config):
    given = replace(
        config,
        tune="lora:r=4,alpha=8,layers=1",
        faults="crash=0.05,lost=0.1",
        link="dsl",
        rounds=7,
        devices="phone",
        deadline=33.0,
        wire="ef21+topk:0.05+int4+ans",
        partition="dirichlet:0.3",
    )
    panel = BenchPanel(given)
    assert panel.settings == given
    move(panel, lost=0.0)
    assert panel.settings.faults == "crash=0.05"
    for link in ("20mbps:2mbps/60ms", "dsl=0.5,4g=0.5", "10mbps/40ms/jitter=5ms"):
        assert BenchPanel(replace(config, link=link)).settings.link == link


def test_every_way_to_tune_is_offered_and_its_rank_where_it_has_one(config):
    from fedkit.federated.strategies import STRATEGIES
    from fedkit.models.tuners.registry import TUNERS, make_tuner

    panel = BenchPanel(config)
    assert [v for _, v in panel.controls.inputs["tune"].options] == list(TUNERS)
    assert [v for _, v in panel.controls.inputs["strategy"].options] == list(STRATEGIES)
    for name in TUNERS:
        move(panel, tune=name)
        make_tuner(panel.settings.tune)
        assert panel.controls.inputs["rank"].disabled == (
            "r=" not in panel.settings.tune and name != "lora"
        )


def test_every_step_of_every_control_is_a_valid_setting(config):
    from fedkit.experiments.job import check_config

    panel = BenchPanel(config)
    for control in panel.controls.inputs.values():
        at = control.value
        for _, value in control.options:
            control.value = value
            check_config(panel.settings)
        control.value = at


def test_privacy_and_sums_are_offered_and_what_does_not_go_together_is_said_at_once(config):
    panel = BenchPanel(config)
    move(panel, privacy="example:eps=3", secure="masks")
    assert (
        "--privacy example:eps=3 --secure masks" in panel.command
        and not panel.controls.refused.value
    )
    move(panel, wire="int8+ans")
    assert (
        "Would be refused:" in panel.controls.refused.value
        and "cannot be summed unread" in panel.controls.refused.value
    )
    with pytest.raises(FedkitError, match="cannot be summed unread"):
        panel.run(wait=True)
    assert "Did not run." in said(panel) and "Traceback" not in said(panel)
    move(panel, wire="none")
    assert not panel.controls.refused.value


@pytest.mark.slow
def test_a_private_run_says_what_it_spent_and_is_named_by_it(config):
    panel = BenchPanel(replace(config, tune="head"))
    panel.run(wait=True)
    move(panel, privacy="example:eps=8")
    panel.run(wait=True)
    panel.controls.views.value = "round"
    assert "\u03b5 8 spent" in title(panel) and "points against no privacy" in title(panel)


def test_every_control_has_a_help_line_and_reads_with_its_unit(config):
    panel = BenchPanel(config)
    for name, offer in panel.controls.specs.items():
        assert offer.help.endswith(".") and len(offer.help) < 60, name
    words = {
        name: control.options[control.index][0] for name, control in panel.controls.inputs.items()
    }
    assert (
        words["clients"] == "3 clients"
        and words["rounds"] == "2 rounds"
        and words["latency"] == "40 ms"
    )
    assert (
        words["bandwidth"] == "10 Mbit/s"
        and words["lost"] == "none lost"
        and words["epochs"] == "1 pass"
    )


def test_settings_as_text_are_read_back_by_panel_sweep_and_config(config, tmp_path):
    from fedkit.experiments.plan import read_plan

    panel = BenchPanel(replace(config, seed=3))
    move(panel, clients=2, lost=0.2, bandwidth="1mbps", deadline=5.0)
    text, wanted = panel.controls.text.value, panel.settings
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    assert [e.config for e in read_plan(tmp_path / "plan.toml").entries()] == [wanted]
    other = BenchPanel(config)
    other.controls.pasted.value = text
    other.controls.load_button.click()
    assert other.settings == wanted and "Loaded" in other.controls.load_status.value
    assert len(other.figure.data[0].z) == 2
    import json

    other.load(json.dumps(config.to_dict()))
    assert other.settings == config


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "nothing to load"),
        ("clients = ", "cannot read"),
        ("cleints = 3", "cleints"),
        ('{"rounds": "many"}', "rounds"),
        ("[vary]\nrounds = [1, 2]", "2 runs"),
        ('link = "fast"', "link"),
        ("clients = 0", "clients"),
    ],
)
@pytest.mark.slow
def test_text_that_is_no_settings_is_one_line_and_changes_nothing(config, text, told):
    panel = BenchPanel(config)
    panel.controls.pasted.value = text
    panel.controls.load_button.click()
    shown = panel.controls.load_status.value
    assert "Not loaded" in shown and told in shown and "\n" not in shown
    assert panel.settings == config


def test_estimate_moves_with_the_sliders_and_learns_from_a_run(config):
    panel = BenchPanel(replace(config, rounds=1))
    first = panel.controls.estimate.value
    assert "estimate" in first and "<i>" in first and "memory" in first
    move(panel, rounds=50, clients=7)
    assert panel.controls.estimate.value != first
    move(panel, rounds=1)
    panel.run(wait=True)
    assert "from the run before" in panel.controls.estimate.value


# ---- where there are no widgets


def test_page_without_widgets_says_so(config):
    bundle = BenchPanel(config)._repr_mimebundle_()
    assert (
        "fedkit doctor" in bundle["text/html"]
        and "application/vnd.jupyter.widget-view+json" in bundle
    )


def test_without_ipywidgets_there_is_a_static_figure_with_the_reason(config, hide_module):
    hide_module("fedkit.widgets.bench.controls")
    figure = bench_panel(config)
    lines = [t for t in figure.data if t.type == "scatter" and t.x]
    assert "ipywidgets" in figure.layout.title.text and len(lines[-1].x) == 3


def test_static_figure_has_the_same_curve_and_can_be_saved(config):
    figure = static_figure(config, "as a picture")
    record = runner.run(config)
    line = [t for t in figure.data if t.type == "scatter" and t.x][-1]
    assert list(line.y) == [100 * r.accuracy for r in (record.start, *record.rounds)]
    figure.write_html(page := io.StringIO(), include_plotlyjs=False)
    assert "as a picture" in page.getvalue()
