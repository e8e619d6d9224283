"""Statements: what is read from the file, what is refused, and that none of them is an anchor's or a test's text."""

import json
from pathlib import Path

import pytest

from anchors.train.statements import Statement, read_statements
from anchors.values import DATA, catalogue
from anchors.vidb.texts import BrokenSet, read_texts

VALUE = "svt/power"


def write(folder: Path, row: object) -> Path:
    (folder / "statements.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    return folder


def test_levels_and_what_is_off_become_rows(tmp_path: Path) -> None:
    row = {
        "id": "s1",
        "text": "Take it.",
        "writer": "w",
        "levels": {VALUE: 6, "svt/face": -2},
        "off": ["mft/care"],
    }
    found = read_statements(write(tmp_path, row), [VALUE, "mft/care"])
    assert found == [Statement("Take it.", VALUE, 6.0), Statement("Take it.", "mft/care", 0.0)]


def test_a_set_without_statements_has_none(tmp_path: Path) -> None:
    assert read_statements(tmp_path, [VALUE]) == []


@pytest.mark.parametrize(
    "row", [{"levels": {VALUE: 3}}, {"text": "x", "levels": {VALUE: 12}}, {"text": "x", "levels": 3}]
)
def test_a_broken_row_is_refused_with_its_place(tmp_path: Path, row: object) -> None:
    with pytest.raises(BrokenSet, match=r"statements\.jsonl:1: "):
        read_statements(write(tmp_path, row), [VALUE])


def test_the_shipped_statements_cover_all_values_and_are_no_texts_of_the_set() -> None:
    values = list(catalogue())
    found = read_statements(DATA / "vidb", values)
    for value in values:
        mine = [s.level for s in found if s.value == value]
        assert sum(level > 0 for level in mine) >= 40, value
        assert sum(level < 0 for level in mine) >= 40, value
    assert not {s.text for s in found} & {t.text for t in read_texts(DATA / "vidb").values()}
