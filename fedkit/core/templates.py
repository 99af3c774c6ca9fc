"""The one template engine: every value is escaped, and an unknown one is an error."""

from __future__ import annotations

from jinja2 import Environment, FunctionLoader, StrictUndefined

from fedkit.core.files import read_packaged_text


def read_template(name: str) -> str:
    """Return the text of a template: 'reports/brief.css' is fedkit/reports/templates/brief.css."""
    folder, _, file = name.rpartition("/")
    return read_packaged_text(f"fedkit.{folder.replace('/', '.')}", f"templates/{file}")


ENGINE = Environment(
    autoescape=True,
    loader=FunctionLoader(read_template),
    lstrip_blocks=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)
