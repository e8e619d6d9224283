"""Advice at load."""

import pytest

from policies.lint import advice, greatest_chance
from policies.plant import STUDY, Key, Memory, Plant
from policies.policy import Policy, Target

VALUE = "svt/benevolence"


def told(gauge_sd: float = 1.45, plants: list[Plant] | None = None, accept: float = 0.75, **targets: Target) -> str:
    names = {name.replace("_", "-"): t for name, t in targets.items()}
    policy = Policy(tenant="t", targets=names, accept=accept)
    return "\n".join(advice(policy, dict.fromkeys(policy.targets, gauge_sd), plants or []))


def test_a_narrow_range_is_told_its_greatest_chance() -> None:
    target = Target(target=6, tolerance=1.5, hard=True)
    found = told(benevolence=target)
    assert f"at most {greatest_chance(target, 1.45):.2f}" in found
    assert "min or max" in found
    assert "never met" not in found
    assert "accept: 0.9 is never met" in told(accept=0.9, benevolence=target)


@pytest.mark.parametrize("target", [Target(target=6, tolerance=2, hard=True), Target(min=4, hard=True)])
def test_a_range_that_can_be_confirmed_is_not(target: Target) -> None:
    assert told(benevolence=target) == ""


def test_the_greatest_chance_of_the_published_gauge() -> None:
    # sd 1.45 and a spread of 1.7 leave 1.10: within 1.5 lie erf(1.5 / 1.10 / sqrt 2) = 0.83
    assert greatest_chance(Target(target=0, tolerance=1.5), 1.45) == pytest.approx(0.826, abs=0.005)
    assert greatest_chance(Target(max=0), 9) == 1


def test_an_unknown_model_has_no_data_and_a_known_one_a_reach() -> None:
    store = Memory()
    plant = Plant(store, "t", "m")
    assert "no data yet; `valueflow study m`" in told(plants=[plant], benevolence=Target(min=4, hard=True))
    for rung in range(9):
        for _ in range(20):
            store.learn(Key(STUDY, "m", VALUE, "fresh", ""), rung, 0.5 + rung / 10, 1.0)
    assert told(plants=[Plant(store, "t", "m")], benevolence=Target(min=0, hard=True)) == ""
    assert "out of reach" in told(plants=[Plant(store, "t", "m")], benevolence=Target(min=6, hard=True))


def test_targets_that_work_against_each_other() -> None:
    high, low = Target(min=4, hard=True), Target(max=0)
    assert "opposed" in told(conformity=high, hedonism=high)
    assert "akin" in told(benevolence=high, universalism=low)
    assert told(conformity=high, hedonism=low) == ""
    assert told(benevolence=high, universalism=high) == ""
