"""`POST /v1/chat/completions`: one client request through the loop, and back as JSON or replayed as a stream.

Knows the chat wire, the loop's steps and the contract's headers; nothing of how scores or doses are made.
"""

import hashlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from anchors.evaluator import Text
from anchors.score import Unscored
from policies.instruct import Instruction
from policies.plant import Plant
from policies.policy import Policy
from policies.refusal import is_refusal
from policies.verdict import RELEVANT, Scores
from proxy import render, rollout
from proxy.api.http import ClientGone, body_of, json_response, product_of, tenant_of, unexpected, unless_gone
from proxy.errors import ApiError
from proxy.outcome import Completion, Outcome
from proxy.product import Product
from proxy.steering import steer
from proxy.store.database import Trail, now
from proxy.upstreams.upstream import Upstream
from proxy.wires.chat import ChatReply, ChatRequest

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ChatSteps:
    """The loop's steps for one chat request; counts where the time goes and what the upstream billed."""

    product: Product
    upstream: Upstream
    chat: ChatRequest
    policy: Policy
    upstream_seconds: float = 0.0
    scoring_seconds: float = 0.0
    billed: int = 0

    async def complete(self, instruction: Instruction, seconds: float) -> Completion[ChatReply]:
        """One upstream answer to the original request with the instruction added."""
        begun = time.monotonic()
        body = self.chat.body(self.upstream.model, instruction)
        try:
            reply = await self.upstream.complete(body, min(seconds, self.product.settings.upstream_seconds))
        finally:
            self.upstream_seconds += time.monotonic() - begun
        parsed = ChatReply(reply.body, reply.headers)
        answers, tokens = parsed.answers, sum(parsed.usage)
        self.billed += tokens
        return Completion(
            reply=parsed,
            texts=[a.text for a in answers],
            tokens=tokens,
            refused=all(a.refusal or is_refusal(a.text) for a in answers),
            unscorable=any(not a.text.strip() and not a.refusal for a in answers),
            final=any(a.tool_calls for a in answers),
        )

    async def evaluate(self, texts: Sequence[str]) -> Sequence[Scores]:
        """Scores of the answers for all of the gauge's values: reading a text costs more than one value or thirty."""
        values = dict.fromkeys([*self.policy.targets, *self.product.values])
        return await self._score([Text(text, self.chat.question) for text in texts], list(values))

    @property
    def deterministic(self) -> bool:
        """Whether the client asked for the same answer to the same request."""
        return self.chat.member("temperature") == 0 or self.chat.member("seed") is not None

    async def applies(self) -> bool:
        """Whether the client's question speaks to a hard target's value; yes when that cannot be told."""
        if not self.chat.question.strip():
            return True
        scores = (await self._score([Text(self.chat.question)], list(self.policy.hard)))[0]
        hard = [scores[name] for name in self.policy.hard]
        return any(isinstance(s, Unscored) or s.relevance >= RELEVANT for s in hard)

    async def _score(self, texts: Sequence[Text], values: Sequence[str]) -> Sequence[Scores]:
        begun = time.monotonic()
        try:
            return await self.product.scoring.score(texts, values)
        finally:
            self.scoring_seconds += time.monotonic() - begun


async def chat_completions(request: Request) -> Response:
    """The endpoint."""
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
    model = "other"
    try:
        chat = ChatRequest(await body_of(request))
        model = chat.model
        if not rollout.treated(policy, chat):
            policy = control_arm(policy)
        return await _serve(request, product, policy, chat, trace)
    except ClientGone:
        product.metrics.record_request(tenant, model, "cancelled")
        raise
    except Exception as error:
        product.metrics.record_request(tenant, model, "error")
        failure = error if isinstance(error, ApiError) else unexpected(request, error)
        failure.headers |= render.headers("error", 0, policy, evaluator, trace)
        raise failure from None
    finally:
        product.open_requests -= 1
        product.metrics.closed()


async def _serve(request: Request, product: Product, policy: Policy, chat: ChatRequest, trace: str) -> Response:
    begun = time.monotonic()
    upstream = product.upstreams.get(chat.model)
    if upstream is None:
        message = f"The model '{chat.model}' does not exist or you do not have access to it."
        raise ApiError.not_found(message, "model", "model_not_found")
    steps = ChatSteps(product, upstream, chat, policy)
    evaluator = product.scoring.evaluator.version
    outcome = await unless_gone(
        request, steer(policy, steps, Plant(product.curves, policy.tenant, chat.model, evaluator))
    )
    report = render.report(outcome, policy, evaluator, product.settings.floor)
    _record(product, policy, chat, outcome, steps, time.monotonic() - begun)
    if product.second is not None:
        product.second.consider(outcome, policy, chat.question)
    if policy.mode != "off":
        await product.audit.add(_trail(trace, policy, chat, outcome, report))
    _log.info("%s %s %s attempts=%d trace=%s", policy.name, chat.model, outcome.name, len(outcome.attempts), trace)
    reply = outcome.returned.completion.reply
    headers = {**render.headers(outcome.name, len(outcome.attempts), policy, evaluator, trace), **reply.headers}
    if (refusal := _refusal(policy, outcome)) is not None:
        refusal.headers |= headers | {"x-should-retry": "false"}
        return json_response(refusal)  # not raised: it is counted already, by its outcome
    wanted = policy.debug and request.headers.get("x-valueflow-debug") == "1"
    extra = report if wanted else None
    if chat.stream:
        chunks = reply.replay(chat.model, chat.include_usage, extra)
        headers["cache-control"] = "no-cache"
        return StreamingResponse(_async(chunks), headers=headers, media_type="text/event-stream")
    return Response(reply.body(chat.model, extra), headers=headers, media_type="application/json")


async def _async(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def control_arm(policy: Policy) -> Policy:
    """The policy of the control arm: measured, not steered."""
    return policy.model_copy(update={"mode": "monitor"}) if policy.mode in {"enforce", "steer"} else policy


def _refusal(policy: Policy, outcome: Outcome[ChatReply]) -> ApiError | None:
    """The error that the policy wants in place of such an outcome."""
    if outcome.name in {"missed", "unreachable", "refused"} and policy.on_miss == "error":
        return ApiError.range_missed("No answer within the budget lay in the policy's value ranges.")
    if outcome.name == "unscored" and policy.on_unscored == "error":
        return ApiError.unscored("The answer could not be measured, and the policy asks for an error then.")
    return None


def _record(
    product: Product, policy: Policy, chat: ChatRequest, outcome: Outcome[ChatReply], steps: ChatSteps, seconds: float
) -> None:
    metrics = product.metrics
    metrics.record_request(policy.tenant, chat.model, outcome.name)
    metrics.record_attempts(policy.tenant, len(outcome.attempts))
    metrics.record_intensities(policy.tenant, render.intensities(outcome, policy))
    metrics.record_below_floor(policy.tenant, render.below(outcome, product.settings.floor))
    metrics.record_seconds(
        steps.upstream_seconds, steps.scoring_seconds, seconds - steps.upstream_seconds - steps.scoring_seconds
    )
    metrics.record_tokens(policy.tenant, chat.model, steps.billed, outcome.returned.completion.tokens)


def _trail(trace: str, policy: Policy, chat: ChatRequest, outcome: Outcome[ChatReply], report: dict[str, Any]) -> Trail:
    arm = {"conversation": rollout.key(policy, chat), "treated": rollout.treated(policy, chat)}
    record = report | {"model": chat.model} | arm
    if policy.record_text != "none":
        texts = {"question": chat.question, "answers": list(outcome.returned.completion.texts)}
        record["texts"] = (
            texts if policy.record_text == "full" else hashlib.sha256(json.dumps(texts).encode()).hexdigest()
        )
    return Trail(
        trace=trace, at=now(), tenant=policy.tenant, outcome=outcome.name, record=json.dumps(record, ensure_ascii=False)
    )
