"""Checks of text lengths in tokens, counted by the model's own tokenizer on a sample."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, quote
from fedkit.data.cleaning import MAX_CHARACTERS
from fedkit.data.read_rows import RawTable
from fedkit.models.base import MODELS, find_model
from fedkit.quality.finding import CheckOptions, Finding
from fedkit.quality.table_view import format_share, level_of, make_finding, view_of

SAMPLE = 4_000  # texts whose tokens are counted
LONG_SAMPLE = 500  # of the texts that may be longer than the model reads
# without a tokenizer: Latin letters in a token; each other letter counts as one token
LETTERS_PER_TOKEN = 4.0
CUT = 8_000  # characters of a text whose tokens are counted


@dataclass(frozen=True)
class TokenCounter:
    """A function that counts tokens, and where it comes from.

    count: texts -> list of counts, special tokens included. limit: most tokens that the model can
    read, None: unknown. name: for messages.
    """

    count: Any
    limit: int | None
    name: str


def check_text_length(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Texts that a run would cut at `options.max_tokens`."""
    at = np.flatnonzero(view_of(table).texts >= 0)
    if not len(at):
        return
    sample = _sample(at, SAMPLE, options.seed)
    reader = token_counter(options.model)
    tokens = np.array(reader.count([table.frame["text"].iloc[i][:CUT] for i in sample]))
    over = tokens > options.max_tokens
    if not over.any():
        return
    lost = float(np.maximum(0, tokens - options.max_tokens).sum() / tokens.sum())
    total = round(over.mean() * len(at))
    listed = np.sort(
        np.concatenate(
            [sample[over], _longest(table, reader, np.setdiff1d(at, sample), options.max_tokens)]
        )
    )
    need = _round_up(float(np.quantile(tokens, 0.98)), reader.limit)
    more = (
        f"; --max-tokens {need} would read 98 % of the texts whole, and costs time"
        if need > options.max_tokens
        else ""
    )
    yield make_finding(
        table,
        "text-length",
        "care" if over.mean() >= 0.1 or lost >= 0.1 else "note",
        listed,
        f"{format_share(over.sum(), len(sample))} of the texts are longer"
        f" than the {options.max_tokens} tokens of a run,"
        f" and {format_share(lost, 1)} of all tokens would go unread ({reader.name})",
        "what stands behind the limit is cut off before the model sees it;"
        " a label that depends on it cannot be learned",
        f"shorten the texts to what matters{more}",
        of=len(at),
        count=max(total, len(listed)),
        sampled=len(sample) < len(at),
        numbers={
            "max_tokens": options.max_tokens,
            "model_limit": reader.limit,
            "counted": len(sample),
            "lost": lost,
            "median": float(np.median(tokens)),
            "p98": float(np.quantile(tokens, 0.98)),
            "longest": int(tokens.max()),
        },
    )


def _longest(
    table: RawTable, reader: TokenCounter, rows: np.ndarray, max_tokens: int
) -> np.ndarray:
    """Return those of the SAMPLE longest `rows` that have more than max_tokens.

    They are for the list of rows, not for the estimate.
    """
    rows = rows[np.argsort(-view_of(table).lengths[rows], kind="stable")[:SAMPLE]]
    tokens = reader.count([table.frame["text"].iloc[i][:CUT] for i in rows])
    return rows[np.array(tokens, np.int64) > max_tokens]


def check_long_texts(table: RawTable, options: CheckOptions) -> Iterator[Finding]:
    """Find texts longer than the model itself can read, or than the kit keeps of a text."""
    lengths = view_of(table).lengths
    cut_off = lengths > MAX_CHARACTERS
    reader = token_counter(options.model)
    bad = cut_off | _beyond(table, reader, lengths, options.seed)
    if number := int(bad.sum()):
        limit = (
            f"the {reader.limit:,} tokens that {options.model} can read"
            if reader.limit
            else f"{MAX_CHARACTERS:,} characters"
        )
        longest = int(lengths.max())
        yield make_finding(
            table,
            "long-texts",
            level_of(number, len(lengths), 0.02),
            bad,
            f"{count_noun(number, 'text')} {'is' if number == 1 else 'are'} longer than {limit};"
            f" the longest has {longest:,} characters",
            "no setting makes the model read them whole,"
            " and a very long cell often is a whole mail thread or a broken row",
            "look at these rows: split them,"
            " keep the part that matters, or mend a quote that swallowed other rows",
            numbers={
                "limit": reader.limit,
                "longest": longest,
                "characters_cut_at": MAX_CHARACTERS,
            },
            sampled=int((_possible(reader, lengths)).sum()) > LONG_SAMPLE,
        )


def _possible(reader: TokenCounter, lengths: np.ndarray) -> np.ndarray:
    """Return texts that may pass the model's limit: a token is seldom under one character."""
    return lengths > (reader.limit or MAX_CHARACTERS)


def _beyond(table: RawTable, reader: TokenCounter, lengths: np.ndarray, seed: int) -> np.ndarray:
    """Return rows with more tokens than the model's limit, in a sample: bool, shape (rows,)."""
    bad = np.zeros(len(lengths), bool)
    rows = np.flatnonzero(_possible(reader, lengths))
    if reader.limit is None or not len(rows):
        return bad
    rows = _sample(rows, LONG_SAMPLE, seed)
    tokens = np.array(reader.count([table.frame["text"].iloc[i][:MAX_CHARACTERS] for i in rows]))
    bad[rows[tokens > reader.limit]] = True
    return bad


def _sample(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    return (
        rows
        if len(rows) <= size
        else np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))
    )


def _round_up(tokens: float, limit: int | None) -> int:
    wanted = int(np.ceil(tokens / 16) * 16)
    return min(wanted, limit) if limit else wanted


def token_counter(model: str) -> TokenCounter:
    """Return the counter of a model's tokenizer if it is on this machine, else an estimate.

    No network is used; the estimate is from the number of letters.
    """
    folder = _folder(model)
    if folder is None or not (folder / "tokenizer.json").is_file():
        return TokenCounter(
            _estimate,
            None,
            f"estimated from the letters, since the tokenizer of {quote(model, 40)} is not here",
        )
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count_tokens(texts: list[str]) -> list[int]:
        return [len(found.ids) for found in tokenizer.encode_batch_fast(texts)]

    return TokenCounter(
        count_tokens, _limit(folder), f"counted with the tokenizer of {quote(model, 40)}"
    )


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
