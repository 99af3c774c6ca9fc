"""The showcase's words in two languages: all that a visitor reads, in one place for each
language.
"""

from __future__ import annotations

from fedkit.core.formatting import printable_line
from fedkit.showcase.text_en import EN
from fedkit.showcase.text_ja import JA

STRINGS = {"en": EN, "ja": JA}
LANGS = tuple(STRINGS)


def text(key: str, lang: str, **values: object) -> str:
    """The words of `key`, plain text (not escaped). values: what stands in its places, already in
    local form.
    """
    return STRINGS[lang][key].format(**values)


def name_in_language(kind: str, name: object, lang: str) -> str:
    """The display name of a company or a label of the data; one that we do not know stands as it
    is, on one line.
    """
    return STRINGS[lang].get(f"{kind}.{name}") or printable_line(name, 40)
