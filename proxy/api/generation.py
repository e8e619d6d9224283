"""One client request for generated text through the loop, on any wire, and back as JSON or replayed as a stream.

Knows the wires' common shape, the loop's steps and the contract's headers; nothing of one API's JSON, nor of how scores
or doses are made.
"""

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from anchors.evaluator import Text
from anchors.score import Reason, Unscored
from policies.instruct import Instruction
from policies.policy import MODES, Mode, Policy
from policies.refusal import is_refusal
from policies.verdict import RELEVANT, Scores
from proxy import render
from proxy.api.http import ClientGone, body_of, json_response, product_of, tenant_of, unexpected, unless_gone
from proxy.budget import Budget
from proxy.errors import ApiError
from proxy.outcome import Completion, Kept, Outcome
from proxy.product import Product
from proxy.rollout import treated
from proxy.steering import steer
from proxy.store.database import Trail, now
from proxy.upstreams.route import Route
from proxy.upstreams.upstream import Call
from proxy.wires.parts import leaves, summed, without_thinking
from proxy.wires.seal import Seal
from proxy.wires.wire import Shown, Wire, WireReply, WireRequest

_log = logging.getLogger(__name__)


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
    upstream_seconds: float = 0.0
    scoring_seconds: float = 0.0
    begun: int = 0
    billed: int = 0
    usages: list[Mapping[str, Any]] = field(default_factory=list)

    async def complete(self, instruction: Instruction, kept: Kept[WireReply] | None = None) -> Completion[WireReply]:
        """One upstream answer to the original request with the instruction added, joined to what is kept."""
        missing = len(kept.places) if kept else None
        self.begun += 1
        begun = time.monotonic()
        try:
            reply = await self.route.complete(
                lambda model: Call(self.asked.body(model, instruction, missing), self.wire.path, self.headers),
                self.budget,
                self.wire.path,
            )
        finally:
            self.upstream_seconds += time.monotonic() - begun
        parsed = self.wire.reply(reply.body, reply.headers)
        self.billed += parsed.tokens
        self.usages.append(parsed.usage)
        if kept is None or self.wire.merge is None:
            return self._completion(parsed, parsed.tokens)
        joined = self.wire.merge(kept.completion.reply, kept.places, parsed)
        return self._completion(joined, parsed.tokens, kept.completion.returned)

    def _completion(self, reply: WireReply, tokens: int, kept_tokens: int = 0) -> Completion[WireReply]:
        answers = reply.answers
        texts = [without_thinking(answer.text) for answer in answers]
        empty = [a for a, text in zip(answers, texts, strict=True) if not text.strip() and not a.refusal]
        unscorable: Reason | None = None
        if empty:
            unscorable = "tool_calls_only" if all(a.tool_calls for a in empty) else "empty"
        elif self.asked.structured and self.policy.structured == "skip":
            unscorable = "structured"
        return Completion(
            reply=reply,
            texts=[leaves(text) for text in texts] if self.asked.structured else texts,
            tokens=tokens,
            refused=all(a.refusal or is_refusal(text) for a, text in zip(answers, texts, strict=True)),
            unscorable=unscorable,
            final=any(a.tool_calls for a in answers) and not self.policy.retry_tool_calls,
            kept_tokens=kept_tokens,
        )

    async def evaluate(self, texts: Sequence[str]) -> Sequence[Scores]:
        """Scores of the answers for all of the policy's values."""
        return await self._score([Text(text, self.asked.question) for text in texts])

    async def applies(self) -> bool:
        """Whether the client's question speaks to a hard target's value; yes when that cannot be told."""
        if not self.asked.question.strip():
            return True
        scores = (await self._score([Text(self.asked.question)]))[0]
        hard = [scores[name] for name in self.policy.hard]
        return any(isinstance(s, Unscored) or s.relevance >= RELEVANT for s in hard)

    async def _score(self, texts: Sequence[Text]) -> Sequence[Scores]:
        begun, values = time.monotonic(), list(self.policy.targets)
        try:
            async with asyncio.timeout(min(self.product.settings.scoring_seconds, self.budget.seconds)):
                return await self.product.scoring.score(texts, values)
        except TimeoutError:
            return [dict.fromkeys(values, Unscored("late")) for _ in texts]
        finally:
            self.scoring_seconds += time.monotonic() - begun


def endpoint(wire: Wire) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that speaks this wire."""

    async def generate(request: Request) -> Response:
        return await _admit(request, wire)

    return generate


async def _admit(request: Request, wire: Wire) -> Response:
    """Tenant, policy, bounds and parsing; whatever fails is counted and carries the contract's headers."""
    product = product_of(request)
    tenant = await tenant_of(request)
    policy = product.policies.get(tenant)
    if policy is None:
        product.metrics.record_request(tenant, "other", "error")
        raise ApiError(403, f"No policy is loaded for tenant '{tenant}'.", "permission_error", None, "no_policy")
    trace, evaluator = uuid.uuid4().hex, product.scoring.evaluator.version
    if product.open_requests >= product.settings.concurrent_requests:
        busy = ApiError.busy("Too many requests are being served, try again in a moment.")
        busy.headers |= render.headers("error", 0, policy, evaluator, trace)
        raise busy
    product.open_requests += 1
    product.metrics.opened()
    steps: Generation | None = None
    try:
        asked = wire.request(await body_of(request))
        turns, most = asked.member(wire.turns), product.settings.messages
        if isinstance(turns, list) and len(turns) > most:
            raise ApiError.bad_request(f"'{wire.turns}' holds more than {most} items.", wire.turns, "too_many_messages")
        policy = _limited(policy, wire.most if treated(policy, asked) else "monitor")
        steps = _steps(request, product, policy, wire, asked)
        return await _serve(request, steps, trace)
    except (ClientGone, asyncio.CancelledError):
        await _broken_off(product, policy, steps, trace, "cancelled")
        raise
    except Exception as error:
        await _broken_off(product, policy, steps, trace, "error")
        failure = error if isinstance(error, ApiError) else unexpected(request, error)
        failure.headers |= render.headers("error", steps.begun if steps else 0, policy, evaluator, trace)
        if steps and steps.billed:
            failure.headers["x-should-retry"] = "false"
        raise failure from None
    finally:
        product.open_requests -= 1
        product.metrics.closed()


def _steps(request: Request, product: Product, policy: Policy, wire: Wire, asked: WireRequest) -> Generation:
    route = product.routes.get(asked.model)
    if route is None:
        message = f"The model '{asked.model}' does not exist or you do not have access to it."
        raise ApiError.not_found(message, "model", "model_not_found")
    if wire.path not in route.paths:
        message = f"The model '{asked.model}' does not speak '/v1/{wire.path}'."
        raise ApiError.bad_request(message, "model", "unsupported_endpoint")
    headers = {name: request.headers[name] for name in wire.headers if name in request.headers}
    budget = Budget.of(policy, product.settings.upstream_repeats)
    return Generation(product, route, wire, asked, headers, policy, budget)


async def _serve(request: Request, steps: Generation, trace: str) -> Response:
    begun = time.monotonic()
    product, policy, asked = steps.product, steps.policy, steps.asked
    seal = Seal(product.seal_secret, policy.tenant) if product.owners.get(asked.model) == policy.tenant else None
    asked.isolate(seal)
    evaluator = product.scoring.evaluator.version
    outcome: Outcome[WireReply] = await unless_gone(request, steer(policy, steps, steps.budget))
    report = render.report(outcome, policy, evaluator)
    _record(policy, steps, outcome, time.monotonic() - begun)
    if policy.mode != "off":
        await product.audit.add(_trail(trace, policy, steps, outcome, report))
    _log.info("%s %s %s attempts=%d trace=%s", policy.name, asked.model, outcome.name, len(outcome.attempts), trace)
    reply = outcome.returned.completion.reply
    headers = {**render.headers(outcome.name, len(outcome.attempts), policy, evaluator, trace), **reply.headers}
    if (refusal := _refusal(policy, outcome)) is not None:
        refusal.headers |= headers | {"x-should-retry": "false"}
        return json_response(request, refusal)  # not raised: it is counted already, by its outcome
    wanted = policy.debug and request.headers.get("x-valueflow-debug") == "1"
    billed = summed(steps.usages) if product.settings.usage == "billed" and len(steps.usages) > 1 else None
    shown = Shown(asked.model, report if wanted else None, billed, asked.include_usage, seal)
    if asked.stream:
        headers["cache-control"] = "no-cache"
        return StreamingResponse(_async(reply.replay(shown)), headers=headers, media_type="text/event-stream")
    return Response(reply.body(shown), headers=headers, media_type="application/json")


async def _async(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _limited(policy: Policy, most: Mode) -> Policy:
    """The policy with at most this mode: `monitor` for a rollout's control arm, or what a wire can do."""
    if MODES.index(policy.mode) >= MODES.index(most):
        return policy
    return policy.model_copy(update={"mode": most})


def _refusal(policy: Policy, outcome: Outcome[WireReply]) -> ApiError | None:
    """The error that the policy wants in place of such an outcome."""
    if outcome.name in {"missed", "unreachable", "refused"} and policy.on_miss == "error":
        return ApiError.range_missed("No answer within the budget lay in the policy's value ranges.")
    if outcome.name == "unscored" and policy.on_unscored == "error":
        return ApiError.unscored("The answer could not be measured, and the policy asks for an error then.")
    return None


async def _broken_off(product: Product, policy: Policy, steps: Generation | None, trace: str, outcome: str) -> None:
    """Count a request without an outcome; once an upstream was asked, the audit shows what it cost, too."""
    model = steps.asked.model if steps else "other"
    product.metrics.record_request(policy.tenant, model, outcome)
    if steps is None or not steps.begun:
        return
    product.metrics.record_tokens(policy.tenant, model, steps.billed, 0)
    if policy.mode != "off":
        evaluator = product.scoring.evaluator.version
        record = render.broken_off(outcome, policy, evaluator, steps.begun, steps.billed)
        record |= {"model": model, "endpoint": steps.wire.path}
        await product.audit.add(
            Trail(trace=trace, at=now(), tenant=policy.tenant, outcome=outcome, record=json.dumps(record))
        )


def _record(policy: Policy, steps: Generation, outcome: Outcome[WireReply], seconds: float) -> None:
    metrics, model = steps.product.metrics, steps.asked.model
    metrics.record_request(policy.tenant, model, outcome.name)
    metrics.record_attempts(policy.tenant, len(outcome.attempts))
    metrics.record_intensities(policy.tenant, render.intensities(outcome))
    metrics.record_seconds(
        steps.upstream_seconds, steps.scoring_seconds, seconds - steps.upstream_seconds - steps.scoring_seconds
    )
    metrics.record_tokens(policy.tenant, model, steps.billed, outcome.returned.completion.returned)


def _trail(trace: str, policy: Policy, steps: Generation, outcome: Outcome[WireReply], report: dict[str, Any]) -> Trail:
    record = report | {"model": steps.asked.model, "endpoint": steps.wire.path}
    if policy.record_text != "none":
        texts = {"question": steps.asked.question, "answers": list(outcome.returned.completion.texts)}
        record["texts"] = (
            texts if policy.record_text == "full" else hashlib.sha256(json.dumps(texts).encode()).hexdigest()
        )
    return Trail(
        trace=trace, at=now(), tenant=policy.tenant, outcome=outcome.name, record=json.dumps(record, ensure_ascii=False)
    )
