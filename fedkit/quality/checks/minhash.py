"""Find texts that are nearly the same: MinHash gives candidates, which are compared exactly.

A text is the set of its character 3-grams, which needs no spaces between words and serves every
script. Signatures and bands: Broder (1997), "On the resemblance and containment of documents";
Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3. With BANDS x ROWS a pair of
similarity 0.8 becomes a candidate with probability 0.998, one of 0.9 practically always; every pair
that is returned has been compared gram by gram.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

GRAM = 3  # characters
# similarity (common grams over all grams) from which two texts count as nearly the same
ALIKE = 0.8
BANDS, ROWS = 16, 5
# share of the signature that must agree before grams are compared: 0.8 less four standard errors
ROUGH = 0.62
SHORTEST = 12  # characters: two shorter texts are alike too easily
LONGEST = 2_000  # characters of a text that are compared
BUDGET = 200_000_000  # characters compared in all; of more, a sample of texts is drawn
CHUNK = 2_000_000  # characters at a time, for memory
MOST_PAIRS = 2_000_000  # candidates compared gram by gram; of more, a sample
WORKERS = 2  # threads; NumPy works outside the interpreter's lock


@dataclass(frozen=True)
class SimilarPairs:
    """Pairs of texts of similarity ALIKE or more, in order.

    left, right: positions, left < right, int64, shape (pairs,). similarity: shape (pairs,). looked:
    texts compared. sampled: not all texts, or not all candidates, were looked at.
    """

    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray
    looked: int
    sampled: bool


def find_similar_pairs(
    texts: Sequence[str], seed: int = 0, first: np.ndarray | None = None
) -> SimilarPairs:
    """Return similar pairs among different `texts`, at most two per text and band.

    In a large group of similar texts not all pairs are returned. first: numbers, shape (texts,): in
    a group each text is compared with the one that is lowest here. The same texts, seed and `first`
    give the same pairs.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)).clip(max=LONGEST)
    looked = np.flatnonzero(lengths >= SHORTEST)
    whole = len(looked)
    if lengths[looked].sum() > BUDGET:
        looked = np.random.default_rng(seed).permutation(looked)
        looked = np.sort(looked[np.cumsum(lengths[looked]) <= BUDGET])
    if len(looked) < 2:
        return SimilarPairs(*np.zeros((2, 0), np.int64), np.zeros(0), len(looked), False)
    if first is not None:
        looked = looked[np.argsort(first[looked], kind="stable")]
    chosen = [texts[i][:LONGEST] for i in looked]
    signatures, keys = minhash_signatures(chosen, lengths[looked], seed)
    left, right = candidate_pairs(signatures, keys)
    sampled = len(looked) < whole or len(left) > MOST_PAIRS
    if len(left) > MOST_PAIRS:
        kept = np.sort(np.random.default_rng(seed).choice(len(left), MOST_PAIRS, replace=False))
        left, right = left[kept], right[kept]
    similarity = jaccard_similarities(chosen, left, right)
    alike = similarity >= ALIKE
    ends = np.sort(np.stack([looked[left[alike]], looked[right[alike]]]), axis=0)
    order = np.lexsort(ends[::-1])
    left, right = ends[:, order]
    return SimilarPairs(left, right, similarity[alike][order], len(looked), sampled)


def hash_grams(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return hashes of the character GRAM-grams of `texts` in order, uint32, and counts, int64."""
    code_points = "".join(texts).encode("utf-32-le", "surrogatepass")
    signs = np.frombuffer(code_points, np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    mixed = signs.copy()
    for step in range(1, GRAM):
        mixed[: len(signs) - step] = (
            mixed[: len(signs) - step] * np.uint64(0x9E3779B97F4A7C15) + signs[step:]
        )
        mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    keep = np.ones(len(signs), bool)
    ends = np.cumsum(lengths)
    for back in range(1, GRAM):  # a gram does not run on into the next text
        keep[(ends - back)[lengths >= back]] = False
    return (mixed >> np.uint64(32)).astype(np.uint32)[keep], np.maximum(0, lengths - GRAM + 1)


def minhash_signatures(
    texts: list[str], lengths: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return MinHash signatures and band keys.

    Signatures: the low bits of each minimum, uint8, shape (texts, BANDS * ROWS). Keys: uint64,
    shape (BANDS, texts).
    """
    rng = np.random.default_rng(seed)
    factors = rng.integers(1, 2**32, BANDS * ROWS, np.uint32) | np.uint32(1)
    shifts = rng.integers(0, 2**32, BANDS * ROWS, np.uint32)
    cuts = np.searchsorted(np.cumsum(lengths), np.arange(CHUNK, int(lengths.sum()), CHUNK))
    edges = np.unique(np.concatenate([[0], cuts, [len(texts)]]))
    signatures = np.empty((len(texts), BANDS * ROWS), np.uint8)
    keys = np.zeros((BANDS, len(texts)), np.uint64)

    def work(edge: tuple[int, int]) -> None:
        low, high = edge
        hashes, sizes = hash_grams(texts[low:high])
        starts = np.cumsum(sizes) - sizes
        room = np.empty_like(hashes)
        for k, (factor, shift) in enumerate(zip(factors, shifts)):
            np.multiply(hashes, factor, out=room)
            np.add(room, shift, out=room)
            lowest = np.minimum.reduceat(room, starts)
            signatures[low:high, k] = (
                lowest ^ (lowest >> np.uint32(8)) ^ (lowest >> np.uint32(16))
            ).astype(np.uint8)
            band = keys[k // ROWS, low:high]
            np.multiply(band, np.uint64(0x9E3779B97F4A7C15), out=band)
            np.bitwise_xor(band, band >> np.uint64(31), out=band)
            np.add(band, lowest, out=band)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, pairwise(edges.tolist())))
    return signatures, keys


def candidate_pairs(signatures: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs that share a band and most of their signature.

    In a band, each text is paired with the first of its group and the one before it.
    """
    number = keys.shape[1]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda band: _band(band, signatures), keys))
    both = np.unique(np.concatenate(found))
    return both // number, both % number


def _band(keys: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """Return candidates of one band as left * texts + right."""
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    at = np.flatnonzero(same) + 1
    head = np.maximum.accumulate(np.where(np.append(True, ~same), np.arange(len(order)), 0))[at]
    left = np.concatenate([order[at - 1], order[head]])
    right = np.concatenate([order[at], order[at]])
    number = np.int64(len(order))
    pairs = np.unique(np.minimum(left, right) * number + np.maximum(left, right))
    kept = [pairs[:0]]
    for start in range(0, len(pairs), 100_000):  # for memory
        part = pairs[start : start + 100_000]
        agree = signatures[part // number] == signatures[part % number]
        kept.append(part[agree.mean(axis=1) >= ROUGH])
    return np.concatenate(kept)


def jaccard_similarities(
    texts: Sequence[str], left: np.ndarray, right: np.ndarray, at_once: int = 20_000
) -> np.ndarray:
    """Return the Jaccard similarity of grams of the pairs of positions in `texts`: (pairs,)."""
    edges = [(i, i + at_once) for i in range(0, len(left), at_once)]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda e: _jaccard(texts, left[slice(*e)], right[slice(*e)]), edges))
    return np.concatenate([np.zeros(0), *found])


def _jaccard(texts: Sequence[str], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    used, at = np.unique(np.concatenate([left, right]), return_inverse=True)
    hashes, sizes = hash_grams([texts[i] for i in used])
    starts = np.cumsum(sizes) - sizes
    sides = enumerate(np.split(at, 2))  # the left ends of the pairs, and the right ones
    rows = np.concatenate([_tagged(hashes, starts, sizes, ends, side) for side, ends in sides])
    rows.sort()
    rows = rows[np.append(True, rows[1:] != rows[:-1])]  # a set has each gram once
    common = (rows[1:] ^ rows[:-1]) == 1  # the same pair and gram, from either side
    number = len(left)
    shared = np.bincount((rows[1:][common] >> np.uint64(33)).astype(np.int64), minlength=number)
    every = np.bincount((rows >> np.uint64(33)).astype(np.int64), minlength=number) - shared
    return shared / np.maximum(every, 1)


def _tagged(
    hashes: np.ndarray, starts: np.ndarray, sizes: np.ndarray, at: np.ndarray, side: int
) -> np.ndarray:
    """Return uint64 with, in order of bits: number of the pair, hash of the gram, side."""
    sizes_at = sizes[at]
    pair = np.repeat(np.arange(len(at), dtype=np.uint64), sizes_at)
    inside = np.arange(sizes_at.sum()) - np.repeat(np.cumsum(sizes_at) - sizes_at, sizes_at)
    gram = hashes[np.repeat(starts[at], sizes_at) + inside].astype(np.uint64)
    return (pair << np.uint64(33)) | (gram << np.uint64(1)) | np.uint64(side)
