"""The estimator against a second estimator (choix), finite differences, and answers worked out by hand."""

import choix
import numpy as np
import pytest
from scipy.special import expit, logit

from anchors.plackett_luce import (
    _likelihood_and_gradient,
    _padded,
    fit_rankings,
    log_likelihood,
    uniform_log_likelihood,
    utility_against,
)

RNG = np.random.default_rng(7)


def rankings(utilities: np.ndarray, count: int, size: int) -> list[list[int]]:
    """Draws from Plackett-Luce: sort by utility plus Gumbel noise."""
    drawn = []
    for _ in range(count):
        items = RNG.choice(len(utilities), size, replace=False)
        drawn.append(list(map(int, items[np.argsort(-(utilities[items] + RNG.gumbel(size=size)))])))
    return drawn


@pytest.mark.parametrize("prior_sd", [0.5, 2.0, 5.0])
def test_agrees_with_choix(prior_sd: float) -> None:
    drawn = rankings(RNG.normal(0, 2, 25), 40, 8)
    ours = fit_rankings(drawn, 25, prior_sd=prior_sd)
    theirs = choix.opt_rankings(25, drawn, alpha=1 / (2 * prior_sd**2), method="Newton-CG")
    assert np.abs(ours.mean - theirs).max() < 1e-4


def test_gradient_is_the_finite_difference() -> None:
    table = _padded([*rankings(np.zeros(6), 5, 4), [0, 1]])
    u = RNG.normal(size=6)
    _, gradient = _likelihood_and_gradient(u, table)
    for i in range(6):
        step = np.eye(6)[i] * 1e-6
        difference = _likelihood_and_gradient(u + step, table)[0] - _likelihood_and_gradient(u - step, table)[0]
        assert gradient[i] == pytest.approx(difference / 2e-6, abs=1e-5)


def test_sd_is_the_inverse_curvature_by_finite_differences() -> None:
    drawn = rankings(np.zeros(5), 12, 5)
    fit = fit_rankings(drawn, 5, prior_sd=1.0)
    table = _padded(drawn)
    for i in range(5):
        step = np.eye(5)[i] * 1e-4
        rise = _likelihood_and_gradient(fit.mean + step, table)[1][i]
        fall = _likelihood_and_gradient(fit.mean - step, table)[1][i]
        curvature = -(rise - fall) / 2e-4 + 1.0
        assert fit.sd[i] == pytest.approx(curvature**-0.5, rel=1e-4)


def test_two_items_likelihood_by_hand() -> None:
    # P(0 before 1) = e / (e + 1) for u = (1, 0)
    assert log_likelihood(np.array([1.0, 0.0]), [[0, 1]]) == pytest.approx(np.log(np.e / (np.e + 1)))
    assert uniform_log_likelihood([[0, 1, 2]]) == pytest.approx(-np.log(6))


def test_recovers_the_order_and_the_spread() -> None:
    truth = RNG.normal(0, 1.5, 40)
    fit = fit_rankings(rankings(truth, 150, 8), 40)
    assert np.corrcoef(fit.mean, truth)[0, 1] > 0.95
    assert fit.prior_sd == pytest.approx(1.5, rel=0.3)


def test_reversed_fit_keeps_the_sign() -> None:
    truth = RNG.normal(0, 2, 15)
    drawn = rankings(truth, 60, 6)
    assert np.corrcoef(fit_rankings(drawn, 15).mean, fit_rankings(drawn, 15, reverse=True).mean)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("bad", "message"),
    [([], "no rankings"), ([[0, 1, 0]], "appears twice"), ([[0, 7]], "item 7")],
    ids=["none", "repeated item", "unknown item"],
)
def test_refuses_what_is_no_ranking(bad: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_rankings(bad, 3)


def test_utility_against_one_anchor_is_the_log_odds() -> None:
    # sigmoid(u - 2) = 0.8  <=>  u = 2 + logit(0.8); the weak prior moves it by less than 0.01
    found = utility_against(np.array([2.0]), np.array([0.8]))
    assert float(found) == pytest.approx(2 + logit(0.8), abs=0.01)


def test_utility_recovers_a_text_among_many_anchors_in_every_shape() -> None:
    anchors = np.linspace(-4, 4, 9)
    truth = np.array([[-3.0, 0.5], [2.0, 6.0]])
    beats = expit(truth[..., None] - anchors)
    found = utility_against(np.broadcast_to(anchors, beats.shape), beats)
    assert found == pytest.approx(truth, abs=0.05)


def test_a_text_that_beats_all_is_not_clamped_to_the_best_anchor() -> None:
    anchors = np.array([-2.0, 0.0, 3.0])
    assert float(utility_against(anchors, np.ones(3))) > 6.0


def test_utility_agrees_with_a_fit_of_hard_outcomes() -> None:
    # the same data as rankings of pairs, anchors held by a very tight prior around their utilities
    anchors, wins = np.array([-1.0, 0.0, 1.5]), np.array([1.0, 1.0, 0.0])
    grid = np.linspace(-5, 8, 200_001)
    likelihood = sum(
        w * np.log(expit(grid - a)) + (1 - w) * np.log(expit(a - grid)) for a, w in zip(anchors, wins, strict=True)
    )
    posterior = likelihood - (grid - anchors.mean()) ** 2 / (2 * 30.0**2)
    assert float(utility_against(anchors, wins)) == pytest.approx(grid[np.argmax(posterior)], abs=1e-3)


def test_utility_refuses_mismatched_shapes() -> None:
    with pytest.raises(ValueError, match="one shape"):
        utility_against(np.zeros(3), np.zeros(2))
