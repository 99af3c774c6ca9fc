"""The words of the showcase in two languages."""

from __future__ import annotations

from fedkit.core.formatting import printable_line
from fedkit.showcase.text_en import EN
from fedkit.showcase.text_ja import JA

STRINGS = {"en": EN, "ja": JA}
LANGS = tuple(STRINGS)


def text(key: str, lang: str, **values: object) -> str:
    """Return the words of `key`, not escaped. values: for its placeholders, in local form."""
    return STRINGS[lang][key].format(**values)


def name_in_language(kind: str, name: object, lang: str) -> str:
    """Return the display name of a company or label; an unknown one stays as it is, on one line."""
    return STRINGS[lang].get(f"{kind}.{name}") or printable_line(name, 40)
