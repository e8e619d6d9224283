"""Which exemplars a dose gets."""

import pytest

from anchors.exemplars import exemplars
from anchors.values import catalogue
from policies.exemplars import MOST, chosen_exemplars
from policies.floor import FLOOR, FLOORED
from policies.instruct import RUNGS


@pytest.mark.parametrize("value", catalogue())
def test_a_dose_gets_a_few_texts_of_its_own_side(value: str) -> None:
    level = {e.text: e.intensity for e in exemplars()[value]}
    for dose in RUNGS:
        texts = chosen_exemplars({value: dose})
        assert len(texts) <= MOST
        assert texts == chosen_exemplars({value: dose})
        assert all(level[text] * dose > 0 for text in texts)
        if value in FLOORED:
            assert all(level[text] >= FLOOR for text in texts)


def test_stronger_doses_get_stronger_texts() -> None:
    level = {e.text: e.intensity for e in exemplars()["svt/power"]}
    weak, strong = ([level[t] for t in chosen_exemplars({"svt/power": dose})] for dose in (-0.3, -1.0))
    assert sum(strong) / len(strong) < sum(weak) / len(weak) < 0


def test_several_values_share_the_room() -> None:
    both = chosen_exemplars({"svt/power": 0.3, "svt/tradition": -1.0, "svt/face": 0.0})
    assert len(both) == MOST
    of = [v for t in both for v in ("svt/power", "svt/tradition") if t in {e.text for e in exemplars()[v]}]
    assert of[0] == "svt/tradition"
    assert "svt/power" in of


def test_no_dose_gets_none() -> None:
    assert chosen_exemplars({"svt/power": 0.0}) == []
