"""The loop's steps over beginnings of answers, for policies that hold the first words of a stream.

Knows the loop's steps and open answers; nothing of how what was held goes out.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from anchors.prefix import predicted
from policies.instruct import Instruction
from policies.verdict import Scores
from proxy.api.opened import Open
from proxy.api.steps import Generation
from proxy.errors import ApiError
from proxy.outcome import Completion
from proxy.wires.wire import Shown


@dataclass(slots=True)
class Windowed(Generation):
    """The loop's steps over beginnings: an attempt is a stream of which the first words are there."""

    shown: Shown = field(default_factory=lambda: Shown(""))
    opened: list[Open] = field(default_factory=list)

    async def complete(self, instruction: Instruction, kept: object = None) -> Completion[Any]:
        """The beginning of one upstream answer, and the rest of it still to come."""
        with self.asking():
            try:
                async with asyncio.timeout(self.budget.seconds):
                    stream = await self.open(instruction, counted=True)
                    held = Open(stream, self.wire, self.shown)
                    self.opened.append(held)
                    await held.hold(self.policy.window)
            except TimeoutError as error:
                raise ApiError.timeout("The upstream did not begin its answer in time.") from error
        held.billed = held.tokens
        self.billed += held.billed
        return self.completion(held, held.lens.answers, held.tokens)

    async def evaluate(self, texts: Sequence[str], reply: object) -> Sequence[Scores]:
        """Scores of the whole where it is there, else what its beginning lets expect."""
        scores = await Generation.evaluate(self, texts, reply)
        if isinstance(reply, Open) and reply.ended:
            return scores
        return [{value: predicted(score) for value, score in choice.items()} for choice in scores]

    async def close_all(self, kept: object = None) -> None:
        """Stop the streams of all attempts but one."""
        for streamed in self.opened:
            if streamed is not kept:
                with suppress(Exception):
                    await streamed.aclose()
