"""One client request for generated text through the loop, on any wire, and back as JSON or as a stream.

Knows the wires' common shape, the loop's steps and the contract's headers; nothing of one API's JSON, nor of how scores
or doses are made.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from policies.plant import Plant
from policies.policy import MODES, Mode, Policy
from proxy import render
from proxy.api.account import Account
from proxy.api.http import ClientGone, body_of, json_response, product_of, tenant_of, unexpected, unless_gone
from proxy.api.live import Live
from proxy.api.steps import Generation
from proxy.api.streams import stream_answer
from proxy.budget import Budget
from proxy.errors import ApiError
from proxy.outcome import Outcome
from proxy.product import Product
from proxy.rollout import treated
from proxy.steering import steer
from proxy.wires.seal import Seal
from proxy.wires.wire import Shown, Wire, WireReply, WireRequest


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
    trace, evaluator = uuid.uuid4().hex, product.scoring.version
    if product.open_requests >= product.settings.concurrent_requests:
        busy = ApiError.busy("Too many requests are being served, try again in a moment.")
        busy.headers |= render.headers("error", 0, policy, evaluator, trace)
        raise busy
    product.enter()
    account: Account | None = None
    response: Response | None = None
    try:
        asked = wire.request(await body_of(request))
        turns, most = asked.member(wire.turns), product.settings.messages
        if isinstance(turns, list) and len(turns) > most:
            raise ApiError.bad_request(f"'{wire.turns}' holds more than {most} items.", wire.turns, "too_many_messages")
        policy = _limited(policy, wire.most if treated(policy, asked, product.salt) else "monitor")
        account = Account(_steps(request, product, policy, wire, asked), trace)
        response = await _serve(request, account)
        return response
    except (ClientGone, asyncio.CancelledError):
        await _break_off(product, tenant, account, "cancelled")
        raise
    except Exception as error:
        await _break_off(product, tenant, account, "error")
        failure = error if isinstance(error, ApiError) else unexpected(request, error)
        failure.headers |= render.headers("error", account.steps.begun if account else 0, policy, evaluator, trace)
        if account and account.steps.billed:
            failure.headers["x-should-retry"] = "false"
        raise failure from None
    finally:
        if not isinstance(response, Live):  # which leaves at its own end
            product.leave()


async def _break_off(product: Product, tenant: str, account: Account | None, name: str) -> None:
    if account is None:
        product.metrics.record_request(tenant, "other", name)
    else:
        await account.break_off(name)


def _steps(request: Request, product: Product, policy: Policy, wire: Wire, asked: WireRequest) -> Generation:
    route = product.routes.get(asked.model)
    if route is None:
        message = f"The model '{asked.model}' does not exist or you do not have access to it."
        raise ApiError.not_found(message, "model", "model_not_found")
    if wire.path not in route.paths:
        message = f"The model '{asked.model}' does not speak '/v1/{wire.path}'."
        raise ApiError.bad_request(message, "model", "unsupported_endpoint")
    seal = Seal(product.seal_secret, policy.tenant) if product.owners.get(asked.model) == policy.tenant else None
    asked.isolate(seal)
    headers = {name: request.headers[name] for name in wire.headers if name in request.headers}
    budget = Budget.of(policy, product.settings.upstream_repeats)
    plant = Plant(product.curves, policy.tenant, asked.model, product.scoring.version)
    return Generation(product, route, wire, asked, headers, policy, budget, plant, seal)


async def _serve(request: Request, account: Account) -> Response:
    steps, policy, asked = account.steps, account.steps.policy, account.steps.asked
    own = asked.member("instructions")
    own = own if isinstance(own, str) else None
    shown = Shown(asked.model, include_usage=asked.include_usage, seal=steps.seal, instructions=own)
    debug = policy.debug and request.headers.get("x-valueflow-debug") == "1"
    if asked.stream:
        return await stream_answer(request, account, shown, debug)
    outcome: Outcome[WireReply] = await unless_gone(request, steer(policy, steps, steps.budget, steps.plant))
    report = await account.close(outcome)
    reply = outcome.returned.completion.reply
    headers = account.headers(outcome.name, len(outcome.attempts)) | dict(reply.headers)
    if (refusal := render.refusal(outcome, policy)) is not None:
        refusal.headers |= headers
        return json_response(request, refusal)  # not raised: it is counted already, by its outcome
    body = reply.body(replace(shown, extra=report if debug else None, usage=steps.billed_usage))
    return Response(body, headers=headers, media_type="application/json")


def _limited(policy: Policy, most: Mode) -> Policy:
    """The policy with at most this mode: `monitor` for a rollout's control arm, or what a wire can do."""
    if MODES.index(policy.mode) >= MODES.index(most):
        return policy
    return policy.model_copy(update={"mode": most})
