"""The sums and the curve that they make."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from policies.curve import GENERIC, KEEP, Sums, learned, monotone
from policies.instruct import RUNGS

seen = st.lists(st.tuples(st.integers(0, 8), st.floats(-10, 10), st.floats(0.3, 5)), max_size=40)


def sums(observations: list[tuple[int, float, float]]) -> Sums:
    result = Sums.none()
    for rung, intensity, sd in observations:
        result = result.seen(rung, intensity, sd)
    return result


@given(seen)
def test_a_curve_rises_whatever_was_seen(observations: list[tuple[int, float, float]]) -> None:
    curve = learned(GENERIC, sums(observations))
    assert (np.diff(curve.mean) >= -1e-9).all()
    assert (np.linalg.eigvalsh(curve.cov) > 0).all()
    assert (np.diag(curve.cov) <= np.diag(GENERIC.cov) + 1e-9).all()


@given(seen, seen, seen)
def test_merging_commutes_and_associates(a: list, b: list, c: list) -> None:
    one = sums(a) + sums(b) + sums(c)
    other = sums(c) + (sums(b) + sums(a))
    for mine, theirs in zip(one.fields, other.fields, strict=True):
        assert np.allclose(mine, theirs)


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0.1, 9)), min_size=9, max_size=9))
def test_monotone_is_isotonic_regression(points: list[tuple[float, float]]) -> None:
    values, weights = np.array(points).T
    assert np.allclose(monotone(values, weights), isotonic_regression(values, weights=weights).x)
    assert np.allclose(monotone(np.stack([values] * 3), np.stack([weights] * 3))[1], monotone(values, weights))


def test_the_posterior_is_the_conjugate_one() -> None:
    # two observations of one rung, worked out by hand: precision-weighted mean of prior and data
    found = learned(GENERIC, Sums.none().seen(8, 2.0, 1.0, 1.0).seen(8, 3.0, 1.0, 1.0))
    variance = found.spread**2 + 1.0
    prior = GENERIC.cov[8, 8]
    expected = (GENERIC.mean[8] / prior + 5.0 / variance) / (1 / prior + 2 / variance)
    assert np.isclose(found.cov[8, 8], 1 / (1 / prior + 2 / variance))
    assert found.mean[8] <= expected + 1e-9  # isotonic pooling may only lower the top


def test_older_observations_fade() -> None:
    found = sums([(4, 0.0, 1.0)] * 400)
    assert np.isclose(found.count.sum(), 1 / (1 - KEEP), rtol=0.01)
    assert learned(GENERIC, sums([(4, 0.0, 1.0)] * 100 + [(4, 5.0, 1.0)] * 100)).mean[4] > 4


def test_a_cap_keeps_the_means() -> None:
    capped = sums([(2, 1.0, 1.0)] * 30 + [(3, 2.0, 1.0)] * 30).capped(5.0)
    assert np.isclose(capped.count.sum(), 5.0)
    assert np.allclose(capped.mean[[2, 3]], [1.0, 2.0])


def test_the_spread_leaves_the_gauges_error_out() -> None:
    rng = np.random.default_rng(1)
    found = Sums.none()
    for _ in range(3000):
        found = found.seen(5, rng.normal(3, np.hypot(2.5, 1.5)), 1.5, keep=1.0)
    assert abs(found.spread(GENERIC.spread) - 2.5) < 0.15


def test_the_generic_curve_covers_all_rungs() -> None:
    assert len(GENERIC.mean) == len(RUNGS)
    assert (np.diff(GENERIC.mean) > 0).all()
