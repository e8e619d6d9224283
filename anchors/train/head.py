"""The comparator's linear heads: multi-task ridge over values, in closed form, with out-of-fold predictions.

Knows features and targets. Values share strength through a kernel over their definitions:
K((x, v), (y, w)) = <x, y> * (shared + similar * cos(def_v, def_w) + own * [v = w]); with a linear kernel in x the
solution is one weight vector a value. A value that was never trained takes the first two parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sharing:
    """How much values share, and the ridge; all >= 0, in units of the feature kernel's mean diagonal."""

    shared: float = 0.3
    similar: float = 0.3
    own: float = 1.0
    ridge: float = 0.3

    def over(self, similarity: Floats) -> Floats:
        """The kernel over values (V, V) from cosines of their definitions."""
        kernel: Floats = self.shared + self.similar * np.clip(similarity, 0, 1) + self.own * np.eye(len(similarity))
        return kernel


def fit(features: Floats, value: Ints, target: Floats, kernel: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Weights (V, F) and biases (V,) of the ridge solution; biases are shrunk value means of the target."""
    bias = _biases(value, target, len(kernel))
    gram = (features @ features.T) * kernel[np.ix_(value, value)]
    gram[np.diag_indices_from(gram)] += ridge * np.mean(np.diag(gram))
    dual = np.linalg.solve(gram, target - bias[value])
    parts = np.zeros((len(kernel), features.shape[1]))
    for v in range(len(kernel)):
        mine = value == v
        parts[v] = dual[mine] @ features[mine]
    return kernel @ parts, bias


def _biases(value: Ints, target: Floats, values: int, prior: float = 20.0) -> Floats:
    overall = float(target.mean())
    sums, counts = np.bincount(value, target, values), np.bincount(value, minlength=values)
    shrunk: Floats = (sums + prior * overall) / (counts + prior)
    return shrunk


def folds(groups: Ints, count: int = 5, seed: int = 0) -> Iterator[tuple[Ints, Ints]]:
    """(training rows, held-out rows) with whole groups held out."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    for part in np.array_split(names, count):
        held = np.isin(groups, part)
        yield np.flatnonzero(~held), np.flatnonzero(held)


def out_of_fold(features: Floats, value: Ints, target: Floats, groups: Ints, kernel: Floats, ridge: float) -> Floats:
    """Predictions (N,) for each row by a fit that saw none of its group."""
    predicted = np.zeros(len(target))
    for train, held in folds(groups):
        weights, bias = fit(features[train], value[train], target[train], kernel, ridge)
        predicted[held] = np.sum(features[held] * weights[value[held]], axis=1) + bias[value[held]]
    return predicted
