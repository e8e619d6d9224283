"""Scoring off the event loop: one worker thread, texts of concurrent requests batched together, a bounded queue.

Knows an evaluator's one method and asyncio; nothing of how a score is made. A full queue answers `overloaded` at
once, a failing evaluator `failed`, each job by itself; work whose caller has gone is dropped before it costs anything.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from anchors.evaluator import Evaluate, Text
from anchors.score import Reason, Score, Unscored

_log = logging.getLogger(__name__)
Scores = Mapping[str, Score | Unscored]


@dataclass(slots=True)
class _Job:
    texts: Sequence[Text]
    values: Sequence[str]
    done: asyncio.Future[Sequence[Scores]]


class ScoringQueue:
    """`await score(texts, values)` from any task of one event loop; `start` and `stop` frame its life.

    `waiting` bounds the requests in the queue, `batch` the texts of one evaluation.
    """

    def __init__(self, evaluator: Evaluate, waiting: int = 128, batch: int = 16) -> None:
        self.version = evaluator.version
        self._evaluator = evaluator
        self._queue: asyncio.Queue[_Job] = asyncio.Queue(waiting)
        self._batch = batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work; call it inside the event loop."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End the worker; waiting requests are answered `failed`."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        while not self._queue.empty():
            _settle(self._queue.get_nowait(), "failed")
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def score(self, texts: Sequence[Text], values: Sequence[str]) -> Sequence[Scores]:
        """Scores of each text, in order; every value has a Score or an Unscored."""
        job = _Job(texts, values, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            return _unscored(job, "overloaded")
        return await job.done

    async def _work(self) -> None:
        while True:
            jobs = [await self._queue.get()]
            while not self._queue.empty() and sum(len(j.texts) for j in jobs) < self._batch:
                jobs.append(self._queue.get_nowait())
            jobs = [j for j in jobs if not j.done.done()]
            if not jobs:
                continue
            try:
                await self._answer(jobs)
            except asyncio.CancelledError:
                for job in jobs:
                    _settle(job, "failed")
                raise

    async def _answer(self, jobs: Sequence[_Job]) -> None:
        """Evaluate together; if that fails one by one, so that one caller's text cannot unscore another's."""
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._thread, self._evaluate, jobs)
        except Exception as error:  # the worker outlives any one failure; texts stay out of the log
            _log.error("scoring of %d jobs failed: %s", len(jobs), type(error).__name__)
            if len(jobs) == 1:
                _settle(jobs[0], "failed")
                return
            for job in jobs:
                if not job.done.done():
                    await self._answer([job])
            return
        for job, result in zip(jobs, results, strict=True):
            if not job.done.done():
                job.done.set_result(result)

    def _evaluate(self, jobs: Sequence[_Job]) -> list[Sequence[Scores]]:
        """All texts in one encoder pass for the union of values, then each job its own part."""
        values = list(dict.fromkeys(v for job in jobs for v in job.values))
        scores = iter(self._evaluator.evaluate([t for job in jobs for t in job.texts], values))
        return [[{v: s[v] for v in job.values} for s in (next(scores) for _ in job.texts)] for job in jobs]


def _settle(job: _Job, reason: Reason) -> None:
    if not job.done.done():
        job.done.set_result(_unscored(job, reason))


def _unscored(job: _Job, reason: Reason) -> Sequence[Scores]:
    return [{v: Unscored(reason) for v in job.values} for _ in job.texts]
