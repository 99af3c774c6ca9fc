"""The widgets of the showcase and their layout; independent of records and training."""

from __future__ import annotations

from typing import Any

import ipywidgets as w
import plotly.graph_objects as go

from fedkit.plots.panel import sync_figure
from fedkit.showcase import numbers
from fedkit.showcase.pages import TOGETHER, stylesheet
from fedkit.showcase.records import CLIENT_COUNTS, LEVELS

OFF, NOW = "fk-off", "fk-now"
LANGUAGES = {"en": "English", "ja": "日本語"}


class Layout:
    """The widgets of all five steps. pages, caveats: {step: HTML}. view: what a notebook shows.

    frames: {step: box of its live figure}; pictures: {step: what it shows, or will show}.
    """

    def __init__(self) -> None:
        self.langs = {
            lang: w.Button(description=name, layout=w.Layout(width="92px"))
            for lang, name in LANGUAGES.items()
        }
        self.steps = [w.Button(layout=w.Layout(width="auto")) for _ in range(5)]
        self.next, self.back = _button("110px"), _button("110px")
        self.pages = {step: w.HTML() for step in range(1, 6)}
        self.caveats = {step: w.HTML() for step in (3, 4, 5)}
        # 3
        self.go, self.stop = _button("130px", "fk-do"), _button("110px")
        self.recorded = _button("180px")
        blue = {"bar_color": TOGETHER}
        self.bar = w.FloatProgress(min=0.0, max=1.0, layout=w.Layout(width="98%"), style=blue)
        self.status, self.tiles = w.HTML(), w.HTML()
        # 4
        first, counts = numbers.SliderValues(), CLIENT_COUNTS
        self.companies = _slider("companies", counts[0], counts[-1], first.clients)
        speed = numbers.SPEEDS.index(first.speed)
        self.speed = _slider("speed", 0, len(numbers.SPEEDS) - 1, speed)
        level = list(LEVELS).index(first.level)
        self.privacy = _slider("privacy", 0, len(LEVELS) - 1, level)
        self.sliders = {"companies": self.companies, "speed": self.speed, "privacy": self.privacy}
        self.labels = {name: w.HTML() for name in self.sliders}
        # 5
        self.about = w.RadioButtons(options=(("", "what"), ("", "run")), value="what")
        self.make = _button("220px", "fk-do")
        self.about_words, self.brief_status, self.links = w.HTML(), w.HTML(), w.HTML()

        self.frames = {step: w.Box(layout=w.Layout(flex="none")) for step in (3, 4)}
        self.pictures: dict[int, dict[str, Any]] = {}
        self.boxes = {}
        for step, children in self._children().items():
            caveat = [self.caveats[step]] if step in self.caveats else []
            self.boxes[step] = w.VBox([self.pages[step], *children, *caveat])
        self.view = self._view()
        self.show_step(1)

    def show_step(self, step: int) -> None:
        """Show one step and hide the others.

        Hidden steps stay on the page without height, so that their figures can measure text.
        """
        for place, box in self.boxes.items():
            mark(box, OFF, place != step)
        for place in (step, step + 1):  # 5 MB each: made one step ahead
            if step > 1 and place in self.frames and not self.frames[place].children:
                self.frames[place].children = [go.FigureWidget(go.Figure(self.pictures[place]))]

    def draw_figure(self, step: int, picture: dict[str, Any]) -> None:
        """Show `picture` in the live figure of a step, or keep it until that figure exists."""
        self.pictures[step] = picture
        if self.frames[step].children:
            sync_figure(self.frames[step].children[0], picture)

    def set_brief_options(self, run: str, what: str) -> None:
        """Set the words of the two options in step 5; the selection stays."""
        options = ((what, "what"), (run, "run"))
        if tuple(self.about.options) != options:
            kept = self.about.value
            self.about.options, self.about.value = options, kept

    def _children(self) -> dict[int, list[w.Widget]]:
        """Return what each step holds between its page and its caveat."""
        press = w.HBox([self.go, self.stop, self.recorded])
        running = [press, self.bar, self.status, self.tiles]
        doing = w.VBox(running, layout=w.Layout(flex="1 1 0", min_width="0"))
        pairs = [one for name in self.sliders for one in (self.labels[name], self.sliders[name])]
        moved = w.VBox(pairs, layout=w.Layout(width="390px", padding="6px 24px 0 14px"))
        return {
            1: [],
            2: [],
            3: [w.HBox([doing, self.frames[3]])],
            4: [w.HBox([moved, self.frames[4]])],
            5: [self.about_words, self.about, w.HBox([self.make]), self.brief_status, self.links],
        }

    def _view(self) -> w.VBox:
        langs = w.HBox(list(self.langs.values())).add_class("fk-langs")
        steps = w.HBox(self.steps, layout=w.Layout(flex="1 1 auto")).add_class("fk-steps")
        apart = w.Layout(justify_content="space-between", margin="8px 0 0")
        foot = w.HBox([self.back, self.next], layout=apart)
        top = w.HBox([steps, langs])
        return w.VBox([w.HTML(stylesheet()), top, *self.boxes.values(), foot]).add_class("fk")


def mark(widget: w.DOMWidget, name: str, now: bool) -> None:
    """Add or remove a CSS class."""
    widget.add_class(name) if now else widget.remove_class(name)


def _button(width: str, *classes: str) -> w.Button:
    button = w.Button(layout=w.Layout(width="auto", min_width=width))
    for name in classes:
        button.add_class(name)
    return button


def _slider(name: str, low: int, high: int, value: int) -> w.IntSlider:
    look = {"readout": False, "layout": w.Layout(width="96%")}
    slider = w.IntSlider(value=value, min=low, max=high, **look)
    return slider.add_class(f"fk-slide-{name}")
