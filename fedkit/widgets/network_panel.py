"""The time bench: one round of a recorded run over other computers, lines and deadlines.

Nothing is trained: what only changes time is exact, and the bench says where training would have
gone differently.
"""

from __future__ import annotations

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.record import Run
from fedkit.network import Timeline, replay
from fedkit.plots.live_figure import sync_figure
from fedkit.plots.panel import (
    WIDTH,
    Panel,
    on_change,
    panel_or_static,
    render,
    step_control,
    titled,
    wrapped_row,
)
from fedkit.plots.timeline import draw_round
from fedkit.results.method_style import method_style

RECORDED = "as recorded"
COMPUTERS = {
    RECORDED: None,
    "all old PCs": "old-pc",
    "all laptops": "laptop",
    "all GPU servers": "gpu-server",
}
LINES = {
    RECORDED: None,
    "64 kbit/s": "field-64k",
    "1 Mbit/s": "1mbit",
    "10 Mbit/s": "office-10m",
    "100 Mbit/s": "office-100m",
}
DEADLINES = {"none": None, "60 s": 60.0, "30 s": 30.0, "10 s": 10.0, "5 s": 5.0, "2 s": 2.0}
WIDE = {"width": "98%", "max_width": "460px"}
CHOICES = {"Computers": COMPUTERS, "Lines": LINES, "Deadline": DEADLINES}
HIDDEN_LINE = go.layout.Shape(
    type="line", x0=0, x1=0, y0=0, y1=1, xref="x", yref="y domain", visible=False
)


def time_bench_figure(timeline: Timeline) -> go.Figure:
    """Return the figure of the last round, with always as many shapes, as `sync_figure` needs."""
    fig = draw_round(timeline)
    drawn = [shape.update(visible=True) for shape in fig.layout.shapes]
    return fig.update_layout(width=WIDTH, shapes=[*drawn, *[HIDDEN_LINE] * (2 - len(drawn))])


def time_bench(run: Run) -> TimeBench | go.Figure:
    """Return the bench, or without widgets a static figure of the round, titled with the reason."""
    return panel_or_static(
        lambda: TimeBench(run), lambda reason: titled(draw_round(replay(run)), reason)
    )


class TimeBench(Panel):
    """Three controls and one live figure of the run's last round.

    timeline: that of the run with the controls' current values.
    """

    def __init__(self, run: Run):
        import ipywidgets as w

        self.run, self.timeline = run, replay(run)
        self.controls = {
            name: step_control(name, dict(zip(options, options)), next(iter(options)), **WIDE)
            for name, options in CHOICES.items()
        }
        self.words, self.figure = w.HTML(), go.FigureWidget(time_bench_figure(self.timeline))
        self.view = w.VBox([wrapped_row(self.controls.values()), self.words, self.figure])
        on_change(self.controls.values(), self.redraw)
        self.redraw()

    def redraw(self) -> None:
        """Replay the run and show its last round, and whether training would have differed."""
        devices, link, deadline = (
            CHOICES[name][control.value] for name, control in self.controls.items()
        )
        self.timeline = replay(self.run, link, devices, deadline)
        self.words.value = run_time_html(self.timeline)
        sync_figure(self.figure, time_bench_figure(self.timeline))


def run_time_html(timeline: Timeline) -> str:
    """Return HTML on how long the run takes, and whether that is exact or needs a new run."""
    return render(
        "fedkit.widgets",
        "run_time",
        seconds=formatting.seconds(timeline.seconds),
        reasons=formatting.printable_line("; ".join(timeline.needs_new_run), 200),
        colour="#a34700" if timeline.needs_new_run else method_style("pooled").colour,
    )
