"""How much privacy is spent: epsilon of repeated, sampled Gaussian noise, by three accountants; and
how much noise to add.

Everything here is for add-or-remove-one adjacency: the two data sets that must look alike differ in
one unit (an example or a client, whatever was clipped to the sensitivity), which is there in one
and not in the other.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

from fedkit.core.errors import FedkitError
from fedkit.core.spec import first_paragraph

# step of the grid of privacy losses, in nats; finer or coarser where GRID does not fit: see _grid
GRID = 1e-4
# of the grid for all steps together: about 0.2 seconds; and at the very most
POINTS, MAX_POINTS = 100_000, 4_000_000
MIN_NOISE, MAX_NOISE = 0.02, 1e6  # between which noise_for looks


ADJACENCY = "add or remove one"
UNITS = {
    "example": "one training example (a text and its label)",
    "client": "one client with all that it holds",
}
NOT_COVERED = (
    (
        "not covered: settings chosen by results on the same data (clip, rates, rounds, the better"
        " of several runs) and any choice made on validation data drawn from it"
    ),
    (
        "not covered: what was public or published anyway: the base model, label names, sizes of"
        " sites, column names"
    ),
    (
        "not covered: rounding in floating point (an attacker who sees every bit of a noisy"
        " number), and whoever can draw the noise again: it follows the run's seed, so that"
        " experiments can be repeated, unless noise_from=system"
    ),
)


@dataclass(frozen=True)
class Releases:
    """`steps` releases of a Gaussian mechanism on Poisson-sampled units."""

    noise: float  # noise multiplier: standard deviation / L2 sensitivity; 0: no privacy
    rate: float = 1.0  # Poisson sampling rate; 1: everyone, no amplification
    steps: int = 1  # 0: nothing is released

    def __post_init__(self) -> None:
        if not self.noise >= 0:
            raise FedkitError(
                f"noise {self.noise} given; the noise multiplier is a number from 0 (none) upwards"
            )
        if not 0 < self.rate <= 1:
            raise FedkitError(
                f"rate {self.rate} given; the sampling rate is above 0 and at most 1 (everyone)"
            )
        if (
            isinstance(self.steps, float) and not self.steps.is_integer()
        ) or not 0 <= self.steps < 1e9:
            raise FedkitError(
                f"steps {self.steps} given; write a whole number from 0 upwards, below a billion"
            )


@dataclass(frozen=True)
class Pld:
    """Privacy loss distributions (dp-accounting): an upper bound, close to exact; the one
    to quote.
    """

    def epsilon(self, blocks: Sequence[Releases], delta: float) -> float:
        """Connect-the-dots discretisation, pessimistic (Doroshenko et al. 2022); without sampling,
        the exact formula.
        """
        if all(b.rate == 1 for b in blocks):
            return _gaussian_epsilon(blocks, delta)
        grid = _grid_step(blocks)
        # their reach is hard to guess
        rare = [b for b in blocks if b.rate < 1e-4 or b.steps > 50_000]
        while any(_grid_points(b, grid) > MAX_POINTS for b in rare):
            grid *= 4
        first, *rest = [_compose_steps(b, grid) for b in blocks]
        for other in rest:
            first = first.compose(other)
        rounded = 2 * max(_negative_mass(pmf) for pmf in (first._pmf_remove, first._pmf_add))
        if rounded > delta / 2:
            raise ArithmeticError(
                f"its Fourier transform rounds by {rounded:.1g}, too much for this delta"
            )
        return float(first.get_epsilon_for_delta(delta - rounded))


@dataclass(frozen=True)
class Rdp:
    """Renyi differential privacy (Opacus): an upper bound, looser than PLD; long the usual one in
    papers.
    """

    def epsilon(self, blocks: Sequence[Releases], delta: float) -> float:
        """Mironov, Talwar and Zhang (2019), with the conversion of Balle et al. (2020)."""
        from opacus.accountants import RDPAccountant

        accountant = RDPAccountant()
        accountant.history = [(b.noise, b.rate, b.steps) for b in blocks]
        # for small epsilon
        orders = [*RDPAccountant.DEFAULT_ALPHAS, 64, 80, 96, 128, 192, 256, 384, 512, 1024]
        return max(0.0, float(accountant.get_epsilon(delta, alphas=orders)))


@dataclass(frozen=True)
class Prv:
    """Privacy random variables (Opacus): as close as PLD, plus its own error bound of 0.01 in
    epsilon.
    """

    def epsilon(self, blocks: Sequence[Releases], delta: float) -> float:
        """Gopi, Lee and Wutschitz (2021)."""
        from opacus.accountants import PRVAccountant

        steps, reach = sum(b.steps for b in blocks), 3 + Rdp().epsilon(blocks, delta / 4000)
        points = 2 * reach / 0.01 * math.sqrt(steps * math.log(12_000 / delta) / 2)
        # its e^loss overflows at 710, and it would say too little
        if delta < 1e-10 or reach > 700 or points > 1e7:
            raise ArithmeticError(
                f"losses up to {reach:.3g} on {points:.1g} grid points are too many for it"
            )
        accountant = PRVAccountant()
        accountant.history = [(b.noise, b.rate, b.steps) for b in blocks]
        return max(0.0, float(accountant.get_epsilon(delta)))


ACCOUNTANTS = {"pld": Pld, "rdp": Rdp, "prv": Prv}


def epsilon(blocks: Sequence[Releases], delta: float, accountant: str = "pld") -> float:
    """Epsilon of all blocks together at this delta; inf where a block has no noise, 0 where nothing
    is released.

    Raises FedkitError for a delta outside (0, 1), an unknown accountant, or where the accountant
    cannot say.
    """
    if not 0 < delta < 1:
        raise FedkitError(f"delta {delta} given; it is above 0 and below 1, such as 1e-5")
    if accountant not in ACCOUNTANTS:
        raise FedkitError(
            f"accountant {accountant!r} is not known; choose one of: {', '.join(ACCOUNTANTS)}"
        )
    merged = _merge_blocks(blocks)
    if any(b.noise == 0 for b in merged):
        return math.inf
    return _cached_epsilon(merged, float(delta), accountant) if merged else 0.0


def noise_for_epsilon(
    target: float,
    delta: float,
    blocks: Callable[[float], Sequence[Releases]],
    accountant: str = "pld",
) -> float:
    """The smallest noise multiplier z (relative 1e-4) with epsilon(blocks(z)) <= target; never
    above the target.

    `blocks` says what a run with noise z releases; blocks that do not depend on z (a head start)
    are charged too. Raises FedkitError where no noise is enough.
    """
    from scipy.optimize import brentq

    if not target > 0 or math.isinf(target):
        raise FedkitError(f"target epsilon {target} given; write a number above 0, such as 8")

    def over(log_noise: float) -> float:
        spent = epsilon(blocks(math.exp(log_noise)), delta, accountant)
        return math.log(min(max(spent, 1e-9), 1e9) / target)

    low, high = _bracket_noise(over, target)
    if low == high:
        return math.exp(high)
    found = brentq(over, low, high, xtol=3e-5, rtol=1e-12)
    while over(found) > 0:
        found += 3e-5
    return math.exp(found)


def _bracket_noise(over: Callable[[float], float], target: float) -> tuple[float, float]:
    """Logarithms of a noise that is too small and of one that is enough; twice the smallest if that
    is enough.
    """
    low = high = 0.0
    while over(high) > 0:
        low, high = high, high + math.log(2)
        if high > math.log(MAX_NOISE):
            raise FedkitError(
                f"target epsilon {target:g} cannot be reached by any noise in the training: what is"
                " released beside it, or the accountant's own error (prv: 0.01), is more; allow"
                " more, or release less"
            )
    while low == high or over(low) <= 0:
        low, high = low - math.log(2), low
        if low < math.log(MIN_NOISE):
            return high, high
    return low, high


def compare_accountants(
    blocks: Sequence[Releases], delta: float
) -> dict[str, dict[str, float | None]]:
    """{"amplified": {accountant: epsilon}, "unamplified": {...}}: with sampling, and as if everyone
    took part in each step.

    None where an accountant cannot say.
    """
    everyone = [replace(b, rate=1.0) for b in blocks]

    def all_three(of: Sequence[Releases]) -> dict[str, float | None]:
        return {name: _epsilon_or_none(of, delta, name) for name in ACCOUNTANTS}

    return {"amplified": all_three(blocks), "unamplified": all_three(everyone)}


def _epsilon_or_none(blocks: Sequence[Releases], delta: float, accountant: str) -> float | None:
    try:
        return epsilon(blocks, delta, accountant)
    except FedkitError:
        return None


def discrete_sum_noise(sigma_each: float, parties: int, dim: int, sensitivity: float) -> float:
    """The noise multiplier of the Gaussian mechanism with the same zCDP bound as a sum of discrete
    Gaussians.

    Each of `parties` adds integer noise of standard deviation about `sigma_each` to each of `dim`
    numbers; one unit moves the sum by `sensitivity` in L2 (both in integer units, rounding
    included). Kairouz, Liu and Steinke, "The distributed discrete Gaussian mechanism" (2021): the
    sum is eps^2/2-zCDP with
        eps = min(sqrt(D^2 / (n s^2) + tau d / 2), D / (sqrt(n) s) + tau sqrt(d)),
        tau = `wire.discrete.gap`(s, n),
    and a Gaussian of noise z is 1/(2 z^2)-zCDP, so z = 1 / eps. The theorem needs s >= 1/2. Without
    sampling, epsilon of the accountant rdp at z is a proven bound for the discrete sum. Of pld and
    prv, and of amplification by sampling, it is that of the continuous Gaussian which the sum is
    within tau of.
    """
    from fedkit.privacy.discrete_noise import discrete_sum_gap

    if not sigma_each >= 0.5 or parties < 1 or dim < 1 or not sensitivity > 0:
        raise FedkitError(
            f"discrete noise {sigma_each} of {parties} parties on {dim} numbers, sensitivity"
            f" {sensitivity}, given; noise is 0.5 or more (scale the numbers up), parties and"
            " numbers are 1 or more, the sensitivity is above 0"
        )
    tau = discrete_sum_gap(sigma_each, parties)
    central = sensitivity / (math.sqrt(parties) * sigma_each)
    return 1 / min(math.sqrt(central**2 + tau * dim / 2), central + tau * math.sqrt(dim))


def explain_epsilon(
    delta: float,
    blocks: Sequence[Releases] = (),
    *,
    unit: str = "example",
    num_units: int | None = None,
    accountant: str = "pld",
    sampling: str | None = None,
) -> list[str]:
    """What belongs beside any epsilon, a sentence a line: unit, adjacency, sampling, delta against
    n, accountant, gaps.

    `unit` is one of UNITS or words for another; `num_units` is how many there are at all sites
    together; `sampling` replaces what the blocks' rates say, where units are not drawn by Poisson
    sampling.
    """
    about = first_paragraph(ACCOUNTANTS[accountant])
    return [
        f"unit: {UNITS.get(unit, unit)}; adjacency: {ADJACENCY}",
        f"sampling: {sampling or describe_sampling(blocks)}",
        describe_delta(delta, num_units),
        f"accountant: {accountant}. {about}",
        *NOT_COVERED,
    ]


def describe_sampling(blocks: Sequence[Releases]) -> str:
    """What the blocks' rates assume of who takes part in a step."""
    rates = sorted({b.rate for b in blocks if b.steps and b.rate < 1})
    if not rates:
        return "none: everyone takes part in every step, so nothing is amplified"
    named = " or ".join(f"{rate:.4g}" for rate in rates[:3]) + (
        " or others" if len(rates) > 3 else ""
    )
    return (
        f"Poisson: each unit takes part in a step with chance {named}, drawn anew and apart from"
        " all others, and who was drawn stays secret; shuffled batches, or a fixed group, would"
        " not earn this number"
    )


def describe_delta(delta: float, num_units: int | None = None) -> str:
    """Delta beside the number of units n of all sites: below 1/n it must be, and at most 1 / (10 n)
    it should be.

    Publishing each unit whole with chance delta is (0, delta)-private, and exposes n delta units on
    average: delta = 1/n would allow a victim in every run. A tenth of that keeps the chance of any
    victim below 10 %.
    """
    if not num_units:
        return (
            f"delta: {delta:g}; it should be at most 1 / (10 n) for n units in all, and n was not"
            " given"
        )
    bound = 1 / (10 * num_units)
    beside = f"1 / (10 n) = {bound:.2g} for n = {num_units:,}"
    if delta <= 1.01 * bound:  # as printed
        return f"delta: {delta:g}, not above {beside}, as it should be"
    why = (
        f"at this delta even publishing {num_units * delta:.2g} units whole, on average, would"
        " count as private"
    )
    return (
        f"delta: {delta:g} is {'TOO LARGE' if delta >= 10 * bound else 'rather large'}, above"
        f" {beside}: {why}"
    )


def _merge_blocks(blocks: Sequence[Releases]) -> tuple[Releases, ...]:
    """The same releases in a form fit for a cache: alike blocks joined, those without sampling as
    one Gaussian.
    """
    steps: dict[tuple[float, float], int] = {}
    precision = 0.0
    for b in blocks:
        if not b.steps or math.isinf(b.noise):
            continue
        if b.rate == 1 and b.noise > 0:
            precision += b.steps / b.noise**2  # independent Gaussians add in 1 / noise^2
        else:
            steps[b.noise, b.rate] = steps.get((b.noise, b.rate), 0) + int(b.steps)
    whole = [Releases(1 / math.sqrt(precision))] if precision else []
    return tuple(whole + [Releases(noise, rate, n) for (noise, rate), n in sorted(steps.items())])


@lru_cache(maxsize=4096)
def _cached_epsilon(blocks: tuple[Releases, ...], delta: float, accountant: str) -> float:
    try:
        with _without_warnings():
            spent = ACCOUNTANTS[accountant]().epsilon(blocks, delta)
    except (ArithmeticError, ValueError, RuntimeError, IndexError, MemoryError) as error:
        raise FedkitError(
            _failure_message(accountant, f"{type(error).__name__}: {error}")
        ) from None
    if math.isnan(spent):
        raise FedkitError(_failure_message(accountant, "no number"))
    return spent


def _failure_message(accountant: str, why: str) -> str:
    others = " or ".join(name for name in ACCOUNTANTS if name != accountant)
    return (
        f"accountant {accountant} cannot say epsilon for this noise, rate, number of steps and"
        f" delta ({why}); try {others}"
    )


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The accounting libraries' remarks to programmers (orders, overflows) are not for our
    users.
    """
    import numpy as np

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _gaussian_epsilon(blocks: Sequence[Releases], delta: float) -> float:
    """Balle and Wang (2018): exact for Gaussians without sampling, which compose to one."""
    from dp_accounting import get_epsilon_gaussian

    return float(
        get_epsilon_gaussian(1 / math.sqrt(sum(b.steps / b.noise**2 for b in blocks)), delta)
    )


def _grid_step(blocks: Sequence[Releases]) -> float:
    """A step of the grid for these blocks: GRID times a power of two, so that more steps find the
    same cached losses.

    Finer than a tenth of a step's own spread, or rounding up would count more than noise; coarser
    where the grid would not fit in POINTS. Any grid gives an upper bound.
    """
    sampled = [b for b in blocks if b.rate < 1]
    width = sum(_loss_reach(b) + 16 * math.sqrt(b.steps) * _loss_spread(b) for b in blocks)
    wanted = max(min(GRID, *(_loss_spread(b) / 10 for b in sampled), 1.0), width / POINTS)
    return GRID * 2.0 ** math.floor(math.log2(wanted / GRID) + 1e-9)


def _loss_spread(block: Releases) -> float:
    """About the standard deviation of one step's privacy loss."""
    z = block.noise
    return min(block.rate * math.sqrt(math.expm1(min(700.0, 1 / z**2))), 1 / z + 1 / (2 * z**2))


def _loss_reach(block: Releases) -> float:
    """About the largest privacy loss of one step that is not negligible: noise of ten standard
    deviations.
    """
    z = block.noise
    tail = 10 / z + 1 / (2 * z**2) + math.log(block.rate)
    return tail if tail > 30 else math.log1p(math.exp(tail))


@lru_cache(maxsize=16)
def _one_step(noise: float, rate: float, grid: float):
    from dp_accounting.pld import privacy_loss_distribution as pld

    return pld.from_gaussian_mechanism(
        noise, sampling_prob=rate, value_discretization_interval=grid
    )


def _negative_mass(pmf) -> float:
    """Probability below zero: what the Fourier transform rounded."""
    chances = pmf.to_dense_pmf()._probs
    return -float(chances[chances < 0].sum())


@lru_cache(maxsize=64)
def _grid_points(block: Releases, grid: float) -> int:
    """Points of the grid that all steps of a block take."""
    from dp_accounting.pld.common import compute_self_convolve_bounds as bounds

    one = _one_step(block.noise, block.rate, grid)
    ends = (
        bounds(pmf.to_dense_pmf()._probs, block.steps, 1e-15)
        for pmf in (one._pmf_remove, one._pmf_add)
    )
    return max(high - low for low, high in ends)


def _compose_steps(block: Releases, grid: float):
    one = _one_step(block.noise, block.rate, grid)
    return one.self_compose(block.steps) if block.steps > 1 else one
