"""Which rows teach a retrieval map, and what neighbours are worth, worked out by hand."""

import numpy as np

from anchors.evaluation import nearest_intensity
from anchors.train.retrieval import labelled, neighbours
from anchors.train.rows import Rows
from anchors.train.statements import Statement
from anchors.vidb.texts import Split, VidbText

VALUES = ("a/x", "b/y")


def rows() -> Rows:
    """Eight panel texts on x, four for and four against it, eight on y, and four calibration texts on x."""
    splits: list[Split] = ["panel"] * 16 + ["calibration"] * 4
    texts = [VidbText(f"t{n}", "reply", f"topic{n}", s, f"text {n}", (), "w") for n, s in enumerate(splits)]
    value = np.array([0] * 8 + [1] * 8 + [0] * 4)
    intensity = np.array([5.0] * 4 + [-5.0] * 4 + [3.0] * 8 + [4.0, 6.0, -4.0, 0.5])
    return Rows(texts, VALUES, np.arange(20), value, intensity, intensity, np.ones(20))


def vectors() -> np.ndarray:
    """Texts on x lie along one axis, its sides a little apart, and texts on y along another."""
    angle = np.array([0.0] * 4 + [0.3] * 4 + [1.5] * 8 + [-0.1, 0.0, 0.4, 0.1])
    return np.column_stack([np.cos(angle), np.sin(angle)])


def test_rows_that_take_no_side_or_do_not_speak_to_the_value_teach_nothing() -> None:
    mine = rows()
    mine.relevance[0] = 0.25
    statements = [Statement("said", "b/y", -3.0), Statement("text 1", "a/x", 2.0), Statement("mute", "a/x", 0.0)]
    found = labelled(
        mine, np.array([0, 1, 19]), statements, lambda texts: np.arange(len(texts), dtype=np.float32)[:, None]
    )
    assert list(found.value) == [0, 1, 0]
    assert list(found.direction) == [1, -1, 1]
    assert list(found.text) == [0, 1, 0]  # one text, in the set and as a statement
    assert list(found.features[:, 0]) == [0, 1, 0]


def test_neighbours_are_counted_by_value_side_and_field() -> None:
    field = {f"topic{n}": "f" if n in (0, 1, 16) else "g" for n in range(20)}
    found = neighbours(vectors(), rows(), np.arange(16, 19), field)
    assert found.same_value.value == 1  # all 8 are the texts on x
    assert found.same_side.value == 0.5  # four of them on either side
    assert np.isclose(found.same_field.value, (2 / 8 + 6 / 8 + 6 / 8) / 3)


def test_the_nearest_anchors_intensity_leaves_out_the_rows_own_topic() -> None:
    found = nearest_intensity(vectors(), rows(), np.array([16, 18, 0]), 4)
    assert list(found[:2]) == [5.0, -5.0]
    assert found[2] == (3 * 5.0 - 5.0) / 4  # its own text is one of four for, and no neighbour of itself
