"""The time bench: one round of a recorded run over other computers, lines and deadlines.

Nothing is trained: what only changes time is exact, and the bench says where training would have
gone differently.
"""

from __future__ import annotations

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.files import read_packaged_table
from fedkit.core.record import Run
from fedkit.network import Timeline, replay
from fedkit.plots import panel
from fedkit.plots.timeline import draw_round
from fedkit.results.method_style import method_style

RECORDED = "as recorded"
# {control: {words: argument of `replay`}}; None, which TOML does not know: as in the record
CHOICES = {
    name: {words: value or None for words, value in options.items()}
    for name, options in read_packaged_table("fedkit.widgets", "network.toml").items()
}
LINES = CHOICES["Lines"]
HIDDEN_LINE = go.layout.Shape(
    type="line", x0=0, x1=0, y0=0, y1=1, xref="x", yref="y domain", visible=False
)


def time_bench_figure(timeline: Timeline) -> go.Figure:
    """Return the figure of the last round, with always as many shapes, as `sync_figure` needs."""
    fig = draw_round(timeline)
    drawn = [shape.update(visible=True) for shape in fig.layout.shapes]
    return fig.update_layout(width=panel.WIDTH, shapes=[*drawn, *[HIDDEN_LINE] * (2 - len(drawn))])


def time_bench(run: Run) -> TimeBench | go.Figure:
    """Return the bench, or without widgets a static figure of the round, titled with the reason."""
    return panel.or_static(
        lambda: TimeBench(run), lambda reason: panel.titled(draw_round(replay(run)), reason)
    )


class TimeBench(panel.LivePanel):
    """Three controls and one live figure of the run's last round.

    timeline: that of the run with the controls' current values.
    """

    def __init__(self, run: Run):
        self.run, size = run, {"width": "98%", "max_width": "460px"}
        self.controls = {
            name: panel.step_control(name, dict(zip(words, words)), next(iter(words)), **size)
            for name, words in CHOICES.items()
        }
        self.lay_out(self.controls.values())

    def sentences(self) -> str:
        """Replay the run and return whether training would have differed."""
        devices, link, deadline = (
            CHOICES[name][control.value] for name, control in self.controls.items()
        )
        self.timeline = replay(self.run, link, devices, deadline)
        return run_time_html(self.timeline)

    def picture(self) -> go.Figure:
        return time_bench_figure(self.timeline)


def run_time_html(timeline: Timeline) -> str:
    """Return HTML on how long the run takes, and whether that is exact or needs a new run."""
    return panel.render(
        "fedkit.widgets",
        "run_time",
        seconds=formatting.seconds(timeline.seconds),
        reasons=formatting.printable_line("; ".join(timeline.needs_new_run), 200),
        colour="#a34700" if timeline.needs_new_run else method_style("pooled").colour,
    )
