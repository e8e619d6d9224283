"""Multi-task ridge over values. Knows features and targets alone.

Values share strength through a kernel over them: K((x, v), (y, w)) = <x, y> * kernel[v, w]; the solution is one weight
vector a value. With a kernel of ones the value is not known, which is the value-blind baseline. Solved by conjugate
gradients, which never form the matrix of all pairs of rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, cg

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def fit(
    features: Floats | csr_matrix, value: Ints, target: Floats, kernel: Floats, ridge: float
) -> tuple[Floats, Floats]:
    """Weights (V, F) and biases (V,); `ridge` is in units of the kernel's mean diagonal, biases are shrunk means.

    Raises ValueError when the conjugate gradients do not converge.
    """
    bias = _biases(value, target, len(kernel))
    rows = np.arange(len(value))
    member = np.zeros((len(value), len(kernel)))
    member[rows, value] = 1.0
    squares: Any = (features.multiply(features) if isinstance(features, csr_matrix) else features * features).sum(1)
    penalty = ridge * float(np.mean(np.asarray(squares).ravel() * np.diag(kernel)[value]))

    def weights(dual: Floats) -> Floats:
        found: Floats = kernel @ np.asarray(features.T @ (member * dual[:, None])).T
        return found

    def product(dual: Floats) -> Floats:
        dual = dual.ravel()
        result: Floats = np.asarray(features @ weights(dual).T)[rows, value] + penalty * dual
        return result

    shape = (len(value), len(value))
    dual, failed = cg(LinearOperator(shape, matvec=product, dtype=np.float64), target - bias[value], rtol=1e-8)
    if failed:
        raise ValueError("the ridge did not converge")
    return weights(dual), bias


def _biases(value: Ints, target: Floats, values: int, prior: float = 20.0) -> Floats:
    overall = float(target.mean())
    sums, counts = np.bincount(value, target, values), np.bincount(value, minlength=values)
    shrunk: Floats = (sums + prior * overall) / (counts + prior)
    return shrunk
