"""Every sentence of the brief, by key and language (brief_en.toml, brief_ja.toml)."""

from __future__ import annotations

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import printable_line
from fedkit.core.locale import LANGS

STRINGS = {lang: read_packaged_words("fedkit.reports.text", f"brief_{lang}.toml") for lang in LANGS}

# headings and labels of the page
UI = tuple(key.removeprefix("ui.") for key in STRINGS["en"] if key.startswith("ui."))


def require_language(lang: str) -> str:
    """Return `lang`. Raises FedkitError for a language without words."""
    if lang not in STRINGS:
        said = printable_line(lang)
        raise FedkitError(f"lang {said!r} is not known; choose one of: {', '.join(STRINGS)}")
    return lang


def brief_text(key: str, lang: str, **values: object) -> str:
    """Return the string of `key` with `values` filled in; values are never read as templates."""
    return STRINGS[lang][key].format_map(values)


def ui_texts(lang: str) -> dict[str, str]:
    """Return headings and labels of the page."""
    return {key: STRINGS[lang][f"ui.{key}"] for key in UI}
