"""Many short texts as one matrix of tokens: sorted by length and cut into blocks, so that hardly anything is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Tokens = tuple[int, ...]
BLOCK_COST = 24  # a further block costs about as much time as this many tokens (measured on two cores)


@dataclass(frozen=True)
class Block:
    """`rows` texts of up to `length` tokens, in the token matrix from row `start`."""

    start: int
    rows: int
    length: int
    padded: bool  # some of the texts are shorter

    @property
    def tokens(self) -> slice:
        return slice(self.start, self.start + self.rows * self.length)


@dataclass(frozen=True)
class Packed:
    """The layout of a batch of n texts as T tokens.

    order: (n,) the caller's number of each packed text. lengths: (n,) real tokens of each packed text.
    blocks: from the shortest texts to the longest. masks: per block, bool (rows, length), True at a real token.
    """

    order: np.ndarray
    lengths: np.ndarray
    blocks: tuple[Block, ...]
    masks: tuple[Tensor, ...]
    device: torch.device

    @property
    def size(self) -> int:
        """T, padding included."""
        return self.blocks[-1].tokens.stop

    @property
    def real(self) -> np.ndarray:
        """Which of the T tokens are no padding: their numbers, text after text."""
        width = np.concatenate([np.full(b.rows, b.length) for b in self.blocks])
        return ranges(np.cumsum(width) - width, self.lengths)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """A value per packed text (n,) -> a value per token (T,)."""
        return np.repeat(values, np.concatenate([np.full(b.rows, b.length) for b in self.blocks]))

    def ids(self, texts: Sequence[Tokens], pad: int) -> list[Tensor]:
        """Token ids of the caller's texts, per block: int64 (rows, length)."""
        out, row = [], 0
        for block in self.blocks:
            grid = np.full((block.rows, block.length), pad)
            for line in grid:
                tokens = texts[self.order[row]]
                line[: len(tokens)] = tokens
                row += 1
            out.append(torch.from_numpy(grid).to(self.device))
        return out


def pack(texts: Sequence[Tokens], device: torch.device) -> Packed:
    """The cheapest layout of `texts`: few blocks and little padding, by dynamic programming over the lengths."""
    lengths = np.array([len(t) for t in texts])
    order = np.argsort(lengths, kind="stable")
    lengths = lengths[order]
    blocks, masks, start, row = [], [], 0, 0
    for rows in _cuts(lengths):
        shortest, longest = int(lengths[row]), int(lengths[row + rows - 1])
        block = Block(start, rows, longest, shortest < longest)
        blocks.append(block)
        masks.append(torch.from_numpy(np.arange(block.length) < lengths[row : row + rows, None]).to(device))
        start, row = block.tokens.stop, row + rows
    return Packed(order, lengths, tuple(blocks), tuple(masks), device)


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """counts[0] numbers from starts[0], then counts[1] numbers from starts[1], and so on."""
    return np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())


def _cuts(lengths: np.ndarray) -> list[int]:
    """Rows per block for sorted lengths, minimizing padded tokens + BLOCK_COST x blocks."""
    distinct, counts = np.unique(lengths, return_counts=True)
    upto = np.concatenate([[0], np.cumsum(counts)])
    best, came = np.zeros(len(distinct) + 1), np.zeros(len(distinct) + 1, int)
    for end in range(1, len(distinct) + 1):
        costs = best[:end] + distinct[end - 1] * (upto[end] - upto[:end]) + BLOCK_COST
        came[end] = costs.argmin()
        best[end] = costs[came[end]]
    rows, end = [], len(distinct)
    while end:
        rows.append(int(upto[end] - upto[came[end]]))
        end = came[end]
    return rows[::-1]
