"""Error feedback: stages that keep the error of a message and correct it in later ones.

vector_to_send: what the later stages compress; next_memory: the memory after the message;
received_update: the update that the receiver computes. All vectors have shape (n,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class ErrorFeedback:
    """What was lost is added to the next update: send C(x + e), keep e' = x + e - C(x + e).

    Seide et al., 2014; Karimireddy et al., 2019. The sum of all received updates and the memory is
    the sum of all given updates.
    """

    role: ClassVar[str] = "memory"
    linear: ClassVar[bool] = True
    unbiased: ClassVar[bool] = False
    lossless: ClassVar[bool] = True
    symbols: ClassVar[bool] = False
    needs: ClassVar[str] = (
        "a stage behind it that loses something; a memory per sender, so senders that come back"
    )

    def problem(self) -> str:
        return ""

    def vector_to_send(self, x: np.ndarray, memory: np.ndarray) -> np.ndarray:
        return x + memory

    def next_memory(self, aim: np.ndarray, memory: np.ndarray, message: np.ndarray) -> np.ndarray:
        return aim - message

    def received_update(self, memory: np.ndarray, message: np.ndarray) -> np.ndarray:
        return message


@dataclass(frozen=True)
class ErrorFeedback21:
    """Both ends remember the last update g; the difference travels: send C(x - g), both take g' = g
    + C(x - g).

    Richtarik et al., 2021.
    """

    role: ClassVar[str] = "memory"
    linear: ClassVar[bool] = False
    unbiased: ClassVar[bool] = False
    lossless: ClassVar[bool] = True
    symbols: ClassVar[bool] = False
    needs: ClassVar[str] = (
        "a stage behind it that loses something; both ends keep each sender's g: not under secure"
        " aggregation"
    )

    def problem(self) -> str:
        return ""

    def vector_to_send(self, x: np.ndarray, memory: np.ndarray) -> np.ndarray:
        return x - memory

    def next_memory(self, aim: np.ndarray, memory: np.ndarray, message: np.ndarray) -> np.ndarray:
        return memory + message

    def received_update(self, memory: np.ndarray, message: np.ndarray) -> np.ndarray:
        return memory + message
