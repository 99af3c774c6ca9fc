"""Attacks and defects of clients: changed labels, changed updates, damaged uploads.

Some are refused on arrival (NaN, wrong shapes, damaged bytes). The others look right one by one, so
only the robust rules (`aggregation/robust.py`) can detect them. To add one: a small frozen
dataclass that overrides a method of `Attack`, and a line in `ATTACKS`.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fedkit.core.errors import FedkitError
from fedkit.core.spec import build_entry
from fedkit.core.tensors import Params, squared_norm


@dataclass(frozen=True)
class Attack:
    """Every client is honest and every upload arrives as it was sent."""

    needs: ClassVar[str] = ""

    def draw_attackers(self, clients: int, seed: int) -> frozenset[int]:
        """Return the places of the attackers among all clients, drawn by the seed.

        Fewer attackers are a subset of more. Raises FedkitError if there are more attackers than
        clients.
        """
        n = getattr(self, "n", 0)
        if n > clients:
            raise FedkitError(
                f"attack with n={n} attackers among {clients} clients; n may be at most {clients}"
            )
        order = np.random.default_rng([seed, zlib.crc32(b"attack")]).permutation(clients)
        return frozenset(order[:n].tolist())

    def poison_labels(
        self, labels: np.ndarray, num_labels: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the labels, shape (n,), that an attacker trains on."""
        return labels

    def poison_delta(self, delta: Params, rng: np.random.Generator) -> Params:
        """Return what an attacker sends instead of its update, which is not changed in place."""
        return delta

    def corrupt_body(self, body: bytes, rng: np.random.Generator) -> bytes:
        """Return the bytes that arrive of an attacker's encoded upload."""
        return body


@dataclass(frozen=True)
class ClientAttack(Attack):
    """n clients attack, in every round they take part in."""

    n: int = 1

    def __post_init__(self) -> None:
        if self.n < 1:
            raise FedkitError(
                f"attack with n={self.n} attackers; n is from 1 on, and attack 'none' is for none"
            )
        by = getattr(self, "by", 1.0)
        if not (math.isfinite(by) and 0 < by <= 1e30):
            raise FedkitError(f"attack with by={by:g}; it must be above 0 and at most 1e30")


@dataclass(frozen=True)
class SignFlip(ClientAttack):
    """Sends its update backwards, `by` times as large (Blanchard et al., 2017; Karimireddy et al.,
    2021).
    """

    by: float = 1.0

    def poison_delta(self, delta: Params, rng: np.random.Generator) -> Params:
        return {name: _times(tensor, -self.by) for name, tensor in delta.items()}


@dataclass(frozen=True)
class Scale(ClientAttack):
    """Sends its update `by` times as large, to drown the others (model replacement: Bagdasaryan et
    al., 2020).
    """

    by: float = 100.0

    def poison_delta(self, delta: Params, rng: np.random.Generator) -> Params:
        return {name: _times(tensor, self.by) for name, tensor in delta.items()}


@dataclass(frozen=True)
class Noise(ClientAttack):
    """Sends normal noise instead, `by` times as large as its update (Gaussian attack: Blanchard et
    al., 2017).
    """

    by: float = 10.0

    def poison_delta(self, delta: Params, rng: np.random.Generator) -> Params:
        count = sum(t.numel() for t in delta.values())
        size = self.by * math.sqrt(squared_norm(delta) / max(count, 1))
        return {name: _times(_normal(tensor, rng), size) for name, tensor in delta.items()}


@dataclass(frozen=True)
class LabelFlip(ClientAttack):
    """Trains honestly on wrong labels: label y becomes labels - 1 - y (Tolpegin et al., 2020)."""

    def poison_labels(
        self, labels: np.ndarray, num_labels: int, rng: np.random.Generator
    ) -> np.ndarray:
        return (num_labels - 1 - labels).astype(labels.dtype)


@dataclass(frozen=True)
class NotANumber(ClientAttack):
    """One value of its update is NaN, as after a division by zero."""

    value: ClassVar[float] = math.nan

    def poison_delta(self, delta: Params, rng: np.random.Generator) -> Params:
        name = _pick(delta, rng)
        changed = delta[name].clone().contiguous()
        changed.view(-1)[int(rng.integers(changed.numel()))] = self.value
        return {**delta, name: changed}


@dataclass(frozen=True)
class Infinite(NotANumber):
    """One value of its update is infinite, as after an overflow."""

    value = math.inf


@dataclass(frozen=True)
class WrongShape(ClientAttack):
    """One of its tensors has a row too many, as after training another model."""

    def poison_delta(self, delta: Params, rng: np.random.Generator) -> Params:
        name = _pick(delta, rng)
        rows = delta[name] if delta[name].dim() else delta[name][None]
        return {**delta, name: torch.cat([rows, torch.zeros_like(rows[:1])])}


@dataclass(frozen=True)
class WrongName(ClientAttack):
    """One of its tensors has another name, as from another version of the kit."""

    def poison_delta(self, delta: Params, rng: np.random.Generator) -> Params:
        wrong = _pick(delta, rng)
        return {name + ".old" if name == wrong else name: tensor for name, tensor in delta.items()}


@dataclass(frozen=True)
class Truncate(ClientAttack):
    """Its upload breaks off somewhere."""

    def corrupt_body(self, body: bytes, rng: np.random.Generator) -> bytes:
        return body[: int(rng.integers(len(body)))] if body else body


@dataclass(frozen=True)
class BitFlip(ClientAttack):
    """One bit of its upload is turned over on the way."""

    def corrupt_body(self, body: bytes, rng: np.random.Generator) -> bytes:
        place, bit = int(rng.integers(max(len(body), 1))), 1 << int(rng.integers(8))
        return body[:place] + bytes([body[place] ^ bit]) + body[place + 1 :] if body else body


def _times(tensor: Tensor, by: float) -> Tensor:
    """Multiply in float64, kept finite: infinity is for the check on arrival."""
    most = torch.finfo(tensor.dtype).max
    return (tensor.double() * by).clamp(-most, most).to(tensor.dtype)


def _normal(tensor: Tensor, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal(tuple(tensor.shape), np.float32)).to(tensor)


def _pick(delta: Params, rng: np.random.Generator) -> str:
    """Return the name of a tensor that is not empty."""
    full = sorted(name for name, tensor in delta.items() if tensor.numel())
    return full[int(rng.integers(len(full)))]


def make_attack(spec: str) -> Attack:
    """Return the attack of 'none', 'sign-flip:2' or 'scale:n=2,by=100'.

    Raises FedkitError naming what is allowed.
    """
    return build_entry("attack", ATTACKS, spec)


ATTACKS: dict[str, type[Attack]] = {
    "none": Attack,
    "sign-flip": SignFlip,
    "scale": Scale,
    "noise": Noise,
    "label-flip": LabelFlip,
    "nan": NotANumber,
    "inf": Infinite,
    "shape": WrongShape,
    "name": WrongName,
    "truncate": Truncate,
    "bit-flip": BitFlip,
}
