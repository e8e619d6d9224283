"""A model as a function from prompt to answer, for judges. Knows routes and the chat wire; nothing of what is asked."""

import json

from anchors.vidb.judge import Complete
from proxy.budget import Budget
from proxy.upstreams.route import Route
from proxy.upstreams.upstream import Call
from proxy.wires.chat import ChatReply


def ask(route: Route, repeats: int) -> Complete:
    """Ask this model at temperature 0; up to `repeats` upstream calls more after failures that may pass.

    The function raises ApiError where the model gives no answer.
    """

    async def complete(prompt: str) -> str:
        body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0}
        reply = await route.complete(
            lambda name: Call(json.dumps({"model": name} | body).encode()), Budget(repeats=repeats)
        )
        return ChatReply(reply.body).answers[0].text

    return complete
