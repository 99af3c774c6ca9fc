"""Every sentence of the brief, by key and language. Nothing else in the brief or its governance
pack writes words.
"""

from __future__ import annotations

from fedkit.core.errors import FedkitError
from fedkit.reports.text.brief_en import EN
from fedkit.reports.text.brief_ja import JA

UI = (
    "tried",
    "accuracies",
    "costs",
    "hours",
    "privacy",
    "left",
    "stayed",
    "leaving",
    "rules",
    "met",
    "not_met",
    "conditions",
    "returns",
    "assumptions",
    "break_even",
    "tornado",
    "next_steps",
    "phrases",
    "caveats",
    "sources",
    "name",
    "value",
    "source",
    "note",
    "effect",
    "go",
    "conditions_word",
    "no_go",
    "month",
    "net_per_year",
    "made_by",
    "open_values",
)


def language(lang: str) -> str:
    """`lang` itself. Raises FedkitError for a language that there are no words in."""
    if lang not in STRINGS:
        raise FedkitError(f"lang {lang!r} is not known; choose one of: {', '.join(STRINGS)}")
    return lang


def text(key: str, lang: str, **values: object) -> str:
    """The string of `key` with `values` in its places. Values are text from data as it is: they are
    not read as forms.
    """
    return STRINGS[lang][key].format_map(values)


def ui(lang: str) -> dict[str, str]:
    """Headings and labels of the page."""
    return {key: STRINGS[lang][f"ui.{key}"] for key in UI}


STRINGS: dict[str, dict[str, str]] = {"en": EN, "ja": JA}
