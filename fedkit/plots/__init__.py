"""All figures of the kit: pure functions from records to plotly figures.

In: run records. Out: a figure with its finding as title; `layout.meta` holds the finding and one
sentence on how to read it. Nothing is trained, nothing is random.
May import: core, network, results.
"""

from fedkit.plots.accuracy import accuracy_by_round, accuracy_by_time, scoreboard_bars, world
from fedkit.plots.cost import round_seconds, traffic, traffic_by_client
from fedkit.plots.data import who_has_what
from fedkit.plots.pareto import aggregation_error, has_errors, load, pareto
from fedkit.plots.privacy import cost_of, privacy_cost
from fedkit.plots.timeline import draw_round

__all__ = [
    "accuracy_by_round",
    "accuracy_by_time",
    "aggregation_error",
    "cost_of",
    "draw_round",
    "has_errors",
    "load",
    "pareto",
    "privacy_cost",
    "round_seconds",
    "scoreboard_bars",
    "traffic",
    "traffic_by_client",
    "who_has_what",
    "world",
]
