"""One stream on its way to the client: what it sends, and what is written down when the client has it.

Knows the loop's outcome, open answers and the books; nothing of one API's events, nor of which mode the policy wants.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request

from policies.instruct import Instruction
from policies.plan import Plan, believe
from policies.policy import Policy
from policies.verdict import Scores, judge
from proxy import render
from proxy.api.account import Account
from proxy.api.http import unexpected
from proxy.api.live import Live
from proxy.api.opened import Open
from proxy.api.steps import Generation
from proxy.api.window import Windowed
from proxy.budget import Budget
from proxy.errors import ApiError
from proxy.outcome import Attempt, Name, Outcome
from proxy.steering import usual
from proxy.upstreams.upstream import Stream
from proxy.wires.wire import Shown, WireReply

PING = b": ping\n\n"


@dataclass(slots=True)
class Delivery:
    """One stream on its way to the client: what it sends, and what is written down when the client has it.

    While `loop` runs there is no verdict yet; `outcome` is the loop's; `open` flows, unless a reply is replayed.
    """

    request: Request
    account: Account
    shown: Shown
    debug: bool
    planned: Plan = field(default_factory=lambda: Plan(Instruction({}), 1.0, {}))
    loop: asyncio.Future[Outcome[Any]] | None = None
    outcome: Outcome[Any] | None = None
    open: Open | None = None

    @property
    def whole(self) -> bool:
        """Whether the outcome is that of the whole answer."""
        return self.outcome is not None and (self.open is None or self.open.ended)

    def response(self, outcome: str, attempts: int) -> Live:
        """The open response."""
        product = self.account.steps.product
        headers = self.account.headers(outcome, attempts)
        if self.open is not None:
            headers |= dict(self.open.headers)
        elif self.outcome is not None:
            headers |= dict(self.outcome.returned.completion.reply.headers)
        seconds = product.settings.client_seconds
        return Live(self._parts(), headers, seconds, self._settle, self._gone, self._close)

    async def begin(self) -> Stream:
        """The answer as planned, or with less words of ours and at last none where they overflow the context."""
        steps = self.account.steps
        while True:
            instruction = self.planned.instruction
            try:
                return await steps.open(instruction)
            except ApiError as error:
                if not (error.overflow and instruction.system and steps.budget.repeat()):
                    raise
                self.planned = replace(self.planned, instruction=instruction.lesser() or Instruction({}))

    async def judged(self, outcome: Outcome[Any]) -> ApiError | None:
        """Take the loop's outcome, and write it down where it is that of the whole; the policy's refusal, if any."""
        self.outcome = outcome
        steps, reply = self.account.steps, outcome.returned.completion.reply
        if isinstance(steps, Windowed):
            await steps.close_all(kept=reply)
            self.open = reply
        refusal = render.refusal(outcome, steps.policy)
        if self.whole or refusal is not None:
            await self.account.close(outcome)
        return refusal

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        """Everything that the client gets; a failure is an event, since the status is sent."""
        steps = self.account.steps
        try:
            if self.loop is not None and self.outcome is None:
                while not self.loop.done():
                    yield PING
                    await asyncio.wait({self.loop}, timeout=steps.product.settings.keepalive_after)
                if (refusal := await self.judged(self.loop.result())) is not None:
                    raise refusal
            if self.open is None:
                assert self.outcome is not None
                reply: WireReply = self.outcome.returned.completion.reply
                report = await self.account.close(self.outcome)
                shown = replace(self.shown, extra=report if self.debug else None, usage=steps.billed_usage)
                for part in reply.replay(shown):
                    yield part
                return
            with steps.waiting():
                async for part in self.open.parts():
                    yield part
            extra = await self._measure() if self.debug else None
            if last := self.open.lens.end(replace(self.shown, extra=extra)):
                yield last
        except Exception as error:
            self._bill()
            await self.account.break_off("error")
            yield self._broken(error if isinstance(error, ApiError) else unexpected(self.request, error))

    def _broken(self, error: ApiError) -> bytes:
        """The error as an event of this stream."""
        assert self.account.steps.wire.stream is not None
        lens = self.account.steps.wire.stream() if self.open is None else self.open.lens
        return lens.broken(error)

    async def _settle(self) -> None:
        """Write down how it went, when the client has everything and nobody waits."""
        try:
            if not self.account.closed:
                await self._measure()
        except Exception as error:
            unexpected(self.request, error)
            await self.account.break_off("error")

    async def _gone(self) -> None:
        self._bill()
        await self.account.break_off("cancelled")

    async def _close(self) -> None:
        try:
            await self.stop()
        finally:
            self.account.steps.product.leave()

    async def _measure(self) -> dict[str, Any]:
        """Score the whole of what flowed, unless that was done, and write it down; the report."""
        steps = self.account.steps
        if self.open is None or self.account.closed:
            assert self.outcome is not None
            return await self.account.close(self.outcome)
        self._bill()
        steps.budget = Budget()  # nobody waits for this score
        completion = steps.completion(self.open, self.open.lens.answers, self.open.tokens)
        policy, plant, before = steps.policy, steps.plant, self.outcome
        instruction = before.returned.instruction if before else self.planned.instruction
        past = [a.past for a in before.attempts if a is not before.returned] if before else []
        choices: Sequence[Scores] = []
        if policy.mode != "off" and not completion.unscorable:
            choices = await Generation.evaluate(steps, completion.texts, self.open)
        beliefs = [believe(policy, past, instruction, scores, plant) for scores in choices]
        verdict = judge(policy, choices, beliefs) if choices else None
        attempt = Attempt(instruction, completion, choices, verdict, steps.upstream_seconds, beliefs)
        attempts = [attempt if a is before.returned else a for a in before.attempts] if before else [attempt]
        reach = before.reach if before else self.planned.reach
        name = _name(policy, attempt)
        if before is not None and (before.name, name) == ("unreachable", "missed"):
            name = before.name
        self.outcome = Outcome(name, attempt, attempts, reach, usual(policy, attempt, plant))
        return await self.account.close(self.outcome)

    def _bill(self) -> None:
        """Count what the open answer was billed beyond what was counted at its window."""
        if self.open is not None:
            self.account.steps.billed += self.open.tokens - self.open.billed
            self.open.billed = self.open.tokens

    async def stop(self) -> None:
        """End all work behind it."""
        if self.loop is not None:
            self.loop.cancel()
            await asyncio.gather(self.loop, return_exceptions=True)
        if isinstance(self.account.steps, Windowed):
            await self.account.steps.close_all()
        if self.open is not None:
            await self.open.aclose()


def _name(policy: Policy, attempt: Attempt[Any]) -> Name:
    """The outcome of an answer that was measured after it went out."""
    plain: dict[str, Name] = {"off": "off", "monitor": "monitored", "steer": "steered"}
    if policy.mode != "enforce":
        return plain[policy.mode]
    if attempt.completion.refused:
        return "refused"
    if attempt.verdict is None or attempt.verdict.unscored:
        return "unscored"
    if not attempt.instruction.system and not attempt.verdict.relevant:
        return "not_applicable"
    return "in_range" if attempt.verdict.accepted else "missed"
