"""Plackett-Luce: utilities from rankings, and one text's utility from comparisons with anchors that are fixed.

Knows only item numbers and nats. P(first of S is i) = exp(u_i) / sum_{j in S} exp(u_j), so that
P(i before j) = sigmoid(u_i - u_j) (Plackett 1975; Luce 1959).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Floats = NDArray[np.float64]
Ranking = Sequence[int]
"""Item numbers, the item with the most of the value first."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Utilities of all items: `mean` and `sd`, both (items,) in nats, and the prior's sd that was used.

    `sd` is the Laplace approximation from the diagonal of the Hessian. It is a lower bound where judges repeat
    themselves without noise: such rankings are fewer observations than they look.
    """

    mean: Floats
    sd: Floats
    prior_sd: float


def log_likelihood(utilities: Floats, rankings: Sequence[Ranking]) -> float:
    """Log-likelihood of full rankings, in nats."""
    value, _ = _likelihood_and_gradient(utilities, _padded(rankings))
    return value


def fit_rankings(rankings: Sequence[Ranking], items: int, prior_sd: float | None = None, reverse: bool = False) -> Fit:
    """Maximum a posteriori utilities under a normal prior around zero.

    `prior_sd=None` takes the empirical-Bayes choice: iterate prior variance = mean(u^2 + sd^2) to a fixed point.
    `reverse=True` fits the rankings read from last to first and returns utilities with the sign turned back: the
    model is not symmetric, and the gap between both fits is a check of it.
    Raises ValueError if an item never appears twice in a ranking's universe or the optimiser does not converge.
    """
    if not rankings:
        raise ValueError("no rankings")
    if reverse:
        fit = fit_rankings([list(reversed(r)) for r in rankings], items, prior_sd)
        return Fit(-fit.mean, fit.sd, fit.prior_sd)
    padded = _padded(rankings)
    if padded.max() >= items:
        raise ValueError(f"item {padded.max()} in a ranking of {items} items")
    spread = 3.0 if prior_sd is None else prior_sd
    mean = np.zeros(items)
    for _ in range(1 if prior_sd is not None else 30):
        mean = _map_estimate(padded, mean, spread)
        sd = 1.0 / np.sqrt(_curvature(mean, padded) + 1.0 / spread**2)
        if prior_sd is not None:
            break
        update = float(np.sqrt(np.mean(mean**2 + sd**2)))
        if abs(update - spread) < 1e-3 * spread:
            break
        spread = update
    return Fit(mean, sd, spread)


def utility_against(anchors: Floats, beats: Floats, prior_sd: float = 30.0) -> Floats:
    """The utility u of a text that beats anchor i with probability `beats[..., i]`, the anchors held fixed.

    Maximises sum_i [p_i log sigmoid(u - a_i) + (1 - p_i) log sigmoid(a_i - u)] - (u - mean(a))^2 / (2 prior_sd^2):
    the two-item case of Plackett-Luce with soft outcomes (VALUEFLOW, evaluation). The weak prior alone bounds a text
    that beats every anchor; it is not clamped to the best of them.
    Shapes: anchors and beats (..., k), the result (...). Raises ValueError on empty or mismatched input.
    """
    if anchors.shape != beats.shape or anchors.shape[-1:] in ((), (0,)):
        raise ValueError("anchors and outcomes must be of one shape, with at least one anchor")
    centre = anchors.mean(axis=-1)

    def gradient(u: Floats) -> Floats:
        slope: Floats = np.sum(beats - expit(u[..., None] - anchors), axis=-1) - (u - centre) / prior_sd**2
        return slope

    # the gradient falls from +k to -k, so the root is bracketed by what the prior allows
    reach = anchors.shape[-1] * prior_sd**2
    low, high = centre - reach, centre + reach
    for _ in range(64):
        middle = 0.5 * (low + high)
        rising = gradient(middle) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    result: Floats = 0.5 * (low + high)
    return result


def _padded(rankings: Sequence[Ranking]) -> NDArray[np.int64]:
    width = max(len(r) for r in rankings)
    table = np.full((len(rankings), width), -1, dtype=np.int64)
    for row, ranking in zip(table, rankings, strict=True):
        if len(set(ranking)) != len(ranking):
            raise ValueError(f"an item appears twice in ranking {list(ranking)}")
        row[: len(ranking)] = ranking
    return table


def _scores(u: Floats, padded: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Utilities in ranking order (-inf where padded), and log of the sum over each stage's remaining items."""
    s = np.where(padded >= 0, u[padded], -np.inf)
    tails = np.logaddexp.accumulate(s[:, ::-1], axis=1)[:, ::-1]
    return s, tails


def _likelihood_and_gradient(u: Floats, padded: NDArray[np.int64]) -> tuple[float, Floats]:
    s, tails = _scores(u, padded)
    mask = padded >= 0
    value = float(np.sum(s[mask] - tails[mask]))
    # d/du_i = [i is ranked] - sum over stages t up to i's own of exp(u_i - tail_t)
    passed = np.logaddexp.accumulate(np.where(mask, -tails, -np.inf), axis=1)
    expected = np.where(mask, np.exp(s + passed), 0.0)
    gradient = np.zeros_like(u)
    np.add.at(gradient, padded[mask], (1.0 - expected)[mask])
    return value, gradient


def _curvature(u: Floats, padded: NDArray[np.int64]) -> Floats:
    s, tails = _scores(u, padded)
    mask = padded >= 0
    first = np.logaddexp.accumulate(np.where(mask, -tails, -np.inf), axis=1)
    second = np.logaddexp.accumulate(np.where(mask, -2 * tails, -np.inf), axis=1)
    information = np.where(mask, np.exp(s + first) - np.exp(2 * s + second), 0.0)
    diagonal = np.zeros_like(u)
    np.add.at(diagonal, padded[mask], information[mask])
    return np.maximum(diagonal, 0.0)


def _map_estimate(padded: NDArray[np.int64], start: Floats, prior_sd: float) -> Floats:
    def objective(u: Floats) -> tuple[float, Floats]:
        value, gradient = _likelihood_and_gradient(u, padded)
        return -value + 0.5 * float(u @ u) / prior_sd**2, -gradient + u / prior_sd**2

    result = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 1e-12})
    if not result.success:
        raise ValueError(f"Plackett-Luce did not converge after {result.nit} iterations: {result.message}")
    return np.asarray(result.x, dtype=np.float64)


def uniform_log_likelihood(rankings: Sequence[Ranking]) -> float:
    """What a model that knows nothing would score: -sum log(n!)."""
    return -float(sum(np.sum(np.log(np.arange(1, len(r) + 1))) for r in rankings))
