"""The widgets of the bench panel, their words and their layout; nothing here trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import figure_text
from fedkit.plots.theme import MUTED
from fedkit.results.method_style import method_style
from fedkit.widgets.bench.scene import WIDTH
from fedkit.widgets.bench.settings import (
    ControlSpec,
    apply_values,
    control_specs,
    control_values,
    has_fixed_latency,
    has_rank,
)
from fedkit.widgets.bench.text import download_link, settings_toml
from fedkit.widgets.bench.views import VIEWS

BLUE, RED = method_style("federated").colour, "#a40000"
RUN, NEXT = "Run", "Run next"


class Controls:
    """The widgets of the panel; their values may be set from any thread.

    inputs: {name: widget} of every entry of `settings.control_specs`.
    """

    def __init__(self, config: RunConfig):
        self.config, self.specs = config, control_specs(config)
        now = control_values(config)
        self.inputs: dict[str, w.Widget] = {
            name: _input(spec, now[name]) for name, spec in self.specs.items()
        }
        self.run_button = w.Button(
            description=RUN,
            button_style="primary",
            icon="play",
            layout=w.Layout(width="110px"),
            tooltip="Train with these settings; while a run trains: line them up as the next",
        )
        self.cancel_button = w.Button(
            description="Cancel",
            icon="stop",
            disabled=True,
            layout=w.Layout(width="90px"),
            tooltip="Stop before the next step and forget what waits; finished rounds stay",
        )
        self.progress = w.FloatProgress(
            value=0.0,
            min=0.0,
            max=1.0,
            layout=w.Layout(flex="1 1 auto", width="auto"),
            style={"bar_color": BLUE},
        )
        self.estimate, self.status, self.waiting = w.HTML(), w.HTML(), w.HTML()
        self.command, self.refused = w.HTML(), w.HTML()
        self.views = w.ToggleButtons(
            options=[(kind.title, name) for name, kind in VIEWS.items()],
            tooltips=[kind.help for kind in VIEWS.values()],
            style={"button_width": "auto"},
        )
        self.round = w.SelectionSlider(
            options=[("last", -1)],
            description="Round",
            layout=w.Layout(width="300px"),
            style={"description_width": "50px"},
        )
        self.text = _area("The settings as they stand, as a file for fedkit sweep")
        self.pasted = _area("Paste settings here")
        self.link, self.load_status = w.HTML(), w.HTML()
        self.load_button = w.Button(
            description="Load",
            icon="upload",
            layout=w.Layout(width="90px"),
            tooltip="Set all controls to the pasted settings",
        )
        self.show_status("Choose, then press <b>Run</b>.")
        self._enable_controls()

    def values(self) -> dict[str, Any]:
        """Return {name: value} of every control."""
        return {name: control.value for name, control in self.inputs.items()}

    def settings(self) -> RunConfig:
        """Return the config with the controls' current values."""
        return apply_values(self.config, self.values())

    def set(self, config: RunConfig) -> None:
        """Set every control to its value in `config`, whose other settings are kept as well."""
        self.config, self.specs = config, control_specs(config)
        now = control_values(config)
        for name, spec in self.specs.items():
            control = self.inputs[name]
            if tuple(control.options) != (options := tuple(spec.options.items())):
                control.options = options
            control.value = now[name]

    # ---- messages

    def show_status(self, words: str, done: float | None = None) -> None:
        """Show one line of HTML under the buttons. done: share of the progress bar, 0 to 1."""
        self.status.value = f"<div role='status' style='line-height:1.4'>{words}</div>"
        self.progress.value = self.progress.value if done is None else done

    def show_error(self, error: Exception) -> None:
        """Show an error as one escaped line."""
        self.show_status(
            f"<span style='color:{RED}'><b>Did not run.</b> {error_line(error)}</span>", 0.0
        )

    def show_queue(self, running: bool, waits: str) -> None:
        """Set the buttons, and show the queued settings. waits: these in words; '' for none."""
        self.cancel_button.disabled, self.run_button.description = (
            not running,
            NEXT if running else RUN,
        )
        words = (
            f"<b>Next:</b> {figure_text(waits, 120)}"
            f" <span style='color:{MUTED}'>(Cancel forgets it)</span>"
        )
        self.waiting.value = f"<div style='line-height:1.4'>{words}</div>" if waits else ""

    def show_estimate(self, words: str) -> None:
        """Show the estimate of a run, in italics as everything that is not measured."""
        self.estimate.value = _small(f"▨ <i>Run would take {figure_text(words, 160)}</i>")

    def show_settings(self, config: RunConfig, line: str) -> None:
        """Show the settings as text and as a command, and why a run would refuse them, if so."""
        reason = refusal_reason(config)
        self.refused.value = (
            f"<div style='color:{RED};line-height:1.4'><b>Would be refused:</b> {reason}</div>"
            if reason
            else ""
        )
        self.command.value = _small(
            "The same from a terminal:<br>"
            f"<code style='overflow-wrap:anywhere'>{figure_text(line, 600)}</code>"
        )
        self.text.value = settings_toml(config)
        self.link.value = download_link(self.text.value)
        self._enable_controls()

    def set_rounds(self, numbers: list[int]) -> None:
        """Offer these rounds for the Gantt chart."""
        options = (("last", -1), *((f"{n}" if n else "first exchange", n) for n in numbers))
        if tuple(self.round.options) != options:
            kept = self.round.value if self.round.value in {n for _, n in options} else -1
            self.round.options, self.round.value = options, kept

    def _enable_controls(self) -> None:
        """Disable the rank of a tuning without one, and the latency of a line that includes one."""
        self.inputs["rank"].disabled = not has_rank(self.inputs["tune"].value)
        self.inputs["latency"].disabled = has_fixed_latency(self.inputs["bandwidth"].value)
        self.round.layout.visibility = "visible" if self.views.value == "gantt" else "hidden"

    # ---- events

    def on_change(self, trains: bool, call: Callable[[], None]) -> None:
        """Call when a control changes: one that needs training, or one that only redraws."""
        for name, control in self.inputs.items():
            if self.specs[name].trains == trains:
                control.observe(lambda _: call(), names="value")

    def on_view(self, call: Callable[[], None]) -> None:
        for control in (self.views, self.round):
            control.observe(lambda _: call(), names="value")

    def on_press(
        self, run: Callable[[], None], cancel: Callable[[], None], load: Callable[[], None]
    ) -> None:
        for button, call in (
            (self.run_button, run),
            (self.cancel_button, cancel),
            (self.load_button, load),
        ):
            button.on_click(lambda _, call=call: call())

    # ---- layout

    def lay_out(self, figure: w.DOMWidget) -> w.VBox:
        """Return the page: controls that train, controls that redraw, views, figure, settings."""
        cells = {name: self._cell(name) for name in self.inputs}
        train = [cell for name, cell in cells.items() if self.specs[name].trains]
        world = [cell for name, cell in cells.items() if not self.specs[name].trains]
        press = w.HBox(
            [self.run_button, self.cancel_button, self.progress],
            layout=w.Layout(width="98%", align_items="center"),
        )
        left = _box(
            "1. Needs training",
            "press Run",
            [_wrap(train), self.refused, press, self.estimate, self.status, self.waiting],
            "2 1 560px",
        )
        right = _box(
            "2. Redrawn at once", "nothing is trained", [*world, self.command], "1 1 300px"
        )
        top = w.HBox(
            [left, right],
            layout=w.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px", align_items="stretch"),
        )
        views = w.HBox(
            [self.views, self.round], layout=w.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px")
        )
        return w.VBox([top, views, figure, self._texts()])

    def _cell(self, name: str) -> w.VBox:
        spec = self.specs[name]
        size = {"width": "50%", "min_width": "262px"} if spec.trains else {"width": "100%"}
        return w.VBox([self.inputs[name], w.HTML(_small(spec.help, 92))], layout=w.Layout(**size))

    def _texts(self) -> w.Accordion:
        keep = w.VBox(
            [w.HTML("<b>Keep</b>: copy it, or download it"), self.text, self.link],
            layout=w.Layout(flex="1 1 380px"),
        )
        take = w.VBox(
            [
                w.HTML("<b>Load</b>: paste TOML or JSON, then press Load"),
                self.pasted,
                w.HBox([self.load_button, self.load_status]),
            ],
            layout=w.Layout(flex="1 1 380px"),
        )
        both = w.HBox([keep, take], layout=w.Layout(flex_flow="row wrap"))
        return w.Accordion(
            [both],
            titles=("Settings as text: keep, share, load",),
            layout=w.Layout(max_width=f"{WIDTH}px"),
        )


def refusal_reason(config: RunConfig) -> str:
    """Return why a run with these settings would be refused, as one line; '' if it would not."""
    from fedkit.experiments.job import check_config

    try:
        check_config(config)
        return ""
    except FedkitError as error:
        return error_line(error)


def error_line(error: Exception) -> str:
    """Return the first line of an error, escaped, after its class unless that is FedkitError."""
    kind = "" if type(error).__name__ == "FedkitError" else f"{type(error).__name__}: "
    return figure_text(kind + (str(error).strip() or "no reason given").splitlines()[0], 300)


def _input(spec: ControlSpec, value: Any) -> w.Widget:
    """Return a drop-down or a slider over named steps; one that redraws does so as it moves."""
    style, row = {"description_width": "88px"}, w.Layout(width="98%")
    shared = {
        "options": list(spec.options.items()),
        "value": value,
        "description": spec.title,
        "style": style,
        "layout": row,
        "tooltip": spec.help,
    }
    return (
        w.Dropdown(**shared)
        if spec.menu
        else w.SelectionSlider(**shared, continuous_update=not spec.trains)
    )


def _wrap(children: list[w.Widget]) -> w.HBox:
    return w.HBox(children, layout=w.Layout(flex_flow="row wrap", width="100%"))


def _box(title: str, more: str, children: list[w.Widget], flex: str) -> w.VBox:
    head = w.HTML(
        f"<b style='font-size:14px'>{title}</b> <span style='color:{MUTED}'>: {more}</span>"
    )
    return w.VBox(
        [head, *children],
        layout=w.Layout(flex=flex, padding="2px 8px", margin="2px", border="1px solid #d0d0d0"),
    )


def _area(words: str) -> w.Textarea:
    return w.Textarea(placeholder=words, rows=7, layout=w.Layout(width="98%"))


def _small(words: str, left: int = 0) -> str:
    style = f"color:{MUTED};font-size:12px;line-height:1.3;margin:-4px 0 3px {left}px"
    return f"<div style='{style}'>{words}</div>"
