"""The real-model bench with a fake model: what it asks, how it goes on when it was cut off, its figures by hand."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from anchors.evaluator import Text
from anchors.score import Score
from anchors.values import catalogue
from bench.figures import figures, interval, second_reading
from bench.model import TARGETS, Answer, Bench, Row, chosen, read, run
from policies.instruct import OPENING

VALUES = ("svt/benevolence", "svt/power")


class Words:
    """A fake gauge: the intensity of everything is the number that the text is."""

    version = "words"
    values = tuple(catalogue())
    typical_sd = dict.fromkeys(values, 1.0)
    gate = None

    def evaluate(self, texts: Sequence[Text], values: Sequence[str]) -> list[dict[str, Score]]:
        return [{v: Score(float(t.text), 1.0, 0.0, 0.0, 1.0, 0.0) for v in values} for t in texts]

    async def score(self, texts: Sequence[Text], values: Sequence[str]) -> list[dict[str, Score]]:
        return self.evaluate([Text(str(-float(t.text))) for t in texts], values)


def bench(seen: list[list[dict[str, str]]]) -> Bench:
    async def generate(messages: list[dict[str, str]]) -> tuple[str, int]:
        """A fake model: 1 by itself, 2 to adjectives, 0 under our block, 4 when told its score."""
        seen.append(messages)
        if messages[-1]["content"].startswith("Here is an earlier draft"):
            return "4", 50
        system = messages[0]["content"] if messages[0]["role"] == "system" else ""
        return ("0" if OPENING in system else "2" if system else "1"), 10

    return Bench(generate, Words())


def test_a_run_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    path, prompts = tmp_path / "rows.jsonl", chosen()[:2]
    asyncio.run(run(bench([]), path, prompts[:1], lambda text: None))
    assert {(row.prompt, row.value) for row in read(path)} == {(prompts[0].id, value) for value in TARGETS}
    with path.open("a") as file:
        file.write('{"prompt": "g1\n')  # cut off while it wrote
    seen: list[list[dict[str, str]]] = []
    asyncio.run(run(bench(seen), path, prompts, lambda text: None))
    asked = {message["content"] for messages in seen for message in messages}
    assert prompts[1].messages[0]["content"] in asked
    assert prompts[0].messages[0]["content"] not in asked
    rows = read(path)
    assert len(rows) == 2 * len(TARGETS)
    assert [a.text for a in rows[0].plain] == ["1", "1"]
    assert {row.naive.text for row in rows} == {"2"}
    pairs = [(row.told.text, row.again.text) for row in rows if row.told and row.again]
    assert set(pairs) == {("4", "0")}


def answer(intensity: float, other: float = 0.0) -> Answer:
    return Answer(0.3, False, str(intensity), 10, {VALUES[0]: [intensity, 1, 1], VALUES[1]: [other, 1, 1]})


def rows_of(count: int) -> list[Row]:
    return [
        Row(
            chosen()[n].id, VALUES[0], [answer(0.0), answer(0.0, 1.0)], answer(2.0, 3.0),
            [answer(2.0), answer(4.0, -2.0)], "in_range", 1, answer(5.0), answer(1.0),
        )
        for n in range(count)
    ]  # fmt: skip


def test_figures_by_hand() -> None:
    lines = {line["asked"]: line for line in figures(rows_of(3))}
    assert lines["plain"]["in range"] == "0.00 [0.00, 0.00]"
    assert lines["naive"]["leans"] == "1.00 [1.00, 1.00]"
    assert lines["loop"]["in range"] == "1.00 [1.00, 1.00]"
    assert lines["loop"]["calls"] == "2.00 [2.00, 2.00]"
    assert lines["loop"]["tokens"] == "20 [20, 20]"
    assert lines["naive"]["leakage"] == "2.00 [2.00, 2.00]"  # 3 from the plain answer, whose likes differ by 1
    assert lines["loop - naive"]["towards"] == "2.00 [2.00, 2.00]"
    assert lines["after a miss: told - after a miss: again"]["towards"] == "4.00 [4.00, 4.00]"


def test_a_second_gauge_reads_the_same_answers() -> None:
    rows = rows_of(2)
    lines = {line["asked"]: line for line in figures(rows, asyncio.run(second_reading(rows, Words())), leakage=False)}
    assert lines["naive"]["towards"] == "-2.00 [-2.00, -2.00]"
    assert "leakage" not in lines["naive"]


def test_an_interval_is_over_prompts() -> None:
    prompts = [f"p{n // 6}" for n in range(60)]
    alike = interval(prompts, [float(n // 6 % 2) for n in range(60)])
    low, high = (float(edge) for edge in alike.split("[")[1].strip("]").split(","))
    assert low < 0.3
    assert high > 0.7
    assert interval([], []) == ""


@pytest.mark.parametrize("value", TARGETS)
def test_prompts_are_laden_and_of_the_training_writers(value: str) -> None:
    assert len(chosen()) == 40
    assert all(p.laden and p.split == "train" for p in chosen())
    assert any(value in p.applies for p in chosen())
