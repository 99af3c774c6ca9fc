"""A promise to whole clients: the clip, the noise on the sum, the fixed denominator, noise that is
taken back.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fedkit.core.tensors import l2_norm
from fedkit.federated.rounds.client_dp import ClientDP, banded_column
from fedkit.privacy.mechanisms import Budget, Client, Ftrl
from fedkit.privacy.noise import NoiseKey

KEY = NoiseKey.from_seed(0)


def budget(noise=1.0, rate=1.0, clients=10, turns=0, quantile=0.0, clip=1.0, bits=0.0) -> Budget:
    kind = Ftrl(clip=clip) if turns else Client(clip=clip, quantile=quantile)
    return Budget(kind, noise, rate, 1, 0.0, 8.0, clients, turns, bits)


def test_an_update_is_scaled_to_the_clip_by_hand():
    guard = ClientDP(budget(), KEY, {})
    long, within = guard.clip_update({"a": torch.tensor([3.0]), "b": torch.tensor([4.0])})
    assert (long["a"].item(), long["b"].item(), within) == (
        pytest.approx(0.6),
        pytest.approx(0.8),
        0.0,
    )
    short = {"a": torch.tensor([0.3])}
    assert guard.clip_update(short) == (short, 1.0)


def test_an_update_beyond_the_clip_is_refused():
    guard = ClientDP(budget(), KEY, {})
    assert guard.rejection_reason({"a": torch.tensor([1.00005])}) == ""
    assert guard.rejection_reason({"a": torch.tensor([1.5])}) == "longer than the clip (1)"


def test_the_denominator_does_not_depend_on_who_came():
    """q N = 5: the mean of two clients who sent 1 and 3 is 2; over the cohort it is 4 / 5."""
    guard = ClientDP(budget(noise=0.0, rate=0.5), KEY, {})
    assert guard.finish_mean({"a": torch.tensor([2.0])}, 2.0, 1)["a"].item() == pytest.approx(0.8)


def test_the_noise_on_the_mean_is_clip_times_z_over_the_cohort():
    guard = ClientDP(budget(noise=2.0, clip=0.5, rate=0.5), KEY, {})
    values = torch.cat(
        [guard.finish_mean({"a": torch.zeros(1000)}, 0.0, number)["a"] for number in range(1, 21)]
    )
    assert (
        values.std().item() == pytest.approx(2.0 * 0.5 / 5, rel=0.03) and abs(values.mean()) < 0.005
    )
    again = ClientDP(budget(noise=2.0, clip=0.5, rate=0.5), KEY, {}).finish_mean(
        {"a": torch.zeros(1000)}, 0.0, 1
    )["a"]
    assert torch.equal(again, values[:1000]), (
        "the noise of a round is not the same when it is computed again"
    )


def test_bands_have_length_one_and_do_not_overlap():
    """c = (1, 1/2, 3/8, 5/16) / its length: binom(2j, j) / 4^j."""
    column = banded_column(4)
    assert np.array(column) / column[0] == pytest.approx([1, 0.5, 0.375, 0.3125])
    assert math.hypot(*column) == pytest.approx(1)
    matrix = sum(c * np.eye(12, k=-j) for j, c in enumerate(column))
    assert np.linalg.norm(matrix[:, [1, 5]].sum(1)) == pytest.approx(math.sqrt(2)), (
        "two turns are sqrt(2) apart, not 2"
    )


def test_noise_that_is_taken_back_solves_c_y_is_z():
    """Fresh noise of every round, put through C, is white with standard deviation z."""
    guard, width = ClientDP(budget(noise=2.0, turns=3, clients=30), KEY, {}), 3
    rounds = [
        guard.finish_mean({"a": torch.zeros(4000)}, 0.0, n)["a"] * guard.budget.cohort
        for n in range(1, 10)
    ]
    c = banded_column(width)
    white = [sum(c[j] * rounds[t - j] for j in range(min(t + 1, width))) for t in range(9)]
    assert [w.std().item() for w in white] == pytest.approx([2.0] * 9, rel=0.05)
    assert abs(torch.corrcoef(torch.stack(white))[3, 4]) < 0.06
    plain = [2.0 * math.sqrt(t) for t in range(1, 10)]
    assert sum(rounds).std().item() < 0.9 * plain[-1], (
        "the sum over rounds is not quieter than that of plain noise"
    )


def test_a_guard_goes_on_from_its_state():
    one, state = ClientDP(budget(turns=3, clients=30), KEY, {}), {}
    for number in (1, 2, 3):
        last = one.finish_mean({"a": torch.zeros(5)}, 0.0, number)["a"]
        if number == 2:
            state = one.state()
    resumed = ClientDP(budget(turns=3, clients=30), KEY, state)
    assert torch.equal(resumed.finish_mean({"a": torch.zeros(5)}, 0.0, 3)["a"], last)


def test_the_clip_goes_to_its_quantile():
    """Norms 1 to 9: half of them are within 5."""
    guard = ClientDP(budget(noise=0.01, clients=9, quantile=0.5, bits=0.01), KEY, {})
    for number in range(1, 200):
        norms = np.arange(1, 10)
        guard.move_clip([float(n <= guard.clip) for n in norms], number)
    assert 3.9 < guard.clip < 6.1
    assert ClientDP(guard.budget, KEY, guard.state()).clip == guard.clip


def test_the_count_has_its_share_of_the_budget():
    """1 / z^2 = 1 / z_sum^2 + 1 / (2 bits)^2 (Andrew et al., 2021)."""
    guard = ClientDP(budget(noise=1.0, bits=2.0, quantile=0.5), KEY, {})
    assert guard.multiplier**-2 + 4.0**-2 == pytest.approx(1.0) and guard.multiplier > 1.0


def test_the_length_of_an_update_is_over_all_its_tensors():
    assert l2_norm({"a": torch.tensor([2.0, 3.0]), "b": torch.tensor([[6.0]])}) == pytest.approx(
        7.0
    )
