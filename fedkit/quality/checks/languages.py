"""Compare the scripts and likely languages of texts with what the chosen base model reads.

Languages are recognised by letters and frequent words alone: good enough to say that a model does
not read a file, not to label a single short text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

import numpy as np

from fedkit.core.formatting import quote
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import format_share, level_of, make_finding

MOST = 20_000  # rows looked at
FEW = 0.05  # share of texts below which another language does not matter
_SCRIPTS = {
    "kana": re.compile("[ぁ-ゖァ-ヺｦ-ﾝ]"),
    "han": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff々]"),
    "hangul": re.compile("[가-힣ᄀ-ᇿ]"),
    "latin": re.compile("[A-Za-zÀ-ɏＡ-Ｚａ-ｚ]"),
    "cyrillic": re.compile("[Ѐ-ӿ]"),
    "greek": re.compile("[Ͱ-Ͽ]"),
    "arabic": re.compile("[؀-ۿ]"),
    "hebrew": re.compile("[֐-׿]"),
    "thai": re.compile("[฀-๿]"),
    "devanagari": re.compile("[ऀ-ॿ]"),
}
_BY_SCRIPT = {
    "kana": "Japanese",
    "han": "Chinese or Japanese",
    "hangul": "Korean",
    "cyrillic": "in Cyrillic letters",
    "greek": "Greek",
    "arabic": "in Arabic letters",
    "hebrew": "Hebrew",
    "thai": "Thai",
    "devanagari": "in Devanagari letters",
}
_WORDS = {
    "English": (
        "the is and to of my in not on it"
        " for has with does we please are this i cannot was that from at a no how can"
    ),
    "German": (
        "der die das und ist nicht ich"
        " ein eine mit auf von zu den im für dem kann wir wird sich auch nach bei es"
    ),
    "French": (
        "le la les des est une dans pas pour je ne sur qui avec nous au du il ce que mon ma et plus"
    ),
    "Spanish": (
        "el la los las es una en no para con por mi del que se un al y está su como pero más"
    ),
    "Italian": (
        "il la di che non è una per con del della sono mi si un gli nel ho alla al le più come"
    ),
    "Portuguese": (
        "o a os as é não uma para com do da em que um no na meu minha está por mais se ao"
    ),
    "Dutch": (
        "de het een en is niet van ik op met voor te dat zijn aan er maar bij naar mijn geen wij"
    ),
}
_LISTS = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_TOKEN = re.compile(r"[^\W\d_]+")


def script_of(text: str) -> str:
    """Return the script of most letters among a text's first 300 characters, "" without letters.

    "kana" wins over "han".
    """
    head = text[:300]
    if head.isascii():
        return "latin" if _SCRIPTS["latin"].search(head) else ""
    sizes = {name: len(form.findall(head)) for name, form in _SCRIPTS.items()}
    sizes["kana"] += sizes["han"] if sizes["kana"] else 0
    best = max(sizes, key=sizes.__getitem__)
    return best if sizes[best] else ""


def language_of(text: str) -> str:
    """Return a likely language, or "" where no language is likelier than the others."""
    script = script_of(text)
    if script != "latin":
        return _BY_SCRIPT.get(script, "")
    words = _TOKEN.findall(unicodedata.normalize("NFKC", text[:500]).casefold())
    votes = {language: sum(word in known for word in words) for language, known in _LISTS.items()}
    best, second = sorted(votes, key=votes.__getitem__, reverse=True)[:2]
    return best if votes[best] > votes[second] else ""


def check_language(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find that the base model does not read the texts, or, as a note, several languages."""
    from fedkit.models.base import MODELS

    texts = table.frame["text"].to_numpy(dtype=object)
    at = np.flatnonzero(texts != "")
    sampled = len(at) > MOST
    at = (
        np.sort(np.random.default_rng(options.seed).choice(at, MOST, replace=False))
        if sampled
        else at
    )
    languages = np.array([language_of(texts[i]) for i in at], dtype=object)
    known = Counter(languages[languages != ""].tolist())
    total, numbers = len(at), {"languages": dict(known.most_common())}
    if not total or not known:
        return
    said = ", ".join(f"{name} {format_share(n, total)}" for name, n in known.most_common(4))
    model = MODELS.get(options.model)
    unread = np.array([bool(name) and not _reads(model, name) for name in languages])
    if model and model.script and unread.any():
        names = " and ".join(list(Counter(languages[unread].tolist()))[:2])
        level = level_of(int(unread.sum()), total, FEW, 0.5)
        yield make_finding(
            table,
            "language",
            level,
            at[unread],
            f"the base model {quote(options.model)} does"
            f" not read {format_share(unread.sum(), total)} of the texts ({names}; all: {said})",
            "it sees letters that it has hardly learned,"
            " so that most words tell it nothing: expect poor accuracy",
            "name a base model that reads the language"
            " (--model: a folder or hub id of a multilingual or Japanese encoder)",
            of=total,
            numbers=numbers,
            sampled=sampled,
        )
    foreign = np.array([name in _LISTS and name != "English" for name in languages])
    if model and "English" in model.about and foreign.sum() > 0.2 * total:
        yield make_finding(
            table,
            "language",
            "care",
            at[foreign],
            f"{format_share(foreign.sum(), total)} of the texts are likely not in English ({said});"
            f" {quote(options.model)} was trained on English",
            "words that it seldom saw are cut into pieces, and accuracy falls",
            "compare with a multilingual base model (--model) before you conclude anything",
            of=total,
            numbers=numbers,
            sampled=sampled,
        )
    elif len(large := [n for n in known.values() if n > FEW * total]) > 1 and not unread.any():
        yield make_finding(
            table,
            "language",
            "note",
            at[languages != known.most_common(1)[0][0]][:0],
            f"the texts are in {len(large)} languages or more ({said})",
            "a score over all of them hides a language that does badly",
            "look at each language's score by itself",
            of=total,
            numbers=numbers,
            sampled=sampled,
        )


def _reads(model: object, language: str) -> bool:
    """Return False where the model reads Latin letters only and the language has others."""
    return getattr(model, "script", "") != "LATIN" or language in _LISTS
