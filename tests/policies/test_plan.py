"""What an attempt learns from those before it."""

import pytest

from anchors.score import Score
from policies.instruct import Instruction
from policies.plan import Past, plan
from policies.policy import Policy, Target

VALUE = "svt/benevolence"
POLICY = Policy(tenant="t", targets={VALUE: Target(target=6, tolerance=2, hard=True)})


def past(dose: float, *intensities: float, refused: bool = False) -> Past:
    choices = [{VALUE: Score(i, 0.5, i - 1, i + 1, 1.0, i)} for i in intensities]
    return Past(Instruction({VALUE: dose}, "block"), [f"answer {i}" for i in intensities], choices, refused)


def test_what_a_refusal_measures_is_not_learned_from() -> None:
    refusal, blank = past(0.6, -9.0, refused=True), Past(Instruction({VALUE: 0.6}, "block"), [""], [], True)
    miss = past(0.3, 3.0)
    assert plan(POLICY, [refusal, miss]) == plan(POLICY, [blank, miss])


@pytest.mark.parametrize("order", [(1.0, 6.0), (6.0, 1.0)])
def test_the_worst_choice_is_learned_from_and_quoted(order: tuple[float, float]) -> None:
    assert plan(POLICY, [past(0.1, *order)]) == plan(POLICY, [past(0.1, 1.0)])


def test_the_policy_says_what_is_certain_enough() -> None:
    strict = POLICY.model_copy(update={"accept": 0.99})
    near = past(0.3, 7.0)  # P = 0.98
    assert plan(POLICY, [near]).doses[VALUE] == 0.3
    assert plan(strict, [near]).doses[VALUE] == 0.1
