"""From a curve and this request's own attempts: what the next answer and the last one are likely to be.

Knows actions by number (a rung of a tactic), curves and measurements, all as arrays with leading batch axes; nothing
of words, policies or how a score is made.

The model of a request: an answer's intensity is the curve at its action, plus an offset that all answers to this prompt
share, plus its own deviation, a part of which comes again when the same is asked again. A measurement adds an error, a
part of which all measurements of one request share. Everything is normal, so both questions are one linear solve.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from policies.curve import ANSWER_SD, Curve, Floats, Ints

OFFSET_SD = 0.4
"""Least spread of prompts' offsets from the curve; what a curve's spread has beyond ANSWER_SD is taken for offset."""
SHARED = 0.25
"""The part of the gauge's error variance that measurements of one request share: it reads one prompt, one style."""
AGAIN = 0.3
"""The part of an answer's own variance that comes again when the same words are asked again."""
SPARING = 0.02
"""How much P(in range) a weaker dose may cost: strong words cost the answer its balance."""

HOPELESS = 0.15
"""With less than this P(in range) at the best action another attempt is not worth its tokens: in simulation it is said
of fewer than 1 in 100 reachable targets and after 1.3 to 1.5 answers on unreachable ones."""


class Likely(NamedTuple):
    """Mean and sd of an answer to each action, were it asked next, (..., a); those of the last answer, (...,); and the
    mean of this prompt's offset from the curve, (...,).
    """

    mean: Floats
    sd: Floats
    last_mean: Floats
    last_sd: Floats
    offset: Floats


def likely(
    curve: Curve,
    action: Ints,
    measured: Floats,
    sd: Floats,
    offset_sd: float = OFFSET_SD,
    shared_error: float = SHARED,
    again: float = AGAIN,
) -> Likely:
    """The posterior after attempts by action number, measurement and its sd, (..., j) each, in order; j may be 0.

    `curve` has a mean (..., a) and a covariance (..., a, a) over all actions. Without attempts `last_*` are nan.
    """
    answers = np.minimum(curve.spread, ANSWER_SD)[..., None] ** 2
    offsets = np.maximum(curve.spread[..., None] ** 2 - answers, offset_sd**2)
    variance = np.diagonal(curve.cov, axis1=-2, axis2=-1) + offsets + answers
    if action.shape[-1] == 0:
        nothing = np.full(curve.mean.shape[:-1], np.nan)
        return Likely(curve.mean, np.sqrt(variance), nothing, nothing, np.zeros_like(nothing))
    same = np.arange(curve.mean.shape[-1])[:, None] == action[..., None, :]
    tried = np.take_along_axis(curve.cov, action[..., None, :], -1) + again * answers[..., None] * same  # (..., a, j)
    among = np.take_along_axis(tried, action[..., :, None], -2)  # (..., j, j)
    expected = np.take_along_axis(curve.mean, action, -1)
    own = np.eye(action.shape[-1]) * ((1 - again) * answers + (1 - shared_error) * sd**2)[..., None, :]
    total = among + offsets[..., None] + shared_error * sd[..., :, None] * sd[..., None, :] + own
    # what the answers to each action, the last answer and the offset share with the measurements: (..., a + 2, j)
    shared = np.concatenate([tried, among[..., -1:, :], np.zeros_like(among[..., :1, :])], -2) + offsets[..., None]
    shared[..., -2, -1] += (1 - again) * answers[..., 0]
    weights = np.linalg.solve(total, np.swapaxes(shared, -1, -2))  # (..., j, a + 2)
    moved = ((measured - expected)[..., None, :] @ weights)[..., 0, :]
    known = (np.swapaxes(shared, -1, -2) * weights).sum(-2)
    last = np.take_along_axis(variance, action[..., -1:], -1)
    sds = np.sqrt(np.maximum(np.concatenate([variance, last], -1) - known[..., :-1], 1e-6))
    return Likely(
        curve.mean + moved[..., :-2], sds[..., :-1], expected[..., -1] + moved[..., -2], sds[..., -1], moved[..., -1]
    )


def chance(mean: Floats | float, sd: Floats | float, low: Floats | float, high: Floats | float) -> Floats:
    """P(low <= x <= high) for x normal with these means and sds."""
    return np.asarray(ndtr((high - mean) / sd) - ndtr((low - mean) / sd), dtype=np.float64)


def gentlest(worth: Floats, strength: Floats, habit: Ints | int = -1, sparing: float = SPARING) -> Ints:
    """The number of the best action by `worth` (..., a): of those within `sparing` of the best the one with the least
    `strength` (a,), unless `habit`, the action that was taken before, is among them: it keeps the prompt caches warm.
    """
    enough = worth >= worth.max(-1, keepdims=True) - sparing
    habit = np.asarray(habit)[..., None]
    order = np.where(np.arange(worth.shape[-1]) == habit, -1.0, strength)
    # ties in strength (for and against) go to the worthier one
    return np.asarray(np.where(enough, order - 1e-6 * worth, np.inf).argmin(-1), dtype=np.int64)
