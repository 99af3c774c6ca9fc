"""The bench panel's picture: who has what at the left; at the right one view of the results. Drawn
anew at every change.

Measured values are drawn solid, modelled ones open, broken or hatched, and each figure says which
is which.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import plotly.graph_objects as go


def sync(widget: go.FigureWidget, fresh: go.Figure | dict[str, Any]) -> None:
    """Make the live `widget` show `fresh`, which has the same traces: the only way in which a panel
    changes it.

    Only what differs is sent. The state that a browser reads when it (re)opens the page is what the
    widget held when it was made, so it is written anew too; else a reload brings back the first
    picture.
    """
    fresh = fresh if isinstance(fresh, dict) else fresh.to_plotly_json()
    data = [whole(changes(old, new), new) for old, new in zip(widget._data, fresh["data"])]
    moved = changes(widget._layout, {"template": widget._layout.get("template"), **fresh["layout"]})
    # one value, whatever it holds
    moved |= {"meta": fresh["layout"]["meta"]} if "meta" in moved else {}
    notes = moved.pop("annotations", None)
    with widget.batch_update():
        for trace, change in zip(widget.data, data):
            for key, value in change.items():
                trace[key] = value
        if moved:
            widget.layout.update(moved)
        if notes is not None:
            widget.layout.annotations = notes
    kept = widget._trait_values  # not by assignment: that would send everything once more
    kept["_widget_data"] = [
        deepcopy(d) if c else k for d, c, k in zip(widget._data, data, widget._widget_data)
    ]
    kept["_widget_layout"] = deepcopy(widget._layout_obj._props)


def changes(old: dict, new: dict) -> dict:
    """What turns `old` into `new`: changed values, None for what is gone; tables inside tables
    likewise.
    """
    out: dict[str, Any] = {}
    for key in old.keys() | new.keys():
        was, now = old.get(key), new.get(key)
        if key == "uid" or (was is None and now is None):
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            if inner := changes(was, now):
                out[key] = inner
        elif not _same(was, now):
            out[key] = now
    return out


def whole(change: dict, new: dict) -> dict:
    """A trace's changes with tables as wholes: in one message plotly.js takes a table or its parts,
    for all traces alike.
    """
    return {key: new.get(key) for key in change}


def _same(was: Any, now: Any) -> bool:
    if isinstance(was, (list, tuple)) and isinstance(now, (list, tuple)):
        return len(was) == len(now) and all(map(_same, was, now))
    return (
        type(was) is type(now) and was == now if not isinstance(now, (int, float)) else was == now
    )


def _filled(kind: str, traces: list[dict], count: int) -> list[dict]:
    rest = [{"visible": False, "x": [], "y": []}] * (count - len(traces))
    return [
        {"type": kind, "xaxis": "x2", "yaxis": "y2", "visible": True, **trace}
        for trace in [*traces, *rest]
    ]
