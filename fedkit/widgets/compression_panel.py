"""The wire bench: choose bits, share, feedback and coder, and see size, time and loss of an update.

Nothing is trained: the updates of a client in some recorded rounds are encoded anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import figure_text
from fedkit.core.tensors import Params
from fedkit.experiments.job import Job
from fedkit.federated.local.train import train
from fedkit.federated.rounds.head_start import compute_head_start
from fedkit.network import parse_link
from fedkit.plots import panel
from fedkit.plots.charts import draw_dots, h_bars, rows_of
from fedkit.plots.theme import UPLOAD, above_bar, axis_style, layout
from fedkit.results.method_style import method_style
from fedkit.wire.pipeline import Context, make_wire

LINES = {"10 Mbit/s": "10mbps/40ms", "1 Mbit/s": "1mbps/40ms"}
CONTROLS = read_packaged_table("fedkit.widgets", "compression.toml")
LEFT, RIGHT, HEIGHT = [0.0, 0.4], [0.55, 1.0], 330
CAPTION = (
    "Left: measured length of one update. Right: what the server has received over the rounds,"
    " against what the client gave: the part that is missing, in per cent. Real updates of one"
    " client; nothing is trained here."
)


@dataclass(frozen=True)
class SentUpdates:
    """What a wire does to recorded updates."""

    spec: str
    nbytes: int  # of the last message
    missing: tuple[float, ...]  # after each round, norm of what is missing over that of all given

    def seconds(self, line: str) -> float:
        """Return the simulated seconds of the last message over `line`, latency included."""
        way = parse_link(line)
        return way.latency + 8 * self.nbytes / way.rate(way.up)


def record_updates(job: Job, rounds: int = 6, client: int = 0) -> list[Params]:
    """Train one client alone, each round from the end of the last, and return every update."""
    job.model.load_params(job.start)
    shared, prior, _ = compute_head_start(job.model, job.clients, job.config)
    out = []
    for number in range(1, rounds + 1):
        out.append(train(job.model, shared, job.clients[client], job.config, number, prior).delta)
        shared = {n: t + out[-1][n] for n, t in shared.items()}
    return out


def send_updates(updates: Sequence[Params], spec: str, seed: int = 0) -> SentUpdates:
    """Send the updates in order over a wire with its memory, and measure what does not arrive."""
    wire, memory, missing = make_wire(spec), {}, []
    left = {n: t.double() * 0 for n, t in updates[0].items()}
    total = {n: t.double() * 0 for n, t in updates[0].items()}
    for number, delta in enumerate(updates, start=1):
        context = Context("site", number, seed, memory)
        payload, memory = wire.encode(delta, context)
        received, _ = wire.decode(payload, delta, context)
        for n, t in delta.items():
            total[n] += t
            left[n] += t.double() - received[n].double()
        missing.append(_norm(left) / (_norm(total) or 1.0))
    return SentUpdates(spec, payload.nbytes, tuple(missing))


def wire_spec(feedback: str, share: str, bits: str, coder: str) -> str:
    """Return the wire spec of the choices; 'none' when nothing is chosen."""
    return "+".join(filter(None, (feedback, share, bits, coder))) or "none"


def draw_message_lengths(sent: Sequence[SentUpdates], sentence: str) -> go.Figure:
    """Return a log-scale bar of the message length of each wire, with its seconds over LINES."""
    rows = rows_of(sent)
    fig = go.Figure(_length_bars(sent, rows, UPLOAD))
    for row, s in zip(rows, sent):
        waits = ", ".join(
            f"{_format_wait(s.seconds(line))} over {name}" for name, line in LINES.items()
        )
        size = formatting.byte_size(s.nbytes)
        above_bar(fig, row, f"<b>{figure_text(s.spec, 60)}</b>  {size}: {waits}")
    caption = "Measured length of one update; the seconds are modelled from it."
    title = "Length of one update (kB, log scale)"
    layout(fig, sentence, caption, title, None, 80 + 50 * len(sent))
    fig.update_yaxes(visible=False, range=[-0.5, len(sent) - 0.2])
    sizes = [s.nbytes for s in sent]
    return fig.update_xaxes(_size_axis(min(sizes) / 2e3, max(sizes) / 5e2))


def draw_wire_bench(chosen: SentUpdates, plain: SentUpdates) -> go.Figure:
    """Return the bench's figure: message lengths without and with the wire, and what is missing."""
    colour = method_style("federated").colour
    fig = go.Figure(_length_bars([plain, chosen], [1, 0], ["#a9b8c9", colour]))
    rounds = list(range(1, len(chosen.missing) + 1))
    style = {"mode": "lines+markers", "cliponaxis": False, "xaxis": "x2", "yaxis": "y2"}
    style |= {"line": {"color": colour, "width": 3}}
    missed, hover = [100 * m for m in chosen.missing], "after round %{x}<br>%{y:.1f} % missing"
    draw_dots(fig, rounds, missed, colour, 8, hover, **style)
    layout(fig, wire_finding(chosen, plain), CAPTION, None, None, HEIGHT, top=44, right=40)
    right = {"range": [1, max(2, len(rounds))], "dtick": 1, "domain": RIGHT, "anchor": "y2"}
    missing = {"range": [0, 105], "autorange": False, "dtick": 25, "anchor": "x2"}
    lengths = _size_axis(0.1, 2e3 * max(1.0, plain.nbytes / 1e6))
    lengths |= {"domain": LEFT, "autorange": False}
    sizes = (f"as it is: {_bold_size(plain)}", f"{figure_text(chosen.spec)}: {_bold_size(chosen)}")
    return fig.update_layout(
        width=panel.WIDTH,
        annotations=[
            panel.note("<b>Length of one update</b>", LEFT[0], 1, yshift=10),
            panel.note("<b>Missing at the server</b>", RIGHT[0], 1, yshift=10),
            *(panel.note(text, 0, y, yref="y", yshift=20) for text, y in zip(sizes, (1, 0))),
        ],
        xaxis=axis_style("kB (log scale)") | lengths,
        yaxis={"visible": False, "range": [-0.6, 1.8], "fixedrange": True},
        xaxis2=axis_style("Round") | right,
        yaxis2=axis_style("Not received (% of all given)") | missing,
    )


def wire_finding(chosen: SentUpdates, plain: SentUpdates) -> str:
    """Return a sentence on what the chosen wire does."""
    times = plain.nbytes / chosen.nbytes
    slow = _format_wait(chosen.seconds(LINES["1 Mbit/s"]))
    if chosen.spec == "none":
        return f"As it is, an update takes {slow} over 1 Mbit/s, and everything arrives."
    return (
        f"{times:,.{0 if times >= 10 else 1}f} times shorter, {slow} over 1 Mbit/s;"
        f" after {len(chosen.missing)} rounds {formatting.percent(chosen.missing[-1], 0)}"
        " of what the client learned has not arrived."
    )


def wire_bench(updates: Sequence[Params]) -> WireBench | go.Figure:
    """Return the bench, or without widgets a static figure of one wire, titled with the reason."""

    def static(reason: str) -> go.Figure:
        chosen = send_updates(updates, "ef+topk:0.1+int4+ans")
        return panel.titled(draw_wire_bench(chosen, send_updates(updates, "none")), reason)

    return panel.or_static(lambda: WireBench(updates), static)


class WireBench(panel.LivePanel):
    """Four controls and one live figure. result: the chosen wire on the recorded updates."""

    def __init__(self, updates: Sequence[Params]):
        import ipywidgets as w

        self.updates, self.result = updates, send_updates(updates, "none")
        self.plain = self.result
        size = {"width": "98%", "max_width": "460px"}
        self.controls = [
            panel.step_control(title, one["options"], one["value"], 120, **size)
            for title, one in CONTROLS.items()
        ]
        helps = [w.HTML(panel.small_line(one["help"])) for one in CONTROLS.values()]
        cell = {"layout": w.Layout(flex="1 1 420px")}
        cells = [w.VBox(list(pair), **cell) for pair in zip(self.controls, helps)]
        self.lay_out(self.controls, panel.wrapped_row(cells))

    @property
    def spec(self) -> str:
        """The wire spec of the controls, for `--wire`."""
        return wire_spec(*(control.value for control in self.controls))

    def sentences(self) -> str:
        """Encode the updates over the chosen wire; return its command, or the error of a wrong one.

        After an error the figure stays that of the last result.
        """
        try:
            self.result = send_updates(self.updates, self.spec)
        except FedkitError as error:
            return f"<span style='color:#a40000'>{figure_text(str(error), 300)}</span>"
        command = f"<code>fedkit run --wire {figure_text(self.spec, 80)}</code>"
        return panel.small_line(f"The same from a terminal: {command}")

    def picture(self) -> go.Figure:
        return draw_wire_bench(self.result, self.plain)


def _format_wait(seconds: float) -> str:
    """Return seconds as words: '80 ms', '2.6 s'."""
    return f"{1e3 * seconds:.0f} ms" if seconds < 1 else formatting.seconds(seconds)


def _bold_size(sent: SentUpdates) -> str:
    return f"<b>{formatting.byte_size(sent.nbytes)}</b>"


def _length_bars(sent: Sequence[SentUpdates], rows: list[int], colour: str | list[str]) -> go.Bar:
    sizes, hover = [one.nbytes / 1e3 for one in sent], "%{x:,.2f} kB<extra></extra>"
    return h_bars(sizes, rows, colour, width=0.34, hovertemplate=hover)


def _size_axis(low: float, high: float) -> dict[str, Any]:
    """Return a logarithmic axis of kB from `low` to `high`."""
    ticks = {"tickvals": [0.1, 1, 10, 100, 1000], "ticktext": ["0.1", "1", "10", "100", "1,000"]}
    return {"type": "log", "range": [math.log10(low), math.log10(high)]} | ticks


def _norm(tensors: Params) -> float:
    return math.sqrt(sum(t.square().sum().item() for t in tensors.values()))
