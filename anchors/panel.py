"""The panel: for each value and intensity bin, the anchors nearest in topic to a text. The one file that knows FAISS.

Topic-matched opponents cancel what the encoder likes about a topic. Nearness never gives the score: in embedding
space a text's opposite is its neighbour.
"""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from anchors.gauge import Gauge

BINS = (-10.0, -6.0, -2.5, 2.5, 6.0, 10.0)
"""Edges of the intensity bins, in points; anchors beyond the ends belong to the outer bins."""
PER_BIN = 2


@dataclass(frozen=True, slots=True)
class _Bin:
    index: faiss.IndexFlatIP
    anchors: NDArray[np.int64]


class Panel:
    """Finds panels among a gauge's anchors. A value needs at least one anchor; an empty bin gives none."""

    def __init__(self, gauge: Gauge) -> None:
        self._bins: dict[int, list[_Bin]] = {}
        place = np.digitize(gauge.anchor_intensity, BINS[1:-1])
        for value in range(len(gauge.values)):
            bins = []
            for bin_ in range(len(BINS) - 1):
                anchors = np.flatnonzero((gauge.anchor_value == value) & (place == bin_))
                if len(anchors):
                    index = faiss.IndexFlatIP(gauge.anchor_embedding.shape[1])
                    index.add(np.ascontiguousarray(gauge.anchor_embedding[anchors], dtype=np.float32))
                    bins.append(_Bin(index, anchors))
            self._bins[value] = bins

    def find(self, embedding: NDArray[np.floating[Any]], value: int) -> NDArray[np.int64]:
        """Anchor numbers (n, k) for embeddings (n, d), of one value; k is the same for every text of a value.

        Raises ValueError when the value has no anchors.
        """
        queries = np.ascontiguousarray(embedding, dtype=np.float32)
        found = []
        for bin_ in self._bins[value]:
            _, numbers = bin_.index.search(queries, min(PER_BIN, len(bin_.anchors)))
            found.append(bin_.anchors[numbers])
        if not found:
            raise ValueError("the value has no panel anchors")
        return np.concatenate(found, axis=1)
