"""Every sentence of the brief, by key and language. No other module of the brief holds words."""

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


def require_language(lang: str) -> str:
    """Return `lang`. Raises FedkitError for a language without words."""
    if lang not in STRINGS:
        raise FedkitError(f"lang {lang!r} is not known; choose one of: {', '.join(STRINGS)}")
    return lang


def brief_text(key: str, lang: str, **values: object) -> str:
    """Return the string of `key` with `values` filled in; values are never read as templates."""
    return STRINGS[lang][key].format_map(values)


def ui_texts(lang: str) -> dict[str, str]:
    """Return headings and labels of the page."""
    return {key: STRINGS[lang][f"ui.{key}"] for key in UI}


STRINGS: dict[str, dict[str, str]] = {"en": EN, "ja": JA}
