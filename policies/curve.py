"""Dose-response curves: the forgotten sums that attempts leave, and the curve that sums and prior make together.

Knows rungs, intensities and their errors, all as arrays over the nine rungs; nothing of words, targets or tenants.
Leading axes are batches: one request has none, a simulation has thousands of worlds.

A curve is a Gaussian over the rungs. The prior comes from the published curves of four models over twelve values
(VALUEFLOW's steerability figure, read off with +-0.2); the posterior is the normal-normal one, its mean made monotone
by weighted isotonic regression.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from policies.instruct import RUNGS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KEEP = 0.98
"""What each new observation leaves of the older ones: a curve remembers about 50 answers."""
ANSWER_SD = 1.5
"""Spread of answers to one prompt at one dose, in points: an assumption, no one has published it."""
SPREAD_WEIGHT = 30.0
"""How many answers the spread that was believed before is worth against the spread that was seen."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What was seen by rung, (..., 9) each: count, sum and sum of squares of intensities, and of the gauge's variances.

    Additive: the sums of two observers are added, in any order.
    """

    count: Floats
    total: Floats
    squares: Floats
    errors: Floats

    @classmethod
    def none(cls, *batch: int) -> Self:
        """Nothing seen yet."""
        return cls(*(np.zeros((*batch, len(RUNGS))) for _ in range(4)))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(a + b for a, b in zip(self.fields, other.fields, strict=True)))

    @property
    def fields(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The four arrays."""
        return self.count, self.total, self.squares, self.errors

    def joined(self, other: "Sums") -> "Sums":
        """Both side by side along the last axis."""
        return Sums(*(np.concatenate(pair, -1) for pair in zip(self.fields, other.fields, strict=True)))

    def times(self, factor: Floats | float) -> "Sums":
        """All of it, weighted by a factor (...,) or a number."""
        by = np.asarray(factor, dtype=np.float64)[..., None]
        return Sums(*(by * field for field in self.fields))

    def seen(self, rung: Ints | int, intensity: Floats | float, sd: Floats | float, keep: float = KEEP) -> "Sums":
        """These, forgotten a little, and one more measurement at the rung with this number."""
        at = np.arange(len(RUNGS)) == np.asarray(rung)[..., None]
        intensity, sd = np.asarray(intensity)[..., None], np.asarray(sd)[..., None]
        new = (at * 1.0, at * intensity, at * intensity**2, at * sd**2)
        return Sums(*(keep * field + more for field, more in zip(self.fields, new, strict=True)))

    def capped(self, most: float) -> "Sums":
        """The same means with a weight of at most so many observations."""
        weight = self.count.sum(-1)
        return self.times(np.minimum(1.0, most / np.maximum(weight, 1e-9)))

    @property
    def mean(self) -> Floats:
        """Mean intensity by rung, 0 where nothing was seen."""
        return self.total / np.maximum(self.count, 1e-9)

    def spread(self, before: Floats) -> Floats:
        """sd (...,) of answers about their rung's mean, the gauge's error taken out, shrunk to the one `before`."""
        freedom = np.maximum(self.count - 1.0, 0.0)
        noise = self.errors * freedom / np.maximum(self.count, 1e-9)
        within = np.where(freedom > 0, self.squares - self.total * self.mean - noise, 0.0).sum(-1)
        variance = (SPREAD_WEIGHT * before**2 + within) / (SPREAD_WEIGHT + freedom.sum(-1))
        return np.asarray(np.sqrt(np.clip(variance, 0.5, 16.0)), dtype=np.float64)


class Curve(NamedTuple):
    """What is believed of mean intensities: `mean` (..., a), `cov` (..., a, a); `spread` (...,) of single answers."""

    mean: Floats
    cov: Floats
    spread: Floats

    def wider(self, cov: Floats) -> "Curve":
        """The same curve with less certainty."""
        return self._replace(cov=self.cov + cov)


def smooth(sd: Floats, near: float) -> Floats:
    """A covariance over the rungs: these sds, and a correlation of `near` between neighbours."""
    step = np.abs(np.subtract.outer(np.arange(len(RUNGS)), np.arange(len(RUNGS))))
    return np.asarray(np.multiply.outer(sd, sd) * near**step, dtype=np.float64)


GENERIC = Curve(
    np.array([-0.4, 0.0, 1.3, 2.0, 2.5, 4.0, 5.5, 6.0, 6.3]),
    smooth(np.array([3.6, 3.3, 2.9, 2.8, 2.8, 2.2, 1.6, 1.4, 1.4]), 0.85),
    np.array(1.7),
)
"""Before anything was seen. Published are strongly (-0.6), slightly (-0.3), none, slightly (0.3) and strongly (0.6);
the faint and the utmost rungs are interpolated and extrapolated by us. The sds are those between the published models
and values, a little widened for models and gauges that are not among them."""

OF_TENANT = smooth(np.full(len(RUNGS), 1.2), 0.97)
"""How far one tenant's curve (its prompts, its model of today) may lie from the pooled one: mostly up or down."""


def learned(prior: Curve, sums: Sums, rising: bool = True) -> Curve:
    """The posterior after these sums; its mean rises with the dose, unless it need not.

    Several curves may stand side by side, (..., 9 k), with what their errors have in common in `cov`.
    """
    if not (sums.count > 1e-6).any():
        return prior
    spread = sums.spread(prior.spread)
    errors = sums.errors.sum(-1) / np.maximum(sums.count.sum(-1), 1e-9)
    variance = (spread**2 + errors)[..., None]
    # cov = (prior.cov^-1 + diag(count / variance))^-1, in a form that needs no inverse of the prior's
    gain = np.eye(prior.mean.shape[-1]) + prior.cov * (sums.count / variance)[..., None, :]
    cov = np.linalg.solve(gain, prior.cov)
    pull = (sums.total - sums.count * prior.mean) / variance
    mean = prior.mean + (cov @ pull[..., None])[..., 0]
    if rising:
        blocks = (*mean.shape[:-1], -1, len(RUNGS))
        weights = 1 / np.diagonal(cov, axis1=-2, axis2=-1)
        mean = monotone(mean.reshape(blocks), weights.reshape(blocks)).reshape(mean.shape)
    return Curve(mean, cov, spread)


def monotone(values: Floats, weights: Floats) -> Floats:
    """Weighted isotonic regression over the last axis, by the min-max formula (Robertson et al. 1988)."""
    zero = np.zeros((*np.shape(values)[:-1], 1))
    mass = np.concatenate([zero, np.cumsum(weights, -1)], -1)
    area = np.concatenate([zero, np.cumsum(weights * values, -1)], -1)
    size = np.shape(values)[-1]
    first, last = np.arange(size)[:, None], np.arange(size)[None, :] + 1
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (area[..., last] - area[..., first]) / (mass[..., last] - mass[..., first])
    means = np.where(first < last, means, np.inf)  # (..., first, last)
    # the least mean of any block from `first` that ends at or after the rung, then the greatest over its beginnings
    least = np.minimum.accumulate(means[..., ::-1], -1)[..., ::-1]
    return np.asarray(np.where(first < last, least, -np.inf).max(-2), dtype=np.float64)
