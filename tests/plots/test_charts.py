"""The parts that all figures are made of: lines with names, columns of bars, log axes."""

from __future__ import annotations

import math

import pandas as pd
from factories.figures import notes_of

from fedkit.plots.charts import (
    SHARES,
    Line,
    bar_chart,
    bar_columns,
    error_bar,
    line_chart,
    lines_from_table,
    log_axis,
)


def test_a_line_is_named_with_its_last_known_value():
    line = Line("<b>x", [1, 2, 3], [10.0, 20.0, math.nan], "#000000")
    fig = line_chart([line], "A finding.", "Round", "Share (%)", SHARES)
    assert line.last == 20 and list(fig.data[0].y) == [10, 20, None]
    assert "20.0 %" in notes_of(fig) and "&lt;b&gt;x" in notes_of(fig)
    assert tuple(fig.layout.yaxis.range) == SHARES and fig.layout.yaxis.dtick == 20


def test_lines_that_end_early_are_joined_to_their_names():
    lines = [Line("long", [0, 10], [1.0, 2.0], "#000000"), Line("short", [0, 5], [1, 3], "#111111")]
    fig = line_chart(lines, "A finding.", "Time (s)", "Share (%)", ends=True)
    assert [list(t.x) for t in fig.data] == [[10, 10], [0, 10], [5, 10], [0, 5]]


def test_a_table_gives_a_line_per_column_in_percent():
    found = lines_from_table(pd.DataFrame({"a": [0.5, 0.75]}, index=[8, 16]), ["#000000"])
    assert [(line.name, line.x, line.y) for line in found] == [("a", [8, 16], [50.0, 75.0])]


def test_a_log_axis_has_round_ticks_within_its_ends():
    axis = log_axis(0.5, 200)
    assert axis["tickvals"] == [1, 3, 10, 30, 100] and axis["ticktext"][-1] == "100"
    assert log_axis(1e-3, 1e4)["ticktext"][:2] == ["0.001", "0.01"], "many decades: no threes"


def test_bars_are_named_above_and_stacked_parts_are_summed():
    fig = bar_chart({"<i>a": 1.5, "b": 2.0}, "A finding.", "Size (MB)")
    assert list(fig.data[0].x) == [1.5, 2.0] and "&lt;i&gt;a  <b>1.5 %</b>" in notes_of(fig)
    parts = {"model": ([1.0, 2.0], "#000000"), "state": ([4.0, 98.0], "#111111")}
    fig = bar_columns(["head", "full"], {"Memory (MB)": parts}, "A finding.")
    assert list(fig.data[-1].text) == [" 5.0", " 100"] and "Memory (MB)" in notes_of(fig)


def test_error_bars_reach_from_the_low_to_the_high_end():
    bar = error_bar([50.0], [40.0], [55.0])
    assert (bar["array"], bar["arrayminus"]) == ([5.0], [10.0])
