"""How an answer is streamed: after its verdict, after that of its beginning, or straight through and measured later.

Knows the policy's stream modes, the loop and the wires' streams; nothing of one API's events.

`buffer`   nothing leaves before the verdict; after a while the stream opens with comments that keep it alive
`window`   the first words are held and measured, and asked for again, until they pass; then the text streams live
`monitor`  every event goes straight through, and the whole is measured when the client has it
"""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from policies.plan import plan
from proxy.api.account import Account
from proxy.api.delivery import Delivery
from proxy.api.http import json_response, unless_gone
from proxy.api.opened import Open
from proxy.api.steps import Generation
from proxy.api.window import Windowed
from proxy.budget import Budget
from proxy.steering import steer
from proxy.wires.wire import Shown


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
    return "buffer" if mode == "window" and not steps.asked.windowable else mode


async def _patiently(task: asyncio.Future[Any], seconds: float) -> None:
    await asyncio.wait({task}, timeout=seconds)
