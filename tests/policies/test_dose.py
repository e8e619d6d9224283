"""Beliefs about answers: checked against sampling, and in their limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.curve import ANSWER_SD, GENERIC, Curve
from policies.dose import AGAIN, SHARED, chance, gentlest, likely

tries = st.lists(st.tuples(st.integers(0, 8), st.floats(-10, 10), st.floats(0.3, 5)), min_size=1, max_size=6)


def arrays(attempts: list[tuple[int, float, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    action, measured, sd = (np.array(column) for column in zip(*attempts, strict=True))
    return action.astype(np.int64), measured, sd


def test_the_posterior_agrees_with_sampling() -> None:
    curve = Curve(GENERIC.mean, GENERIC.cov * 0.1, np.array(2.0))
    rng, n = np.random.default_rng(3), 200_000
    f = rng.multivariate_normal(curve.mean, curve.cov, n)
    offset = rng.normal(0, np.sqrt(4 - ANSWER_SD**2), n)
    sds = np.array([1.0, 2.0])
    shared = rng.normal(0, np.sqrt(SHARED), n)
    true = np.stack([f[:, 4], f[:, 5]], 1) + offset[:, None]
    found = likely(curve, np.array([4, 5]), np.array([1.0, 3.0]), sds)
    again = rng.normal(0, ANSWER_SD * np.sqrt(AGAIN), n)
    true[:, 1] += again + rng.normal(0, ANSWER_SD * np.sqrt(1 - AGAIN), n)
    true[:, 0] += rng.normal(0, ANSWER_SD, n)
    measured = true + shared[:, None] * sds + rng.normal(0, 1, (n, 2)) * sds * np.sqrt(1 - SHARED)
    following = f[:, 6] + offset + rng.normal(0, ANSWER_SD, n)
    repeated = f[:, 5] + offset + again + rng.normal(0, ANSWER_SD * np.sqrt(1 - AGAIN), n)
    # all is normal, so the conditional mean is the linear regression on the measurements
    design = np.column_stack([np.ones(n), measured])
    for sampled, mean, sd in (
        (true[:, 1], found.last_mean, found.last_sd),
        (following, found.mean[6], found.sd[6]),
        (repeated, found.mean[5], found.sd[5]),
        (offset, found.offset, None),
    ):
        weights, *_ = np.linalg.lstsq(design, sampled)
        assert mean == pytest.approx(weights @ [1.0, 1.0, 3.0], abs=0.03)
        if sd is not None:
            assert sd == pytest.approx((sampled - design @ weights).std(), abs=0.03)


@given(tries)
def test_a_measurement_is_shrunk_towards_the_curve(attempts: list[tuple[int, float, float]]) -> None:
    action, measured, sd = arrays(attempts[:1])
    found = likely(GENERIC, action, measured, sd)
    low, high = sorted([measured[0], GENERIC.mean[action[0]]])
    assert low - 1e-6 <= found.last_mean <= high + 1e-6
    assert 0 < found.last_sd <= sd[0] + 1e-6


@given(tries)
def test_batches_and_single_requests_agree(attempts: list[tuple[int, float, float]]) -> None:
    action, measured, sd = arrays(attempts)
    one = likely(GENERIC, action, measured, sd)
    many = likely(
        Curve(*(np.stack([part] * 3) for part in GENERIC)), *(np.stack([part] * 3) for part in (action, measured, sd))
    )
    for single, batch in zip(one, many, strict=True):
        assert np.allclose(single, batch[1])


@given(tries, st.floats(-8, 8))
def test_probabilities_are_probabilities(attempts: list[tuple[int, float, float]], edge: float) -> None:
    found = likely(GENERIC, *arrays(attempts))
    below, inside, above = (
        chance(found.mean, found.sd, *r) for r in ((-np.inf, edge), (edge, edge + 3), (edge + 3, np.inf))
    )
    assert np.allclose(below + inside + above, 1)


def test_the_weakest_of_the_good_enough_is_taken() -> None:
    strength = np.array([1.0, 0.3, 0.0, 0.3, 1.0])
    assert gentlest(np.array([0.1, 0.5, 0.79, 0.8, 0.81]), strength, sparing=0.02) == 2
    assert gentlest(np.array([0.1, 0.5, 0.7, 0.8, 0.81]), strength, sparing=0.02) == 3
    assert gentlest(np.array([0.1, 0.8, 0.7, 0.81, 0.5]), strength, sparing=0.02) == 3


def test_a_habit_is_kept_while_it_is_good_enough() -> None:
    strength = np.array([0.0, 0.3, 1.0])
    assert gentlest(np.array([0.8, 0.8, 0.79]), strength, habit=2) == 2
    assert gentlest(np.array([0.8, 0.8, 0.7]), strength, habit=2) == 0
