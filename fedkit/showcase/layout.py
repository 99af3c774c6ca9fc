"""The widgets of the showcase and their layout; independent of records and training."""

from __future__ import annotations

from typing import Any

import ipywidgets as w
import plotly.graph_objects as go

from fedkit.plots.live_figure import sync_figure
from fedkit.showcase import numbers, pictures, settings
from fedkit.showcase.style import TOGETHER, stylesheet

OFF, NOW = "fk-off", "fk-now"
LANGUAGES = {"en": "English", "ja": "日本語"}


class Layout:
    """The widgets of all five steps. pages, caveats: {step: HTML}. view: what a notebook shows.

    frames: {step: box of its live figure}.
    """

    def __init__(self, run_picture: dict[str, Any], what_picture: dict[str, Any]):
        self.langs = {
            lang: w.Button(description=name, layout=w.Layout(width="92px"))
            for lang, name in LANGUAGES.items()
        }
        self.steps = [w.Button(layout=w.Layout(width="auto")) for _ in range(5)]
        self.next, self.back = (
            w.Button(layout=w.Layout(width="auto", min_width="110px")) for _ in range(2)
        )
        self.pages = {step: w.HTML() for step in range(1, 6)}
        self.caveats = {step: w.HTML() for step in (3, 4, 5)}
        self._make_run()
        self._make_what()
        self._make_brief()
        self.frames = {step: w.Box(layout=w.Layout(flex="none")) for step in (3, 4)}
        self.pictures = {3: run_picture, 4: what_picture}
        self.boxes = {step: w.VBox(children) for step, children in self._children().items()}
        self.view = self._view()
        self.show_step(1)

    def show_step(self, step: int) -> None:
        """Show one step and hide the others.

        Hidden steps stay on the page without height, so that their figures can measure text.
        """
        for place, box in self.boxes.items():
            box.remove_class(OFF) if place == step else box.add_class(OFF)
        for place in (step, step + 1):  # 5 MB each: made one step ahead
            if step > 1 and place in self.frames and not self.frames[place].children:
                self.frames[place].children = [
                    go.FigureWidget(pictures.to_figure(self.pictures[place]))
                ]

    def draw_figure(self, step: int, picture: dict[str, Any]) -> None:
        """Show `picture` in the live figure of a step, or keep it until that figure exists."""
        self.pictures[step] = picture
        if self.frames[step].children:
            sync_figure(self.frames[step].children[0], picture)

    @staticmethod
    def mark_current(button: w.Button, now: bool) -> None:
        """Mark or unmark the button of what is shown now."""
        button.add_class(NOW) if now else button.remove_class(NOW)

    def set_brief_options(self, run: str, what: str) -> None:
        """Set the words of the two options in step 5; the selection stays."""
        options = ((what, "what"), (run, "run"))
        if tuple(self.about.options) != options:
            kept = self.about.value
            self.about.options = options
            self.about.value = kept

    def _make_run(self) -> None:
        self.go, self.stop, self.recorded = (
            w.Button(layout=w.Layout(width="auto", min_width=size))
            for size in ("130px", "110px", "180px")
        )
        self.go.add_class("fk-do")
        self.bar = w.FloatProgress(
            value=0.0, min=0.0, max=1.0, layout=w.Layout(width="98%"), style={"bar_color": TOGETHER}
        )
        self.status, self.tiles = w.HTML(), w.HTML()

    def _make_what(self) -> None:
        first = numbers.SliderValues()
        self.companies = _slider(
            settings.CLIENT_COUNTS[0], settings.CLIENT_COUNTS[-1], first.clients, "companies"
        )
        self.speed = _slider(0, len(numbers.SPEEDS) - 1, numbers.SPEEDS.index(first.speed), "speed")
        self.privacy = _slider(
            0, len(settings.LEVELS) - 1, list(settings.LEVELS).index(first.level), "privacy"
        )
        self.labels = {name: w.HTML() for name in ("companies", "speed", "privacy")}

    def _make_brief(self) -> None:
        self.about = w.RadioButtons(options=(("", "what"), ("", "run")), value="what")
        self.make = w.Button(layout=w.Layout(width="auto", min_width="220px"))
        self.make.add_class("fk-do")
        self.about_words, self.brief_status, self.links = w.HTML(), w.HTML(), w.HTML()

    def _children(self) -> dict[int, list[w.Widget]]:
        press = w.HBox([self.go, self.stop, self.recorded])
        doing = w.VBox(
            [press, self.bar, self.status, self.tiles], layout=w.Layout(flex="1 1 0", min_width="0")
        )
        sliders = [one for name in self.labels for one in (self.labels[name], getattr(self, name))]
        moved = w.VBox(sliders, layout=w.Layout(width="390px", padding="6px 24px 0 14px"))
        return {
            1: [self.pages[1]],
            2: [self.pages[2]],
            3: [self.pages[3], w.HBox([doing, self.frames[3]]), self.caveats[3]],
            4: [self.pages[4], w.HBox([moved, self.frames[4]]), self.caveats[4]],
            5: [
                self.pages[5],
                self.about_words,
                self.about,
                w.HBox([self.make]),
                self.brief_status,
                self.links,
                self.caveats[5],
            ],
        }

    def _view(self) -> w.VBox:
        langs = w.HBox(list(self.langs.values())).add_class("fk-langs")
        steps = w.HBox(self.steps, layout=w.Layout(flex="1 1 auto")).add_class("fk-steps")
        top = w.HBox([steps, langs])
        foot = w.HBox(
            [self.back, self.next],
            layout=w.Layout(justify_content="space-between", margin="8px 0 0"),
        )
        return w.VBox([w.HTML(stylesheet()), top, *self.boxes.values(), foot]).add_class("fk")


def _slider(low: int, high: int, value: int, name: str) -> w.IntSlider:
    slider = w.IntSlider(
        value=value,
        min=low,
        max=high,
        readout=False,
        continuous_update=True,
        layout=w.Layout(width="96%"),
    )
    return slider.add_class(f"fk-slide-{name}")
