"""From utility to intensity: a monotone map by value, a predictive sd, and a conformal interval.

Knows a gauge's few calibration numbers and how they are fitted; nothing of texts. Comparisons by one deterministic
head are one observation, not k, so the curvature of the likelihood is no error bar: the sd is the error that was
seen on texts that were not trained on, by relevance, length and extremity.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from anchors.gauge import Gauge

Floats = NDArray[np.float64]
COVERAGE = 0.9
MIN_SD = 0.3


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calibrated intensity, its predictive sd and its interval, in points."""

    intensity: float
    sd: float
    low: float
    high: float


def calibrate(gauge: Gauge, value: int, utility: float, relevance: float, words: float) -> Estimate:
    """The estimate for one utility of the value with this number. It is not clamped to the anchors' range."""
    read = (np.array([utility]), np.array([relevance]), np.array([words]))
    (intensity,), (sd,) = predicted(gauge.slope[value], gauge.intercept[value], gauge.error, *read)
    half = conformal_factor(gauge, value) * sd
    return Estimate(float(intensity), float(sd), float(intensity - half), float(intensity + half))


def conformal_factor(gauge: Gauge, value: int) -> float:
    """Half the value's interval in predictive sds: its own factor where it was fitted to labels, or the gauge's."""
    return gauge.factors.get(gauge.values[value], gauge.quantile)


def predicted(
    slope: float, intercept: float, error: Floats, utility: Floats, relevance: Floats, words: Floats
) -> tuple[Floats, Floats]:
    """Intensity and predictive sd (n,), in points, of n texts by one value's map."""
    stance = intercept + slope * utility
    return mixed(stance, relevance), predicted_sd(error, error_drivers(stance, relevance, words))


def mixed(stance: Floats | float, relevance: Floats | float) -> Floats:
    """The mean of relevance * N(stance, .) + (1 - relevance) * zero: a text off the value stands at zero."""
    return np.asarray(relevance * np.asarray(stance), dtype=np.float64)


def error_drivers(stance: Floats, relevance: Floats, words: Floats) -> Floats:
    """What predicts error, (n, 5): constant, relevance, log length, extremity, and the mixture's own spread."""
    spread = np.sqrt(relevance * (1 - relevance)) * np.abs(stance)
    return np.column_stack(
        [np.ones_like(stance), relevance, np.log(np.maximum(words, 1.0)), np.minimum(np.abs(stance), 10.0), spread]
    )


def predicted_sd(error: Floats, drivers: Floats) -> Floats:
    """sd in points, at least MIN_SD; drivers are bounded, so that no odd text gets an absurd one."""
    result: Floats = np.clip(np.exp(drivers @ error), MIN_SD, 10.0)
    return result


def typical_sd(gauge: Gauge) -> dict[str, float]:
    """The predictive sd by value, in points, for a relevant text of a hundred words that takes a moderate stance."""
    drivers = error_drivers(np.array([4.0]), np.array([1.0]), np.array([100.0]))
    return dict.fromkeys(gauge.values, float(predicted_sd(gauge.error, drivers)[0]))


def fit_map(utility: Floats, intensity: Floats, value: NDArray[np.int64], values: int) -> tuple[Floats, Floats]:
    """(slope, intercept) by value, shrunk towards the pooled line as if it were 40 more texts of that value."""
    slope, intercept = np.polyfit(utility, intensity, 1)
    slopes, intercepts = np.full(values, slope), np.full(values, intercept)
    prior = 40.0
    spread = float(np.var(utility))
    for v in range(values):
        u, y = utility[value == v], intensity[value == v]
        if len(u) < 2:
            continue
        design = np.column_stack([u, np.ones_like(u)])
        penalty = prior * np.diag([spread, 1.0])
        centre = np.array([slope, intercept])
        slopes[v], intercepts[v] = np.linalg.solve(design.T @ design + penalty, design.T @ y + penalty @ centre)
    return np.maximum(slopes, 1e-3), intercepts


def fit_error(drivers: Floats, residual: Floats) -> Floats:
    """Log-sd coefficients by Gaussian maximum likelihood with a light ridge, (5,)."""
    start = np.zeros(drivers.shape[1])
    start[0] = np.log(residual.std() + 1e-6)

    def loss(c: Floats) -> float:
        log_sd = np.clip(drivers @ c, -3, 3)
        return float(np.mean(log_sd + 0.5 * residual**2 * np.exp(-2 * log_sd)) + 1e-3 * np.sum(c[1:] ** 2))

    return np.asarray(minimize(loss, start, method="L-BFGS-B").x, dtype=np.float64)


def conformal_quantile(residual: Floats, sd: Floats, coverage: float = COVERAGE) -> float:
    """The factor q with P(|residual| <= q sd) >= coverage on exchangeable texts (split conformal). Needs n >= 10."""
    n = len(residual)
    if n < 10:
        raise ValueError(f"{n} calibration texts, at least 10 are needed")
    rank = min(int(np.ceil((n + 1) * coverage)), n)
    return float(np.sort(np.abs(residual) / sd)[rank - 1])
