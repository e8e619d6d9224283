"""Which dose to try next: a small dose control over a prior dose-response curve and this request's own attempts.

Knows doses, ranges and measured intensities; nothing of words, models or how a score is made.

The prior is the mean of the published curves of four models over twelve values (VALUEFLOW's steerability figure,
anchor and exemplar prompts, read off with +-0.2). It is the same for every value and model; the request's own offset
from it is estimated from its attempts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erf, sqrt

from policies.instruct import RUNGS, Doses
from policies.policy import Target

CURVE: Mapping[float, float] = dict(zip(RUNGS, (-0.4, 0.0, 1.3, 2.0, 2.5, 4.0, 5.5, 6.0, 6.3), strict=True))
"""Expected intensity by dose. Published are strongly (-0.6), slightly (-0.3), none, slightly (0.3) and strongly (0.6);
the faint and the utmost rungs are interpolated and extrapolated by us."""

ANSWER_SD = 1.5
"""Spread of answers to one prompt at one dose, in points."""
OFFSET_SD = 2.5
"""Spread of (model, value, request) offsets from the prior curve, in points."""
SPARING = 0.05
"""How much P(in range) a weaker dose may cost: strong words cost the answer its balance."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt at one value: its dose, what was measured, and that measurement's sd."""

    dose: float
    intensity: float
    sd: float


def offset(tried: Sequence[Tried]) -> tuple[float, float]:
    """Posterior mean and sd of this request's offset from the curve: normal-normal, attempts independent given it."""
    precision, weighted = 1 / OFFSET_SD**2, 0.0
    for t in tried:
        w = 1 / (ANSWER_SD**2 + t.sd**2)
        precision, weighted = precision + w, weighted + w * (t.intensity - CURVE[t.dose])
    return weighted / precision, sqrt(1 / precision)


def probability(target: Target, dose: float, tried: Sequence[Tried]) -> float:
    """P(an answer at this dose lies in the range), from the curve and the offset's posterior."""
    mean, sd = offset(tried)
    spread = sqrt(sd**2 + ANSWER_SD**2)
    low, high = target.range
    return _cdf((high - CURVE[dose] - mean) / spread) - _cdf((low - CURVE[dose] - mean) / spread)


def choose(targets: Mapping[str, Target], tried: Mapping[str, Sequence[Tried]], accept: float = 0.7) -> Doses:
    """For each target the weakest dose whose range is as probable as the best dose's, up to SPARING.

    After a miss an attempt repeats no dose while a neighbouring one towards the range is left, because the same words
    mostly return the same answer. One that was in range with P >= `accept` keeps its dose; with a lower P it moves one
    rung away from the nearer edge, or to the most probable other dose when there is none.
    """
    doses = {}
    for name, target in targets.items():
        past = tried.get(name, ())
        chances = {dose: probability(target, dose, past) for dose in RUNGS}
        enough = max(chances.values()) - SPARING
        weakest = min((dose for dose in RUNGS if chances[dose] >= enough), key=lambda dose: (abs(dose), -chances[dose]))
        doses[name] = _moved(weakest, chances, target, past, accept)
    return doses


def _moved(best: float, chances: Mapping[float, float], target: Target, past: Sequence[Tried], accept: float) -> float:
    if not past:
        return best
    low, high = target.range
    last, top = past[-1], len(RUNGS) - 1
    index, at = RUNGS.index(best), RUNGS.index(last.dose)
    if last.intensity < low:
        return RUNGS[min(max(index, at + 1), top)]
    if last.intensity > high:
        return RUNGS[max(min(index, at - 1), 0)]
    if _cdf((high - last.intensity) / last.sd) - _cdf((low - last.intensity) / last.sd) >= accept:
        return last.dose
    below, above = last.intensity - low, high - last.intensity
    inward = at + (below < above) - (above < below)
    if inward != at and 0 <= inward <= top:
        return RUNGS[inward]
    return max((dose for dose in RUNGS if dose != last.dose), key=lambda dose: chances[dose])


def _cdf(z: float) -> float:
    return 0.5 * (1 + erf(z / sqrt(2)))
