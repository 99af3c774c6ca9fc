"""Sums that the server reads without reading their terms: weights, the room for noise, who does not
arrive.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from fedkit.core.errors import PayloadError
from fedkit.federated.rounds.secure_sum import RequiredNoise, SecureSum
from fedkit.privacy.noise import NoiseKey
from fedkit.wire.secure_aggregation.registry import TooFew, make_lock

KEY = NoiseKey.from_seed(0)
NAMES = ["a", "b", "c", "d"]


def vault(size=3, owed=None, lock="masks", most=10.0, names=NAMES, lossy=False) -> SecureSum:
    return SecureSum(make_lock(lock), names, size, KEY, 1, most, owed, lossy)


def fill(box: SecureSum, vectors, weights, without=()) -> None:
    for name, vector, weight in zip(NAMES, vectors, weights):
        body = box.seal(name, np.asarray(vector, np.float32), weight)
        if name not in without:
            box.add(name, body)


@pytest.mark.parametrize("lock", ["masks", "ckks"])
def test_the_weighted_mean_by_hand(lock):
    """(1, 0) of weight 10 and (0, 2) of weight 5, two more of nothing: (10, 10) / 15, and the
    weight 15.
    """
    if lock == "ckks":
        pytest.importorskip("tenseal", reason="the extra 'crypto' is not installed")
    box = vault(2, lock=lock)
    fill(box, [[1, 0], [0, 2], [0, 0], [0, 0]], [10, 5, 1, 1])
    done = box.result()
    assert done.weight == pytest.approx(17, abs=1e-5) and done.noise is None
    assert done.mean == pytest.approx([10 / 17, 10 / 17], abs=1e-4)


def test_the_sum_under_masks_is_exactly_that_of_the_rounded_terms():
    rng = np.random.default_rng(0)
    vectors, weights = rng.normal(size=(4, 50)), [7, 10, 3, 1]
    box = vault(50)
    fill(box, vectors, weights, without=("c",))
    whole = sum(
        box.session.round_vector(
            n, np.append(np.float32(v).astype(np.float64) * (w / 10), w * box.unit)
        )
        for n, v, w in zip(NAMES, vectors, weights)
        if n != "c"
    )
    done = box.result()
    assert (
        np.array_equal(np.rint(done.mean * done.weight / 10 / box.step), whole[:-1])
        and done.weight == 18
    )


def test_noise_of_all_shares_is_that_of_the_central_model():
    owed = RequiredNoise(sensitivity=0.01, multiplier=2.0)
    box = vault(4000, owed, most=1.0)
    fill(box, np.zeros((4, 4000)), [1, 1, 1, 1])
    done = box.result()
    assert (done.mean * done.weight).std() == pytest.approx(0.02, rel=0.05)
    assert done.noise >= 2.0 and done.noise == pytest.approx(2.0, rel=1e-3)


def test_without_losses_in_the_plan_all_shares_have_to_arrive():
    box = vault(10, RequiredNoise(0.01, 2.0), most=1.0)
    fill(box, np.zeros((4, 10)), [1, 1, 1, 1], without=("b",))
    with pytest.raises(TooFew, match="3 of 4 clients are left, and the noise is planned for 4"):
        box.result()


@pytest.mark.parametrize(
    "lock, fewest",
    [("masks", 3), ("masks:threshold=0.3", 2), ("masks:neighbours=2", 3), ("ckks", 3)],
)
@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_with_losses_in_the_plan_the_fewest_that_may_arrive_carry_enough_noise(
    lock, fewest, missing
):
    """Arrivals take their share along: sqrt(arrived / fewest) of what is owed, never below one."""
    if lock == "ckks":
        pytest.importorskip("tenseal", reason="the extra 'crypto' is not installed")
    box = vault(3000, RequiredNoise(0.01, 2.0), lock, most=1.0, lossy=True)
    fill(box, np.zeros((4, 3000)), [1, 1, 1, 1], without=NAMES[:missing])
    if 4 - missing < fewest:
        with pytest.raises(TooFew):
            box.result()
        return
    done = box.result()
    assert done.noise >= 2.0
    assert done.noise == pytest.approx(2.0 * math.sqrt((4 - missing) / fewest), rel=1e-6)
    # the rounding of masks to a grid is in the multiplier's unit
    assert (done.mean * done.weight).std() == pytest.approx(0.01 * done.noise, rel=0.05)


def test_a_hostile_upload_that_is_refused_opens_no_sum_with_less_noise():
    box = vault(10, RequiredNoise(0.01, 2.0), most=1.0)
    fill(box, np.zeros((4, 10)), [1, 1, 1, 1], without=("d",))
    with pytest.raises(PayloadError):
        box.add("d", b"nonsense")
    with pytest.raises(TooFew):
        box.result()


def test_rounding_is_small_beside_what_a_unit_can_move():
    """A gradient of a large site is tiny; scaled up as far as fits, a step of the grid is far below
    it.
    """
    noise = RequiredNoise(sensitivity=1e-5, multiplier=5.0)
    box = vault(100_000, noise, most=1000.0)
    assert box.scaled_sensitivity(noise) < 1.001 * 1e-5 * box.factor


def test_too_few_leave_noise():
    box = vault()
    fill(box, np.ones((4, 3)), [1, 1, 1, 1], without=("a", "b", "c"))
    with pytest.raises(TooFew):
        box.result()
