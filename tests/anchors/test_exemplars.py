"""Exemplars come from the split that is for prompts, and from no other."""

from pathlib import Path

from anchors.exemplars import WORDS, exemplars
from anchors.gauge import load
from anchors.values import DATA, GAUGE, catalogue
from anchors.vidb.texts import read_texts


def test_every_value_has_some_of_the_steer_split_alone() -> None:
    texts, shown = read_texts(DATA / "vidb"), exemplars()
    assert set(shown) == set(catalogue())
    used = {e.id for some in shown.values() for e in some}
    assert {texts[name].split for name in used} == {"steer"}
    topics = {texts[name].topic for name in used}
    assert not topics & {t.topic for t in texts.values() if t.split != "steer"}
    assert not used & set(load(GAUGE).anchor_id)
    assert max(len(e.text.split()) for some in shown.values() for e in some) <= WORDS


def test_they_are_in_order_of_intensity_and_on_both_sides() -> None:
    for some in exemplars().values():
        levels = [e.intensity for e in some]
        assert levels == sorted(levels)
        assert levels[0] < 0 < levels[-1]


def test_without_a_vidb_there_are_none(tmp_path: Path) -> None:
    assert exemplars(tmp_path) == {}
