"""Acceptance, worked out by hand: P(in range) is a difference of normal distribution functions."""

import pytest

from anchors.score import Score, Unscored
from policies.policy import Policy, Target
from policies.verdict import check, judge

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


@pytest.mark.parametrize(("target", "inside"), [(Target(max=2), True), (Target(min=4), False)])
def test_an_irrelevant_text_satisfies_ranges_that_contain_zero(target: Target, inside: bool) -> None:
    assert check(target, score(1.0, relevance=0.2)).in_range is inside


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
