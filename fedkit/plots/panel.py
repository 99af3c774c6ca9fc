"""The base of all panels: the view of a notebook, and what stands there without widgets.

Importing this module needs no widgets; ipywidgets is imported where a control is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

import plotly.graph_objects as go

from fedkit.core.formatting import figure_text, printable_line
from fedkit.plots.theme import FONT, INK, MUTED, SIZE, font

if TYPE_CHECKING:
    from jinja2 import Environment

Live, Static = TypeVar("Live"), TypeVar("Static")
WIDTH = 960  # px; fixed, as a live figure does not follow the width of the page
NO_SUPPORT = (
    "<p><b>No {missing} here:</b> this page has no widget support. Run <code>{remedy}</code>.</p>"
)


class Panel:
    """A panel: `view` is the widget that a notebook shows.

    missing: what a page without widget support lacks; remedy: the command that then helps.
    """

    missing, remedy = "sliders", "fedkit doctor"
    view: Any

    def static_html(self) -> str:
        """Return what a page without widget support shows below the reason."""
        return ""

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        reason = NO_SUPPORT.format(missing=self.missing, remedy=self.remedy)
        bundle = self.view._repr_mimebundle_(**kwargs)
        # HTML is shown only where a widget cannot be
        return {**bundle, "text/html": reason + self.static_html()}


class LivePanel(Panel):
    """A panel of controls, and words and a live figure that follow them.

    `picture` returns the figure of the controls' values, always with the same traces, `sentences`
    the words as HTML.
    """

    picture: Callable[[], go.Figure]
    sentences: Callable[[], str]

    def lay_out(self, controls: Iterable[Any], row: Any = None) -> None:
        """Make words, figure and view. row: the controls as a widget; None: side by side."""
        import ipywidgets as w

        controls = list(controls)
        self.words = w.HTML(self.sentences())
        # a browser opens with what the figure holds when it is made
        self.figure = go.FigureWidget(self.picture())
        on_change(controls, self.redraw)
        self.view = w.VBox([row or wrapped_row(controls), self.words, self.figure])

    def redraw(self) -> None:
        """Show words and figure for the values of the controls."""
        self.words.value = self.sentences()
        sync_figure(self.figure, self.picture())


@dataclass(frozen=True)
class StaticPanel:
    """What a notebook shows where the panel cannot run: why, and the panel's content as HTML."""

    reason: str
    html: str

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.reason[:300])}</b></p>{self.html}"


def or_static(
    live: Callable[[], Live], static: Callable[[str], Static], missing: str = Panel.missing
) -> Live | Static:
    """Return the panel, or `static(reason)` without ipywidgets (or anywidget, for live figures)."""
    try:
        return live()
    except ImportError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        return static(f"No {missing} here: {reason}. To mend it, see `fedkit doctor`.")


def titled(fig: go.Figure, reason: str) -> go.Figure:
    """Return a static figure with the reason why it is no panel as its title."""
    return fig.update_layout(title_text=figure_text(reason, 160))


# ---- a live figure that gets only the values that changed


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
    template = {"template": widget._layout.get("template")}
    moved = changed_values(widget._layout, template | fresh["layout"])
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
    alike = type(was) is type(now) or isinstance(now, (int, float))
    return alike and was == now


def pad_traces(kind: str, traces: list[dict], count: int) -> list[dict]:
    """Return the traces of the right subplot, padded to `count` with invisible ones."""
    rest = [{"visible": False, "x": [], "y": []}] * (count - len(traces))
    right = {"type": kind, "xaxis": "x2", "yaxis": "y2", "visible": True}
    return [right | trace for trace in [*traces, *rest]]


# ---- controls


def step_control(
    title: str,
    options: Mapping[str, Any],
    value: Any,
    label: int = 90,
    menu: bool = False,
    live: bool = True,
    help: str | None = None,
    **layout: str,
) -> Any:
    """Return a slider over named steps, or a drop-down.

    options: {words: value}; label: px of the title; live: send values while the slider moves.
    """
    import ipywidgets as w

    shared = {
        "options": list(options.items()),
        "value": value,
        "description": title,
        "tooltip": help,
        "style": {"description_width": f"{label}px"},
        "layout": w.Layout(**layout),
    }
    return w.Dropdown(**shared) if menu else w.SelectionSlider(**shared, continuous_update=live)


def widgets_of(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return {name: widget} of a table {name: {"widget": class of ipywidgets, its arguments}}."""
    import ipywidgets as w

    return {
        name: getattr(w, spec["widget"])(**{k: v for k, v in spec.items() if k != "widget"})
        for name, spec in table.items()
    }


def wrapped_row(children: Iterable[Any], **layout: str) -> Any:
    """Return the widgets in a row that wraps, at most as wide as a panel."""
    import ipywidgets as w

    usual = {"flex_flow": "row wrap", "max_width": f"{WIDTH}px"}
    return w.HBox(list(children), layout=w.Layout(**usual | layout))


def on_change(controls: Iterable[Any], call: Callable[[], None]) -> None:
    """Call when the value of a control changes."""
    for control in controls:
        control.observe(lambda _: call(), names="value")


def on_press(presses: Mapping[Any, Callable[[], Any]]) -> None:
    """presses: {button: what to call when it is pressed}."""
    for button, call in presses.items():
        button.on_click(lambda _, call=call: call())


# ---- words and figures


def small_line(words: str, left: int = 0) -> str:
    """Return HTML in small grey letters. words: HTML; left: px from the left edge."""
    style = f"color:{MUTED};font-size:12px;line-height:1.3;margin:-4px 0 3px {left}px"
    return f"<div style='{style}'>{words}</div>"


def note(text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """Return an annotation without an arrow, its foot at (x, y), shares of the plot's size."""
    base = {"text": text, "x": x, "y": y, "xref": "paper", "yref": "paper", "font": font()}
    foot = {"xanchor": "left", "yanchor": "bottom", "showarrow": False}
    return base | foot | more


def render(package: str, template: str, /, **values: Any) -> str:
    """Return `templates/TEMPLATE.html.j2` of a package with these values, escaped."""
    return templates(package).get_template(f"{template}.html.j2").render(values)


def macros(package: str, template: str) -> Any:
    """Return the macros of a template as functions that return escaped HTML."""
    return templates(package).get_template(f"{template}.html.j2").module


@lru_cache(maxsize=4)
def templates(package: str) -> Environment:
    """Return the templates of a package; one that asks for an unknown value raises.

    They know font, ink, muted, size and width of a panel, and the filter `line`.
    """
    from jinja2 import PackageLoader

    from fedkit.core.templates import ENGINE

    made = ENGINE.overlay(loader=PackageLoader(package), trim_blocks=False, lstrip_blocks=False)
    look = {"ink": INK, "muted": MUTED, "size": SIZE, "width": WIDTH}
    made.globals = {**ENGINE.globals, **look, "font": FONT.replace('"', "'")}
    made.filters = {**ENGINE.filters, "line": printable_line}
    return made
