"""What a plant knows: of its own tenant, of the others, and of values beside each other."""

import numpy as np
import pytest

from anchors.values import catalogue
from policies.curve import GENERIC
from policies.instruct import RUNGS
from policies.plant import EXEMPLARS_AGAINST, GAIN, OPPOSED, SIMILAR, STUDY, TENANT_WEIGHT, Key, Memory, Plant, kinship

VALUE = "svt/benevolence"


def taught(store: Memory, tenant: str, intensity: float, times: int, rung: int = 6) -> Plant:
    plant = Plant(store, tenant)
    for _ in range(times):
        plant.learn(VALUE, "fresh", rung, intensity, 1.0)
    return Plant(store, tenant)


def test_before_anything_was_seen_there_is_the_generic_curve() -> None:
    curve = Plant().curve(VALUE, 6.0)
    assert np.allclose(curve.mean[:9], GENERIC.mean)
    assert np.allclose(curve.mean[9:18], GENERIC.mean + GAIN * (6.0 - GENERIC.mean))
    assert np.allclose(curve.mean[22:], GENERIC.mean[4:])
    assert np.allclose(curve.mean[18:22], GENERIC.mean[:4] + EXEMPLARS_AGAINST)
    assert np.linalg.eigvalsh(curve.cov).min() > -1e-9


def test_one_tactic_tells_of_the_others() -> None:
    plant = taught(Memory(), "own", -4.0, 30, rung=1)
    before, after = Plant().curve(VALUE, 0.0).mean, plant.curve(VALUE, 0.0).mean
    assert all(after[start + 1] < before[start + 1] - 1 for start in (0, 9, 18))


def test_a_tenants_own_answers_count_most() -> None:
    store = Memory()
    taught(store, "other", 6.0, 200)
    own = taught(store, "own", 1.0, 30).curve(VALUE, 6.0).mean[6]
    new = Plant(store, "new").curve(VALUE, 6.0).mean[6]
    assert own < 2.0
    assert own < new < 6.0


def test_one_tenants_weight_for_the_others_is_capped() -> None:
    store = Memory()
    for _ in range(400):
        store.learn(Key("loud", "m", VALUE, "fresh", ""), 6, 9.0, 1.0)
    key = Key("new", "m", VALUE, "fresh", "")
    assert store.others(key).count.sum() <= TENANT_WEIGHT
    for _ in range(100):
        store.learn(Key(STUDY, "m", VALUE, "fresh", ""), 6, 2.0, 1.0)
    assert store.others(key).count.sum() > 100
    assert np.allclose(store.others(Key("loud", "m", VALUE, "fresh", "")).count.sum(), 100)


def test_models_and_evaluators_are_kept_apart() -> None:
    store = Memory()
    taught(store, "a", 9.0, 50)
    for other in (Plant(store, "a", "another"), Plant(store, "a", evaluator="v2")):
        assert np.allclose(other.curve(VALUE, 0.0).mean[:9], GENERIC.mean)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("svt/benevolence", "svt/universalism", SIMILAR),
        ("svt/conformity", "svt/hedonism", OPPOSED),
        ("svt/power", "svt/universalism", OPPOSED),
        ("mft/care", "svt/power", 0.0),
    ],
)
def test_kinship(one: str, other: str, expected: float) -> None:
    assert kinship(catalogue()[one], catalogue()[other]) == expected


def test_cross_effects_start_from_kinship_and_are_learned() -> None:
    plant = Plant()
    before = plant.beside("svt/conformity", "svt/hedonism")
    assert before[RUNGS.index(0.0)] == 0
    assert before[8] < -1
    for _ in range(60):
        plant.learn("svt/conformity", "beside svt/hedonism", 8, 0.5, 1.0)
    assert Plant(plant.store).beside("svt/conformity", "svt/hedonism")[8] > -0.5


def test_the_usual_intensity_is_unknown_until_it_was_seen() -> None:
    store = Memory()
    assert taught(store, "a", 2.0, 4, rung=4).expected(VALUE) is None
    assert taught(store, "a", 2.0, 3, rung=4).expected(VALUE) == pytest.approx(2.0)


def test_habits_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.plant.MAX_HABITS", 3)
    store = Memory()
    keys = [Key("t", "m", str(i), "habit", "") for i in range(5)]
    for key in keys:
        store.habit(key, {VALUE: 0.3})
    assert [bool(store.habit(key)) for key in keys] == [False, False, True, True, True]


def test_curves_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.plant.MAX_CURVES", 1)
    store = Memory()
    for tenant in ("a", "b"):
        store.learn(Key(tenant, "m", VALUE, "fresh", ""), 6, 1.0, 1.0)
    assert len(store.sums) == 1
