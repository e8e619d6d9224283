from collections import Counter

import pytest

from anchors.values import catalogue
from anchors.vidb.texts import VidbText
from anchors.vidb.windows import WINDOW, adaptive_round, bridge_round, random_round, share_out, sheet

ROWS = {"svt/power": [f"a{n}" for n in range(53)], "mft/care": [f"a{n}" for n in range(20, 75)]}


def test_a_random_round_shows_every_text_of_every_value() -> None:
    windows = random_round("r1", ROWS, seed=1)
    for value, ids in ROWS.items():
        shown = Counter(i for w in windows if w.value == value for i in w.texts)
        assert set(shown) == set(ids)
        assert max(shown.values()) <= 2
    assert all(len(w.texts) == len(set(w.texts)) == WINDOW for w in windows)
    assert len({w.id for w in windows}) == len(windows)


def test_the_same_seed_draws_the_same_windows() -> None:
    assert random_round("r1", ROWS, 1) == random_round("r1", ROWS, 1) != random_round("r1", ROWS, 2)


def test_in_an_adaptive_round_neighbours_meet() -> None:
    scale = {(i, v): float(n) for v, ids in ROWS.items() for n, i in enumerate(ids)}
    windows = adaptive_round("r3", ROWS, scale, seed=1, jitter=0.0)
    spans = [max(scale[i, w.value] for i in w.texts) - min(scale[i, w.value] for i in w.texts) for w in windows]
    assert sorted(spans)[len(spans) // 2] == WINDOW - 1


def test_no_judge_reads_a_text_twice() -> None:
    windows = random_round("r1", ROWS, 1)
    judges = share_out(windows, per_judge=6)
    assert sorted(w.id for part in judges for w in part) == sorted(w.id for w in windows)
    for part in judges:
        shown = [i for w in part for i in w.texts]
        assert len(shown) == len(set(shown))


def test_a_sheet_is_blind_to_level_and_writer() -> None:
    text = VidbText(
        "a1", "reply", "t", "panel", "Take it.", ("svt/power",), "writer-9", "Shall I?", {"svt/power": 7.0}, "", "blunt"
    )
    window = random_round("r1", {"svt/power": ["a1"]}, 1)
    page = sheet(window, {"a1": text}, catalogue())
    assert "A. [answer to: Shall I?] Take it." in page
    assert catalogue()["svt/power"].definition in page
    for hidden in ("writer-9", "blunt", "a1", "7"):
        assert hidden not in page.replace(window[0].id, "")


def test_an_unfitted_text_cannot_be_in_an_adaptive_round() -> None:
    with pytest.raises(KeyError):
        adaptive_round("r3", ROWS, {}, seed=1)


def test_a_bridge_window_holds_two_values_half_and_half() -> None:
    own = {"svt/power": [f"p{n}" for n in range(20)], "mft/care": [f"c{n}" for n in range(20)]}
    windows = bridge_round("b1", own, 5, seed=1)
    assert len(windows) == 5
    for window in windows:
        assert window.value == ""
        assert Counter(i[0] for i in window.texts) == {"p": 4, "c": 4}
