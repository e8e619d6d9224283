import numpy as np
import pytest

from anchors.calibration import conformal_quantile, error_drivers, fit_error, fit_map, mixed, predicted_sd

RNG = np.random.default_rng(3)


def test_the_map_recovers_lines_and_shrinks_small_values_to_the_pool() -> None:
    value = np.array([0] * 300 + [1] * 3)
    utility = RNG.normal(0, 2, 303)
    intensity = np.where(value == 0, 2 * utility + 1, -2 * utility)
    slope, intercept = fit_map(utility, intensity, value, 3)
    assert slope[0] == pytest.approx(2, rel=0.05)
    assert intercept[0] == pytest.approx(1, abs=0.1)
    assert slope[1] > 1.5  # three odd texts do not turn the scale round
    assert slope[2] == pytest.approx(slope[0], rel=0.1)
    assert (slope > 0).all()


def test_the_error_model_finds_what_drives_error() -> None:
    n = 4000
    relevance = RNG.uniform(0, 1, n)
    drivers = error_drivers(np.zeros(n), relevance, np.full(n, 50.0))
    residual = RNG.normal(size=n) * np.exp(0.3 + 0.8 * relevance)
    sd = predicted_sd(fit_error(drivers, residual), drivers)
    assert sd[relevance > 0.9].mean() == pytest.approx(np.exp(0.3 + 0.8 * 0.95), rel=0.1)
    assert sd[relevance < 0.1].mean() == pytest.approx(np.exp(0.3 + 0.8 * 0.05), rel=0.1)


def test_a_doubtful_relevance_pulls_to_zero_and_spreads() -> None:
    assert mixed(6.0, 0.5) == pytest.approx(3.0)
    certain, doubtful = (error_drivers(np.array([6.0]), np.array([r]), np.array([50.0]))[0, 4] for r in (1.0, 0.5))
    assert (certain, doubtful) == (0.0, pytest.approx(3.0))


def test_the_conformal_factor_covers_new_texts() -> None:
    # split conformal: P(covered) lies in [.9, .9 + 1/(n+1)] on average, whatever the distribution
    hits = []
    for _ in range(300):
        residual, sd = RNG.standard_t(3, 200), np.ones(200)
        q = conformal_quantile(residual[:100], sd[:100])
        hits.append(np.mean(np.abs(residual[100:]) <= q))
    assert 0.885 <= np.mean(hits) <= 0.925


def test_too_few_calibration_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        conformal_quantile(np.zeros(5), np.ones(5))
