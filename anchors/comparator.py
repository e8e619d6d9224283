"""P(a text ranks above an anchor | value), from a linear head over the encoder's middle layers.

Knows features and weights; nothing of panels or calibration. A language-model judge could stand in its place: the
evaluator needs only stances, relevances and these probabilities.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from anchors.encoder import Encoding
from anchors.gauge import Gauge

Floats = NDArray[np.float64]


def features(encoding: Encoding, mean: Floats, scale: Floats) -> Floats:
    """Standardised states (n, F)."""
    standard: Floats = (encoding.states - mean) / scale
    return standard


def stance(gauge: Gauge, encoding: Encoding) -> Floats:
    """Raw stance of each text on each value (n, V), in points."""
    result: Floats = features(encoding, gauge.mean, gauge.scale) @ gauge.stance.T + gauge.stance_bias
    return result


def relevance(gauge: Gauge, encoding: Encoding) -> Floats:
    """P(the text speaks to the value at all), (n, V)."""
    result: Floats = expit(encoding.embedding @ gauge.relevance.T + gauge.relevance_bias)
    return result


def beats(gauge: Gauge, text_stance: Floats, anchor_stance: Floats) -> Floats:
    """P(text ranks above anchor), elementwise."""
    result: Floats = expit(gauge.sharpness * (text_stance - anchor_stance))
    return result
