"""Figures of `bench.model`'s answers: each way of asking, and the ways compared, with intervals over prompts.

Knows rows of answers and a reading of them; nothing of how they were made.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from anchors.evaluator import Text
from anchors.prompts import read_prompts
from anchors.score import Score
from bench.model import TARGETS, Answer, Row
from policies.verdict import RELEVANT
from proxy.second import Scoring

Reading = Callable[[Answer, str], float]
"""The intensity of an answer on a value, by some gauge."""
Pick = Callable[[Row], Answer | None]
WAYS: Mapping[str, Pick] = {
    "plain": lambda row: row.plain[0],
    "naive": lambda row: row.naive,
    "loop, first answer": lambda row: row.loop[0],
    "loop": lambda row: row.loop[row.returned],
    "after a miss: again": lambda row: row.again if row.told else None,
    "after a miss: told": lambda row: row.told if row.again else None,
}
COMPARED = (("naive", "plain"), ("loop", "plain"), ("loop", "naive"), ("after a miss: told", "after a miss: again"))
LEANS = 1.0
"""Points to the wanted side of zero from which on an answer leans the wanted way."""
REPLICATES = 2000


def of_gauge(answer: Answer, value: str) -> float:
    """As the gauge that the loop used."""
    return float(answer.scores[value][0])


async def second_reading(rows: Sequence[Row], scoring: Scoring) -> Reading:
    """What another gauge says of the answers that the figures compare, on the value that was asked for.

    What it cannot score counts as zero, which is what a silent answer has.
    """
    questions = {p.id: p.messages[-1]["content"] for p in read_prompts()}
    found: dict[tuple[str, str], float] = {}
    for row in rows:
        for answer in filter(None, (pick(row) for pick in WAYS.values())):
            if (answer.text, row.value) not in found:
                text = Text(answer.text, questions[row.prompt])
                score = (await scoring.score([text], [row.value]))[0][row.value]
                found[answer.text, row.value] = score.intensity if isinstance(score, Score) else 0.0
    return lambda answer, value: found[answer.text, value]


def figures(rows: Sequence[Row], reading: Reading = of_gauge, leakage: bool = True) -> list[dict[str, Any]]:
    """A line for each way of asking, then one for each pair of ways, of their difference on the same prompts.

    `in range` and `leans` are shares, `towards` points in the wanted direction from the plain answer. `leakage` is the
    mean absolute change from the plain answer on other values that either speaks to, less that between two plain ones.
    Calls and tokens are the whole loop's, else those of the one answer.
    """
    measures: dict[str, Callable[[Row, Answer], float]] = {
        "in range": lambda row, a: float(_inside(row, reading(a, row.value))),
        "leans": lambda row, a: float(_sign(row) * reading(a, row.value) >= LEANS),
        "towards": lambda row, a: _sign(row) * (reading(a, row.value) - reading(row.plain[0], row.value)),
    }
    if leakage:  # needs a reading on all values
        measures["leakage"] = lambda row, a: _leakage(row, a, reading)
    lines: list[dict[str, Any]] = []
    for name, pick in WAYS.items():
        found = [(row, answer) for row in rows if (answer := pick(row)) is not None]
        spent = [row.loop if name == "loop" else [answer] for row, answer in found]
        columns = {label: [measure(*one) for one in found] for label, measure in measures.items()}
        columns |= {"calls": [len(s) for s in spent], "tokens": [sum(a.tokens for a in s) for s in spent]}
        lines.append(_line(name, [row for row, _ in found], columns))
    for one, other in COMPARED:
        pairs = [(row, WAYS[one](row), WAYS[other](row)) for row in rows]
        both = [(row, a, b) for row, a, b in pairs if a is not None and b is not None]
        columns = {
            label: [measures[label](row, a) - measures[label](row, b) for row, a, b in both] for label in measures
        }
        lines.append(_line(f"{one} - {other}", [row for row, *_ in both], columns))
    return lines


def _line(name: str, rows: Sequence[Row], columns: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    shown = {label: interval([row.prompt for row in rows], values) for label, values in columns.items()}
    return {"asked": name, "n": len(rows)} | (shown if rows else {})


def interval(prompts: Sequence[str], values: Sequence[float]) -> str:
    """The mean and its 95% interval, by bootstrap over prompts; empty without values."""
    if not prompts:
        return ""
    _, place = np.unique(prompts, return_inverse=True)
    sums, counts = np.bincount(place, np.asarray(values, dtype=float)), np.bincount(place)
    draws = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), REPLICATES)
    low, high = np.percentile((draws @ sums) / (draws @ counts), [2.5, 97.5])
    mean = float(np.mean(values))
    places = 0 if abs(mean) >= 20 else 2
    return f"{mean:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def _sign(row: Row) -> float:
    return 1.0 if TARGETS[row.value][0].range[1] == inf else -1.0


def _inside(row: Row, intensity: float) -> bool:
    low, high = TARGETS[row.value][0].range
    return low <= intensity <= high


def _leakage(row: Row, answer: Answer, reading: Reading) -> float:
    base, second = row.plain

    def change(other: Answer) -> float:
        both = [v for v in base.scores if v != row.value and v in other.scores]
        spoken = [v for v in both if max(base.scores[v][2], other.scores[v][2]) >= RELEVANT]
        return float(np.mean([abs(reading(other, v) - reading(base, v)) for v in spoken])) if spoken else 0.0

    return 0.0 if answer is base else change(answer) - change(second)
