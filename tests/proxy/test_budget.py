from math import inf

import pytest

from policies.policy import Policy, Target
from proxy.budget import Budget


def policy(mode: str) -> Policy:
    return Policy(tenant="t", mode=mode, targets={"svt/power": Target(max=2, hard=True)}, attempts=4)


def test_enforce_has_the_policys_budget_and_the_other_modes_ask_once() -> None:
    found = Budget.of(policy("enforce"), repeats=2, clock=lambda: 0.0)
    assert (found.attempts, found.repeats, found.seconds, found.tokens) == (4, 2, 45.0, 6000)
    found = Budget.of(policy("steer"), repeats=2)
    assert (found.attempts, found.repeats, found.seconds, found.tokens) == (1, 2, inf, inf)


def test_answers_draw_attempts_and_tokens() -> None:
    budget = Budget(2, tokens=100)
    budget.answered(60)
    assert budget.attempts == 1
    assert budget.affords(0, 40)
    assert not budget.affords(0, 41)


@pytest.mark.parametrize(("pause", "passes"), [(0.0, True), (9.0, True), (10.0, False)])
def test_a_repeat_whose_pause_does_not_fit_is_refused_and_not_drawn(pause: float, passes: bool) -> None:
    budget = Budget(repeats=1, seconds=10, clock=lambda: 0.0)
    assert budget.repeat(pause) is passes
    assert budget.repeats == (0 if passes else 1)


def test_repeats_end() -> None:
    budget = Budget(repeats=2)
    assert [budget.repeat(), budget.repeat(), budget.repeat()] == [True, True, False]


def test_time_never_falls_below_zero() -> None:
    now = [0.0]
    budget = Budget(seconds=5, clock=lambda: now[0])
    now[0] = 9.0
    assert budget.seconds == 0.0
