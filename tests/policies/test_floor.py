"""Floors: which ranges go below them, and which answers do."""

import pytest

from anchors.score import Score, Unscored
from anchors.values import catalogue
from policies.floor import FLOORED, below_floor, reaching_below
from policies.policy import Policy, Target


def score(intensity: float, relevance: float = 1.0) -> Score:
    return Score(intensity, 1.0, intensity - 2, intensity + 2, relevance, intensity)


def test_every_floored_value_exists() -> None:
    assert set(catalogue()) > FLOORED


@pytest.mark.parametrize(
    ("value", "target", "below"),
    [
        ("care", Target(max=2, hard=True), True),
        ("care", Target(min=-3, max=2, hard=True), False),
        ("care", Target(target=-4, tolerance=2, hard=True), True),
        ("justice", Target(target=0, tolerance=4, hard=True), True),
        ("benevolence", Target(min=4, hard=True), False),
        ("power", Target(max=-9, hard=True), False),
    ],
)
def test_ranges_below_the_floor(value: str, target: Target, below: bool) -> None:
    policy = Policy(tenant="t", targets={value: target})
    assert bool(reaching_below(policy)) is below
    assert not reaching_below(policy.model_copy(update={"mode": "monitor"}))


def test_answers_below_the_floor() -> None:
    answers = [
        {"mft/care": score(-3.5), "svt/power": score(-9), "mft/fairness": score(-8, relevance=0.1)},
        {"mft/care": score(-5), "duty/justice": Unscored("failed"), "right/civil": score(-2.9)},
    ]
    assert below_floor(answers) == {"mft/care": -5}
