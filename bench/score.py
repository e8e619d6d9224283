"""`make bench-score`: what one score costs on this machine: seconds for one reply, replies a second, memory.

Knows the shipped evaluator and its queue; nothing of tenants or HTTP.
"""

import asyncio
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from anchors.encoder import PACKAGED
from anchors.evaluator import Evaluator, Text, default_evaluator
from anchors.queue import ScoringQueue
from anchors.values import DATA
from anchors.vidb.texts import read_texts
from bench.report import write

WORDS = (85, 110)
"""A reply of about 130 tokens."""
TIMES = 60
CONCURRENT = 32
SECONDS = 15.0


def replies() -> list[Text]:
    """Panel replies of that length, with their questions."""
    texts = read_texts(DATA / "vidb").values()
    fitting = [t for t in texts if t.register == "reply" and WORDS[0] <= len(t.text.split()) <= WORDS[1]]
    return [Text(t.text, t.question) for t in fitting]


def ms(call: Callable[[Text], object], texts: Sequence[Text]) -> dict[str, float]:
    """p50 and p99 in milliseconds of one call after another."""
    found = []
    for text in texts[:TIMES]:
        begun = time.perf_counter()
        call(text)
        found.append((time.perf_counter() - begun) * 1000)
    cuts = statistics.quantiles(found, n=100)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98]}


async def a_second(evaluator: Evaluator, texts: Sequence[Text]) -> float:
    """Replies a second when CONCURRENT callers each wait for a score and ask again."""
    queue = ScoringQueue(evaluator)
    queue.start()
    until, done = time.monotonic() + SECONDS, 0

    async def caller(number: int) -> None:
        nonlocal done
        while time.monotonic() < until:
            await queue.score([texts[(number + done) % len(texts)]], evaluator.values)
            done += 1

    await asyncio.gather(*(caller(n) for n in range(CONCURRENT)))
    await queue.stop()
    return done / SECONDS


def main() -> None:
    """Measure, print and write."""
    threads = os.cpu_count() or 1
    texts = replies()
    begun = time.perf_counter()
    evaluator = default_evaluator(PACKAGED, threads=threads)
    loaded = time.perf_counter() - begun
    begun = time.perf_counter()
    evaluator.evaluate(texts[:1], evaluator.values)
    cold = time.perf_counter() - begun
    rows: list[dict[str, Any]] = [
        {"what": "one reply, all values", "ms": ms(lambda t: evaluator.evaluate([t], evaluator.values), texts)},
        {"what": "one reply, two values", "ms": ms(lambda t: evaluator.evaluate([t], evaluator.values[:2]), texts)},
    ]
    rows = [{"what": row["what"]} | row["ms"] for row in rows]
    rows += [
        {"what": "the first reply, all values", "p50_ms": cold * 1000},
        {"what": "loading", "p50_ms": loaded * 1000},
        {"what": f"{CONCURRENT} callers, all values", "a_second": asyncio.run(a_second(evaluator, texts))},
        {"what": "memory", "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024},
    ]
    write("score", rows, f"gauge {evaluator.version}, replies of {WORDS[0]} to {WORDS[1]} words, {threads} threads")


if __name__ == "__main__":
    main()
