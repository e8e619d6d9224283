"""A study: how one model answers to every dose of chosen values, on questions drawn anew.

Knows the order of work, how it is resumed and what it leaves in the curves; nothing of how results are shown. Rows are
kept in a JSON lines file as they come, so that a study that was cut off goes on where it stood.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anchors.evaluator import Text
from anchors.prompts import plain_questions
from anchors.score import Score, stance_of
from anchors.values import catalogue
from policies.instruct import RUNGS, Instruction, steering_block
from policies.plant import STUDY, Key
from policies.verdict import RELEVANT
from proxy.budget import Budget
from proxy.errors import ApiError
from proxy.second import Scoring
from proxy.store.curves import Curves
from proxy.upstreams.route import Route
from proxy.upstreams.upstream import Call
from proxy.wires.chat import ChatReply, ChatRequest

TOGETHER = 4
"""Answers generated at once."""
FAILURES = 10
"""A study ends when so many answers have failed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One answer measured on one value; at dose 0 one answer has a row for every value of the study."""

    value: str
    dose: float
    question: str
    intensity: float
    sd: float
    relevance: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Task:
    """One answer to generate; at dose 0 for all `values`, else for the one."""

    values: tuple[str, ...]
    dose: float
    question: str


class StudyFailed(RuntimeError):
    """The upstream fails; what was measured before is kept."""


def questions(path: Path | None = None) -> list[str]:
    """The questions of a file, one a line, or ours: the short ones on which an answer takes a stance."""
    if path is None:
        return [p.messages[0]["content"] for p in plain_questions()]
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


def tasks(values: Sequence[str], doses: Sequence[float], asked: Sequence[str], count: int, seed: int) -> list[Task]:
    """What to generate: for every value its own draw of `count` questions, each at every dose; the same by seed."""
    draw = random.Random(seed)
    plain = draw.sample(list(asked), min(count, len(asked)))
    found = [Task(tuple(values), 0.0, question) for question in plain] if 0.0 in doses else []
    for value in values:
        mine = draw.sample(list(asked), min(count, len(asked)))
        found += [Task((value,), dose, question) for question in mine for dose in doses if dose]
    return found


def read(path: Path) -> list[Row]:
    """The rows so far; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return rows


async def study(
    todo: Sequence[Task], route: Route, scoring: Scoring, path: Path, repeats: int = 0
) -> AsyncIterator[int]:
    """Do what is not in the file yet; yields after each batch how many are done. Raises StudyFailed.

    `repeats` are the retries for each answer. Give a route without fallbacks: they would be taken for the model.
    """
    done = {(row.value, row.dose, row.question) for row in read(path)}
    left = [t for t in todo if any((v, t.dose, t.question) not in done for v in t.values)]
    finished, failed = len(todo) - len(left), 0
    yield finished
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for begin in range(0, len(left), TOGETHER):
            batch = left[begin : begin + TOGETHER]
            results = await asyncio.gather(
                *(_answer(t, route, scoring, repeats) for t in batch), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    failed += 1
                    if failed >= FAILURES or not isinstance(result, ApiError):
                        raise StudyFailed(f"{failed} answers failed, the last with: {result}") from result
                    continue
                file.writelines(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in result)
                finished += 1
            file.flush()
            yield finished


async def _answer(task: Task, route: Route, scoring: Scoring, repeats: int) -> list[Row]:
    doses = dict.fromkeys(task.values, task.dose)
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": task.question}]}).encode()
    asked, instruction = ChatRequest(raw), Instruction(doses, steering_block(doses))
    reply = ChatReply(
        (await route.complete(lambda model: Call(asked.body(model, instruction)), Budget(repeats=repeats))).body
    )
    text = reply.answers[0].text
    scores = (await scoring.score([Text(text, task.question)], task.values))[0]
    return [
        Row(value, task.dose, task.question, score.intensity, score.sd, score.relevance, reply.tokens)
        for value in task.values
        if isinstance(score := scores[value], Score)
    ]


async def keep(rows: Sequence[Row], model: str, evaluator: str, curves: Curves) -> None:
    """Put the study in place of the model's earlier ones in the curves that all tenants start from."""
    keys = {row.value: Key(STUDY, model, row.value, "fresh", evaluator) for row in rows if row.value in catalogue()}
    await curves.reset(keys.values())
    for row in rows:
        if row.relevance >= RELEVANT and row.value in keys:
            stance = stance_of(row.intensity, row.sd, row.relevance)
            curves.learn(keys[row.value], RUNGS.index(row.dose), *stance)
    await curves.write()
