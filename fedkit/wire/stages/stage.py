"""What all stages share, and the two that remember: error feedback.

Methods by role. memory: vector_to_send, next_memory, received_update, all on vectors (n,). select:
compress (n,) -> [values, ...] and decompress, with the tensors' layout; quantise: the same on
values, without it; code: pack arrays to bytes, and unpack. slots: the sizes of a stage's arrays.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedkit.core.tensors import Params

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Context:
    """The sender of a message ('server' or a client's id), its round, the run's seed, its memory.

    memory: what the sender keeps between messages; {} before the first one. feedback: the error is
    kept for later messages (set by the wire); a stage C then need not be unbiased and should be a
    contraction, ||x - C(x)|| < ||x||.
    """

    sender: str
    round: int
    seed: int
    memory: Params
    feedback: bool = False

    def rng(self, stage: str) -> np.random.Generator:
        """Return a random generator that belongs to this message and stage only."""
        words = (zlib.crc32(word.encode()) for word in (self.sender, stage))
        return np.random.default_rng([self.seed, self.round, *words])


class Stage:
    """Base of all stages: what is true of most of them."""

    role: ClassVar[str]
    needs: ClassVar[str]
    linear: ClassVar[bool] = False
    unbiased: ClassVar[bool] = False
    expands: ClassVar[bool] = True  # ||C(x)|| can be above ||x||
    lossless: ClassVar[bool] = False
    symbols: ClassVar[bool] = False  # gives symbols that an entropy coder can code

    def problem(self) -> str:
        """Return why the parameters cannot be used, or ''."""
        return ""


@dataclass(frozen=True)
class ErrorFeedback(Stage):
    """What was lost is added to the next update: send C(x + e), keep e' = x + e - C(x + e).

    Seide et al., 2014; Karimireddy et al., 2019. The sum of all received updates and the memory is
    the sum of all given updates.
    """

    role = "memory"
    linear = lossless = True
    needs = "a stage behind it that loses something; a memory per sender, so senders that come back"

    def vector_to_send(self, x: np.ndarray, memory: np.ndarray) -> np.ndarray:
        return x + memory

    def next_memory(self, aim: np.ndarray, memory: np.ndarray, message: np.ndarray) -> np.ndarray:
        return aim - message

    def received_update(self, memory: np.ndarray, message: np.ndarray) -> np.ndarray:
        return message


@dataclass(frozen=True)
class ErrorFeedback21(Stage):
    """Both ends remember the last update g; the difference travels: send C(x - g), both take g' = g
    + C(x - g).

    Richtarik et al., 2021.
    """

    role = "memory"
    lossless = True
    needs = (
        "a stage behind it that loses something; both ends keep each sender's g: not under secure"
        " aggregation"
    )

    def vector_to_send(self, x: np.ndarray, memory: np.ndarray) -> np.ndarray:
        return x - memory

    def next_memory(self, aim: np.ndarray, memory: np.ndarray, message: np.ndarray) -> np.ndarray:
        return memory + message

    def received_update(self, memory: np.ndarray, message: np.ndarray) -> np.ndarray:
        return memory + message
