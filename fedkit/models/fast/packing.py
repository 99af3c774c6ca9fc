"""Many short texts as one matrix of tokens: texts share windows of fixed width, so that hardly
anything is padding.

Attention stays within a text by a mask over its window. Windows all of one width make every matrix
product of a run one of a few shapes; a matrix library prepares each new shape, which for small
matrices costs more than the arithmetic.
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
        """What is added to attention scores: (windows * heads, width, width), 0 or so negative that
        nothing passes.
        """
        bias = torch.zeros(
            self.blocked.shape, dtype=dtype, device=self.blocked.device
        ).masked_fill_(self.blocked, -1e4)
        return bias.repeat_interleave(heads, 0)


@dataclass(frozen=True)
class PackedTexts:
    """The layout of n texts in T rows of tokens.

    starts: (n,) the row of each text's first token. lengths: (n,) tokens of each text. blocks:
    windows by width.
    """

    starts: np.ndarray
    lengths: np.ndarray
    blocks: tuple[WindowBlock, ...]
    device: torch.device

    @property
    def size(self) -> int:
        """T, padding included."""
        return self.blocks[-1].rows.stop

    @cached_property
    def _token_indices(self) -> np.ndarray:
        return concatenated_ranges(self.starts, self.lengths)

    @cached_property
    def token_rows(self) -> Tensor:
        """The rows that hold tokens, text after text: (sum of lengths,)."""
        return torch.from_numpy(self._token_indices).to(self.device)

    @cached_property
    def text_of_row(self) -> Tensor:
        """The text that each row belongs to: (T,); n for padding."""
        text = np.full(self.size, len(self.starts))
        text[self._token_indices] = np.repeat(np.arange(len(self.starts)), self.lengths)
        return torch.from_numpy(text).to(self.device)

    def spread_to_rows(self, values: np.ndarray, padding: int) -> Tensor:
        """Values per token, text after text -> one per row (T,)."""
        rows = np.full(self.size, padding)
        rows[self._token_indices] = values
        return torch.from_numpy(rows).to(self.device)


def pack_texts(texts: Sequence[Tokens], device: torch.device, alone: bool = False) -> PackedTexts:
    """Lay out `texts`, none of them empty: longest first, each in the first window that has room.

    alone: give every text a window of its own.
    """
    lengths = np.array([len(t) for t in texts])
    widths = np.maximum(MIN_WINDOW, 2 ** np.ceil(np.log2(lengths)).astype(int))
    starts, blocks, start = np.zeros(len(texts), int), [], 0
    for width in np.unique(widths).tolist():
        members = np.flatnonzero(widths == width)
        members = members[np.argsort(-lengths[members], kind="stable")]
        used: list[int] = []  # tokens in each window
        for i in members:
            window = len(used)
            if not alone:
                window = next((w for w, n in enumerate(used) if n + lengths[i] <= width), window)
            if window == len(used):
                used.append(0)
            starts[i] = start + window * width + used[window]
            used[window] += int(lengths[i])
        owner = np.full(len(used) * width, -1)
        owner[concatenated_ranges(starts[members] - start, lengths[members])] = np.repeat(
            members, lengths[members]
        )
        grid = torch.from_numpy(owner.reshape(len(used), width)).to(device)
        blocks.append(WindowBlock(start, len(used), width, grid.unsqueeze(1) != grid.unsqueeze(2)))
        start = blocks[-1].rows.stop
    return PackedTexts(starts, lengths, tuple(blocks), device)


def concatenated_ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """counts[0] numbers from starts[0], then counts[1] numbers from starts[1], and so on."""
    return np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
