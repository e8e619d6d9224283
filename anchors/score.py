"""What a measurement is: a `Score` with its error, or `Unscored` with a reason.

Knows nothing of how either is made. "Cannot score" is a value, never a zero.
"""

from dataclasses import dataclass, field
from math import erf, inf, sqrt
from typing import Literal

Reason = Literal["empty", "too_long", "tool_calls_only", "structured", "overloaded", "late", "failed"]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An anchor beside the scored text: the evidence a person can read."""

    id: str
    text: str
    intensity: float


@dataclass(frozen=True, slots=True)
class Score:
    """The intensity of one value in one text.

    `intensity` is calibrated, about [-10, 10] and not clamped; `sd` is the predictive error in the same unit;
    `low` and `high` bound the 90% interval; `relevance` in [0, 1] says whether the text speaks to the value at all;
    `utility` is the uncalibrated Plackett-Luce utility in nats.
    """

    intensity: float
    sd: float
    low: float
    high: float
    relevance: float
    utility: float
    below: Neighbour | None = field(default=None, compare=False)
    above: Neighbour | None = field(default=None, compare=False)

    def probability(self, low: float = -inf, high: float = inf) -> float:
        """P(low <= true intensity <= high), the true value being normal around `intensity` with `sd`."""
        return _normal_cdf((high - self.intensity) / self.sd) - _normal_cdf((low - self.intensity) / self.sd)


@dataclass(frozen=True, slots=True)
class Unscored:
    """No score could be made, and why."""

    reason: Reason


def _normal_cdf(z: float) -> float:
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))
