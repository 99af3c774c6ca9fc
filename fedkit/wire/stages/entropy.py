"""Lossless stages: the arrays of a message as bytes.

pack: arrays and their slots -> bytes; unpack: the inverse, PayloadError if bytes do not fit. Sizes
are known beforehand, so no message can unpack to more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import zstandard
from constriction import stream

from fedkit.core.errors import PayloadError
from fedkit.wire.layout import Slot, join_parts, pack_array, split_parts, unpack_array
from fedkit.wire.stages.stage import Arrays, Stage


class Plain(Stage):
    """Fixed widths without entropy coding: the default of a wire that names no coder."""

    role = "code"
    unbiased = lossless = True
    expands = False

    def _pack_one(self, array: np.ndarray, slot: Slot) -> bytes:
        return pack_array(array, slot)

    def _unpack_one(self, data: bytes, slot: Slot) -> np.ndarray:
        return unpack_array(data, slot)

    def pack(self, arrays: Sequence[np.ndarray], slots: Sequence[Slot]) -> bytes:
        return join_parts([self._pack_one(array, slot) for array, slot in zip(arrays, slots)])

    def unpack(self, data: bytes, slots: Sequence[Slot]) -> Arrays:
        parts = split_parts(data, len(slots))
        return [self._unpack_one(part, slot) for part, slot in zip(parts, slots)]


@dataclass(frozen=True)
class Zstd(Plain):
    """Zstandard over the packed bytes (RFC 8878)."""

    level: int = 3
    needs = "to be last; bytes cannot be summed: not under secure aggregation"

    def problem(self) -> str:
        return "" if 1 <= self.level <= 22 else f"level is {self.level}; it must be from 1 to 22"

    def pack(self, arrays: Sequence[np.ndarray], slots: Sequence[Slot]) -> bytes:
        return zstandard.ZstdCompressor(level=self.level).compress(super().pack(arrays, slots))

    def unpack(self, data: bytes, slots: Sequence[Slot]) -> Arrays:
        most = sum(slot.max_bytes + 5 for slot in slots)
        # a skippable frame does not state its size here
        if not data.startswith(zstandard.FRAME_HEADER):
            raise PayloadError("not readable as zstd (no frame)")
        try:
            said = zstandard.frame_content_size(data)  # -1: not said
            if not 0 <= said <= most:
                raise PayloadError(
                    f"says that it unpacks to {said} bytes; at most {most} are possible"
                )
            plain = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
            return super().unpack(plain, slots)
        except zstandard.ZstdError as error:
            raise PayloadError(f"not readable as zstd ({str(error)[:80]})") from None


# A count is sent as one byte: 0 for none, else 1 + the nearest eighth of its logarithm to base 2.
# It is read back as a whole number, so that every machine has the same model to the last bit:
# EIGHTH_POWERS[i] is 128 * 2**(i / 8).
EIGHTH_POWERS = np.array([128, 140, 152, 166, 181, 197, 215, 235], np.int64)
MAX_COUNT_CODE = 8 * 32
PACKED, CODED = b"\0", b"\1"


@dataclass(frozen=True)
class Ans(Plain):
    """Asymmetric numeral systems: symbols at their entropy, by the message's own table of counts
    (Duda, 2013).

    Coded by constriction (Bamler, 2022). Numbers that are not symbols, such as scales, are not
    coded. Side information per array of symbols: at most 4 bytes and one for each symbol from the
    first to the last in use.
    """

    needs = (
        "to be last; symbols to code: topk, int8, int4, int2, nf4 or sign; not under secure"
        " aggregation"
    )

    def _pack_one(self, array: np.ndarray, slot: Slot) -> bytes:
        return encode_symbols(array, slot) if slot.alphabet else pack_array(array, slot)

    def _unpack_one(self, data: bytes, slot: Slot) -> np.ndarray:
        return decode_symbols(data, slot) if slot.alphabet else unpack_array(data, slot)


def encode_symbols(symbols: np.ndarray, slot: Slot) -> bytes:
    """Return symbols as bytes: entropy-coded, or at fixed width if that is shorter.

    Layout: CODED | first symbol u8 | table's length - 1 u8 | table | words u32; or PACKED | bits.
    """
    fixed = PACKED + pack_array(symbols, slot)
    if not len(symbols):
        return fixed
    counts = np.bincount(symbols)
    first = int(np.argmax(counts > 0))
    table = np.zeros(len(counts) - first, np.uint8)
    used = counts[first:] > 0
    table[used] = 1 + np.rint(8 * np.log2(counts[first:][used]))
    words = np.zeros(0, np.uint32)
    if used.sum() > 1:
        coder = stream.stack.AnsCoder()
        places = (np.cumsum(used) - 1).astype(np.int32)  # among the symbols in use
        coder.encode_reverse(places[symbols - first], symbol_model(table))
        words = coder.get_compressed()
    header = CODED + bytes([first, len(table) - 1])
    return min(fixed, header + table.tobytes() + words.astype("<u4").tobytes(), key=len)


def decode_symbols(data: bytes, slot: Slot) -> np.ndarray:
    """Return what `encode_symbols` encoded. Raises PayloadError for anything else."""
    if data[:1] == PACKED:
        return unpack_array(data[1:], slot)
    start = 4 + data[2] if len(data) >= 4 else 4
    if data[:1] != CODED or len(data) < start or (len(data) - start) % 4:
        raise PayloadError("coded symbols of an impossible length")
    table = np.frombuffer(data[3:start], np.uint8)
    words = np.frombuffer(data[start:], "<u4").astype(np.uint32)
    alive = np.flatnonzero(table)
    if not len(alive) or data[1] + alive[-1] >= slot.alphabet or table.max() > MAX_COUNT_CODE:
        raise PayloadError("a table of counts that cannot be")
    if len(alive) == 1:
        if len(words):
            raise PayloadError("words where one symbol says it all")
        return np.full(slot.count, data[1] + alive[0], np.uint8)
    try:
        coder = stream.stack.AnsCoder(words)
        places = coder.decode(symbol_model(table), slot.count)
    except ValueError as error:
        raise PayloadError(f"not readable as ANS ({str(error)[:80]})") from None
    if not coder.is_empty():
        raise PayloadError("coded symbols that do not end where they should")
    return (data[1] + alive[places]).astype(np.uint8)


def symbol_model(table: np.ndarray) -> stream.model.Categorical:
    """Return the probabilities that a table of counts with at least two used symbols stands for."""
    logs = table[table > 0].astype(np.int64) - 1
    counts = (EIGHTH_POWERS[logs % 8] << (logs // 8)).astype(np.float32)
    return stream.model.Categorical(counts, perfect=False)
