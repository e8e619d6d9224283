from hypothesis import given
from hypothesis import strategies as st

from policies.dose import CURVE, OFFSET_SD, Tried, choose, offset, probability
from policies.instruct import RUNGS
from policies.policy import Target

intensities = st.floats(-10, 10)
tries = st.lists(st.builds(Tried, st.sampled_from(RUNGS), intensities, st.floats(0.5, 4)), max_size=5)


def test_the_curve_rises_and_covers_all_rungs() -> None:
    assert list(CURVE) == list(RUNGS)
    assert list(CURVE.values()) == sorted(CURVE.values())


def test_offset_is_shrunk_towards_zero_and_learns() -> None:
    assert offset([]) == (0.0, OFFSET_SD)
    one, many = offset([Tried(0.3, 2.5, 1.0)]), offset([Tried(0.3, 2.5, 1.0)] * 50)
    assert -3.0 < many[0] < one[0] < 0  # observed 3 below the curve
    assert many[1] < one[1] < OFFSET_SD


@given(tries)
def test_probabilities_are_probabilities(tried: list[Tried]) -> None:
    for dose in RUNGS:
        below, inside, above = (
            probability(t, dose, tried) for t in (Target(max=-2), Target(min=-2, max=3), Target(min=3))
        )
        assert abs(below + inside + above - 1) < 1e-9


@given(tries, st.floats(-9, 9))
def test_choose_returns_a_rung_and_is_deterministic(tried: list[Tried], aim: float) -> None:
    target = Target(target=aim, tolerance=2)
    found = choose({"v": target}, {"v": tried})
    assert found["v"] in RUNGS
    assert found == choose({"v": target}, {"v": tried})


def test_a_low_target_is_asked_for_with_a_lower_dose() -> None:
    doses = [choose({"v": Target(target=aim, tolerance=1.5)}, {})["v"] for aim in (-6, 0, 3, 6)]
    assert doses == sorted(doses)
    assert doses[0] < 0 < doses[-1]


def test_after_a_miss_the_dose_moves_towards_the_range() -> None:
    low = choose({"v": Target(min=4)}, {"v": [Tried(0.3, 1.0, 1.5)]})["v"]
    high = choose({"v": Target(max=1)}, {"v": [Tried(-0.3, 4.0, 1.5)]})["v"]
    assert low > 0.3
    assert high < -0.3


def test_what_was_in_range_keeps_its_dose() -> None:
    assert choose({"v": Target(min=4)}, {"v": [Tried(0.3, 5.0, 1.5)]})["v"] == 0.3


def test_in_range_but_too_uncertain_moves_a_rung_away_from_the_nearer_edge() -> None:
    closed = Target(target=6, tolerance=2)
    assert choose({"v": closed}, {"v": [Tried(0.3, 4.1, 2.5)]})["v"] == 0.6
    assert choose({"v": closed}, {"v": [Tried(0.3, 7.9, 2.5)]})["v"] == 0.1
    assert choose({"v": Target(min=4)}, {"v": [Tried(0.3, 7.0, 9.0)]})["v"] == 0.6


@given(st.sampled_from(RUNGS), st.floats(-4, 8))
def test_in_range_but_too_uncertain_never_repeats_the_dose(dose: float, intensity: float) -> None:
    tried = {"v": [Tried(dose, intensity, 20.0)]}
    assert choose({"v": Target(target=2, tolerance=6)}, tried)["v"] != dose


def test_accept_says_what_is_certain_enough() -> None:
    tried = {"v": [Tried(0.3, 5.0, 1.5)]}  # P = 0.75
    assert choose({"v": Target(min=4)}, tried, accept=0.8)["v"] == 0.6
