"""The shipped VIDB keeps its own rules."""

from collections import Counter

import pytest

from anchors.gauge import load
from anchors.values import DATA, GAUGE, catalogue
from anchors.vidb import check
from anchors.vidb.manifest import read_manifest, verify
from anchors.vidb.rankings import Judged, read_rankings
from anchors.vidb.scale import Intensity, read_intensities
from anchors.vidb.texts import VidbText, read_texts
from anchors.vidb.windows import MARKERS

VIDB = DATA / "vidb"


@pytest.fixture(scope="module")
def texts() -> dict[str, VidbText]:
    return read_texts(VIDB)


@pytest.fixture(scope="module")
def rows() -> list[Intensity]:
    return read_intensities(VIDB)


@pytest.fixture(scope="module")
def rankings() -> list[Judged]:
    return read_rankings(VIDB)


def test_files_are_those_of_the_manifest() -> None:
    verify(VIDB)
    assert read_manifest(VIDB)["licence"] == "CC-BY-4.0"


def test_every_value_has_enough_texts_and_writers(texts: dict[str, VidbText]) -> None:
    assert {v for t in texts.values() for v in t.values} == set(catalogue())
    assert list(check.thin_values(texts)) == []
    for value in catalogue():
        assert len({t.writer for t in texts.values() if value in t.values}) >= 3


def test_replies_are_ranked_for_two_values_and_keep_their_question(texts: dict[str, VidbText]) -> None:
    for text in texts.values():
        if text.register in {"reply", "output"}:
            assert len(text.values) == 2
            assert text.question


def test_no_question_or_topic_is_in_two_splits(texts: dict[str, VidbText]) -> None:
    assert list(check.questions_in_two_splits(texts)) == []
    assert Counter(t.split for t in texts.values()).keys() == {"panel", "steer", "calibration", "test"}


def test_no_phrases_are_copied(texts: dict[str, VidbText]) -> None:
    assert list(check.shared_runs(texts)) == []


def test_no_near_duplicates_across_splits(texts: dict[str, VidbText], encoder) -> None:
    ours = {k: t for k, t in texts.items() if t.split in {"test", "calibration"}}
    assert list(check.near_duplicates(ours, encoder)) == []


def test_no_judge_read_a_text_twice_and_the_cards_are_in_order(rankings: list[Judged]) -> None:
    seen = Counter((r.judge, i) for r in rankings for i in r.order if i not in MARKERS)
    assert max(seen.values()) == 1
    for ranking in rankings:
        assert [i for i in ranking.order if i in MARKERS] == ["m5", "m4", "m3", "m2", "m1"]


def test_every_row_was_ranked_and_lies_on_the_scale(texts: dict[str, VidbText], rows: list[Intensity]) -> None:
    assert {(t.id, v) for t in texts.values() for v in t.values} <= {(r.text, r.value) for r in rows}
    assert all(-10 <= r.intensity <= 10 and 0 <= r.relevance <= 1 and r.windows >= 1 for r in rows)


def test_other_peoples_texts_are_not_in_it(rows: list[Intensity], texts: dict[str, VidbText]) -> None:
    assert sum(r.text.startswith("x") for r in rows) >= 2000
    assert not any(t.startswith("x") for t in texts)
    assert all(t.register != "borrowed" for t in texts.values())


def test_anchors_are_panel_texts_alone(texts: dict[str, VidbText]) -> None:
    assert {texts[i].split for i in load(GAUGE).anchor_id} == {"panel"}
