"""The canary game for whole clients on the real releases: the noisy sum and, with adaptive
clipping, the noisy count of updates within the clip.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fedkit.audit.canary import BROKEN, Mechanism, judge_scores
from fedkit.federated.rounds.client_dp import CLIP_RATE, ClientDP
from fedkit.privacy.mechanisms import Budget, budget_of, make_privacy
from fedkit.privacy.noise import NoiseKey

DELTA, TRIALS = 1e-5, 3000


def adaptive_budget(clients: int) -> Budget:
    return budget_of(make_privacy("client:eps=8,quantile=0.5"), 1, 1, clients, None, False)


def play(budget: Budget, there: bool, world: int, flag: float = 0.0) -> np.ndarray:
    """Return the best attacker's score of each trial of one round, shape (TRIALS,).

    Half of the others are within the clip, and the canary just is: it moves both the sum and the
    count as far as a client can. flag: added to every flag, 1/2 for counts of 0 and 1.
    """
    guard, others = ClientDP(budget, NoiseKey.from_seed(0), {}), budget.clients
    rows = [[0.5, 0.0], [3.0, 0.0]] * (others // 2) + [[0.0, 0.999999]] * there
    updates, within = zip(*(guard.clip_update({"a": torch.tensor(row)}) for row in rows))
    mean, begun = torch.stack([u["a"] for u in updates]).mean(0), guard.clip
    if flag:
        within = [w for w, row in zip(within, rows) if row[0] == 0.0]  # near 0 it is not cut off
    # what a client moves the count by at most, as the attacker knows
    moves, scores = 0.5 + flag, np.zeros(TRIALS)
    for i in range(TRIALS):
        guard = ClientDP(budget, NoiseKey.from_seed((world, i, int(there))), {})
        seen = float(guard.finish_mean({"a": mean}, len(rows), 1)["a"][1]) * budget.cohort / begun
        guard.move_clip([w + flag for w in within], 1)
        share = 0.5 - math.log(guard.clip / begun) / CLIP_RATE
        count = (share - 0.5) * budget.cohort
        scores[i] = (2 * seen - 1) / (2 * guard.multiplier**2)
        scores[i] += (2 * count - moves) * moves / (2 * budget.count_noise**2)
    return scores


@pytest.mark.slow
@pytest.mark.parametrize("clients", [10, 50])
def test_sum_and_count_of_adaptive_clipping_keep_what_is_stated(clients):
    budget = adaptive_budget(clients)
    stated = Mechanism(budget.noise, delta=DELTA, unit="client")
    assert stated.promised_epsilon == pytest.approx(8.0, rel=1e-3)
    result = judge_scores(*(play(budget, there, 1) for there in (True, False)), stated)
    assert not result.caught and result.lower <= result.implied <= 8.0
    assert result.implied > 6.0, "the attack is too weak to tell"


@pytest.mark.slow
def test_flags_of_0_and_1_would_be_caught():
    """One client then moves the count by 1, twice what is accounted: 11.3 for 8."""
    budget = adaptive_budget(10)
    stated = Mechanism(budget.noise, delta=DELTA, unit="client")
    scores = (play(budget, there, 1, flag=0.5) for there in (True, False))
    result = judge_scores(*scores, stated)
    assert result.verdict == BROKEN and result.implied > 8.0
