"""Does the gauge agree with other people's labels on texts that it was not trained on? AUC by set and value.

Knows claims and scores; nothing of files. AUC is the chance that a text of which the claim holds scores above one of
which it does not: .5 for a coin. Labels of presence are held against relevance, labels of side against intensity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from anchors.evaluation import Figure, figure, group_weights
from anchors.evaluator import Evaluate, Text
from anchors.score import Score, Unscored
from anchors.train.public import Claim

Floats = NDArray[np.float64]
LEAST = 20
"""Claims that hold, and that do not, which a figure needs of each."""

BATCH = 256


@dataclass(frozen=True, slots=True)
class Agreement:
    """AUC on one set and value, and that of the mean over all values, which knows tone alone."""

    source: str
    asks: str
    value: str
    rows: int
    auc: Figure
    averaged: float


def agreement(evaluator: Evaluate, claims: Sequence[Claim]) -> list[Agreement]:
    """By set and value, where there are enough claims; intervals are a bootstrap over texts."""
    texts = list(dict.fromkeys(claim.text for claim in claims))
    scores = dict[str, Mapping[str, Score | Unscored]]()
    for start in range(0, len(texts), BATCH):  # a few thousand texts' token states would fill the memory
        part = texts[start : start + BATCH]
        scores |= zip(part, evaluator.evaluate([Text(t) for t in part], evaluator.values), strict=True)
    result = []
    for source, asks, value in dict.fromkeys((c.source, c.asks, c.value) for c in claims):
        mine = [c for c in claims if (c.source, c.value) == (source, value)]
        truth, own, mean = [], [], []
        for claim in mine:
            found = {v: s for v, s in scores[claim.text].items() if isinstance(s, Score)}
            if value not in found:
                continue
            read = {v: s.intensity if asks == "stance" else s.relevance for v, s in found.items()}
            truth.append(claim.holds)
            own.append(read[value])
            mean.append(float(np.mean(list(read.values()))))
        holds = np.array(truth)
        if min(holds.sum(), (~holds).sum()) < LEAST:
            continue
        result.append(Agreement(source, asks, value, len(holds), _auc(holds, np.array(own)), _area(holds, mean)))
    return result


def _auc(holds: NDArray[np.bool_], scores: Floats) -> Figure:
    weights = group_weights(np.arange(len(holds)))
    return figure(weights, lambda w: _area(holds, scores, w))


def _area(holds: NDArray[np.bool_], scores: Sequence[float] | Floats, weights: Floats | None = None) -> float:
    return float(roc_auc_score(holds, scores, sample_weight=weights))
