"""Checks of texts against the base model: its languages, and its limits of length in tokens.

Languages are recognised by letters and frequent words alone: good enough to say that a model does
not read a file, not to label a single short text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import quote
from fedkit.data.cleaning import MAX_CHARACTERS
from fedkit.data.load import RawTable
from fedkit.models.base import MODELS, find_model
from fedkit.quality.finding import (
    CheckOptions,
    Finding,
    draw_sample,
    format_share,
    make_finding,
    view_of,
)

MOST = 20_000  # rows whose language is looked at
FEW = 0.05  # share of texts below which another language does not matter
SAMPLE = 4_000  # texts whose tokens are counted
LONG_SAMPLE = 500  # of the texts that may be longer than the model reads
# without a tokenizer: Latin letters in a token; each other letter counts as one token
LETTERS_PER_TOKEN = 4.0
CUT = 8_000  # characters of a text whose tokens are counted
_LANGUAGES: dict[str, Any] = read_packaged_table("fedkit.quality", "languages.toml")
_LETTERS = {script: re.compile(form) for script, form in _LANGUAGES["letters"].items()}
_WORDS = {name: frozenset(words.split()) for name, words in _LANGUAGES["words"].items()}
_TOKEN = re.compile(r"[^\W\d_]+")


def script_of(text: str) -> str:
    """Return the script of most letters among a text's first 300 characters, "" without letters.

    "kana" wins over "han".
    """
    head = text[:300]
    if head.isascii():
        return "latin" if _LETTERS["latin"].search(head) else ""
    sizes = {name: len(form.findall(head)) for name, form in _LETTERS.items()}
    sizes["kana"] += sizes["han"] if sizes["kana"] else 0
    best = max(sizes, key=sizes.__getitem__)
    return best if sizes[best] else ""


def language_of(text: str) -> str:
    """Return a likely language, or "" where no language is likelier than the others."""
    script = script_of(text)
    if script != "latin":
        return _LANGUAGES["names"].get(script, "")
    words = _TOKEN.findall(unicodedata.normalize("NFKC", text[:500]).casefold())
    votes = {language: sum(word in known for word in words) for language, known in _WORDS.items()}
    best, second = sorted(votes, key=votes.__getitem__, reverse=True)[:2]
    return best if votes[best] > votes[second] else ""


def check_language(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find that the base model does not read the texts, or, as a note, several languages."""
    texts, model = view_of(table).cells("text"), MODELS.get(options.model)
    filled = np.flatnonzero(texts != "")
    at = draw_sample(filled, MOST, options.seed)
    languages = np.array([language_of(texts[i]) for i in at], dtype=object)
    known, total = Counter(languages[languages != ""].tolist()), len(at)
    if not known:
        return
    latin = model is not None and model.script == "LATIN"
    unread = np.array([latin and bool(name) and name not in _WORDS for name in languages])
    foreign = np.array([name in _WORDS and name != "English" for name in languages])
    large = [number for number in known.values() if number > FEW * total]
    shared: dict[str, Any] = {
        "of": total,
        "numbers": {"languages": dict(known.most_common())},
        "sampled": total < len(filled),
        "model": quote(options.model),
        "languages": ", ".join(f"{x} {format_share(n, total)}" for x, n in known.most_common(4)),
    }
    names = " and ".join(list(Counter(languages[unread].tolist()))[:2])
    yield from make_finding(table, "language.unread", at[unread], names=names, **shared)
    if model and "English" in model.about and foreign.sum() > 0.2 * total:
        yield from make_finding(table, "language.foreign", at[foreign], level="care", **shared)
    elif len(large) > 1 and not unread.any():
        yield from make_finding(
            table, "language.several", at[:0], level="note", count=0, large=len(large), **shared
        )


@dataclass(frozen=True)
class TokenCounter:
    """A function that counts tokens, and where it comes from.

    count: texts -> list of counts, special tokens included. limit: most tokens that the model can
    read, None: unknown. name: for messages.
    """

    count: Callable[[list[str]], list[int]]
    limit: int | None
    name: str


def check_text_length(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts that a run would cut at `options.max_tokens`."""
    at, most = np.flatnonzero(view_of(table).texts >= 0), options.max_tokens
    if not len(at):
        return []
    sample, reader = draw_sample(at, SAMPLE, options.seed), token_counter(options.model)
    tokens = _count(table, reader, sample, CUT)
    over, p98 = tokens > most, float(np.quantile(tokens, 0.98))
    if not over.any():
        return []
    # the longest of the other texts are for the list of rows, not for the estimate
    rest = np.setdiff1d(at, sample)
    rest = rest[np.argsort(-view_of(table).lengths[rest], kind="stable")[:SAMPLE]]
    longest = rest[_count(table, reader, rest, CUT) > most]
    listed = np.sort(np.concatenate([sample[over], longest]))
    lost = float(np.maximum(0, tokens - most).sum() / tokens.sum())
    need = int(np.ceil(p98 / 16) * 16)
    need = min(need, reader.limit) if reader.limit else need
    return make_finding(
        table,
        "text-length",
        listed,
        level="care" if over.mean() >= 0.1 or lost >= 0.1 else "note",
        of=len(at),
        count=max(round(over.mean() * len(at)), len(listed)),
        sampled=len(sample) < len(at),
        numbers={
            "max_tokens": most,
            "model_limit": reader.limit,
            "counted": len(sample),
            "lost": lost,
            "median": float(np.median(tokens)),
            "p98": p98,
            "longest": int(tokens.max()),
        },
        over=format_share(over.sum(), len(sample)),
        lost=format_share(lost, 1),
        reader=reader.name,
        need=need if need > most else 0,
    )


def check_long_texts(table: RawTable, options: CheckOptions) -> Iterable[Finding]:
    """Find texts longer than the model itself can read, or than the kit keeps of a text."""
    lengths, reader = view_of(table).lengths, token_counter(options.model)
    bad = lengths > MAX_CHARACTERS
    # a token is seldom under one character: only these may pass the model's limit
    possible = np.flatnonzero(lengths > (reader.limit or MAX_CHARACTERS))
    if reader.limit is not None and len(possible):
        rows = draw_sample(possible, LONG_SAMPLE, options.seed)
        bad[rows[_count(table, reader, rows, MAX_CHARACTERS) > reader.limit]] = True
    longest = int(lengths.max(initial=0))
    numbers = {"limit": reader.limit, "longest": longest, "characters_cut_at": MAX_CHARACTERS}
    return make_finding(
        table,
        "long-texts",
        bad,
        numbers=numbers,
        sampled=len(possible) > LONG_SAMPLE,
        tokens=reader.limit,
        model=options.model,
        characters=MAX_CHARACTERS,
        longest=longest,
    )


def _count(table: RawTable, reader: TokenCounter, rows: np.ndarray, cut: int) -> np.ndarray:
    """Return the tokens of the texts of `rows`, cut after `cut` characters: int64."""
    texts = view_of(table).cells("text")
    return np.array(reader.count([texts[i][:cut] for i in rows]), np.int64)


def token_counter(model: str) -> TokenCounter:
    """Return the counter of a model's tokenizer if it is on this machine, else an estimate.

    No network is used; the estimate is from the number of letters.
    """
    folder = _folder(model)
    if folder is None or not (folder / "tokenizer.json").is_file():
        name = f"estimated from the letters, since the tokenizer of {quote(model, 40)} is not here"
        return TokenCounter(_estimate, None, name)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count_tokens(texts: list[str]) -> list[int]:
        return [len(found.ids) for found in tokenizer.encode_batch_fast(texts)]

    name = f"counted with the tokenizer of {quote(model, 40)}"
    return TokenCounter(count_tokens, _limit(folder), name)


def _folder(model: str) -> Path | None:
    """Return the folder of a known or local model, or of a hub id in the local cache, or None."""
    if model in MODELS or "/" not in model or Path(model).is_dir():
        try:
            source = find_model(model)
        except FedkitError:
            return None
        return Path(source.location)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, "tokenizer.json")
    return Path(found).parent if isinstance(found, str) else None


def _limit(folder: Path) -> int | None:
    """Return the number of positions of the model; None where its configuration has none."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = config.get("max_position_embeddings") if isinstance(config, dict) else None
    return found if isinstance(found, int) and found > 0 else None


def _estimate(texts: list[str]) -> list[int]:
    """Return token counts estimated from the letters, two special tokens included."""
    ascii_letters = [len(text.encode("ascii", "ignore")) for text in texts]
    return [
        round(a / LETTERS_PER_TOKEN + len(text) - a) + 2 for a, text in zip(ascii_letters, texts)
    ]
