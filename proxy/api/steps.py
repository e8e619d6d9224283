"""The loop's steps for one client request, on any wire: ask the upstream, ask the scorer, count what both take.

Knows the wires' common shape, routes and the scoring queue; nothing of HTTP, nor of one API's JSON.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from anchors.evaluator import Text
from anchors.score import Reason, Unscored
from policies.instruct import Instruction
from policies.plant import Plant
from policies.policy import Policy
from policies.refusal import is_refusal
from policies.verdict import RELEVANT, Scores
from proxy.budget import Budget
from proxy.outcome import Completion, Kept, R
from proxy.product import Product
from proxy.upstreams.route import Route
from proxy.upstreams.upstream import Call, Stream
from proxy.wires.parts import leaves, summed, text_of, without_thinking
from proxy.wires.seal import Seal
from proxy.wires.wire import Answer, Streamed, Wire, WireReply, WireRequest


@dataclass(slots=True)
class Generation:
    """The loop's steps for one client request; counts where the time goes and what the upstream billed."""

    product: Product
    route: Route
    wire: Wire
    asked: WireRequest
    headers: Mapping[str, str]
    policy: Policy
    budget: Budget
    plant: Plant
    seal: Seal | None = None
    upstream_seconds: float = 0.0
    scoring_seconds: float = 0.0
    begun: int = 0
    billed: int = 0
    usages: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def deterministic(self) -> bool:
        """Whether the client asked for the same answer to the same request."""
        return self.asked.member("temperature") == 0 or self.asked.member("seed") is not None

    @property
    def billed_usage(self) -> Mapping[str, Any] | None:
        """The usage of all attempts, where the settings want that in place of the returned answer's."""
        return summed(self.usages) if self.product.settings.usage == "billed" and len(self.usages) > 1 else None

    async def complete(self, instruction: Instruction, kept: Kept[WireReply] | None = None) -> Completion[WireReply]:
        """One upstream answer to the original request with the instruction added, joined to what is kept."""
        missing = len(kept.places) if kept else None
        with self.asking():
            reply = await self.route.complete(
                lambda model: Call(self.asked.body(model, instruction, missing), self.wire.path, self.headers),
                self.budget,
                self.wire.path,
            )
        parsed = self.wire.reply(reply.body, reply.headers)
        self.billed += parsed.tokens
        self.usages.append(parsed.usage)
        if kept is None or self.wire.merge is None:
            return self.completion(parsed, parsed.answers, parsed.tokens)
        joined = self.wire.merge(kept.completion.reply, kept.places, parsed)
        return self.completion(joined, joined.answers, parsed.tokens, kept.completion.returned)

    def completion(self, reply: R, answers: Sequence[Answer], tokens: int, kept_tokens: int = 0) -> Completion[R]:
        """What the loop needs to know of an answer."""
        texts = [without_thinking(answer.text) for answer in answers]
        empty = [a for a, text in zip(answers, texts, strict=True) if not text.strip() and not a.refusal]
        unscorable: Reason | None = None
        if empty or not answers:
            unscorable = "tool_calls_only" if empty and all(a.tool_calls for a in empty) else "empty"
        elif self.asked.structured and self.policy.structured == "skip":
            unscorable = "structured"
        return Completion(
            reply=reply,
            texts=[leaves(text) for text in texts] if self.asked.structured else texts,
            tokens=tokens,
            refused=bool(answers) and all(a.refusal or is_refusal(t) for a, t in zip(answers, texts, strict=True)),
            unscorable=unscorable,
            final=any(a.tool_calls for a in answers) and not self.policy.retry_tool_calls,
            kept_tokens=kept_tokens,
        )

    async def open(self, instruction: Instruction, counted: bool = False) -> Stream:
        """As `complete`, but an open stream; with `counted` the upstream is asked for its usage, too."""
        streamed: Streamed = "counted" if counted else "as_asked"
        return await self.route.open(
            lambda model: Call(self.asked.body(model, instruction, streamed=streamed), self.wire.path, self.headers),
            self.budget,
            self.wire.path,
        )

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around the wait for one attempt's upstream."""
        self.begun += 1
        with self.waiting():
            yield

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around any wait for an upstream."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.upstream_seconds += time.monotonic() - begun

    async def evaluate(self, texts: Sequence[str], reply: object) -> Sequence[Scores]:
        """Scores of the answers for all of the gauge's values: reading a text costs more than one value or thirty."""
        values = dict.fromkeys([*self.policy.targets, *self.product.values])
        return await self._score([Text(text, self.asked.question) for text in texts], list(values))

    async def applies(self) -> bool:
        """Whether the conversation speaks to a hard target's value; yes when that cannot be told."""
        turns, hard, gate = self._turns(), list(self.policy.hard), self.product.gate
        if not turns:
            return True
        if gate is None:
            scores = (await self._score([Text(self.asked.question)], hard))[0]
            return any(isinstance(s, Unscored) or s.relevance >= RELEVANT for s in scores.values())
        with suppress(TimeoutError), self._scoring():
            async with asyncio.timeout(min(self.product.settings.scoring_seconds, self.budget.seconds)):
                return any((await asyncio.to_thread(gate, turns, hard)).values())
        return True

    def _turns(self) -> list[str]:
        """The texts of user and model in order, up to the last of the user's; none where that has no text."""
        listed = self.asked.member(self.wire.turns)
        spoken = [t for t in listed if isinstance(t, dict)] if isinstance(listed, list) else []
        roles = [t.get("role") for t in spoken]
        if "user" not in roles or not self.asked.question.strip():
            return [self.asked.question] if self.asked.question.strip() else []
        spoken = spoken[: len(roles) - roles[::-1].index("user")]
        texts = [text_of(t.get("content")) for t in spoken if t.get("role") in {"user", "assistant"}]
        return [text for text in texts if text.strip()]

    async def _score(self, texts: Sequence[Text], values: Sequence[str]) -> Sequence[Scores]:
        with self._scoring():
            try:
                async with asyncio.timeout(min(self.product.settings.scoring_seconds, self.budget.seconds)):
                    return await self.product.scoring.score(texts, values)
            except TimeoutError:
                return [dict.fromkeys(values, Unscored("late")) for _ in texts]

    @contextmanager
    def _scoring(self) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.scoring_seconds += time.monotonic() - begun
