"""Pack short texts into windows of fixed width, with almost no padding.

A mask over each window keeps attention within a text. Equal widths limit the matrix products of a
run to a few shapes; matrix libraries prepare each new shape, which for small matrices takes longer
than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

Tokens = tuple[int, ...]
MIN_WINDOW = 64  # tokens in a window; longer texts take windows of the next power of two


@dataclass(frozen=True)
class WindowBlock:
    """`windows` windows of `width` tokens, in the token matrix from row `start`.

    blocked: bool (windows, width, width), True where two tokens belong to different texts.
    """

    start: int
    windows: int
    width: int
    blocked: Tensor

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + self.windows * self.width)

    def bias(self, heads: int, dtype: torch.dtype) -> Tensor:
        """Return what is added to attention scores, (windows * heads, width, width): 0 or -1e4."""
        bias = torch.zeros_like(self.blocked, dtype=dtype).masked_fill_(self.blocked, -1e4)
        return bias.repeat_interleave(heads, 0)


@dataclass(frozen=True)
class PackedTexts:
    """The layout of n texts in T rows of tokens.

    starts: (n,), row of each text's first token. lengths: (n,), tokens of each text. blocks: of
    windows of equal width.
    """

    starts: np.ndarray
    lengths: np.ndarray
    blocks: tuple[WindowBlock, ...]
    device: torch.device

    @property
    def size(self) -> int:
        """The number of rows T, padding included."""
        return self.blocks[-1].rows.stop

    @cached_property
    def _token_indices(self) -> np.ndarray:
        return concatenated_ranges(self.starts, self.lengths)

    @cached_property
    def token_rows(self) -> Tensor:
        """The rows of all tokens, text after text: (sum of lengths,)."""
        return torch.from_numpy(self._token_indices).to(self.device)

    @cached_property
    def text_of_row(self) -> Tensor:
        """The number of each row's text: (T,); n for padding."""
        text = np.full(self.size, len(self.starts))
        text[self._token_indices] = np.repeat(np.arange(len(self.starts)), self.lengths)
        return torch.from_numpy(text).to(self.device)

    def spread_to_rows(self, values: np.ndarray, padding: int) -> Tensor:
        """Return one value per row (T,) from values per token, text after text."""
        rows = np.full(self.size, padding)
        rows[self._token_indices] = values
        return torch.from_numpy(rows).to(self.device)


def pack_texts(texts: Sequence[Tokens], device: torch.device, alone: bool = False) -> PackedTexts:
    """Lay out `texts`, none of them empty: longest first, each in the first window that has room.

    alone: one text in each window.
    """
    lengths = np.array([len(t) for t in texts])
    widths = np.maximum(MIN_WINDOW, 2 ** np.ceil(np.log2(lengths)).astype(int))
    starts, blocks, start = np.zeros(len(texts), int), [], 0
    for width in np.unique(widths).tolist():
        fitting = np.flatnonzero(widths == width)
        fitting = fitting[np.argsort(-lengths[fitting], kind="stable")]
        used: list[int] = []  # tokens in each window
        for i in fitting:
            window = len(used)
            if not alone:
                window = next((w for w, n in enumerate(used) if n + lengths[i] <= width), window)
            if window == len(used):
                used.append(0)
            starts[i] = start + window * width + used[window]
            used[window] += int(lengths[i])
        owner = np.full(len(used) * width, -1)
        places = concatenated_ranges(starts[fitting] - start, lengths[fitting])
        owner[places] = np.repeat(fitting, lengths[fitting])
        grid = torch.from_numpy(owner.reshape(len(used), width)).to(device)
        blocks.append(WindowBlock(start, len(used), width, grid.unsqueeze(1) != grid.unsqueeze(2)))
        start = blocks[-1].rows.stop
    return PackedTexts(starts, lengths, tuple(blocks), device)


def concatenated_ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return counts[0] numbers from starts[0], then counts[1] numbers from starts[1], and so on."""
    return np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
