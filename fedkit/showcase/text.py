"""The words of the showcase in two languages."""

from __future__ import annotations

from fedkit.core.files import read_packaged_words
from fedkit.core.formatting import printable_line
from fedkit.core.locale import LANGS

STRINGS = {lang: read_packaged_words("fedkit.showcase", f"text_{lang}.toml") for lang in LANGS}


def text(key: str, lang: str, **values: object) -> str:
    """Return the words of `key`, not escaped. values: for its placeholders, in local form."""
    return STRINGS[lang][key].format(**values)


def name_in_language(kind: str, name: object, lang: str) -> str:
    """Return the display name of a company or label; an unknown one stays as it is, on one line."""
    return STRINGS[lang].get(f"{kind}.{name}") or printable_line(name, 40)
