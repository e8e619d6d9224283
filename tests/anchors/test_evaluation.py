"""The figures of `valueflow eval`, worked out by hand on a few rows."""

import numpy as np
import pytest

from anchors.evaluation import Predictions, evaluate
from anchors.train.rows import Rows
from anchors.vidb.texts import VidbText


def rows(truth: list[float]) -> Rows:
    texts = [VidbText(f"t{n}", "reply", f"topic{n}", "test", "x", ("a/b",), "w") for n in range(len(truth))]
    number = np.arange(len(truth))
    y = np.array(truth)
    return Rows(texts, ("a/b",), number, np.zeros(len(truth), dtype=int), y, y, np.ones(len(truth)))


TRUTH = [-6.0, -1.0, 0.5, 2.0, 7.0]


def report(guess: list[float], **bounds: list[float]):
    found = Predictions(np.array(guess), **{k: np.array(v) for k, v in bounds.items()})
    return evaluate(found, rows(TRUTH), np.arange(5))


def test_a_perfect_gauge() -> None:
    found = report(TRUTH)
    assert (found.pairwise.value, found.pairwise_far.value, found.spearman.value) == (1, 1, pytest.approx(1))
    assert (found.mae.value, found.sign.value, found.coverage) == (0, 1, None)


def test_a_reversed_gauge() -> None:
    found = report([-t for t in TRUTH])
    assert (found.pairwise.value, found.sign.value, found.spearman.value) == (0, 0, pytest.approx(-1))


def test_one_swapped_neighbour_pair() -> None:
    # 10 pairs, one the wrong way round (0.5 and 2.0), which are nearer than 3 points
    found = report([-6, -1, 2.0, 0.5, 7])
    assert found.pairwise.value == pytest.approx(0.9)
    assert found.pairwise_far.value == 1
    assert found.mae.value == pytest.approx(3.0 / 5)


def test_a_constant_gauge_is_never_right() -> None:
    assert report([1.0] * 5).pairwise.value == 0


def test_coverage_counts_rows_inside() -> None:
    found = report(TRUTH, low=[-7, 0, 0, 0, 0], high=[0, 1, 1, 1, 8])
    assert found.coverage is not None
    assert found.coverage.value == pytest.approx(3 / 5)


def test_intervals_hold_the_figure() -> None:
    found = report([-5, 0, -1, 3, 2])
    assert found.mae.low <= found.mae.value <= found.mae.high
