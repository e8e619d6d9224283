"""Multi-task ridge over values, in closed form. Knows features and targets alone.

Values share strength through a kernel over them: K((x, v), (y, w)) = <x, y> * kernel[v, w]; the solution is one weight
vector a value. With a kernel of ones the value is not known, which is the value-blind baseline.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def fit(
    features: Floats | csr_matrix, value: Ints, target: Floats, kernel: Floats, ridge: float
) -> tuple[Floats, Floats]:
    """Weights (V, F) and biases (V,); `ridge` is in units of the kernel's mean diagonal, biases are shrunk means."""
    bias = _biases(value, target, len(kernel))
    products: Any = features @ features.T
    gram = (products.toarray() if issparse(products) else products) * kernel[np.ix_(value, value)]
    gram[np.diag_indices_from(gram)] += ridge * np.mean(np.diag(gram))
    dual = np.linalg.solve(gram, target - bias[value])
    parts = np.stack([dual[value == v] @ features[value == v] for v in range(len(kernel))])
    return kernel @ parts, bias


def _biases(value: Ints, target: Floats, values: int, prior: float = 20.0) -> Floats:
    overall = float(target.mean())
    sums, counts = np.bincount(value, target, values), np.bincount(value, minlength=values)
    shrunk: Floats = (sums + prior * overall) / (counts + prior)
    return shrunk
