"""The privacy mechanisms of `--privacy`, and their budgets: noise for epsilon, epsilon of a run.

example: hides whether one text was in the data (DP-SGD at every client). client: hides whether a
client took part (DP-FedAvg, or DP-FTRL where sampling cannot be trusted). To add one: a small
frozen dataclass, a line in `PRIVACY`, and a branch in `budget_of` and `Budget.blocks`. The
accounting itself is in `accounting.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from fedkit.core.config import parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.spec import build_entry
from fedkit.privacy.accounting import Releases, epsilon, noise_for_epsilon
from fedkit.privacy.noise import NoiseKey

if TYPE_CHECKING:
    from fedkit.core.record import RoundRecord

DEFAULT_EPS = 8.0  # where neither eps nor noise is given
MIN_STEPS = 20  # gradient steps of a run: with fewer, each has to be too large
MAX_STEP = 1000.0  # of a learning rate times a mean gradient that is clipped to 1
# noise on the count of clients within an adaptive clip: cohort / 20 (Andrew et al., 2021)
COUNT_NOISE_SHARE = 20
FEW_CLIENTS = 100  # below it a promise to whole clients means little
MIN_MULTIPLIER = 1e-9  # of a noise that is given; below it epsilon leaves the range of float64


class Privacy:
    """Base of all mechanisms.

    eps: the wished epsilon, or the limit if `noise` is given too; 0: not given. delta: as in
    (eps, delta)-differential privacy. clip: L2 bound. noise: noise multiplier, 0: not given.
    noise_from: seed: anybody who has the record can repeat the run; system: nobody can.
    """

    unit: ClassVar[str] = ""  # whose presence is hidden: example | client
    needs: ClassVar[str] = ""
    eps: float
    delta: float
    clip: float
    noise: float
    start: float

    def problem(self) -> str:
        """Return why the parameters are invalid; '' if they are valid."""
        return ""

    @property
    def has_secret_noise(self) -> bool:
        """Whether the noise comes from the operating system, and not from the run's seed."""
        return getattr(self, "noise_from", "seed") == "system"


@dataclass(frozen=True)
class NoPrivacy(Privacy):
    """No promise: no clipping, no noise."""


@dataclass(frozen=True)
class Example(Privacy):
    """DP-SGD at every site: whether one text was in a site's data cannot be told (Abadi et al.,
    2016).

    rate: Poisson sampling rate of a client's rows; 1: all of them in every step. steps: of a visit;
    0: --local-epochs passes, and more if the run would have fewer than 20 in all. start: share of
    eps for the head start. step: standard deviation of the noise that all steps together leave on
    each weight of the head; it sets the head's learning rate for any data, clip and eps. trust:
    site: nobody else is trusted; sum: each client adds a share of the noise to one gradient per
    round, and only the sum is seen (--secure).
    """

    eps: float = 0.0
    delta: float = 1e-5
    clip: float = 0.2
    noise: float = 0.0
    rate: float = 1.0
    steps: int = 0
    start: float = 0.3
    step: float = 1.2
    trust: str = "site"
    sampling: str = "poisson"
    noise_from: str = "seed"
    unit: ClassVar[str] = "example"
    needs: ClassVar[str] = "noise in every step; a large --batch-size does nothing, rate does"

    def problem(self) -> str:
        if self.sampling != "poisson":
            return (
                f"sampling={self.sampling}: shuffled batches are not Poisson samples, and the"
                " accounting with amplification does not hold for them; use sampling=poisson, or"
                " rate=1"
            )
        if not 0 < self.rate <= 1:
            what = "the share of a site's rows in a step, above 0 and at most 1"
            return f"rate={self.rate:g}: {what}"
        if self.steps < 0:
            return f"steps={self.steps}: gradient steps of a visit, 0 for as many as are needed"
        if self.trust not in ("site", "sum"):
            return f"trust={self.trust}: choose site or sum"
        return ""


@dataclass(frozen=True)
class ClientLevel(Privacy):
    """Base of client-level mechanisms.

    clip: L2 norm of a client's whole update. start: share of eps for the head start.
    """

    eps: float = 0.0
    delta: float = 1e-5
    clip: float = 1.0
    noise: float = 0.0
    start: float = 0.2
    noise_from: str = "seed"
    unit: ClassVar[str] = "client"


@dataclass(frozen=True)
class Client(ClientLevel):
    """DP-FedAvg: whether a whole site took part cannot be told (McMahan et al., 2018).

    quantile: above 0, the clip privately follows this quantile of the norms (Andrew et al., 2021).
    """

    quantile: float = 0.0
    needs: ClassVar[str] = (
        "--weights uniform; many clients: noise that hides one of ten hides what they learned"
    )

    def problem(self) -> str:
        if not 0 <= self.quantile < 1:
            return f"quantile={self.quantile:g}: from 0 (flat clipping) to below 1"
        return ""


@dataclass(frozen=True)
class Ftrl(ClientLevel):
    """DP-FedAvg without trust in sampling: noise that later rounds take back, clients in turn
    (Kairouz et al., 2021).

    Banded matrix factorization (Choquette-Choo et al., 2023); its number of bands is the number of
    rounds from one turn of a client to the next.
    """

    needs: ClassVar[str] = "--weights uniform, --clients-per-round; many clients"


@dataclass(frozen=True)
class Budget:
    """A mechanism with the numbers of one run: all that accounting needs.

    noise: noise multiplier z of a step (example) or a round (client). rate: of the Poisson
    sampling. amplified: whether the draw is hidden from those the promise protects from, else every
    round counts in full. steps: of a visit. start: noise multiplier of the head start, 0 if nothing
    is sent. eps: the wish or the limit; 0: none was given. turns: rounds between two turns of a
    client (ftrl), else 0. clients: in the run. count_noise: std of the noise on the count that
    adaptive clipping uses, else 0. total_steps: gradient steps of a client in the whole run.
    averaged_clients: clients whose models are averaged in a round.
    """

    privacy: Privacy
    noise: float
    rate: float
    steps: int
    start: float
    eps: float
    clients: int
    turns: int = 0
    count_noise: float = 0.0
    total_steps: int = 1
    averaged_clients: float = 1.0
    amplified: bool = True

    @property
    def scale(self) -> float:
        """The factor of a learning rate for a mean clipped gradient.

        With it a step leaves noise of one learning rate on every weight, for any data, clip, eps.
        """
        return self.rate / (self.clip * self.noise) if self.noise else 1.0

    @property
    def head_lr(self) -> float:
        """The learning rate of the head.

        All steps together then leave noise of `step` on every weight of the mean over clients.
        `federated.local.dp_sgd.step_sizes` limits single steps.
        """
        assert isinstance(self.privacy, Example)  # only DP-SGD sets the head's rate
        alike = 1.0 if self.trust_sum else math.sqrt(self.averaged_clients)
        return self.privacy.step * alike / math.sqrt(self.total_steps)

    @property
    def unit(self) -> str:
        return self.privacy.unit

    @property
    def delta(self) -> float:
        return self.privacy.delta

    @property
    def clip(self) -> float:
        return self.privacy.clip

    @property
    def trust_sum(self) -> bool:
        """Whether clients only add shares of the noise, so that the sum alone is protected."""
        return getattr(self.privacy, "trust", "") == "sum"

    @property
    def cohort(self) -> float:
        """Average number of clients of a round, the fixed denominator of a client-level mean."""
        return self.rate * self.clients if not self.turns else self.clients / self.turns

    def blocks(self, visits: Sequence[float]) -> list[Releases]:
        """Return what was released.

        visits: the noise multiplier of each visit (example) or round (client) so far.
        """
        out = [Releases(self.start)] if self.start else []
        if self.turns:
            turns = math.ceil(len(visits) / self.turns)
            return [*out, Releases(min(visits) / math.sqrt(turns))] if visits else out
        rate = self.rate if self.amplified else 1.0
        if rate < 1 and visits:  # one block, as the grid of many is coarse: all at the least noise
            visits = [min(visits)] * len(visits)
        for noise in dict.fromkeys(visits):
            out.append(Releases(noise, rate, self.steps * sum(1 for v in visits if v == noise)))
        return out

    def planned(self, visits: int) -> list[Releases]:
        """Return what `visits` visits release if all goes as planned."""
        return self.blocks([self.noise] * visits)

    def epsilon(self, visits: Sequence[float], accountant: str = "pld") -> float:
        """Return the epsilon that the visits so far have spent."""
        return epsilon(self.blocks(visits), self.delta, accountant)

    def unamplified(self, visits: Sequence[float]) -> float:
        """Return the spent epsilon if the attacker knew which samples were drawn."""
        return epsilon([replace(b, rate=1.0) for b in self.blocks(visits)], self.delta)

    def is_kept(self, visits: Sequence[float]) -> bool:
        """Return whether the visits so far are within eps; True if none was given."""
        return not self.eps or self.epsilon(visits) <= self.eps * (1 + 1e-9)

    def allows(self, visits: Sequence[float]) -> bool:
        """Return whether one more visit stays within eps; True if none was given."""
        return self.is_kept([*visits, self.noise])


@lru_cache(maxsize=64)
def budget_of(
    privacy: Privacy,
    rounds: int,
    epochs: int,
    clients: int,
    per_round: float | None,
    starts: bool,
    sealed: bool = False,
) -> Budget:
    """Return the budget of a run. per_round: clients of a round, or below 1 their share.

    starts: whether a private head start is sent. sealed: whether the promise protects from the
    server, which sees sums and who takes part. Raises FedkitError if not one round is allowed.
    """
    rate, steps, turns, wish = 1.0, 1, 0, privacy.eps
    share = 1.0 if per_round is None else per_round if per_round < 1 else per_round / clients
    if isinstance(privacy, Example):
        rate = privacy.rate
        if privacy.trust != "sum":
            enough = max(round(epochs / rate), math.ceil(MIN_STEPS / rounds), 1)
            steps = privacy.steps or enough
    elif isinstance(privacy, Ftrl):
        turns = max(1, round(1 / share))
    else:
        rate = min(share, 1.0)
    if not privacy.noise:
        wish = wish or DEFAULT_EPS
    budget = Budget(
        privacy,
        privacy.noise,
        rate,
        steps,
        0.0,
        wish,
        clients,
        turns,
        total_steps=rounds * steps,
        averaged_clients=max(1.0, share * clients),
        amplified=not sealed or privacy.unit == "example",
    )
    if starts:
        whole = wish or epsilon(budget.planned(rounds), privacy.delta) / (1 - privacy.start)
        first = noise_for_epsilon(privacy.start * whole, privacy.delta, lambda z: [Releases(z)])
        budget = replace(budget, start=first)
    noise = privacy.noise or noise_for_epsilon(
        wish, privacy.delta, lambda z: replace(budget, noise=z).planned(rounds)
    )
    budget = replace(budget, noise=noise)
    if getattr(privacy, "quantile", 0.0):
        budget = replace(budget, count_noise=max(budget.cohort / COUNT_NOISE_SHARE, noise))
    if not budget.allows([]):
        raise FedkitError(
            f"privacy noise={noise:g} with eps={wish:g} given: not even one round is within that; a"
            f" round takes epsilon {budget.epsilon([noise]):.2f}; use more noise, a larger eps, or"
            " noise alone"
        )
    return budget


def run_key(privacy: Privacy, seed: int) -> NoiseKey:
    """Return the key of all private randomness of a new run: fresh, or that of its seed."""
    return NoiseKey.fresh() if privacy.has_secret_noise else NoiseKey.from_seed(seed)


def visit_noises(rounds: Iterable[RoundRecord], budget: Budget) -> list[float]:
    """Return the noise multipliers of the releases so far, for the client that released the most.

    Read from the record alone, so that a resumed run neither forgets nor counts twice. An upload
    that was lost or refused counts: somebody may have seen it. So does a round that released
    nothing, at the planned noise: whether it did depends on who was there.
    """
    if budget.unit == "client" or budget.trust_sum:
        return [budget.noise if r.noise is None else r.noise for r in rounds if r.round]
    visits: dict[str, int] = {}
    for r in rounds:
        for c in r.clients:
            visits[c.id] = visits.get(c.id, 0) + (c.steps > 0)
    return [budget.noise] * max(visits.values(), default=0)


def make_privacy(spec: str) -> Privacy:
    """Return the mechanism that 'name:key=value,...' describes.

    Raises FedkitError, which names what is allowed.
    """
    name, options = parse_spec(spec, "privacy")
    if name not in PRIVACY and (number := re.search(r"\d+(\.\d+)?", spec)):
        raise FedkitError(
            f"privacy {spec!r} is not known; choose one of: {', '.join(PRIVACY)}; such as"
            f" example:eps={number[0]}"
        )
    privacy = build_entry("privacy", PRIVACY, spec)
    problem = privacy.problem()
    if "eps" in options and privacy.eps == 0:
        problem = (
            "eps=0: no noise is enough for that; write a number above 0, such as eps=8, 3 or 1"
        )
    if "noise" in options and privacy.noise < MIN_MULTIPLIER:
        problem = (
            f"noise={privacy.noise:g} promises nothing; write a larger number such as 1, leave it"
            " out, or use --privacy none"
        )
    for name, (least, most) in PARAMETER_RANGES.items():
        if not least <= (value := getattr(privacy, name, least)) <= most:
            problem = problem or f"{name}={value:g}: it must be from {least:g} to {most:g}"
    if (source := getattr(privacy, "noise_from", "seed")) not in ("seed", "system"):
        problem = problem or f"noise_from={source}: choose seed or system"
    if problem:
        raise FedkitError(f"privacy {spec!r}: {problem}")
    return privacy


PARAMETER_RANGES = {
    "eps": (0, 1000),
    "delta": (1e-10, 0.1),
    "clip": (1e-6, 1e6),
    "noise": (0, 1e4),
    "start": (0.01, 0.99),
    "step": (1e-6, 1000),
}

PRIVACY: dict[str, type[Privacy]] = {
    "none": NoPrivacy,
    "example": Example,
    "client": Client,
    "ftrl": Ftrl,
}
