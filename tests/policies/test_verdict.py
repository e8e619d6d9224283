"""Acceptance, worked out by hand: P(in range) is a difference of normal distribution functions."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anchors.score import Score, Unscored
from policies.policy import Policy, Target
from policies.verdict import Belief, check, judge

PHI_1 = 0.8413447  # standard normal distribution function at 1


def score(intensity: float, sd: float = 1.0, relevance: float = 1.0) -> Score:
    return Score(intensity, sd, intensity - 2, intensity + 2, relevance, intensity)


def policy(accept: float = 0.5, **targets: Target) -> Policy:
    return Policy(tenant="t", accept=accept, targets=targets)


def test_probability_is_normal_around_the_score() -> None:
    found = check(Target(target=5, tolerance=1), score(5))
    assert found.probability == pytest.approx(2 * PHI_1 - 1, abs=1e-6)
    assert (found.in_range, found.distance) == (True, 0)


@pytest.mark.parametrize(("intensity", "distance"), [(1.0, 2.0), (3.0, 0.0), (7.0, 0.0), (9.5, 2.5)])
def test_distance_to_the_nearer_edge(intensity: float, distance: float) -> None:
    assert check(Target(target=5, tolerance=2), score(intensity)).distance == distance


def test_open_ranges() -> None:
    assert check(Target(min=4), score(5)).probability == pytest.approx(PHI_1, abs=1e-6)
    assert check(Target(max=4), score(5)).probability == pytest.approx(1 - PHI_1, abs=1e-6)


@pytest.mark.parametrize(("target", "inside"), [(Target(max=-1), False), (Target(min=-0.5), True)])
def test_a_silent_text_satisfies_ranges_that_contain_zero(target: Target, inside: bool) -> None:
    assert check(target, score(-0.6, relevance=0.1)).in_range is inside
    assert check(target, score(0.0, relevance=0.0)).probability == float(inside)


def test_a_doubtful_text_counts_as_spoken_and_as_silent() -> None:
    # it speaks with 0.4: then its stance is 1.6 / 0.4 = 4, with an sd of 0.8 / sqrt(0.4), and 2 is 1.58 sd below
    found = check(Target(max=2), score(1.6, sd=0.8, relevance=0.4))
    assert found.probability == pytest.approx(0.4 * 0.0569 + 0.6, abs=1e-4)
    assert check(Target(min=2), score(1.6, sd=0.8, relevance=0.4)).probability == pytest.approx(0.4 * 0.9431, abs=1e-4)


def test_doubtful_relevance_alone_accepts_nothing() -> None:
    wanted = Target(max=2, hard=True)
    probably_strong = score(3.6, sd=1.0, relevance=0.45)  # a stance of 8, if any
    assert not judge(policy(0.1, power=wanted), [{"svt/power": probably_strong}]).accepted
    assert not judge(policy(0.75, power=wanted), [{"svt/power": score(1.6, sd=0.8, relevance=0.4)}]).accepted
    assert judge(policy(0.75, power=wanted), [{"svt/power": score(0.4, sd=0.8, relevance=0.1)}]).accepted


def test_what_is_believed_of_a_text_that_may_be_silent() -> None:
    found = check(Target(max=2), score(2.0, relevance=0.5), Belief(4.0, 1.0)).belief
    assert found.mean == 2.0
    assert found.sd == pytest.approx((0.5 + 0.25 * 16) ** 0.5)


@given(st.floats(-12, 12), st.floats(0.3, 6), st.floats(0, 1), st.floats(-9, 8), st.floats(0.1, 1.5))
def test_a_range_and_what_lies_beside_it_are_certain(
    intensity: float, sd: float, relevance: float, low: float, width: float
) -> None:
    high = low + width
    assume(0 not in {low, high})  # which would belong to two of them
    ranges = (Target(max=low), Target(min=low, max=high), Target(min=high))
    found = [check(target, score(intensity, sd, relevance)).probability for target in ranges]
    assert all(p >= 0 for p in found)
    assert sum(found) == pytest.approx(1.0, abs=1e-6)


def test_in_range_alone_is_not_enough() -> None:
    wanted = Target(target=5, tolerance=1, hard=True)
    assert not judge(policy(0.7, power=wanted), [{"svt/power": score(5)}]).accepted  # P = 0.68
    assert judge(policy(0.65, power=wanted), [{"svt/power": score(5)}]).accepted


def test_soft_targets_do_not_decide() -> None:
    wanted = policy(0.5, power=Target(min=4, hard=True), care=Target(max=-5))
    assert judge(wanted, [{"svt/power": score(8), "mft/care": score(9)}]).accepted


def test_every_hard_target_must_hold() -> None:
    wanted = policy(0.5, power=Target(min=4, hard=True), care=Target(min=4, hard=True))
    assert not judge(wanted, [{"svt/power": score(8), "mft/care": score(1)}]).accepted


def test_an_unscored_hard_target_is_no_verdict() -> None:
    found = judge(policy(power=Target(min=4, hard=True)), [{"svt/power": Unscored("failed")}])
    assert found.unscored
    assert not found.accepted


def test_the_worst_choice_decides() -> None:
    found = judge(policy(power=Target(min=4, hard=True)), [{"svt/power": score(8)}, {"svt/power": score(0)}])
    assert not found.accepted
    assert found.checks["svt/power"].distance == 4
