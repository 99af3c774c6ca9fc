"""The distinguishing game: train many times with and without one canary and compare the scores.

The training is fedkit's own (see `games`). The attacker knows all but the noise and the sampling:
all other examples, and the model before and after each step (white box). A lower bound above the
promised epsilon proves a fault; a low one proves nothing (Jagielski et al., 2020; Nasr et al., 2021
and 2023). A correct mechanism is called broken with a probability of at most 5 %, by the intervals;
in 800 simulated audits of exact Gaussian scores it never was. The statistic is best for independent
noise; it does not detect noise that repeats between steps or comes from a seed the attacker knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from fedkit.audit.bounds import (
    Rates,
    epsilon_lower,
    estimate_rate,
    implied_noise,
    perfect_rates,
    refutes,
)
from fedkit.audit.games import FAULTS, GAMES, Mechanism
from fedkit.core.errors import FedkitError
from fedkit.privacy.noise import NoiseKey

CONSISTENT, WEAK = "consistent", "weak test"
BROKEN = "BROKEN: the lower bound is above the promised epsilon"
STATISTIC = (
    "sum over steps of the log-likelihood ratio of the noisy sum along the canary's own part"
)
CONFIDENCE = 0.95
NUM_THRESHOLDS = 3  # tested on the second half of the trials, see `choose_thresholds`


@dataclass(frozen=True)
class AuditResult:
    """Result of the game, all at `confidence` 95 %.

    lower: epsilon that the error rates prove for any mechanism. implied: the same for a mechanism
    that adds Gaussian noise of unknown size and samples as promised. most, most_implied: the same
    if the attack had never been wrong, the largest values that this test can show. upper: the
    promised epsilon. trials: of each world; one half chooses the thresholds, the other is measured.
    tpr, fpr and intervals: at the threshold with the largest `lower`. refuted: whether the rates
    are impossible for the promised noise, rate and steps at some (epsilon, delta).
    """

    lower: float
    most: float
    upper: float
    delta: float
    trials: int
    tpr: float
    fpr: float
    intervals: dict[str, tuple[float, float]]
    verdict: str
    unit: str
    statistic: str
    implied: float
    most_implied: float
    refuted: bool
    setting: Mechanism
    broken: str | None = None
    confidence: float = CONFIDENCE

    @property
    def caught(self) -> bool:
        return self.verdict == BROKEN


def audit_mechanism(
    settings: Mechanism, trials: int = 500, seed: int = 0, broken: str | None = None
) -> AuditResult:
    """Play the game `trials` times in each world and compare with the promise; fixed by `seed`.

    broken: a fault of `FAULTS` to build in, which should be detected. Raises FedkitError for fewer
    than 40 trials or an unknown fault.
    """
    if broken is not None and broken not in FAULTS:
        raise FedkitError(f"fault {broken!r} is not known; choose one of: {', '.join(FAULTS)}")
    if trials < 40:
        raise FedkitError(
            f"trials {trials} given; write 40 or more: with fewer no test can show anything"
        )
    scores = [_play_trials(settings, trials, seed, there, broken) for there in (True, False)]
    return judge_scores(*scores, settings, broken)


def judge_scores(
    with_canary: np.ndarray, without: np.ndarray, setting: Mechanism, broken: str | None = None
) -> AuditResult:
    """Return the result for scores (trials,) of each world; higher scores speak for the canary."""
    half, miss = len(without) // 2, (1 - CONFIDENCE) / (2 * NUM_THRESHOLDS)
    cuts = choose_thresholds(with_canary[:half], without[:half], setting.delta, miss)
    found = [rates_at(cut, with_canary[half:], without[half:], miss) for cut in cuts]
    best = max(found, key=lambda r: epsilon_lower([r], setting.delta))
    ideal = [perfect_rates(len(without) - half, miss)]
    fixed = (setting.noise, setting.rate, setting.steps)
    lower, most = epsilon_lower(found, setting.delta), epsilon_lower(ideal, setting.delta)
    refuted, able = refutes(found, *fixed), refutes(ideal, *fixed)
    promised = setting.promised_epsilon
    if refuted or lower > promised:
        verdict = BROKEN
    else:
        verdict = CONSISTENT if able or most > promised else WEAK
    return AuditResult(
        lower=lower,
        most=most,
        upper=promised,
        delta=setting.delta,
        trials=len(without),
        tpr=best.tpr.value,
        fpr=best.fpr.value,
        intervals={"tpr": (best.tpr.low, best.tpr.high), "fpr": (best.fpr.low, best.fpr.high)},
        verdict=verdict,
        unit=f"one {setting.unit}, added or removed",
        statistic=STATISTIC,
        implied=_implied_epsilon(found, setting),
        most_implied=_implied_epsilon(ideal, setting),
        refuted=refuted,
        setting=setting,
        broken=broken,
    )


def choose_thresholds(
    with_canary: np.ndarray, without: np.ndarray, delta: float, miss: float
) -> list[float]:
    """Return the thresholds with the best TPR / FPR, the best TNR / FNR and the best TPR - FPR."""
    both = np.unique(np.concatenate([with_canary, without]))
    places = both[np.linspace(0, len(both) - 1, min(len(both), 200)).astype(int)]
    rates = [rates_at(cut, with_canary, without, miss) for cut in places]
    quality = [
        (
            (r.tpr.low - delta) / r.fpr.high,
            (1 - r.fpr.high - delta) / (1 - r.tpr.low),
            r.tpr.low - r.fpr.high,
        )
        for r in rates
    ]
    return [float(places[best]) for best in np.argmax(quality, axis=0)]


def rates_at(cut: float, with_canary: np.ndarray, without: np.ndarray, miss: float) -> Rates:
    """Return how often a score is at least `cut`, in each world."""
    fpr, tpr = (
        estimate_rate(int((scores >= cut).sum()), len(scores), miss)
        for scores in (without, with_canary)
    )
    return Rates(fpr, tpr)


def _implied_epsilon(found: Sequence[Rates], setting: Mechanism) -> float:
    left = implied_noise(found, setting.noise, setting.rate, setting.steps)
    if 0 < left < math.inf:
        return replace(setting, noise=left).promised_epsilon
    return 0.0 if left else math.inf


def _play_trials(
    setting: Mechanism, trials: int, seed: int, there: bool, broken: str | None
) -> np.ndarray:
    """Return the attacker's score of each training, shape (trials,)."""
    out, threads = np.zeros(trials), torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are tiny
    try:
        with GAMES[setting.unit](setting, there, broken) as training:
            for i in range(trials):
                key = NoiseKey.from_seed((seed, i, int(there)))
                out[i] = log_likelihood_ratio(training(key), setting)
    finally:
        torch.set_num_threads(threads)
    return out


def log_likelihood_ratio(seen: np.ndarray, setting: Mechanism) -> float:
    """Return sum_t log((1 - q) + q N(y_t; 1, z^2) / N(y_t; 0, z^2)), the most powerful test.

    seen: y (steps,), in clips; q: sampling rate, z: noise multiplier.
    """
    inside = (2 * seen - 1) / (2 * setting.noise**2)
    if setting.rate == 1:
        return float(inside.sum())
    return float(np.logaddexp(math.log1p(-setting.rate), math.log(setting.rate) + inside).sum())
