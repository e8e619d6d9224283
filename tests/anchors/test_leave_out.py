"""Refitting without a writer, a register or a value, with the real encoder and network on a small part of the VIDB."""

from dataclasses import replace

import numpy as np
import pytest

from anchors.evaluator import Evaluator
from anchors.reader import Read, StanceReader
from anchors.train.leave_out import groups, leave_out
from anchors.train.memory import Remembering, RememberingReader
from anchors.train.rows import Rows, read_rows
from anchors.train.statements import Statement
from anchors.values import DATA


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Every ninth text of the panel, of calibration and of test, and a row of each value."""
    every = read_rows(DATA / "vidb")
    return every.only(np.isin(every.text % 9, [0]))


@pytest.fixture(scope="module")
def read(reader: StanceReader) -> Read:
    return RememberingReader(reader)


def test_rows_keep_their_labels_when_some_are_taken(rows: Rows) -> None:
    some = rows.only(np.array([3, 5]))
    assert list(some.intensity) == [rows.intensity[3], rows.intensity[5]]
    assert list(groups(some, "writer")) == [rows.texts[t].writer for t in some.text]
    assert list(groups(some, "value")) == [rows.values[v] for v in some.value]
    assert set(groups(rows, "register")) == {"reply", "statement", "comment", "output"}


def test_what_is_left_out_teaches_nothing(evaluator: Evaluator, read: Read, rows: Rows) -> None:
    held, register = rows.where("test"), rows.registers()
    held = held[register[held] == "comment"]
    turned = replace(rows, intensity=np.where(register == "comment", -rows.intensity, rows.intensity))
    encoder = Remembering(evaluator.encoder)
    (first,), (second,) = (
        list(leave_out(evaluator.gauge, mine, held, encoder, read, [], "register")) for mine in (rows, turned)
    )
    assert first.name == "comment"
    assert list(first.places) == list(range(len(held)))
    assert first.predictions.intensity == pytest.approx(second.predictions.intensity)
    assert first.predictions.low == pytest.approx(second.predictions.low)


def test_a_value_that_is_left_out_is_still_measured(evaluator: Evaluator, read: Read, rows: Rows) -> None:
    held = rows.where("test")
    held = held[rows.value[held] == rows.value[held][0]]
    name = rows.values[rows.value[held][0]]
    statements = [Statement("Keep it.", name, 9.0), Statement("Drop it.", name, -9.0)]
    encoder = Remembering(evaluator.encoder)
    with_them, without = (
        next(iter(leave_out(evaluator.gauge, rows, held, encoder, read, s, "value"))) for s in (statements, [])
    )
    assert with_them.name == name
    assert np.ptp(with_them.predictions.intensity) > 0.1
    assert with_them.predictions.intensity == pytest.approx(without.predictions.intensity)


def test_a_reader_that_remembers_reads_the_same(evaluator: Evaluator, reader: StanceReader) -> None:
    read = RememberingReader(reader)
    texts = ["Keep your word to her.", "Break it.", "Keep your word to her."]
    for _ in range(2):  # what was read, and what is remembered
        for plain, again in zip(reader(texts), read(texts), strict=True):
            assert plain == pytest.approx(again, abs=1e-3)
