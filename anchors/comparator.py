"""The local comparator: stance and relevance of texts on values, and P(a text ranks above an anchor | value).

Knows the stance network and its weights; nothing of panels or calibration. A language-model judge could stand in its
place: the evaluator needs only these numbers.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from anchors.encoder import Encoding
from anchors.gauge import Gauge
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
        self._sharpness = gauge.sharpness

    @torch.inference_mode()
    def read(self, encoding: Encoding, columns: Sequence[int]) -> tuple[Floats, Floats]:
        """Raw stance in points and P(relevant), both (n, k), on the values with these numbers."""
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
        result: Floats = expit(self._sharpness * (stance - anchors))
        return result
