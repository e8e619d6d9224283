"""How an answer is streamed: after its verdict, after that of its beginning, or straight through and measured later.

Knows the policy's stream modes, the loop and the wires' streams; nothing of one API's events.

`buffer`   nothing leaves before the verdict; after a while the stream opens with comments that keep it alive
`window`   the first words are held and measured, and asked for again, until they pass; then the text streams live
`monitor`  every event goes straight through, and the whole is measured when the client has it
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from anchors.prefix import predicted
from policies.instruct import Instruction
from policies.plan import Plan, believe, plan
from policies.policy import Policy
from policies.verdict import Scores, judge
from proxy.api.account import Account
from proxy.api.http import json_response, unexpected, unless_gone
from proxy.api.live import Live
from proxy.api.steps import Generation
from proxy.budget import Budget
from proxy.errors import ApiError
from proxy.outcome import Attempt, Completion, Name, Outcome
from proxy.steering import steer, usual
from proxy.upstreams.upstream import Stream
from proxy.wires.parts import summed
from proxy.wires.sse import DONE, Event, events
from proxy.wires.wire import Shown, Wire, WireReply, WireStream

PING = b": ping\n\n"
CHARACTERS_A_TOKEN = 4
"""Where a stream was broken off, or says nothing of its usage, tokens are guessed from the text."""


class Open:
    """One open answer of an upstream: what came is held, and what comes follows when it is let go."""

    def __init__(self, stream: Stream, wire: Wire, shown: Shown) -> None:
        assert wire.stream is not None
        self.headers = stream.headers
        self.lens: WireStream = wire.stream()
        self.last = b""
        """The event that says that nothing follows, once it came."""
        self.ended = False
        self.billed = 0
        """How much of `tokens` is counted already."""
        self._stream = stream
        self._events = events(stream)
        self._shown = shown
        self._held: list[bytes] = []

    @property
    def text(self) -> str:
        """The first choice's text so far."""
        answers = self.lens.answers
        return answers[0].text if answers else ""

    @property
    def tokens(self) -> int:
        """As the upstream says, else guessed."""
        return self.lens.tokens or sum(len(a.text) for a in self.lens.answers) // CHARACTERS_A_TOKEN

    async def hold(self, words: int) -> None:
        """Read until there are so many words, or to the end. Raises ApiError."""
        while not self.ended and len(self.text.split()) <= words:
            part = await self._next()
            if part:
                self._held.append(part)

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """What was held, then what comes, up to the event that ends the stream: `last`. Raises ApiError."""
        for part in self._held:
            yield part
        self._held.clear()
        while not self.ended:
            part = await self._next()
            if part:
                yield part

    async def _next(self) -> bytes:
        event: Event | None = await anext(self._events, None)
        if event is None:
            if not self.lens.complete:
                raise ApiError.upstream("The upstream's stream broke off.")
            self.ended = True
            return b""
        part = self.lens.read(event, self._shown)
        if event.data == DONE:
            self.ended, self.last = True, part
            return b""
        return part

    async def aclose(self) -> None:
        """Stop the work behind it."""
        try:
            await self._events.aclose()
        finally:
            await self._stream.aclose()


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


def billed(steps: Generation) -> Mapping[str, Any] | None:
    """The usage of all attempts, where the settings want that in place of the returned answer's."""
    return summed(steps.usages) if steps.product.settings.usage == "billed" and len(steps.usages) > 1 else None


def refused_by_policy(policy: Policy, outcome: Outcome[Any]) -> ApiError | None:
    """The error that the policy wants in place of such an outcome; asking again would be billed again."""
    refusal: ApiError | None = None
    if outcome.name in {"missed", "unreachable", "refused"} and policy.on_miss == "error":
        refusal = ApiError.range_missed("No answer within the budget lay in the policy's value ranges.")
    if outcome.name == "unscored" and policy.on_unscored == "error":
        refusal = ApiError.unscored("The answer could not be measured, and the policy asks for an error then.")
    if refusal is not None:
        refusal.headers["x-should-retry"] = "false"
    return refusal


async def stream_answer(request: Request, account: Account, shown: Shown, debug: bool) -> Response:
    """The response in the policy's stream mode, or in the nearest one that wire, request and upstream allow.

    Raises ApiError and ClientGone while no status is sent.
    """
    steps, mode = account.steps, _mode(account.steps)
    delivery = Delivery(request, account, shown, debug)
    if mode == "monitor":
        # nothing is asked of the scorer before the client has its answer, not even whether the prompt speaks to values
        if steps.policy.mode in {"enforce", "steer"}:
            delivery.planned = plan(steps.policy, [], steps.plant)
        steps.budget = Budget(repeats=steps.product.settings.upstream_repeats)  # a live stream is bounded by its end
        with steps.asking():
            delivery.open = Open(await unless_gone(request, delivery.begin()), steps.wire, shown)
        return delivery.response("off" if steps.policy.mode == "off" else "pending", 1)
    if mode == "window":
        fields = {name: getattr(steps, name) for name in Generation.__dataclass_fields__}
        steps = account.steps = Windowed(**fields, shown=shown)
    loop = delivery.loop = asyncio.ensure_future(steer(steps.policy, steps, steps.budget, steps.plant))
    try:
        await unless_gone(request, _patiently(loop, steps.product.settings.keepalive_after))
        if not loop.done():
            return delivery.response("pending", steps.begun)
        refusal = await delivery.judged(loop.result())
    except BaseException:
        await delivery.stop()
        raise
    assert delivery.outcome is not None
    name, attempts = delivery.outcome.name, len(delivery.outcome.attempts)
    if refusal is not None:
        await delivery.stop()
        refusal.headers |= account.headers(name, attempts)
        return json_response(request, refusal)
    return delivery.response(name if delivery.whole else "pending", attempts)


def _mode(steps: Generation) -> str:
    policy, mode = steps.policy, steps.policy.stream
    if policy.mode == "off" or (mode == "window" and policy.mode != "enforce"):
        mode = "monitor"  # there is no verdict to wait for
    if steps.wire.stream is None or not steps.route.streams(steps.wire.path):
        return "buffer"
    return "buffer" if mode == "window" and not steps.wire.windowable(steps.asked) else mode


async def _patiently(task: asyncio.Future[Any], seconds: float) -> None:
    await asyncio.wait({task}, timeout=seconds)


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
        """The answer as planned, or plainly where our words overflow the upstream's context."""
        instruction, steps = self.planned.instruction, self.account.steps
        try:
            return await steps.open(instruction)
        except ApiError as error:
            if not (error.overflow and instruction.system and steps.budget.repeat()):
                raise
            self.planned = replace(self.planned, instruction=Instruction({}))
            return await steps.open(self.planned.instruction)

    async def judged(self, outcome: Outcome[Any]) -> ApiError | None:
        """Take the loop's outcome, and write it down where it is that of the whole; the policy's refusal, if any."""
        self.outcome = outcome
        steps, reply = self.account.steps, outcome.returned.completion.reply
        if isinstance(steps, Windowed):
            await steps.close_all(kept=reply)
            self.open = reply
        refusal = refused_by_policy(steps.policy, outcome)
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
                shown = replace(self.shown, extra=report if self.debug else None, usage=billed(steps))
                for part in reply.replay(shown):
                    yield part
                return
            with steps.waiting():
                async for part in self.open.parts():
                    yield part
            if self.debug:
                yield self.open.lens.report(replace(self.shown, extra=await self._measure()))
            yield self.open.last
        except Exception as error:
            self._bill()
            await self.account.break_off("error")
            yield steps.wire.broken(error if isinstance(error, ApiError) else unexpected(self.request, error))

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
