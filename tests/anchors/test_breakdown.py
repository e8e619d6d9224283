"""Registers, cells and tenths of a gauge's predictions, worked out by hand on a few rows."""

import numpy as np
import pytest

from anchors.breakdown import by_register, by_stated_sd, cells
from anchors.evaluation import Predictions
from anchors.train.rows import Rows
from anchors.vidb.texts import VidbText


def rows(truth: list[float], registers: list[str], relevance: float = 1.0) -> Rows:
    texts = [
        VidbText(f"t{n}", register, f"topic{n}", "test", "x", ("a/b",), "w")  # type: ignore[arg-type]
        for n, register in enumerate(registers)
    ]
    y, n = np.array(truth), len(truth)
    return Rows(texts, ("a/b",), np.arange(n), np.zeros(n, dtype=int), y, y, np.full(n, relevance))


TRUTH = [-6.0, -1.0, 2.0, 7.0, -5.0, 5.0]
REGISTERS = ["reply"] * 4 + ["comment"] * 2


def test_the_worst_register_comes_first_and_holds_its_own_rows() -> None:
    found = by_register(Predictions(np.array([-6.0, -1.0, 2.0, 7.0, 4.0, -4.0])), rows(TRUTH, REGISTERS), np.arange(6))
    assert list(found) == ["comment", "reply"]
    assert (found["comment"].rows, found["comment"].pairwise.value) == (2, 0)
    assert (found["reply"].rows, found["reply"].pairwise.value, found["reply"].error_sd.value) == (4, 1, 0)


def test_cells_count_what_the_interval_covers() -> None:
    guess = np.array(TRUTH)
    found = cells(Predictions(guess, guess - 1, guess - [1, 1, -1, -1, 0, 0]), rows(TRUTH, REGISTERS), np.arange(6))
    assert (found["a/b"]["reply"].rows, found["a/b"]["reply"].covered) == (4, 0.5)
    assert (found["a/b"]["comment"].rows, found["a/b"]["comment"].covered) == (2, 1)


def test_a_stated_sd_that_says_something_has_smaller_errors_where_it_is_small() -> None:
    rng = np.random.default_rng(0)
    sd = np.linspace(0.5, 4.0, 400)
    truth = rng.normal(0, 5, 400)
    mine = rows(list(truth), ["reply"] * 400)
    guess = truth + rng.normal(0, 1, 400) * sd
    found = by_stated_sd(Predictions(guess, guess - 2 * sd, guess + 2 * sd, sd), mine, np.arange(400))
    assert [d.rows for d in found] == [40] * 10
    assert found[0].stated < found[-1].stated
    assert found[0].mae.high < found[-1].mae.low
    assert found[0].error_sd.low <= found[0].error_sd.value <= found[0].error_sd.high
    assert 0.85 < np.mean([d.coverage for d in found]) <= 1


def test_texts_off_the_value_do_not_make_a_gauge_look_sure() -> None:
    off = rows([0.0] * 20, ["reply"] * 20, relevance=0.0)
    assert by_stated_sd(Predictions(np.zeros(20), sd=np.ones(20)), off, np.arange(20)) == []
    mixed = rows(TRUTH * 5, REGISTERS * 5)
    mixed.relevance[:10] = 0.25
    found = by_stated_sd(Predictions(np.zeros(30), sd=np.arange(30.0)), mixed, np.arange(30))
    assert [(d.rows, d.stated) for d in found][:2] == [(2, 10.5), (2, 12.5)]


def test_without_sd_or_interval_there_is_no_such_table() -> None:
    mine = rows(TRUTH, REGISTERS)
    with pytest.raises(ValueError, match="no sd"):
        by_stated_sd(Predictions(np.zeros(6)), mine, np.arange(6))
    with pytest.raises(ValueError, match="no interval"):
        cells(Predictions(np.zeros(6)), mine, np.arange(6))
