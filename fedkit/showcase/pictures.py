"""The two live figures of the showcase.

They always have the same traces and fixed axes, so that `live_figure.sync_figure` can update them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from fedkit.core import locale
from fedkit.core.record import Run
from fedkit.plots.theme import FONT, GRID, INK, MUTED, PAPER
from fedkit.results.method_style import method_style
from fedkit.showcase import numbers, settings
from fedkit.showcase.records import ShowcaseRecords
from fedkit.showcase.text import text

TOGETHER, ALONE = method_style("federated").colour, method_style("local").colour
RUN_SIZE, WHAT_SIZE = (700, 370), (830, 322)  # px
LEFT, RIGHT = [0.07, 0.47], [0.60, 1.0]  # of the width: accuracy by clients, time by link
LETTERS = 16  # px
SHARES = {"range": [0, 100], "dtick": 20}
TIMES = (1, 60, 3600, 36_000)  # seconds that the axis of time names
TICKS = (64, 1_000, 10_000, 100_000, 1_000_000)  # kbit/s that the axis of lines names


def speed_name(kbps: int) -> str:
    """Format a speed, the same in both languages: 64 -> '64 kbit/s', 10_000 -> '10 Mbit/s'."""
    for size, unit in ((1_000_000, "Gbit/s"), (1_000, "Mbit/s")):
        if kbps >= size:
            return f"{kbps / size:g} {unit}"
    return f"{kbps} kbit/s"


def run_picture(
    states: Sequence[tuple[int, float]], rounds: int, alone: float, lang: str
) -> dict[str, Any]:
    """Return {data, layout} of accuracy by round so far. states: (round, share)."""
    x, y = [n for n, _ in states], [100 * share for _, share in states]
    texts = (
        [""] * (len(y) - 1) + [f"<b>{locale.percent(states[-1][1], lang)}</b>"] if states else []
    )
    data = [
        {**_line(ALONE, "dash"), "x": [0, rounds], "y": [100 * alone] * 2},
        {
            **_line(TOGETHER),
            "mode": "lines+markers+text",
            "x": x,
            "y": y,
            "marker": {"size": 13, "color": TOGETHER},
            "text": texts,
            "textposition": "top left" if x and x[-1] == rounds else "top right",
            "textfont": {"size": 24, "color": TOGETHER},
            "cliponaxis": False,
        },
    ]
    notes = [
        _heading(text("run.heading", lang), 0.0),
        _note(
            f"<b>{text('run.alone', lang)} {locale.percent(alone, lang)}</b>",
            0.02,
            100 * alone - 9,
            ALONE,
        ),
    ]
    frame = _frame(RUN_SIZE, notes, left=70)
    frame["xaxis"] = _axis(text("run.axis_x", lang)) | {"range": [-0.08, rounds + 0.25], "dtick": 1}
    frame["yaxis"] = _axis(text("run.axis_y", lang)) | SHARES
    return {"data": data, "layout": frame}


def what_picture(
    records: ShowcaseRecords, setting: numbers.SliderValues, lang: str
) -> dict[str, Any]:
    """Return {data, layout} of step 4, with the slider values marked.

    Left: accuracy by number of clients; right: time by speed of the link.
    """
    every = [
        numbers.numbers_at(records, numbers.SliderValues(n, setting.level, setting.speed))
        for n in settings.CLIENT_COUNTS
    ]
    here = every[settings.CLIENT_COUNTS.index(setting.clients)]
    clients = list(settings.CLIENT_COUNTS)
    data = [
        {**_line(ALONE, "dot", 2.5), "x": clients, "y": [100 * s.alone_all for s in every]},
        {**_line(TOGETHER, "dot", 2.5), "x": clients, "y": [100 * s.together_all for s in every]},
        {**_line(ALONE), "x": clients, "y": [100 * s.alone for s in every]},
        {**_line(TOGETHER), "x": clients, "y": [100 * s.together for s in every]},
        {**_dot(ALONE), "x": [setting.clients], "y": [100 * here.alone]},
        {**_dot(TOGETHER), "x": [setting.clients], "y": [100 * here.together]},
        *_time_traces(here.run, here, setting),
    ]
    frame = _frame(WHAT_SIZE, _what_notes(lang), left=8)
    frame["xaxis"] = _axis(text("what.axis_companies", lang)) | {
        "domain": LEFT,
        "range": [1.7, 6.3],
        "dtick": 1,
    }
    frame["yaxis"] = _axis("") | SHARES
    frame["xaxis2"] = _axis(text("what.axis_speed", lang)) | {
        "domain": RIGHT,
        "type": "log",
        "range": [1.7, 6.15],
        "tickvals": list(TICKS),
        "ticktext": ["64k", "1M", "10M", "100M", "1G"],
        "anchor": "y2",
    }
    frame["yaxis2"] = _axis("") | {
        "type": "log",
        "range": [-0.3, 4.7],
        "tickvals": list(TIMES),
        "anchor": "x2",
        "ticktext": [text(f"axis.{s}", lang) for s in TIMES],
    }
    return {"data": data, "layout": frame}


def to_figure(picture: dict[str, Any]) -> go.Figure:
    """Return the picture as a figure, to be wrapped in a FigureWidget."""
    return go.Figure(picture)


def _time_traces(
    run: Run, here: numbers.ComparedRun, setting: numbers.SliderValues
) -> list[dict[str, Any]]:
    whole = [
        numbers.training_seconds(run, s) + numbers.download_seconds(here.base, s)
        for s in numbers.SPEEDS
    ]
    place = {"xaxis": "x2", "yaxis": "y2"}
    now = here.seconds + here.base_seconds
    return [
        {**_line(INK), **place, "x": list(numbers.SPEEDS), "y": whole},
        {**_dot(INK), **place, "x": [setting.speed], "y": [now]},
    ]


def _what_notes(lang: str) -> list[dict[str, Any]]:
    own, other = text("what.key_own", lang), text("what.key_any", lang)
    key = (
        f"<span style='color:{TOGETHER}'>\u25cf</span> {text('what.together', lang)}   "
        f"<span style='color:{ALONE}'>\u25cf</span> {text('what.alone', lang)}"
        f"<br>\u2501 {own}   \u2509 {other}"
    )
    return [
        _heading(text("what.heading_accuracy", lang), 0.0),
        _heading(text("what.heading_time", lang), 0.53),
        {
            "text": key,
            "x": LEFT[0] + 0.01,
            "y": 0.02,
            "xref": "paper",
            "yref": "paper",
            "xanchor": "left",
            "yanchor": "bottom",
            "showarrow": False,
            "align": "left",
            "font": {"size": LETTERS - 2, "color": INK},
            "bgcolor": "rgba(255,255,255,0.8)",
        },
    ]


def _line(colour: str, dash: str = "solid", width: float = 4) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "line": {"color": colour, "width": width, "dash": dash},
        "hoverinfo": "skip",
    }


def _dot(colour: str) -> dict[str, Any]:
    marker = {"size": 18, "color": colour, "line": {"width": 3, "color": PAPER}}
    return {"type": "scatter", "mode": "markers", "marker": marker, "hoverinfo": "skip"}


def _heading(words: str, x: float) -> dict[str, Any]:
    return {
        "text": f"<b>{words}</b>",
        "x": x,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 12,
        "showarrow": False,
        "font": {"size": LETTERS, "color": INK},
    }


def _note(words: str, x: float, y: float, colour: str) -> dict[str, Any]:
    return {
        "text": words,
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "y",
        "xanchor": "left",
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": LETTERS + 2, "color": colour},
    }


def _frame(size: tuple[int, int], notes: list[dict[str, Any]], left: int) -> dict[str, Any]:
    return {
        "template": {},
        "font": {"family": FONT, "size": LETTERS, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "width": size[0],
        "height": size[1],
        "showlegend": False,
        "dragmode": False,
        "annotations": notes,
        "margin": {"l": left, "r": 20, "t": 46, "b": 56, "pad": 4},
        "meta": {},
    }


def _axis(title: str) -> dict[str, Any]:
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": LETTERS, "color": MUTED}},
        "gridcolor": GRID,
        "zeroline": False,
        "fixedrange": True,
        "tickfont": {"size": LETTERS - 1, "color": MUTED},
        "type": "linear",
        "ticks": "",
    }
