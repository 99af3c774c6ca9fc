"""One's own data file step by step: read, choose columns, check, clean; `data_panel` adds buttons.

The original is only read; everything written goes to one folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import refuse_links, write_file
from fedkit.core.formatting import count_noun, printable_line, quote, quoted_list
from fedkit.data.load import RawTable
from fedkit.data.preview import Preview, preview_file, read_source
from fedkit.data.readers.files import supported_suffix
from fedkit.plots.panel import macros
from fedkit.quality.finding import CheckOptions
from fedkit.reports.check_report import ANSWERS, LEVELS, LIGHTS

if TYPE_CHECKING:
    from fedkit.quality.report import Quality
    from fedkit.reports.check_report import CheckFiles

# {role of a column: its word and colour}, in the order of clicks on its heading
ROLES = {
    "": ("not used", "#eef0f2"),
    "text": ("TEXT", "#9fd3f2"),
    "label": ("LABEL", "#f5c26b"),
    "client": ("SITE", "#8fd3bf"),
}
UPLOADS = "uploads"  # folder in `out`
# advice on flags, left out of notes as the panel has menus
FLAG_HINT = re.compile(r"( \(|; )name (--)?\w+ to choose\)?")
MAX_ITEMS = 10  # findings, and columns without a role, that are shown


class DataSession:
    """A data file with the choices made for it. Methods raise FedkitError.

    source: a path, or None until there is one. out: folder of copies. model: the base model to
    tune. reason: why there are no buttons. preview: of the file. roles: {text | label | client:
    column}. encoding, sheet, header_row: None if guessed. quality: after `check`. written: after
    `clean`; then `config` is a run on the copy.
    """

    def __init__(
        self,
        source: str | Path | None = None,
        out: str | Path = "runs/my_data",
        model: str = RunConfig.model,
        reason: str = "",
    ):
        self.out, self.model, self.reason = Path(out), model, reason
        self.source: Path | None = None
        self.preview: Preview | None = None
        self.encoding: str | None = None
        self.sheet: str | None = None
        self.header_row: int | None = None
        self.roles: dict[str, str] = {}
        self.table: RawTable | None = None
        self.quality: Quality | None = None
        self.written: CheckFiles | None = None
        if source is not None:
            self.read(source)

    def _repr_html_(self) -> str:
        lines, columns = self.preview_lines(), self.shown_columns()
        draw = macros("fedkit.widgets", "data").session
        return str(draw(self.reason[:300], self.preview, lines, columns, self.quality_html()))

    def preview_lines(self) -> list[str]:
        """Return lines on the file and on what reading it guessed."""
        preview = self.preview
        if preview is None or preview.problem:
            return [preview.problem] if preview else []
        name = printable_line(preview.name, 80)
        columns = count_noun(len(preview.columns), "column")
        notes = (FLAG_HINT.sub("", note) for note in preview.notes)
        return [f"{name}, {preview.nbytes:,} bytes, {columns}", *notes]

    def shown_columns(self) -> list[dict[str, Any]]:
        """Return the first MAX_ITEMS columns, and those beyond them that have a role."""
        if self.preview is None:
            return []
        by = {column: role for role, column in self.roles.items()}
        found = []
        for at, name in enumerate(self.preview.columns):
            word, colour = ROLES[by.get(name, "")]
            cells = [row[at] for row in self.preview.cells]
            one = {"name": name, "role": by.get(name, ""), "word": word, "colour": colour}
            found += [one | {"cells": cells}] if at < MAX_ITEMS or name in by else []
        return found

    def quality_html(self) -> str:
        """Return verdict, findings, the worst first, and written files as HTML; '' before them."""
        if self.quality is None:
            return ""
        shown = self.quality.findings[:MAX_ITEMS]
        more = len(self.quality.findings) - len(shown)
        last = [f"and {more} more, in the report"] if more > 0 else []
        if self.written:
            last += [f"Cleaned copy: {line}" for line in self.written.changes]
            last += [f"Written: {path}" for path in self.written.paths]
        verdict = self.quality.verdict
        return macros("fedkit.widgets", "data").quality(
            *LIGHTS[verdict],
            ANSWERS[verdict],
            count_noun(self.quality.rows, "row"),
            [(f, *LEVELS[f.level]) for f in shown],
            last,
        )

    def redraw(self) -> None:
        """Called after every change; does nothing here."""

    def read(self, source: str | Path) -> Preview:
        """Read another file; the path may be in quotes, as file managers copy it."""
        path = Path(str(source).strip().strip("\"'")).expanduser()
        found = preview_file(path)
        self.source, self.encoding, self.sheet, self.header_row = path, None, None, None
        return self._set_preview(found)

    def keep_upload(self, name: str, content: bytes) -> Preview:
        """Write an upload into `out` under a safe name that is not taken, and read it."""
        safe, folder = Path(read_source((name, content))[0]), self.out / UPLOADS
        supported_suffix(safe)
        endings = ["", *(f"-{i}" for i in range(2, 10_000))]
        free = (folder / f"{safe.stem}{ending}{safe.suffix}" for ending in endings)
        refuse_links(folder, self.out)
        place = next(path for path in free if not os.path.lexists(path))
        return self.read(write_file(place, content))

    def look(
        self, encoding: str | None = None, sheet: str | None = None, header_row: int | None = None
    ) -> Preview:
        """Read the same file with another encoding, sheet or header row; None to guess."""
        found = preview_file(self._require_source(), encoding, sheet, header_row)
        self.encoding, self.sheet, self.header_row = encoding, sheet, header_row
        return self._set_preview(found)

    def choose(
        self, text: str | None = None, label: str | None = None, client: str | None = None
    ) -> None:
        """Set which column has which role; None leaves a role as it is, "" removes it."""
        asked = {"text": text, "label": label, "client": client}
        given = {role: c for role, c in asked.items() if c is not None}
        columns = self.preview.columns if self.preview else ()
        for name in filter(None, given.values()):
            if name not in columns:
                raise FedkitError(f"no column {quote(name)}; columns: {quoted_list(columns)}")
        kept = {role: c for role, c in self.roles.items() if role not in given}
        others = {role: c for role, c in kept.items() if c not in given.values()}
        self._set_roles(others | {role: c for role, c in given.items() if c})

    def set_next_role(self, name: str) -> None:
        """Give a column the next role, as a click does; the column that had this role loses it."""
        now = next((role for role, column in self.roles.items() if column == name), "")
        order = list(ROLES)
        role = order[(order.index(now) + 1) % len(order)]
        others = {r: c for r, c in self.roles.items() if c != name and r != role}
        self._set_roles(others | ({role: name} if role else {}))

    def check(self, slow: bool = True, tell: Callable[[str], None] | None = None) -> Quality:
        """Run all checks with the current choices.

        slow: also those that need a model; tell: called with a line on each step.
        """
        from fedkit.data.load import read_rows
        from fedkit.quality.report import assess

        if self.preview is not None and self.preview.problem:
            raise FedkitError(self.preview.problem)
        columns = [self.roles.get(role) for role in ("text", "label", "client")]
        how = (self.encoding, self.sheet, self.header_row)
        table = read_rows(self._require_source(), *columns, *how)
        # a removed role must not be guessed again
        if "client" not in self.roles and table.columns.client:
            table = _without_client(table)
        self.table, self.written = table, None
        self.quality = assess(table, CheckOptions(model=self.model, slow=slow, tell=tell))
        self.redraw()
        return self.quality

    def clean(self, mask: bool = False) -> CheckFiles:
        """Write the cleaned copy and the report, after a check if there was none."""
        from fedkit.reports.check_report import write_checked

        quality = self.quality or self.check()
        self.written = write_checked(self.table, quality, self.out, mask)
        self.redraw()
        return self.written

    @property
    def config(self) -> RunConfig:
        """The config of a run on the cleaned copy. Raises FedkitError before `clean`."""
        from fedkit.reports.check_report import columns_in_copy

        if self.written is None:
            raise FedkitError("no cleaned copy yet; press `Write a cleaned copy`, or call .clean()")
        columns = columns_in_copy(self.table.columns)
        split = {"partition": "iid"}
        if columns.client:
            split = {"client": columns.client, "partition": "column"}
        named = {"text": columns.text, "label": columns.label} | split
        return RunConfig(data=str(self.written.clean), model=self.model, **named)

    def _require_source(self) -> Path:
        if self.source is None:
            raise FedkitError("no file yet; upload one, or give its path")
        return self.source

    def _set_preview(self, found: Preview) -> Preview:
        self.preview = found
        self._set_roles(dict(found.roles))
        return found

    def _set_roles(self, roles: dict[str, str]) -> None:
        """Set the roles and drop the check and the copy of the earlier ones."""
        self.roles, self.table, self.quality, self.written = roles, None, None, None
        self.redraw()


def _without_client(table: RawTable) -> RawTable:
    """Return the table without a client column; the column stays among the others."""
    import pandas as pd

    name, frame = table.columns.client, table.frame
    other = table.other if table.other is not None else pd.DataFrame(index=frame.index)
    other = other.assign(**{name: frame["client_raw"]}) if name not in other else other
    notes = tuple(note for note in table.notes if not note.startswith("client column"))
    columns, frame = replace(table.columns, client=None), frame.assign(client_raw="", client="")
    return replace(table, frame=frame, columns=columns, other=other, notes=notes)
