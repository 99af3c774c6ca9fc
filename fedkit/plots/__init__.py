"""All figures of the kit: pure functions from run records to plotly figures.

In: run records. Out: a figure whose title is its finding; `layout.meta` holds the finding and how
to read the figure. Nothing is trained, nothing is random. May import: core, network, results.
"""

from fedkit.plots.accuracy import (
    accuracy_by_round,
    accuracy_by_time,
    aggregation_error,
    has_aggregation_errors,
    replay_world,
    scoreboard_bars,
)
from fedkit.plots.clients import round_seconds, traffic, who_has_what
from fedkit.plots.pareto import pareto, training_load
from fedkit.plots.privacy import privacy_cost, privacy_cost_figures
from fedkit.plots.timeline import draw_round

__all__ = [
    "accuracy_by_round",
    "accuracy_by_time",
    "aggregation_error",
    "draw_round",
    "has_aggregation_errors",
    "pareto",
    "privacy_cost",
    "privacy_cost_figures",
    "replay_world",
    "round_seconds",
    "scoreboard_bars",
    "traffic",
    "training_load",
    "who_has_what",
]
