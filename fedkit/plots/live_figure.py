"""Update a live figure widget by sending only the values that changed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import plotly.graph_objects as go


def sync_figure(widget: go.FigureWidget, fresh: go.Figure | dict[str, Any]) -> None:
    """Make the live `widget` show `fresh`, which has the same traces.

    Only what differs is sent. The state that a browser reads when it (re)opens the page is the one
    that the widget held when it was made, so it is rewritten too; else a reload would bring back
    the first figure.
    """
    fresh = fresh if isinstance(fresh, dict) else fresh.to_plotly_json()
    data = [
        whole_tables(changed_values(old, new), new) for old, new in zip(widget._data, fresh["data"])
    ]
    moved = changed_values(
        widget._layout, {"template": widget._layout.get("template"), **fresh["layout"]}
    )
    # meta is one value, whatever it holds
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


def changed_values(old: dict, new: dict) -> dict:
    """Return what turns `old` into `new`: changed values, None for removed ones; recursive."""
    out: dict[str, Any] = {}
    for key in old.keys() | new.keys():
        was, now = old.get(key), new.get(key)
        if key == "uid" or (was is None and now is None):
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            if inner := changed_values(was, now):
                out[key] = inner
        elif not _same(was, now):
            out[key] = now
    return out


def whole_tables(change: dict, new: dict) -> dict:
    """Return the changes of a trace with whole dicts in place of their parts.

    In one message plotly.js takes a dict or its parts, but the same kind for all traces.
    """
    return {key: new.get(key) for key in change}


def _same(was: Any, now: Any) -> bool:
    if isinstance(was, (list, tuple)) and isinstance(now, (list, tuple)):
        return len(was) == len(now) and all(map(_same, was, now))
    return (
        type(was) is type(now) and was == now if not isinstance(now, (int, float)) else was == now
    )


def pad_traces(kind: str, traces: list[dict], count: int) -> list[dict]:
    """Return the traces of the right subplot, padded to `count` with invisible ones."""
    rest = [{"visible": False, "x": [], "y": []}] * (count - len(traces))
    return [
        {"type": kind, "xaxis": "x2", "yaxis": "y2", "visible": True, **trace}
        for trace in [*traces, *rest]
    ]
