"""The scoring queue before a scripted evaluator (a fake behind the same protocol)."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anchors.evaluator import Text
from anchors.queue import ScoringQueue
from anchors.score import Score, Unscored


@dataclass
class Scripted:
    version: str = "fake"
    gate: threading.Event = field(default_factory=threading.Event)
    calls: list[tuple[list[str], list[str]]] = field(default_factory=list)
    fail: bool = False
    poison: str | None = None

    def evaluate(self, texts: Sequence[Text], values: Sequence[str]) -> Sequence[Mapping[str, Score | Unscored]]:
        self.calls.append(([t.text for t in texts], list(values)))
        self.gate.wait(10)
        if self.fail or self.poison in [t.text for t in texts]:
            raise RuntimeError("secret text")
        return [{v: Score(float(len(t.text)), 1, 0, 0, 1, 0) for v in values} for t in texts]


def run(work: Callable[[Scripted, ScoringQueue], Coroutine[Any, Any, None]], **bounds: int) -> None:
    async def main() -> None:
        evaluator = Scripted()
        queue = ScoringQueue(evaluator, **bounds)
        queue.start()
        try:
            await work(evaluator, queue)
        finally:
            evaluator.gate.set()
            await queue.stop()

    asyncio.run(main())


def test_concurrent_requests_share_a_pass_and_get_their_own_values() -> None:
    async def work(evaluator: Scripted, queue: ScoringQueue) -> None:
        first = asyncio.create_task(queue.score([Text("x")], ["a"]))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(queue.score([Text("y" * n)], [v])) for n, v in ((2, "a"), (3, "b"))]
        await asyncio.sleep(0.05)
        evaluator.gate.set()
        assert (await first)[0]["a"].intensity == 1
        found = [(await task)[0] for task in rest]
        assert [set(f) for f in found] == [{"a"}, {"b"}]
        assert [next(iter(f.values())).intensity for f in found] == [2, 3]
        assert evaluator.calls[1] == (["yy", "yyy"], ["a", "b"])

    run(work)


def test_a_full_queue_answers_overloaded_at_once() -> None:
    async def work(evaluator: Scripted, queue: ScoringQueue) -> None:
        busy = [asyncio.create_task(queue.score([Text("x")], ["a"]))]
        await asyncio.sleep(0.05)  # one in the worker, two waiting
        busy += [asyncio.create_task(queue.score([Text("x")], ["a"])) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert (await queue.score([Text("x")], ["a"])) == [{"a": Unscored("overloaded")}]
        evaluator.gate.set()
        assert all(isinstance(found[0]["a"], Score) for found in await asyncio.gather(*busy))

    run(work, waiting=2)


def test_a_failure_is_unscored_and_the_worker_lives_on() -> None:
    async def work(evaluator: Scripted, queue: ScoringQueue) -> None:
        evaluator.gate.set()
        evaluator.fail = True
        assert (await queue.score([Text("x")], ["a"])) == [{"a": Unscored("failed")}]
        evaluator.fail = False
        assert isinstance((await queue.score([Text("x")], ["a"]))[0]["a"], Score)

    run(work)


def test_work_whose_caller_left_is_dropped() -> None:
    async def work(evaluator: Scripted, queue: ScoringQueue) -> None:
        first = asyncio.create_task(queue.score([Text("x")], ["a"]))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(queue.score([Text("gone")], ["a"]))
        await asyncio.sleep(0.05)
        gone.cancel()
        evaluator.gate.set()
        await first
        await queue.score([Text("last")], ["a"])
        assert not any("gone" in texts for texts, _ in evaluator.calls)

    run(work)


def test_stop_answers_what_waits() -> None:
    async def main() -> None:
        evaluator = Scripted()
        queue = ScoringQueue(evaluator)
        queue.start()
        waiting = [asyncio.create_task(queue.score([Text("x")], ["a"])) for _ in range(3)]
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(queue.stop())
        await asyncio.sleep(0.05)
        evaluator.gate.set()
        await stopping
        assert await asyncio.gather(*waiting) == [[{"a": Unscored("failed")}]] * 3

    asyncio.run(main())


def test_a_text_that_fails_does_not_unscore_its_neighbours() -> None:
    async def work(evaluator: Scripted, queue: ScoringQueue) -> None:
        evaluator.poison = "poison"
        first = asyncio.create_task(queue.score([Text("x")], ["a"]))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(queue.score([Text(t)], ["a"])) for t in ("good", "poison", "fine")]
        await asyncio.sleep(0.05)
        evaluator.gate.set()
        found = [(await task)[0]["a"] for task in [first, *rest]]
        assert [isinstance(f, Score) for f in found] == [True, True, False, True]
        assert found[2] == Unscored("failed")
        assert evaluator.calls[1][0] == ["good", "poison", "fine"]

    run(work)
