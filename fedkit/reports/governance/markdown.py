"""Fill the templates: Markdown (CommonMark with tables) with facts of a run in it.

No value can become a link, HTML, a heading or a new cell: each is marked while a template is
filled, and then escaped for the place where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from jinja2 import Environment, FunctionLoader, Template
from markupsafe import Markup

from fedkit.core import locale
from fedkit.core.templates import ENGINE, read_template
from fedkit.reports.governance.case import display_name
from fedkit.reports.governance.document import BLANKS, split_blanks, visible_text

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$^])")
# what makes a list, an underlined heading or a definition
STARTS = re.compile(r"^(\d{1,9})([.)])(?=\s|$)|^([-+=:(])")
LINKS = re.compile(
    r"(?<=://)|(?<=www\.)|(?<=@)|(?<=mailto:)"
    r"|(?<=[0-9A-Za-z]\.)(?=[A-Za-z]{2})(?!safetensors|docx|json)",
    re.IGNORECASE,
)
# has no width and stops what many viewers do: make links of what looks like an address
JOINER = "\u2060"
OPEN, CLOSE, AS_IS = "\ue000", "\ue001", "\ue002"  # around a value, in code; no value has them
LINKED = re.compile(BLANKS.pattern + r"(?=[(:[])")  # a blank that would be read as a link
# a value, with the start of its line or the blank that stands directly before it
VALUE = re.compile(
    rf"(?P<begins>^(?:- |> \*\*)?|{BLANKS.pattern})?{OPEN}(?P<value>[^{CLOSE}]*){CLOSE}",
    re.MULTILINE,
)


@cache
def make_environment(lang: str) -> Environment:
    """Return the templates of a language, with filters that write numbers and names in it."""
    made = ENGINE.overlay(
        finalize=partial(_mark_value, lang=lang),  # what a macro returns is no value
        loader=FunctionLoader(lambda name: read_template(f"reports/governance/{name}")),
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": locale.percent,
        "seconds": locale.seconds,
        "size": locale.data_size,
        "name": display_name,
        "names": _name_list,
    }
    own = {name: partial(write, lang=lang) for name, write in filters.items()}
    made.filters = {**ENGINE.filters, **own, "code": code_block}
    return made


def fill_template(template: Template, values: Mapping[str, Any]) -> str:
    """Return the Markdown of a template with values filled in, ending with a newline."""
    text = VALUE.sub(
        lambda m: (m["begins"] or "") + escape_markdown(m["value"], m["begins"] is not None),
        template.render(values),
    )
    text = LINKED.sub(r"\1\\", text).replace(AS_IS, "")
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def escape_markdown(text: str, begins: bool = True) -> str:
    """Escape plain text for Markdown; blanks stay readable. begins: whether it begins a line."""
    out = ""
    for piece, blank in split_blanks(text):
        out += piece if blank else _plain(piece, first=begins)
        begins = blank
    return out


def code_block(text: str) -> Markup:
    """Return one line as a block of code."""
    line = BLANKS.sub(rf"\1{AS_IS}", visible_text(text))
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", line))])
    return Markup("\n".join((fence, line, fence)))


def _mark_value(value: Any, lang: str) -> Markup:
    if isinstance(value, Markup):
        return value
    if value is None or isinstance(value, (int, float)):
        value = locale.number(value, lang)
    return Markup(f"{OPEN}{visible_text(value)}{CLOSE}")


def _plain(piece: str, first: bool) -> str:
    kept = SPECIAL.sub(r"\\\1", LINKS.sub(JOINER, piece))
    return STARTS.sub(lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", kept) if first else kept


def _name_list(names: Sequence[str], lang: str) -> str:
    """Return names in words, as recorded; a dash for none."""
    return locale.name_list([display_name(name, lang) for name in names], lang, 6) or "\u2013"
