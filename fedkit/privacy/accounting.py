"""Privacy accounting: epsilon of repeated, sampled Gaussian noise by three accountants, and back.

Adjacency is add-or-remove-one everywhere: neighbouring data sets differ in one unit (an example or
a client, whatever was clipped to the sensitivity), which only one of them contains.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_words
from fedkit.core.spec import first_paragraph

# step of the grid of privacy losses, in nats; `_grid_step` makes it finer or coarser where needed
GRID_STEP = 1e-4
# points of the grid for all steps together: as wished, about 0.2 seconds; and at most
GRID_POINTS, MAX_GRID_POINTS = 100_000, 4_000_000
MIN_NOISE, MAX_NOISE = 0.02, 1e6  # between which noise_for_epsilon searches
WORDS = read_packaged_words("fedkit.privacy", "promise.toml")
ADJACENCY = WORDS["adjacency"]


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
        if self.steps % 1 or not 0 <= self.steps < 1e9:
            raise FedkitError(
                f"steps {self.steps} given; write a whole number from 0 upwards, below a billion"
            )


def pld_epsilon(blocks: Sequence[Releases], delta: float) -> float:
    """Privacy loss distributions (dp-accounting): an upper bound, close to exact; the one
    to quote.

    Pessimistic connect-the-dots discretisation (Doroshenko et al. 2022). Without sampling the exact
    formula (Balle and Wang, 2018), as Gaussians compose.
    """
    if all(b.rate == 1 for b in blocks):
        from dp_accounting import get_epsilon_gaussian

        noise = 1 / math.sqrt(sum(b.steps / b.noise**2 for b in blocks))
        return float(get_epsilon_gaussian(noise, delta))
    grid = _grid_step(blocks)
    # the reach of their losses is hard to estimate
    rare = [b for b in blocks if b.rate < 1e-4 or b.steps > 50_000]
    while any(_grid_points(b, grid) > MAX_GRID_POINTS for b in rare):
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


def rdp_epsilon(blocks: Sequence[Releases], delta: float) -> float:
    """Renyi differential privacy (Opacus): an upper bound, looser than PLD; long the usual one in
    papers.

    After Mironov, Talwar and Zhang (2019) and Balle et al. (2020).
    """
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(b.noise, b.rate, b.steps) for b in blocks]
    # for small epsilon
    orders = [*RDPAccountant.DEFAULT_ALPHAS, 64, 80, 96, 128, 192, 256, 384, 512, 1024]
    return max(0.0, float(accountant.get_epsilon(delta, alphas=orders)))


def prv_epsilon(blocks: Sequence[Releases], delta: float) -> float:
    """Privacy random variables (Opacus): as close as PLD, plus its own error bound of 0.01 in
    epsilon.

    After Gopi, Lee and Wutschitz (2021).
    """
    from opacus.accountants import PRVAccountant

    steps, reach = sum(b.steps for b in blocks), 3 + rdp_epsilon(blocks, delta / 4000)
    points = 2 * reach / 0.01 * math.sqrt(steps * math.log(12_000 / delta) / 2)
    # its e^loss overflows at 710, and epsilon would come out too small
    if delta < 1e-10 or reach > 700 or points > 1e7:
        raise ArithmeticError(
            f"losses up to {reach:.3g} on {points:.1g} grid points are too many for it"
        )
    accountant = PRVAccountant()
    accountant.history = [(b.noise, b.rate, b.steps) for b in blocks]
    return max(0.0, float(accountant.get_epsilon(delta)))


ACCOUNTANTS = {"pld": pld_epsilon, "rdp": rdp_epsilon, "prv": prv_epsilon}


def epsilon(blocks: Sequence[Releases], delta: float, accountant: str = "pld") -> float:
    """Return epsilon of all blocks together at this delta.

    inf if a block has no noise, 0 if nothing is released. Raises FedkitError for a delta outside
    (0, 1), an unknown accountant, or if the accountant cannot compute it.
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
    """Return the smallest noise multiplier z (relative 1e-4) with epsilon(blocks(z)) <= target.

    blocks: returns what a run with noise z releases; blocks that do not depend on z (a head start)
    count too. Raises FedkitError if no noise is enough.
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
    """Return the logarithms of a noise that is too small and of one that is enough.

    Both are the latter if even the smallest noise is enough.
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
    """Return {"amplified": {accountant: epsilon}, "unamplified": {...}}.

    Unamplified: as if everyone took part in each step. None where an accountant cannot compute it.
    """
    everyone = [replace(b, rate=1.0) for b in blocks]
    found: dict[str, dict[str, float | None]] = {"amplified": {}, "unamplified": {}}
    for by_accountant, released in zip(found.values(), (blocks, everyone)):
        for name in ACCOUNTANTS:
            by_accountant[name] = None
            with suppress(FedkitError):
                by_accountant[name] = epsilon(released, delta, name)
    return found


def explain_epsilon(
    delta: float,
    blocks: Sequence[Releases] = (),
    *,
    unit: str = "example",
    num_units: int | None = None,
    accountant: str = "pld",
    sampling: str | None = None,
) -> list[str]:
    """Return what must be stated with an epsilon, one sentence per line.

    unit: example, client or words for another. num_units: number of units of all clients together.
    sampling: words that replace those from the blocks' rates, for other than Poisson sampling.
    """
    about = first_paragraph(ACCOUNTANTS[accountant])
    return [
        f"unit: {WORDS.get(unit, unit)}; adjacency: {ADJACENCY}",
        f"sampling: {sampling or describe_sampling(blocks)}",
        describe_delta(delta, num_units),
        f"accountant: {accountant}. {about}",
        *(WORDS[name] for name in ("other_choices", "public", "arithmetic")),
    ]


def describe_sampling(blocks: Sequence[Releases]) -> str:
    """Return what the blocks' rates assume about who takes part in a step."""
    rates = sorted({b.rate for b in blocks if b.steps and b.rate < 1})
    if not rates:
        return WORDS["no_sampling"]
    named = [*(f"{rate:.4g}" for rate in rates[:3]), *(["others"] if len(rates) > 3 else [])]
    return WORDS["poisson"].format(rates=" or ".join(named))


def describe_delta(delta: float, num_units: int | None = None) -> str:
    """Return how delta compares with 1 / (10 n), n the number of units of all clients.

    Delta must be below 1/n and should be at most 1 / (10 n): publishing each unit whole with chance
    delta is (0, delta)-private, and exposes n delta units on average. delta = 1/n would allow a
    victim in every run; a tenth of that keeps the chance of any victim below 10 %.
    """
    if not num_units:
        return WORDS["delta_alone"].format(delta=delta)
    bound = 1 / (10 * num_units)
    if delta <= 1.01 * bound:  # as printed
        return WORDS["delta_right"].format(delta=delta, bound=bound, n=num_units)
    size, exposed = "TOO LARGE" if delta >= 10 * bound else "rather large", num_units * delta
    return WORDS["delta_large"].format(
        delta=delta, bound=bound, n=num_units, size=size, exposed=exposed
    )


def _merge_blocks(blocks: Sequence[Releases]) -> tuple[Releases, ...]:
    """Return the same releases, hashable: equal blocks joined, those without sampling as one."""
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
    import numpy as np

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # the libraries' notes to programmers
            spent, why = ACCOUNTANTS[accountant](blocks, delta), "no number"
    except (ArithmeticError, ValueError, RuntimeError, IndexError, MemoryError) as error:
        spent, why = math.nan, f"{type(error).__name__}: {error}"
    if math.isnan(spent):
        others = " or ".join(name for name in ACCOUNTANTS if name != accountant)
        raise FedkitError(
            f"accountant {accountant} cannot say epsilon for this noise, rate, number of steps and"
            f" delta ({why}); try {others}"
        )
    return spent


def _grid_step(blocks: Sequence[Releases]) -> float:
    """Return the step of the grid: GRID times a power of two, so that cached losses are reused.

    At most a tenth of the spread of a step's loss, or rounding up would count more than noise;
    coarser where the grid would not fit in POINTS. Any grid gives an upper bound.
    """
    sampled = [b for b in blocks if b.rate < 1]
    width = sum(_loss_reach(b) + 16 * math.sqrt(b.steps) * _loss_spread(b) for b in blocks)
    wanted = max(min(GRID_STEP, *(_loss_spread(b) / 10 for b in sampled), 1.0), width / GRID_POINTS)
    return GRID_STEP * 2.0 ** math.floor(math.log2(wanted / GRID_STEP) + 1e-9)


def _loss_spread(block: Releases) -> float:
    """Return about the standard deviation of one step's privacy loss."""
    z = block.noise
    return min(block.rate * math.sqrt(math.expm1(min(700.0, 1 / z**2))), 1 / z + 1 / (2 * z**2))


def _loss_reach(block: Releases) -> float:
    """Return about the largest privacy loss of one step, at noise of ten standard deviations."""
    z = block.noise
    tail = 10 / z + 1 / (2 * z**2) + math.log(block.rate)
    return tail if tail > 30 else math.log1p(math.exp(tail))


def _negative_mass(pmf) -> float:
    """Return the total of negative probabilities, which come from the Fourier transform."""
    chances = pmf.to_dense_pmf()._probs
    return -float(chances[chances < 0].sum())


@lru_cache(maxsize=16)
def _one_step(noise: float, rate: float, grid: float):
    from dp_accounting.pld import privacy_loss_distribution as pld

    return pld.from_gaussian_mechanism(
        noise, sampling_prob=rate, value_discretization_interval=grid
    )


def _compose_steps(block: Releases, grid: float):
    one = _one_step(block.noise, block.rate, grid)
    return one.self_compose(block.steps) if block.steps > 1 else one


@lru_cache(maxsize=64)
def _grid_points(block: Releases, grid: float) -> int:
    """Return the number of grid points that all steps of a block take."""
    from dp_accounting.pld.common import compute_self_convolve_bounds as bounds

    one = _one_step(block.noise, block.rate, grid)
    ends = [
        bounds(pmf.to_dense_pmf()._probs, block.steps, 1e-15)
        for pmf in (one._pmf_remove, one._pmf_add)
    ]
    return max(high - low for low, high in ends)
