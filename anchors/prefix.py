"""A score of an answer's beginning, as a prediction of the whole's. Knows scores; nothing of how they are made.

No gauge is calibrated on beginnings yet: the intensity is the gauge's own for the text that is there, and its error is
widened by one factor for all. Replace this function when there is such a calibration.
"""

from dataclasses import replace

from anchors.score import Score, Unscored

WIDER = 1.5
"""An assumption, not a measurement: the words to come can move an answer about as far as the gauge errs on it.

Two independent errors of the same size make sqrt(2) times one; rounded up.
"""


def predicted(score: Score | Unscored) -> Score | Unscored:
    """The whole's score, with sd and interval widened by WIDER around the beginning's intensity."""
    if isinstance(score, Unscored):
        return score
    middle = score.intensity
    return replace(
        score,
        sd=score.sd * WIDER,
        low=middle + (score.low - middle) * WIDER,
        high=middle + (score.high - middle) * WIDER,
    )
