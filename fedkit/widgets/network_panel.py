"""The time bench: one round of a recorded run over other computers, lines and deadlines.

Nothing is trained: what only changes time is exact, and the bench says where training would have
gone differently.
"""

from __future__ import annotations

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.formatting import figure_text
from fedkit.core.record import Run
from fedkit.network import Timeline, replay
from fedkit.plots.live_figure import sync_figure
from fedkit.plots.timeline import draw_round
from fedkit.results.method_style import method_style
from fedkit.widgets.bench.scene import WIDTH

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
CHOICES = {"Computers": COMPUTERS, "Lines": LINES, "Deadline": DEADLINES}


def time_bench_figure(timeline: Timeline) -> go.Figure:
    """Return the figure of the last round, with always as many shapes, as `sync_figure` needs."""
    fig = draw_round(timeline)
    drawn = [s.update(visible=True).to_plotly_json() for s in fig.layout.shapes]
    hidden = {
        "type": "line",
        "x0": 0,
        "x1": 0,
        "y0": 0,
        "y1": 1,
        "yref": "y domain",
        "xref": "x",
        "visible": False,
    }
    return fig.update_layout(width=WIDTH, shapes=[*drawn, *[hidden] * (2 - len(drawn))])


def time_bench(run: Run) -> TimeBench | go.Figure:
    """Return the bench, or without widgets a static figure of the round, titled with the reason."""
    try:
        return TimeBench(run)
    except ImportError as error:
        reason = f"No sliders here: {error}. To mend it, see `fedkit doctor`."
        return draw_round(replay(run)).update_layout(title_text=figure_text(reason, 160))


class TimeBench:
    """Three controls and one live figure of the run's last round.

    timeline: that of the run with the controls' current values.
    """

    def __init__(self, run: Run):
        import ipywidgets as w

        self.run, self.timeline = run, replay(run)
        style, row = {"description_width": "90px"}, w.Layout(width="98%", max_width="460px")
        self.controls = {
            name: w.SelectionSlider(
                options=list(options), description=name, style=style, layout=row
            )
            for name, options in CHOICES.items()
        }
        self.words, self.figure = w.HTML(), go.FigureWidget(time_bench_figure(self.timeline))
        controls = w.HBox(
            list(self.controls.values()),
            layout=w.Layout(flex_flow="row wrap", max_width=f"{WIDTH}px"),
        )
        self.view = w.VBox([controls, self.words, self.figure])
        for control in self.controls.values():
            control.observe(lambda _: self.redraw(), names="value")
        self.redraw()

    def _repr_mimebundle_(self, **kwargs):
        missing = (
            "<p><b>No sliders here:</b> this page has no widget support. Run <code>fedkit"
            " doctor</code>.</p>"
        )
        return {**self.view._repr_mimebundle_(**kwargs), "text/html": missing}

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
    whole = f"The whole run: <b>{formatting.seconds(timeline.seconds)}</b>, simulated."
    exact = "Exact: only time has changed, what was learned is the same."
    anew = (
        "<b>Needs a new run to know the accuracy:</b>"
        f" {figure_text('; '.join(timeline.needs_new_run), 200)}."
    )
    colour, words = method_style("pooled").colour, exact
    if timeline.needs_new_run:
        colour, words = "#a34700", anew
    return (
        f"<div style='font-size:14px;line-height:1.6'>{whole}"
        f" <span style='color:{colour}'>{words}</span></div>"
    )
