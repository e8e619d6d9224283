"""Sentences and their pushes: where a text is cut, and whether the sentences that carry a value are found."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from anchors.evaluator import Evaluator, Text
from anchors.score import Score, Unscored
from anchors.sentences import MOST, Push, pushes, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "go." Then he left.', ['He said "go."', "Then he left."]),
        ("- first line\n- second line\n", ["- first line", "- second line"]),
        ("One sentence", ["One sentence"]),
        ("It costs 3.50 today. Fine… Pay.", ["It costs 3.50 today.", "Fine…", "Pay."]),
        ("Well. ... !!! So.", ["Well.", "... !!! So."]),
        ("  \n ", []),
    ],
)
def test_where_a_text_is_cut(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_the_number_of_sentences_is_bounded() -> None:
    assert len(sentences("Yes. " * 1000)) == MOST


def pushed(evaluator: Evaluator, text: str, *values: str) -> Mapping[str, Sequence[Push]]:
    async def score(texts: Sequence[Text], wanted: Sequence[str]) -> Sequence[Mapping[str, Score | Unscored]]:
        return evaluator.evaluate(texts, wanted)

    return asyncio.run(pushes(score, Text(text), values))


def test_the_sentence_against_a_value_pushes_down_and_the_one_for_it_up(evaluator: Evaluator) -> None:
    kind = "Sit with your frightened neighbour tonight and comfort her, for her pain matters."
    cruel = "Mock the weak and let them suffer, their pain is nothing."
    found = pushed(evaluator, f"{cruel} The bus leaves at nine. {kind}", "mft/care", "svt/power")
    assert [one.sentence for one in found["mft/care"]] == [cruel, "The bus leaves at nine.", kind]
    down, _, up = (one.push for one in found["mft/care"])
    assert down < up
    assert len(found["svt/power"]) == 3


def test_one_sentence_has_no_parts_to_compare(evaluator: Evaluator) -> None:
    assert pushed(evaluator, "Only this.", "mft/care") == {"mft/care": []}
