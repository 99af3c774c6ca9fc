"""A panel for one's own data file: upload or path, encoding, sheet, roles, check, cleaned copy.

Every click has a method of `DataSession`, so that a lesson also runs without any clicks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import printable_line
from fedkit.plots import panel
from fedkit.widgets.data_session import DataSession

HINT = "<b>Click a heading to say what the column is: text, label, site, not used.</b>"


def data_panel(
    source: str | Path | None = None, out: str | Path = "runs/my_data", model: str = RunConfig.model
) -> DataSession:
    """Return the panel for a notebook, or without widgets a session with the same methods."""
    return panel.or_static(
        lambda: DataPanel(source, out, model),
        lambda reason: DataSession(source, out, model, reason),
        DataPanel.missing,
    )


class DataPanel(panel.Panel, DataSession):
    """A data session with buttons; `view` is the widget, its parts are named in `data.toml`."""

    missing = "buttons"

    def __init__(
        self,
        source: str | Path | None = None,
        out: str | Path = "runs/my_data",
        model: str = RunConfig.model,
    ):
        import ipywidgets as w  # ImportError where there is none

        self._w, self._updating = w, False
        self._html = panel.macros("fedkit.widgets", "data")
        vars(self).update(panel.widgets_of(read_packaged_table("fedkit.widgets", "data.toml")))
        source_row, menus = [self.upload, self.path], [self.encodings, self.sheets, self.header]
        buttons = w.HBox([self.check_button, self.masked, self.clean_button])
        rows = [w.HBox(source_row), w.HBox(menus), self.notes, self.table_view, buttons]
        self.view = w.VBox([*rows, self.result])
        super().__init__(None, out, model)
        self._listen()
        self.redraw()
        if source is not None:
            self.read(source)

    def static_html(self) -> str:
        return self._repr_html_()

    def check(self, slow: bool = True, tell: Callable[[str], None] | None = None):
        def show(words: str) -> None:
            self.result.value = self._html.lines([f"{words} ..."])

        return super().check(slow, tell or show)

    def clean(self, mask: bool | None = None):
        """As `DataSession.clean`. mask: None for the value of the check box."""
        return super().clean(self.masked.value if mask is None else mask)

    # ---- display

    def redraw(self) -> None:
        """Redraw everything from the state of the session."""
        preview = self.preview
        ready = preview is not None and not preview.problem
        if preview is not None and preview.problem:
            words = self._html.error(preview.problem)
        else:
            words = self._html.lines(
                self.preview_lines() or [f"No file yet. {self.upload.tooltip}"]
            )
        self.notes.value = str(words) + HINT * ready
        self._fill_menus()
        self._draw_headings()
        self.check_button.disabled, self.clean_button.disabled = not ready, self.quality is None
        self.result.value = self.quality_html()

    def _fill_menus(self) -> None:
        """Set options and values of the menus from the session, without triggering their events."""
        fits = [e for e in (self.preview.encodings if self.preview else ()) if e.fits]
        encodings = [
            (f"{e.name}: {printable_line(e.sample, 40)}" + " (used)" * e.chosen, e.name)
            for e in fits
        ]
        sheets = [
            (printable_line(s.name) + (f" ({s.state})" if s.state != "visible" else ""), s.name)
            for s in (self.preview.sheets if self.preview else ())
        ]
        self._updating = True
        try:
            self.path.value = str(self.source or "")
            self.encodings.options = [("guessed", None), *encodings]
            self.encodings.value = self.encoding
            self.sheets.options = [("first visible", None), *sheets]
            self.sheets.value = self.sheet
            self.header.value = self.header_row or 0
        finally:
            self._updating = False
        self.encodings.disabled, self.sheets.disabled = not fits, len(sheets) < 2

    def _draw_headings(self) -> None:
        w, columns, boxes = self._w, self.shown_columns(), []
        for one in columns:
            name = one["name"]
            button = w.Button(
                description=f"{printable_line(name, 28)}: {one['word']}",
                tooltip=printable_line(name, 200),
                layout=w.Layout(width="98%"),
                style={"button_color": one["colour"], "font_weight": "bold"},
            )
            panel.on_press({button: partial(self._run_action, partial(self.set_next_role, name))})
            boxes.append(w.VBox([button, w.HTML(self._html.column(one["cells"]))]))
        widths = (
            "minmax(0, 3fr)" if one["role"] == "text" else "minmax(130px, 1fr)" for one in columns
        )
        self.table_view.layout = w.Layout(
            grid_template_columns=" ".join(widths) or "1fr", width="99%", overflow="auto"
        )
        self.table_view.children = boxes

    # ---- events

    def _listen(self) -> None:
        def on_value(control: Any, act: Callable[[], Any]) -> None:
            def changed(_: Any) -> None:
                if not self._updating:
                    self._run_action(act)

            control.observe(changed, "value")

        def keep() -> None:
            for one in self.upload.value[:1]:
                self.keep_upload(one["name"], bytes(one["content"]))

        def read() -> None:
            if self.path.value.strip():
                self.read(self.path.value)

        def look_again() -> None:
            if self.source is not None:
                self.look(self.encodings.value, self.sheets.value, self.header.value or None)

        on_value(self.upload, keep)
        on_value(self.path, read)
        for control in (self.encodings, self.sheets, self.header):
            on_value(control, look_again)
        for button, act in {self.check_button: self.check, self.clean_button: self.clean}.items():
            panel.on_press({button: partial(self._run_action, act)})

    def _run_action(self, act: Callable[[], Any]) -> None:
        """Run the action of a click and show an error as a line, so that the panel stays usable."""
        try:
            act()
        except FedkitError as error:
            self.result.value = self._html.error(str(error))
        except Exception as error:  # a browser would show nothing at all
            words = f"{type(error).__name__}: {str(error)[:200]}"
            self.result.value = self._html.error(f"this failed, and should not have: {words}")
