import numpy as np
import pytest

from anchors.train.head import fit

RNG = np.random.default_rng(11)


def test_the_dual_solution_is_the_primal_ridge() -> None:
    # with one value and kernel 1 this is plain ridge: w = (X'X + r I)^-1 X'y
    x, y = RNG.normal(size=(60, 5)), RNG.normal(size=60)
    weights, bias = fit(x, np.zeros(60, dtype=int), y, np.ones((1, 1)), 0.1)
    ridge = 0.1 * np.mean(np.sum(x * x, axis=1))
    expected = np.linalg.solve(x.T @ x + ridge * np.eye(5), x.T @ (y - bias[0]))
    assert weights[0] == pytest.approx(expected, abs=1e-8)


def test_values_share_what_the_kernel_lets_them_share() -> None:
    w = RNG.normal(size=8)
    x = RNG.normal(size=(210, 8))
    value = np.repeat([0, 1], [200, 10])
    y = x @ w + RNG.normal(0, 0.1, 210)
    alone, _ = fit(x, value, y, np.eye(2), 0.01)
    shared, _ = fit(x, value, y, np.ones((2, 2)), 0.01)
    assert np.linalg.norm(shared[1] - w) < np.linalg.norm(alone[1] - w)
