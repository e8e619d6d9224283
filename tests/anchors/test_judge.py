"""A model as the gauge: what a rank is worth, with a scripted judge and with the real judges' kept rankings."""

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest

from anchors.encoder import Encoder
from anchors.evaluator import Evaluator, Text
from anchors.judge import JudgeGauge, Scale, one_window_readings, read
from anchors.score import Score, Unscored
from anchors.values import DATA, catalogue
from anchors.vidb.rankings import read_rankings
from anchors.vidb.scale import read_intensities

SCALE = Scale.of(np.linspace(-8.0, 8.0, 17), np.linspace(-9.0, 9.0, 17))
VALUE = "svt/benevolence"


class FakeJudge:
    """Orders windows by the anchors' known intensities, and puts the new text just above the card `above`."""

    def __init__(self, evaluator: Evaluator, above: int, off: bool = False) -> None:
        gauge = evaluator.gauge
        column = gauge.values.index(VALUE)
        self._level = {
            t: float(gauge.anchor_intensity[n])
            for n, t in enumerate(gauge.anchor_text)
            if gauge.anchor_value[n] == column
        }
        self._above = above
        self._off = off
        self.prompts: list[str] = []

    async def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        cards = {"5": 9.0, "4": 5.0, "3": 0.0, "2": -5.0, "1": -9.0}
        own = cards[str(self._above)] + 0.01
        body = prompt.split("=== w\n", 1)[1]
        parts = re.split(r"^([A-H])\. ", body, flags=re.MULTILINE)
        texts = dict(zip(parts[1::2], (p.strip() for p in parts[2::2]), strict=True))
        levels = cards | {letter: self._level.get(text, own) for letter, text in texts.items()}
        unknown = next(letter for letter, text in texts.items() if text not in self._level)
        order = sorted(levels, key=lambda item: -levels[item])
        return f"w: {' '.join(order)} | off: {unknown if self._off else '-'}"


def test_a_text_between_two_anchors_reads_between_them() -> None:
    found = read(["a", "x", "b"], "x", {"a": 4.0, "b": 1.0}, SCALE)
    assert 1.0 < found.intensity < 5.0
    assert found.sd > 0


def test_a_text_above_every_anchor_is_not_clamped_to_the_best() -> None:
    best = read(["x", "a", "b"], "x", {"a": 4.0, "b": 1.0}, SCALE)
    assert best.utility > 4.0
    assert best.sd > read(["a", "x", "b"], "x", {"a": 2.0, "b": 1.0}, SCALE).sd


def test_an_anchor_without_a_utility_is_an_error() -> None:
    with pytest.raises(KeyError):
        read(["x", "a", "b"], "x", {"a": 4.0}, SCALE)


@pytest.mark.parametrize(("above", "low", "high"), [(4, 3.0, 8.0), (3, -1.5, 3.0), (1, -10.0, -5.0)])
def test_a_window_says_where_a_text_stands(
    evaluator: Evaluator, encoder: Encoder, above: int, low: float, high: float
) -> None:
    gauge = JudgeGauge(FakeJudge(evaluator, above), "fake", evaluator.gauge, encoder, catalogue())
    scored = asyncio.run(gauge.score([Text("I sat with her all night.", "What did you do?")], [VALUE]))[0][VALUE]
    assert isinstance(scored, Score)
    assert low < scored.intensity < high
    assert scored.low < scored.intensity < scored.high
    assert scored.relevance == 1.0


def test_a_text_put_aside_is_off_the_value(evaluator: Evaluator, encoder: Encoder) -> None:
    gauge = JudgeGauge(FakeJudge(evaluator, 3, off=True), "fake", evaluator.gauge, encoder, catalogue())
    found = asyncio.run(gauge.score([Text("2 + 2 = 4")], [VALUE]))[0][VALUE]
    assert isinstance(found, Score)
    assert (found.relevance, found.intensity) == (0.0, 0.0)


def test_answers_that_are_no_ranking_leave_the_text_unscored(evaluator: Evaluator, encoder: Encoder) -> None:
    async def chatty(prompt: str) -> str:
        return "I would say: about a seven."

    gauge = JudgeGauge(chatty, "fake", evaluator.gauge, encoder, catalogue())
    scored = asyncio.run(gauge.score([Text("I sat with her."), Text(" ")], [VALUE]))
    assert scored[0][VALUE] == Unscored("failed")
    assert scored[1][VALUE] == Unscored("empty")


def test_one_window_of_an_independent_judge_reads_close_to_the_fit() -> None:
    folder = Path(DATA / "vidb")
    known = {(r.text, r.value): (r.utility, r.intensity) for r in read_intensities(folder)}
    fresh = [r for r in read_rankings(folder) if r.round == "check"]
    found = one_window_readings(fresh, known)
    truth = np.array([known[text, value][1] for text, value, _ in found])
    reading = np.array([r.intensity for _, _, r in found])
    sd = np.array([r.sd for _, _, r in found])
    assert len(found) > 1500
    assert np.corrcoef(reading, truth)[0, 1] > 0.9
    assert 0.8 < np.mean(np.abs(reading - truth) < 1.645 * sd) < 0.97
