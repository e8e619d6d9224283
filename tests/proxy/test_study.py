"""A study against a scripted upstream: what it asks, how it goes on, what it leaves."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anchors.evaluator import Text
from anchors.score import Score
from policies.plant import STUDY, Key, Plant
from proxy.errors import ApiError
from proxy.store.curves import Curves
from proxy.store.database import Database
from proxy.study import Row, StudyFailed, Task, keep, questions, read, study, tasks
from proxy.study_page import page
from proxy.upstreams.breaker import Breaker
from proxy.upstreams.compatible import Compatible, pooled_client
from proxy.upstreams.route import Member, Route
from proxy.upstreams.upstream import CHAT_PATH, Call, CompatibleModel, Limits
from tests.proxy.servers import ScriptedUpstream, completion, upstream_serving

VALUES = ("svt/power", "svt/benevolence")


class Length:
    """A fake gauge: the more words, the more of every value."""

    version = "v"

    async def score(self, texts: Sequence[Text], values: Sequence[str]) -> list[dict[str, Score]]:
        return [{v: Score(n := len(t.text.split()), 1.0, n - 2, n + 2, 1.0, n) for v in values} for t in texts]


def reply(number: int, body: dict) -> dict:
    steered = body["messages"][0]["role"] == "system"
    return completion("word " * (5 if steered else 2))


def alone(upstream: Any) -> Route:
    return Route([Member(upstream, Breaker(100, 1.0))], 30.0)


def run(todo: list[Task], path: Path, scripted: ScriptedUpstream) -> list[int]:
    async def main() -> list[int]:
        async with upstream_serving(scripted):
            client = pooled_client(4)
            config = CompatibleModel(kind="openai", base_url=scripted.url, model="m")
            try:
                upstream = Compatible(config, client, Limits())
                return [n async for n in study(todo, alone(upstream), Length(), path)]
            finally:
                await client.aclose()

    return asyncio.run(main())


def test_tasks_are_drawn_by_seed_and_share_the_plain_answers() -> None:
    asked = questions()
    todo = tasks(VALUES, [-0.6, 0.0, 0.6], asked, 5, seed=1)
    assert len(todo) == 5 + 2 * 5 * 2
    assert todo == tasks(VALUES, [-0.6, 0.0, 0.6], asked, 5, seed=1)
    assert todo != tasks(VALUES, [-0.6, 0.0, 0.6], asked, 5, seed=2)
    assert len(set(asked)) == len(asked) >= 40


def test_a_study_is_resumed_where_it_was_cut_off(tmp_path: Path) -> None:
    todo, path = tasks(VALUES, [0.0, 0.6], questions(), 3, seed=1), tmp_path / "s.jsonl"
    first = ScriptedUpstream(reply=reply)
    assert run(todo[:5], path, first)[-1] == 5
    path.write_text(path.read_text() + '{"value": "svt/po')  # cut off while it wrote
    path.write_text(path.read_text() + "\n")
    second = ScriptedUpstream(reply=reply)
    assert run(todo, path, second)[0] == 5
    assert len(second.seen) == len(todo) - 5
    rows = read(path)
    assert len(rows) == 3 * 2 + 6
    assert {(row.dose, row.intensity) for row in rows} == {(0.0, 2), (0.6, 5)}


def test_a_failing_upstream_ends_a_study_and_keeps_its_rows(tmp_path: Path) -> None:
    scripted = ScriptedUpstream(reply=lambda n, body: completion("word") if n <= 4 else {"nonsense": True})
    with pytest.raises(StudyFailed, match="answers failed"):
        run(tasks(VALUES, [0.3, 0.6], questions(), 20, seed=1), tmp_path / "s.jsonl", scripted)
    assert len(read(tmp_path / "s.jsonl")) == 4
    assert len(scripted.seen) < 40


def test_what_a_study_leaves_is_what_tenants_start_from(tmp_path: Path) -> None:
    rows = [
        Row("svt/power", dose, f"q{i}", 2.0 + 3 * dose, 1.0, 1.0, 9) for i in range(30) for dose in (-1.0, 0.0, 1.0)
    ]
    silent = [Row("svt/power", 1.0, f"q{i}", -9.0, 1.0, 0.1, 9) for i in range(30)]

    async def main() -> Curves:
        database = Database(f"sqlite+aiosqlite:///{tmp_path}/t.db")
        await database.open()
        curves = Curves(database)
        for _ in range(2):  # a second study replaces the first
            await keep(rows + silent, "m", "v", curves)
        other = Curves(database)
        await other.load()
        await database.close()
        return other

    curves = asyncio.run(main())
    assert curves.own(Key(STUDY, "m", "svt/power", "fresh", "v")).count.sum() == pytest.approx(90)
    believed = Plant(curves, "new", "m", "v").curve("svt/power", 0.0).mean
    assert np.allclose(believed[[0, 4, 8]], [-1.0, 2.0, 5.0], atol=0.5)
    html = page(rows, Plant(curves, STUDY, "m<", "v"), seed=3)
    assert "m&lt;" in html
    assert html.count("<svg") == 1
    assert html.count("<circle") == 3


def test_api_errors_alone_are_lived_with(tmp_path: Path) -> None:
    class Broken:
        model = "m"
        paths = frozenset({CHAT_PATH})

        async def complete(self, call: Call, seconds: float) -> object:
            raise ApiError.timeout("slow") if b"nothing" in call.body else ValueError("a fault of ours")

        async def close(self) -> None: ...

    async def main() -> None:
        async for _ in study([Task(("svt/power",), 0.3, "q")], alone(Broken()), Length(), tmp_path / "s.jsonl"):
            pass

    with pytest.raises(StudyFailed, match="a fault of ours"):
        asyncio.run(main())
