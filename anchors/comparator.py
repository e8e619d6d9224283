"""The local comparator: stance and relevance of texts on values, and P(a text ranks above an anchor | value).

Mixes two readings of stance, the network's and a linear one of the words. Knows both and their weights; nothing of
panels or calibration. A language-model judge could stand in its place: the evaluator needs only these numbers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from anchors.gauge import Gauge
from anchors.lexicon import counts, weighted
from anchors.reader import Read

Floats = NDArray[np.float64]
SURE = 1e-6
"""Relevance is taken to be no closer to 0 and 1."""


class Comparator:
    """A gauge's mixture over its network's reader."""

    def __init__(self, gauge: Gauge, read: Read) -> None:
        self.network = read
        self._gauge = gauge
        self._words = np.ascontiguousarray(gauge.words.T)

    def read(self, texts: Sequence[str], columns: Sequence[int]) -> tuple[Floats, Floats]:
        """Raw stance in points and P(relevant), both (n, k), on the values with these numbers."""
        network, relevance = self.network(texts)
        a, b, c = self._gauge.mix
        wanted = list(columns)
        stance: Floats = a * network[:, wanted] + b * self.words(texts)[:, wanted] + c
        slope, shift = self._gauge.relevance
        return stance, expit(slope * logit(np.clip(relevance[:, wanted], SURE, 1 - SURE)) + shift)

    def words(self, texts: Sequence[str]) -> Floats:
        """The linear reading of the words (n, V), in points."""
        found: Floats = weighted(counts(texts), self._gauge.rarity) @ self._words
        return found

    def beats(self, stance: Floats, anchors: Floats) -> Floats:
        """P(text ranks above anchor) from the text's stance and the anchors' intensities, in points."""
        result: Floats = expit(self._gauge.sharpness * (stance - anchors))
        return result
