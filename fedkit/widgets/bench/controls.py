"""The widgets of the bench panel and their layout; nothing here trains."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import ipywidgets as w
from markupsafe import Markup

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line
from fedkit.experiments.job import check_config
from fedkit.plots import panel
from fedkit.results.method_style import method_style
from fedkit.widgets.bench.settings import (
    FILE_NAME,
    WORDS,
    apply_values,
    control_specs,
    control_values,
    has_fixed_latency,
    has_rank,
    settings_toml,
)

RUN, NEXT = "Run", "Run next"
HTML = panel.macros("fedkit.widgets", "bench")


class Controls:
    """The widgets of the panel; their values may be set from any thread.

    inputs: {name: widget} of every entry of `settings.control_specs`; the others, such as `round`,
    `views` and `run_button`, stand in `words.toml`.
    """

    def __init__(self, config: RunConfig):
        self.config, self.specs = config, control_specs(config)
        now = control_values(config)
        self.inputs: dict[str, w.Widget] = {}
        for name, spec in self.specs.items():
            look = {"menu": spec.menu, "live": not spec.trains, "help": spec.help, "width": "98%"}
            self.inputs[name] = panel.step_control(spec.title, spec.options, now[name], 88, **look)
        given, views = WORDS["widgets"], WORDS["views"]
        options = [(view["title"], name) for name, view in views.items()]
        named = {"options": options, "tooltips": [view["help"] for view in views.values()]}
        vars(self).update(panel.widgets_of(given | {"views": given["views"] | named}))
        self.progress.style.bar_color = method_style("federated").colour
        for name in ("estimate", "status", "waiting", "command", "refused", "link", "load_status"):
            setattr(self, name, w.HTML())
        self.show_status(Markup("Choose, then press <b>Run</b>."))
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
        """Show a line under the buttons; Markup may hold tags. done: share of the progress bar."""
        self.status.value = str(HTML.status(words))
        self.progress.value = self.progress.value if done is None else done

    def show_error(self, error: Exception) -> None:
        """Show an error as one escaped line."""
        self.show_status(HTML.failed("Did not run.", error_line(error)), 0.0)

    def show_loaded(self, error: Exception | None) -> None:
        """Show whether the pasted settings were read, beside the button."""
        words = Markup("<span>Loaded.</span>")
        if error is not None:
            words = HTML.failed("Not loaded.", error_line(error))
        self.load_status.value = str(words)

    def show_queue(self, running: bool, waits: str) -> None:
        """Set the buttons, and show the queued settings. waits: these in words; '' for none."""
        self.cancel_button.disabled = not running
        self.run_button.description = NEXT if running else RUN
        self.waiting.value = str(HTML.waiting(printable_line(waits, 120))) if waits else ""

    def show_estimate(self, words: str) -> None:
        """Show the estimate of a run, in italics as everything that is not measured."""
        self.estimate.value = panel.small_line(HTML.estimate(printable_line(words, 160)))

    def show_settings(self, config: RunConfig, line: str) -> None:
        """Show the settings as text and as a command, and why a run would refuse them, if so."""
        reason = refusal_reason(config)
        self.refused.value = str(HTML.refused(reason)) if reason else ""
        self.command.value = panel.small_line(HTML.command(printable_line(line, 600)))
        self.text.value = settings_toml(config)
        body = base64.b64encode(self.text.value.encode()).decode()
        self.link.value = str(HTML.download(FILE_NAME, body))
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

    def listen(self, train: Callable[[], None], redraw: Callable[[], None], **press: Any) -> None:
        """Call when a control changes: one that needs training, or one that only redraws.

        press: what the buttons run, cancel and load call.
        """
        for name, control in self.inputs.items():
            panel.on_change([control], train if self.specs[name].trains else redraw)
        panel.on_change([self.views, self.round], redraw)
        panel.on_press({getattr(self, f"{name}_button"): call for name, call in press.items()})

    # ---- layout

    def lay_out(self, figure: w.DOMWidget) -> w.VBox:
        """Return the page: controls that train, controls that redraw, views, figure, settings."""
        cells = {name: self._cell(name) for name in self.inputs}
        train = [cell for name, cell in cells.items() if self.specs[name].trains]
        world = [cell for name, cell in cells.items() if not self.specs[name].trains]
        buttons, middle = [self.run_button, self.cancel_button, self.progress], "center"
        press = w.HBox(buttons, layout=w.Layout(width="98%", align_items=middle))
        inputs = w.HBox(train, layout=w.Layout(flex_flow="row wrap", width="100%"))
        below = [self.refused, press, self.estimate, self.status, self.waiting]
        left = _box("1. Needs training", "press Run", [inputs, *below], "2 1 560px")
        redrawn = [*world, self.command]
        right = _box("2. Redrawn at once", "nothing is trained", redrawn, "1 1 300px")
        top = panel.wrapped_row([left, right], align_items="stretch")
        return w.VBox([top, panel.wrapped_row([self.views, self.round]), figure, self._texts()])

    def _cell(self, name: str) -> w.VBox:
        spec = self.specs[name]
        size = {"width": "50%", "min_width": "262px"} if spec.trains else {"width": "100%"}
        words = w.HTML(panel.small_line(spec.help, 92))
        return w.VBox([self.inputs[name], words], layout=w.Layout(**size))

    def _texts(self) -> w.Accordion:
        load = w.HBox([self.load_button, self.load_status])
        columns = {
            "<b>Keep</b>: copy it, or download it": [self.text, self.link],
            "<b>Load</b>: paste TOML or JSON, then press Load": [self.pasted, load],
        }
        wide = w.Layout(flex="1 1 380px")
        boxes = [w.VBox([w.HTML(head), *rest], layout=wide) for head, rest in columns.items()]
        row = w.HBox(boxes, layout=w.Layout(flex_flow="row wrap"))
        title, size = "Settings as text: keep, share, load", w.Layout(max_width=f"{panel.WIDTH}px")
        return w.Accordion([row], titles=(title,), layout=size)


def refusal_reason(config: RunConfig) -> str:
    """Return why a run with these settings would be refused, as one line; '' if it would not."""
    try:
        check_config(config)
        return ""
    except FedkitError as error:
        return error_line(error)


def error_line(error: Exception) -> str:
    """Return the first line of an error, after its class unless that is FedkitError."""
    kind = "" if type(error).__name__ == "FedkitError" else f"{type(error).__name__}: "
    words = (str(error).strip() or "no reason given").splitlines()[0]
    return printable_line(kind + words, 300)


def _box(title: str, more: str, children: list[w.Widget], flex: str) -> w.VBox:
    frame = {"padding": "2px 8px", "margin": "2px", "border": "1px solid #d0d0d0"}
    head = w.HTML(str(HTML.heading(title, more)))
    return w.VBox([head, *children], layout=w.Layout(flex=flex, **frame))
