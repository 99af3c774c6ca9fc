"""The bench panel's controls: what they are called, what they mean, and where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from fedkit.config import RunConfig
from fedkit.network import DEVICES
from fedkit.studio.theme import look, plain
from fedkit.studio.widget_figure import LATENCY, SKEWS, SPEEDS, WIDTH

MOST_CLIENTS = 12
WIDE = {"description_width": "90px"}


class Controls:
    """Widgets and their words; it knows nothing of training. Values are set from any thread."""

    def __init__(self, config: RunConfig):
        row = w.Layout(width="98%")
        few, many = min(2, config.clients), max(MOST_CLIENTS, config.clients)
        self.clients = w.IntSlider(config.clients, few, many, description="Clients", style=WIDE, layout=row)
        self.clients.continuous_update = False
        self.skew = _steps("Their text", SKEWS, config.partition, "dirichlet:0.5")
        self.bandwidth = _steps("Bandwidth", SPEEDS, config.link.partition("/")[0], "10mbps")
        self.pcs = _steps("Their PCs", {n.replace("-", " "): n for n in DEVICES}, config.devices, "as-measured")
        self.go = w.Button(description="Run", button_style="primary", icon="play", layout=w.Layout(width="90px"))
        self.stop = w.Button(description="Cancel", icon="stop", disabled=True, layout=w.Layout(width="90px"))
        bar = w.Layout(flex="1 1 auto", width="auto")
        self.bar = w.FloatProgress(
            value=0.0, min=0.0, max=1.0, layout=bar, style={"bar_color": look("federated").colour}
        )
        self.status, self.command = w.HTML(), w.HTML()
        self.say("Choose, then press <b>Run</b>.")

    def values(self) -> dict[str, Any]:
        """The settings that the controls stand for."""
        return {
            "clients": self.clients.value,
            "partition": self.skew.value,
            "link": f"{self.bandwidth.value}/{LATENCY}",
            "devices": self.pcs.value,
        }

    # ---- what they say

    def say(self, words: str, done: float | None = None) -> None:
        """One line of HTML under the buttons. done: of the progress bar, 0 to 1."""
        self.status.value = f"<div style='line-height:1.4'>{words}</div>"
        self.bar.value = self.bar.value if done is None else done

    def fail(self, error: Exception) -> None:
        """The error as one line; words from data cannot become tags."""
        kind = "" if type(error).__name__ == "FedkitError" else f"{type(error).__name__}: "
        first = (str(error).strip() or "no reason given").splitlines()[0]
        self.say(f"<span style='color:#a40000'><b>Did not run.</b> {plain(kind + first, 300)}</span>", 0.0)

    def busy(self, running: bool) -> None:
        """While a run trains only Cancel and the replay sliders can be moved."""
        self.stop.disabled = not running
        for control in (self.go, self.clients, self.skew):
            control.disabled = running
        self.bar.value = 0.0 if running else self.bar.value

    def show_command(self, line: str) -> None:
        self.command.value = _small(f"The same from a terminal: <code>{plain(line, 400)}</code>").value

    # ---- what they call

    def on_run(self, call: Callable[[], None]) -> None:
        self.go.on_click(lambda _: call())

    def on_cancel(self, call: Callable[[], None]) -> None:
        self.stop.on_click(lambda _: call())

    def on_deal(self, call: Callable[[], None]) -> None:
        for control in (self.clients, self.skew):
            control.observe(lambda _: call(), names="value")

    def on_world(self, call: Callable[[], None]) -> None:
        for control in (self.bandwidth, self.pcs):
            control.observe(lambda _: call(), names="value")

    # ---- how they stand

    def around(self, figure: w.DOMWidget) -> w.VBox:
        """Train again on the left, replay on the right, the figure below."""
        train = _box(
            "1. Who has what: needs training",
            [
                self.clients,
                _small("How many companies take part, each with as many examples."),
                self.skew,
                _small("How unlike their mixes of labels are (iid, or Dirichlet 3, 0.5, 0.1)."),
                w.HBox([self.go, self.stop, self.bar]),
                self.status,
            ],
        )
        replay = _box(
            "2. The network: redrawn at once, nothing is trained",
            [
                self.bandwidth,
                _small(f"Each company's line, each way, with {LATENCY.replace('ms', ' ms')} latency."),
                self.pcs,
                _small("Training time against this machine: as measured, or 2, 4, 10 times as long."),
                self.command,
            ],
        )
        return w.VBox([w.HBox([train, replay], layout=w.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px")), figure])


def _steps(name: str, options: dict[str, str], wanted: str, otherwise: str) -> w.SelectionSlider:
    """A slider over named steps; a setting that is not among them becomes one."""
    options = options if wanted in options.values() or wanted == "auto" else {**options, wanted: wanted}
    value = wanted if wanted in options.values() else otherwise
    return w.SelectionSlider(
        options=list(options.items()),
        value=value,
        description=name,
        continuous_update=True,
        style=WIDE,
        layout=w.Layout(width="98%"),
    )


def _box(title: str, children: list[w.Widget]) -> w.VBox:
    head = w.HTML(f"<b style='font-size:14px'>{title}</b>")
    return w.VBox([head, *children], layout=w.Layout(flex="1 1 400px", padding="4px 12px"))


def _small(words: str) -> w.HTML:
    return w.HTML(f"<div style='color:#595959;font-size:12px;line-height:1.4;margin:-4px 0 4px 0'>{words}</div>")
