"""The effect, against its formula worked out by hand and against its promise of coverage."""

from math import inf, sqrt

import numpy as np
import pytest

from policies.effect import effect


def test_one_answer_a_conversation_is_the_difference_of_means() -> None:
    treated, control = [4.0, 6.0, 5.0], [1.0, 3.0]
    rows = [(f"t{i}", True, v) for i, v in enumerate(treated)] + [(f"c{i}", False, v) for i, v in enumerate(control)]
    found = effect(rows)
    assert found is not None
    assert (found.treated, found.control, found.difference) == (5.0, 2.0, 3.0)
    half = 1.96 * sqrt(2 / 9 * 3 / 2 + 2 / 4 * 2)
    assert (found.low, found.high) == (pytest.approx(3 - half), pytest.approx(3 + half))
    assert (found.answers, found.conversations) == ((3, 2), (3, 2))


def test_an_arm_without_answers_has_no_effect_and_one_conversation_no_interval() -> None:
    assert effect([("a", True, 1.0)]) is None
    found = effect([("a", True, 1.0), ("a", True, 2.0), ("b", False, 1.0), ("c", False, 1.0)])
    assert found is not None
    assert (found.low, found.high) == (-inf, inf)


def test_the_interval_covers_although_conversations_are_correlated() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        rows = []
        for number in range(80):
            treated = number % 2 == 0
            own = rng.normal(2.0 if treated else 0.0, 1.5)
            rows += [(str(number), treated, own + rng.normal(0, 0.5)) for _ in range(rng.integers(1, 12))]
        found = effect(rows)
        covered += found is not None and found.low <= 2.0 <= found.high
    assert covered / 300 > 0.9
