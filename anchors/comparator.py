"""The local comparator: stance and relevance of texts on values, and P(a text ranks above an anchor | value).

Mixes two readings of stance, the network's and a linear one of the words. Knows both and their weights; nothing of
panels or calibration. A language-model judge could stand in its place: the evaluator needs only these numbers.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from anchors.encoder import Encoding
from anchors.gauge import Gauge
from anchors.lexicon import counts, weighted
from anchors.stance import SCALE, StanceNetwork

Floats = NDArray[np.float64]
BATCH = 32


class Comparator:
    """A gauge's stance network over an encoder's upper layers, whose weights the gauge replaces."""

    def __init__(self, gauge: Gauge, layers: Sequence[torch.nn.Module]) -> None:
        queries = gauge.network["queries"]
        self._network = StanceNetwork(layers, queries, queries.shape[1] // 2)
        self._network.load_state_dict(dict(gauge.network))
        self._network.eval()
        self._gauge = gauge
        self._words = np.ascontiguousarray(gauge.words.T)

    def read(self, texts: Sequence[str], encoding: Encoding, columns: Sequence[int]) -> tuple[Floats, Floats]:
        """Raw stance in points and P(relevant), both (n, k), on the values with these numbers."""
        network, relevance = self.network(encoding, columns)
        a, b, c = self._gauge.mix
        return a * network + b * self.words(texts, columns) + c, relevance

    def words(self, texts: Sequence[str], columns: Sequence[int]) -> Floats:
        """The linear reading of the words (n, k), in points."""
        found: Floats = weighted(counts(texts), self._gauge.rarity) @ self._words
        return found[:, list(columns)]

    @torch.inference_mode()
    def network(self, encoding: Encoding, columns: Sequence[int]) -> tuple[Floats, Floats]:
        """The network's stance in points and P(relevant), both (n, k)."""
        stance, relevance = [], []
        values = torch.tensor(list(columns))
        for start in range(0, len(encoding.mask), BATCH):
            mask = encoding.mask[start : start + BATCH]
            length = int(mask.sum(1).max())
            states = encoding.states[start : start + BATCH, :length]
            s, r = self._network(states, mask[:, :length], values.expand(len(mask), -1))
            stance.append(s.double().numpy() * SCALE)
            relevance.append(expit(r.double().numpy()))
        return np.concatenate(stance), np.concatenate(relevance)

    def beats(self, stance: Floats, anchors: Floats) -> Floats:
        """P(text ranks above anchor) from the text's stance and the anchors' intensities, in points."""
        result: Floats = expit(self._gauge.sharpness * (stance - anchors))
        return result
