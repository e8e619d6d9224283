import numpy as np
import pytest

from anchors.train.head import Sharing, fit, folds, out_of_fold

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
    shared, _ = fit(x, value, y, Sharing(shared=1.0, similar=0.0, own=0.01).over(np.eye(2)), 0.01)
    assert np.linalg.norm(shared[1] - w) < np.linalg.norm(alone[1] - w)


def test_folds_hold_out_whole_groups_once() -> None:
    groups = RNG.integers(0, 17, 200)
    held = np.concatenate([h for _, h in folds(groups)])
    assert sorted(held) == list(range(200))
    for train, test in folds(groups):
        assert not set(groups[train]) & set(groups[test])


def test_out_of_fold_predictions_do_not_know_their_group() -> None:
    # the target is a group's own secret: in-fold it is learnt, out of fold it is not
    groups = np.repeat(np.arange(40), 5)
    secret = RNG.normal(size=40)[groups]
    x = np.eye(40)[groups]
    found = out_of_fold(x, np.zeros(200, dtype=int), secret, groups, np.ones((1, 1)), 0.01)
    assert abs(np.corrcoef(found, secret)[0, 1]) < 0.3
