"""The bench panel without a browser: what Run, Cancel and the sliders do. The picture is tested through its state."""

from __future__ import annotations

import builtins
import threading

import pytest

from fedkit import RunConfig, runner
from fedkit.errors import FedkitError
from fedkit.studio.widgets import BenchPanel, bench_panel, static


@pytest.fixture
def config(tiny_model, tiny_data) -> RunConfig:
    return RunConfig(data=tiny_data, model=tiny_model, clients=3, examples_per_client=16, partition="iid", rounds=2)


class Counted:
    """The real runner, counting how often it was asked; it can wait before each round until it is let go."""

    def __init__(self, gate: threading.Event | None = None):
        self.calls, self.gate, self.inside = 0, gate, threading.Event()

    def __call__(self, config, **more):
        self.calls += 1
        for record in runner.rounds(config, **more):
            yield record
            self.inside.set()
            if self.gate is not None:
                assert self.gate.wait(30)


def curve(panel: BenchPanel) -> tuple[list[float], list[float]]:
    """Seconds and accuracies of the latest run, as a browser is given them."""
    line = panel.figure.data[2]
    return list(line.x or []), list(line.y or [])


def test_run_draws_the_record(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    seconds, accuracies = curve(panel)
    assert panel.record.finished and not panel.running
    assert accuracies == [100 * r.accuracy for r in (panel.record.start, *panel.record.rounds)]
    assert seconds == sorted(seconds) and len(seconds) == 3
    assert "Finished" in panel.controls.status.value and panel.controls.bar.value == 1.0


def test_bandwidth_moves_the_curve_and_trains_nothing(config):
    trains = Counted()
    panel = BenchPanel(config, trains)
    panel.run(wait=True)
    (fast, before), axis = curve(panel), panel.figure.layout.xaxis2.range
    panel.controls.bandwidth.value = "64kbps"
    slow, after = curve(panel)
    assert all(s > f for s, f in zip(slow[1:], fast[1:])) and after == before
    assert trains.calls == 1 and panel.figure.layout.xaxis2.range == axis
    assert "64 kbit/s" in panel.figure.layout.title.text


def test_slower_pcs_move_the_curve_and_train_nothing(config):
    trains = Counted()
    panel = BenchPanel(config, trains)
    panel.run(wait=True)
    as_measured = curve(panel)[0]
    panel.controls.pcs.value = "tenth-speed"
    assert curve(panel)[0][-1] > as_measured[-1] and trains.calls == 1


def test_clients_and_skew_deal_anew_and_wait_for_run(config):
    trains = Counted()
    panel = BenchPanel(config, trains)
    panel.controls.clients.value = 2
    panel.controls.skew.value = "dirichlet:0.5"
    assert len(panel.figure.data[0].z) == 2 and trains.calls == 0
    assert "Run" in panel.controls.status.value


def test_second_run_keeps_the_first_for_comparison(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    first = curve(panel)
    panel.controls.clients.value = 2
    panel.run(wait=True)
    assert list(panel.figure.data[1].y) == first[1]
    assert "3 clients" in panel.figure.data[1].text[-1] and "2 clients" in panel.figure.data[2].text[-1]


def test_what_a_reload_brings_back_is_what_is_shown(config):
    panel = BenchPanel(config)
    panel.run(wait=True)
    assert panel.figure._widget_data[2]["x"] == curve(panel)[0]
    assert panel.figure._widget_layout["title"]["text"] == panel.figure.layout.title.text


def test_cancel_keeps_the_finished_rounds_and_the_panel(config):
    gate = threading.Event()
    trains = Counted(gate)
    panel = BenchPanel(config, trains)
    panel.run()
    assert trains.inside.wait(60) and panel.controls.go.disabled and not panel.controls.stop.disabled
    panel.controls.stop.click()
    gate.set()
    panel.wait()  # raises nothing
    assert "Cancelled" in panel.controls.status.value and not panel.record.finished
    assert not panel.controls.go.disabled and panel.controls.stop.disabled
    panel.run(wait=True)
    assert panel.record.finished and trains.calls == 2


def test_run_twice_at_once_trains_once(config):
    gate = threading.Event()
    trains = Counted(gate)
    panel = BenchPanel(config, trains)
    panel.run()
    panel.run()
    gate.set()
    panel.wait()
    assert trains.calls == 1


def test_failing_run_shows_one_line_and_raises_where_it_is_waited_for(config):
    def broken(config, **more):
        raise RuntimeError("out of <b>paper</b>\nand a second line")
        yield

    panel = BenchPanel(config, broken)
    panel.run()
    with pytest.raises(RuntimeError, match="out of"):
        panel.wait()
    shown = panel.controls.status.value
    assert "RuntimeError: out of &lt;b&gt;paper" in shown and "second line" not in shown
    assert not panel.controls.go.disabled and panel.controls.stop.disabled


def test_too_many_clients_for_the_data_is_said_in_the_panel(config):
    panel = BenchPanel(config)
    panel.controls.clients.value = 12
    assert "Did not run" in panel.controls.status.value and "fewer" in panel.controls.status.value
    with pytest.raises(FedkitError):
        panel.run(wait=True)


def test_settings_are_the_command_that_reproduces_them(config):
    panel = BenchPanel(config)
    panel.controls.bandwidth.value, panel.controls.clients.value = "1mbps", 2
    assert "--clients 2" in panel.command and "--link 1mbps/40ms" in panel.command
    assert "--link 1mbps/40ms" in panel.controls.command.value
    assert panel.settings.link == "1mbps/40ms"


def test_page_without_widgets_says_so(config):
    bundle = BenchPanel(config)._repr_mimebundle_()
    assert "fedkit doctor" in bundle["text/html"] and "application/vnd.jupyter.widget-view+json" in bundle


def test_without_ipywidgets_there_is_a_static_figure_with_the_reason(config, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "fedkit.studio.widget_controls":
            raise ImportError("No module named 'ipywidgets'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    figure = bench_panel(config)
    assert "ipywidgets" in figure.layout.title.text and len(figure.data[2].x) == 3


def test_static_figure_has_the_same_curve(config):
    figure = static(config, "as a picture")
    record = runner.run(config)
    assert list(figure.data[2].y) == [100 * r.accuracy for r in (record.start, *record.rounds)]
