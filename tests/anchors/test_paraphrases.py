"""Paraphrases: the shipped pairs, how far scores move, and what is refused."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from anchors.evaluator import Evaluator, Text
from anchors.paraphrases import PARAPHRASES, read_paraphrases, shift
from anchors.score import Score, Unscored
from anchors.values import DATA
from anchors.vidb.texts import BrokenSet, VidbText, read_texts


def shipped() -> list[tuple[VidbText, str]]:
    return read_paraphrases(PARAPHRASES, list(read_texts(DATA / "vidb").values()))


def test_the_shipped_pairs_are_of_texts_that_nothing_was_trained_on_and_say_it_in_other_words() -> None:
    pairs = shipped()
    assert len(pairs) == 60
    assert {text.split for text, _ in pairs} == {"calibration", "test"}
    for text, paraphrase in pairs:
        old, new = ([w.strip(".,;:!?\"'()").lower() for w in t.split()] for t in (text.text, paraphrase))
        fours = {tuple(old[n : n + 4]) for n in range(len(old) - 3)}
        shared = sum(tuple(new[n : n + 4]) in fours for n in range(len(new) - 3))
        assert shared <= 0.1 * len(new), text.id


class ByLength:
    """A fake gauge that reads the number of words, and has nothing to say of one value."""

    version = "fake"
    values = ("a/b", "a/mute")
    typical_sd: Mapping[str, float] = {"a/b": 2.0, "a/mute": 2.0}

    def evaluate(self, texts: Sequence[Text], values: Sequence[str]) -> list[dict[str, Score | Unscored]]:
        def one(text: Text, value: str) -> Score | Unscored:
            x = float(len(text.text.split()))
            return Unscored("failed") if value == "a/mute" else Score(x, 2.0, x - 3, x + 3, 1.0, x)

        return [{value: one(text, value) for value in values} for text in texts]


def text(name: str, body: str, *values: str) -> VidbText:
    return VidbText(name, "reply", name, "test", body, values, "w")


def test_the_shift_is_worked_out_by_hand() -> None:
    pairs = [(text("t1", "one", "a/b"), "one two"), (text("t2", "one two three", "a/b", "a/mute"), "one two three")]
    found = shift(ByLength(), pairs)
    assert (found.pairs, found.rows) == (2, 2)
    assert (found.mean.value, found.in_sds.value, found.same_side.value) == (0.5, 0.25, 1)
    assert found.of_strangers.value == 1.5  # 1 to 3 words, and 3 to 2


def test_the_shipped_gauge_moves_less_than_between_strangers(evaluator: Evaluator) -> None:
    found = shift(evaluator, [(t, p) for t, p in shipped() if t.split == "calibration"])
    assert found.pairs == 30
    assert found.mean.value < found.of_strangers.value


def test_no_pairs_are_an_error() -> None:
    with pytest.raises(ValueError, match="no paraphrases"):
        shift(ByLength(), [])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"paraphrase": "x"}], ":1: text: missing"),
        ([{"text": "t1", "paraphrase": "x"}, {"text": "t1", "paraphrase": "y"}], ":2: text: missing or named twice"),
        ([{"text": "t1", "paraphrase": " "}], ":1: paraphrase: missing or empty"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, lines: list[object], message: str) -> None:
    path = tmp_path / "paraphrases.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(BrokenSet, match=message):
        read_paraphrases(path, [])
