"""What an attempt learns from those before it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.score import Score
from policies.instruct import RUNGS, Instruction
from policies.plan import Past, Plan, believe, learn, plan
from policies.plant import Memory, Plant
from policies.policy import Policy, Target

VALUE = "svt/benevolence"
POLICY = Policy(tenant="t", targets={VALUE: Target(target=6, tolerance=2, hard=True)})


def score(intensity: float, sd: float = 0.5, relevance: float = 1.0) -> Score:
    return Score(intensity, sd, intensity - 1, intensity + 1, relevance, intensity)


def past(dose: float, *intensities: float, refused: bool = False, tokens: int = 1000, feedback: str = "") -> Past:
    choices = [{VALUE: score(i)} for i in intensities]
    instruction = Instruction({VALUE: dose}, "block", feedback)
    return Past(instruction, [f"answer {i}" for i in intensities], choices, refused, tokens)


def planned(*attempts: Past, policy: Policy = POLICY) -> Plan:
    return plan(policy, attempts, Plant())


def aimed(target: Target) -> Policy:
    return Policy(tenant="t", targets={VALUE: target.model_copy(update={"hard": True})})


def test_a_low_target_is_asked_for_with_a_lower_dose() -> None:
    targets = [Target(target=aim, tolerance=1.5) for aim in (-6, 0, 3, 6)]
    doses = [planned(policy=aimed(t)).instruction.doses[VALUE] for t in targets]
    assert doses == sorted(doses)
    assert doses[0] < 0 < doses[-1]


def test_after_a_miss_the_dose_moves_towards_the_range() -> None:
    assert planned(past(0.1, 0.5)).instruction.doses[VALUE] > 0.1
    assert planned(past(-0.3, 5.0), policy=aimed(Target(max=1))).instruction.doses[VALUE] < -0.3


def test_what_a_refusal_measures_is_not_learned_from() -> None:
    refusal, blank = past(0.6, -9.0, refused=True), Past(Instruction({VALUE: 0.6}, "block"), [""], [], True)
    miss = past(0.3, 3.0)
    assert planned(refusal, miss) == planned(blank, miss)


@pytest.mark.parametrize(("refused", "most"), [(1.0, 0.3), (0.6, 0.3), (0.3, 0.1), (-0.6, 0.3), (0.1, 0.0)])
def test_after_a_refusal_doses_are_weaker(refused: float, most: float) -> None:
    assert abs(planned(past(refused, -9.0, refused=True)).instruction.doses[VALUE]) <= most
    assert abs(planned(past(refused, -9.0, refused=True), past(0.0, 1.0)).instruction.doses[VALUE]) <= most


@pytest.mark.parametrize("order", [(1.0, 6.0), (6.0, 1.0)])
def test_the_worst_choice_is_learned_from_and_quoted(order: tuple[float, float]) -> None:
    found = planned(past(0.6, *order))
    assert found == planned(past(0.6, 1.0))
    assert "answer 1.0" in found.instruction.feedback


def test_a_draft_that_costs_too_much_to_quote_is_not_quoted() -> None:
    assert planned(past(0.6, 1.0, tokens=1000)).instruction.feedback
    assert not planned(past(0.6, 1.0, tokens=50)).instruction.feedback


def test_a_tactic_that_was_seen_to_fail_is_left() -> None:
    plant = Plant()
    for rung in range(9):
        for _ in range(40):
            plant.learn(VALUE, "rewrite", rung, -5.0, 0.5)
    assert not plan(POLICY, [past(0.6, 1.0)], Plant(plant.store)).instruction.feedback


HARD_TO_REACH = Policy(tenant="t", targets={"svt/hedonism": Target(max=-3, hard=True)})


def test_exemplars_are_tried_where_words_alone_hardly_reach() -> None:
    found = plan(HARD_TO_REACH, [], Plant()).instruction
    assert found.tactic == "exemplars"
    assert found.system.count("Example ") == 3
    assert planned().instruction.tactic == "fresh"
    assert plan(HARD_TO_REACH, [], Plant(), exemplars=False).instruction.tactic == "fresh"


def test_exemplars_are_left_or_taken_by_what_was_learned() -> None:
    for policy, value, tactic, intensity in (
        (HARD_TO_REACH, "svt/hedonism", "fresh", 2.0),
        (POLICY, VALUE, "exemplars", 6.0),
    ):
        store = Memory()
        for rung in (r for r, dose in enumerate(RUNGS) if dose):
            for _ in range(40):
                store.learn(Plant(store).key(value, "exemplars"), rung, intensity, 0.5)
                store.learn(Plant(store).key(value, "fresh"), rung, 1.0, 0.5)
        assert plan(policy, [], Plant(store)).instruction.tactic == tactic


def test_what_was_asked_of_a_deterministic_model_is_not_asked_again() -> None:
    asked: list[Instruction] = []
    for _ in RUNGS:
        asked.append(plan(POLICY, [], Plant(), asked, exemplars=False).instruction)
    assert len({i.doses[VALUE] for i in asked}) == len(RUNGS)
    assert plan(POLICY, [], Plant(), asked, exemplars=False).chance == 0
    assert plan(POLICY, [], Plant(), asked).instruction.tactic == "exemplars"


def test_what_is_out_of_reach_has_little_chance() -> None:
    policy = aimed(Target(max=-8))
    found = planned(*(past(-1.0, i) for i in (1.0, 1.2, 0.8)), policy=policy)
    assert found.chance < 0.05
    low, high = found.reach[VALUE]
    assert -3 < low < high


def test_a_curve_and_a_measurement_are_weighed_together() -> None:
    found = believe(POLICY, [], Instruction({VALUE: 0.3}, "block"), {VALUE: score(2.0, sd=2.0)}, Plant())[VALUE]
    assert 2.0 < found.mean < 5.5
    assert found.sd < 2.0


def test_learning_takes_the_known_offset_out() -> None:
    plant, attempts = Plant(), [past(0.3, -1.0), past(0.6, -1.0)]
    learn(POLICY, attempts, plant)
    sums = plant.store.own(plant.key(VALUE, "fresh"))
    assert sums.total[RUNGS.index(0.3)] == pytest.approx(-0.98)  # forgotten a little by the second
    assert sums.total[RUNGS.index(0.6)] > -1.0


def test_irrelevant_and_refused_answers_teach_nothing() -> None:
    plant = Plant()
    silent = Past(Instruction({VALUE: 0.3}, "block"), ["x"], [{VALUE: score(0.0, relevance=0.1)}])
    learn(POLICY, [silent, past(0.6, -5.0, refused=True)], plant)
    assert not plant.store.own(plant.key(VALUE, "fresh")).count.any()


def test_the_first_dose_is_kept_while_it_is_good_enough() -> None:
    store = Memory()
    first = plan(POLICY, [], Plant(store)).instruction.doses[VALUE]
    key = Plant(store).key(POLICY.version, "habit")
    assert store.habit(key) == {VALUE: first}
    near = RUNGS[RUNGS.index(first) + 1]
    store.habit(key, {VALUE: near})
    assert plan(POLICY, [], Plant(store)).instruction.doses[VALUE] == near


def test_opposed_values_are_dosed_together() -> None:
    targets = {"svt/conformity": Target(min=3, hard=True), "svt/hedonism": Target(min=3, hard=True)}
    both = planned(policy=Policy(tenant="t", targets=targets))
    alone = [planned(policy=Policy(tenant="t", targets={n: t})) for n, t in targets.items()]
    assert both.chance < 0.9 * alone[0].chance * alone[1].chance
    assert list(both.instruction.doses.values()) != [next(iter(p.instruction.doses.values())) for p in alone]


def test_soft_targets_give_way_to_hard_ones() -> None:
    targets = {"svt/conformity": Target(min=5, hard=True), "svt/hedonism": Target(min=7)}
    found = planned(policy=Policy(tenant="t", targets=targets))
    soft = planned(policy=Policy(tenant="t", mode="steer", targets={"svt/hedonism": Target(min=7)}))
    assert abs(found.instruction.doses["svt/hedonism"]) < abs(soft.instruction.doses["svt/hedonism"])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(RUNGS), st.floats(-9, 9), st.booleans()), max_size=5), st.floats(-8, 8))
def test_any_history_gives_a_rung_and_the_same_one_again(history: list, aim: float) -> None:
    attempts = [past(dose, i, refused=r) for dose, i, r in history]
    policy = aimed(Target(target=aim, tolerance=2))
    one, other = planned(*attempts, policy=policy), planned(*attempts, policy=policy)
    assert one == other
    assert one.instruction.doses[VALUE] in RUNGS
    assert 0 <= one.chance <= 1
    assert np.isfinite(one.reach[VALUE]).all()
