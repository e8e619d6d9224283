import asyncio

from anchors.values import catalogue
from anchors.vidb.judge import judge, prompt
from anchors.vidb.rankings import Judged
from anchors.vidb.texts import BrokenSet, VidbText
from anchors.vidb.windows import Window

TEXTS = {f"t{n}": VidbText(f"t{n}", "statement", "x", "panel", f"Text {n}.", ("svt/power",), "w") for n in range(4)}
WINDOWS = [
    Window("r1.svt.power.000", "r1", "svt/power", ("t0", "t1")),
    Window("r1.svt.power.001", "r1", "svt/power", ("t2", "t3")),
]


def run(answers: list[str]) -> tuple[list[Judged | BrokenSet], list[str]]:
    """Judge with a scripted model (a fake); also what it was asked."""
    asked: list[str] = []

    async def complete(text: str) -> str:
        asked.append(text)
        return answers[len(asked) - 1]

    async def main() -> list[Judged | BrokenSet]:
        return [found async for found in judge(WINDOWS, TEXTS, catalogue(), complete, "m")]

    return asyncio.run(main()), asked


def test_answers_become_rankings_whatever_the_model_calls_the_window() -> None:
    found, asked = run(["Sure.\nWINDOW: 5 A 4 3 B 2 1 | off: -", "x: 5 4 3 2 1 B A | off: A"])
    assert [f.order for f in found] == [
        ("m5", "t0", "m4", "m3", "t1", "m2", "m1"),
        ("m5", "m4", "m3", "m2", "m1", "t3", "t2"),
    ]
    assert "Text 0." in asked[0]
    assert "Text 2." not in asked[0]


def test_an_answer_that_is_no_permutation_is_asked_again_and_then_told() -> None:
    found, asked = run(["?", "W: 5 A 4 3 B 2 1", *["W: 5 A A"] * 3])
    assert isinstance(found[0], Judged)
    assert isinstance(found[1], BrokenSet)
    assert len(asked) == 5


def test_the_prompt_explains_cards_and_off() -> None:
    text = prompt(WINDOWS[0], TEXTS, catalogue())
    assert "1 = rejects it outright" in text
    assert "5 = above all else" in text
    assert "off" in text
