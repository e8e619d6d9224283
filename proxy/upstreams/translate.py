"""Responses and Messages for upstreams that speak chat completions alone, by litellm's own translators.

Knows which upstream speaks what; how the shapes differ is litellm's business, but for what it loses: refusals,
reasoning (dropped, a client must not see what it would not have had) and what a response echoes of its request. What
chat has no word for is refused rather than dropped: state, and tools that the provider runs itself.
"""

import asyncio
import importlib
import json
from collections.abc import Callable
from typing import Any

from proxy.errors import ApiError
from proxy.upstreams.upstream import CHAT_PATH, Call, Reply, Stream, Upstream

Json = dict[str, Any]
Translated = tuple[Json, Callable[[Json], Json]]
"""A request for chat completions, and what turns the answer back."""

_ECHOED: Json = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0,
    "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled",
}  # fmt: skip
_STATE = ("previous_response_id", "conversation", "prompt", "background", "container", "mcp_servers")


class Translating:
    """An upstream that answers on more paths than it speaks."""

    def __init__(self, upstream: Upstream) -> None:
        self.model = upstream.model
        self.streams = upstream.streams
        self.paths = upstream.paths | (frozenset(_TRANSLATORS) if CHAT_PATH in upstream.paths else frozenset())
        self._upstream = upstream

    async def complete(self, call: Call, seconds: float) -> Reply:
        """One answer. Raises ApiError as the upstream does, and 400 for what cannot be translated."""
        if call.path in self._upstream.paths:
            return await self._upstream.complete(call, seconds)
        translator = _TRANSLATORS[call.path]
        request: Json = json.loads(call.body)
        _check(request)
        await asyncio.to_thread(_import_litellm)
        try:
            chat, back = translator(request)
        except Exception as error:  # the translators trust their input
            message = f"This request cannot be translated for a model that speaks chat only ({type(error).__name__})."
            raise ApiError.bad_request(message) from error
        reply = await self._upstream.complete(Call(json.dumps(chat).encode()), seconds)
        try:
            return Reply(json.dumps(back(json.loads(reply.body))).encode(), reply.headers)
        except Exception as error:
            raise ApiError.upstream("The upstream's answer is no chat completion.") from error

    async def open(self, call: Call, seconds: float) -> Stream:
        """A stream of what the upstream speaks itself."""
        return await self._upstream.open(call, seconds)

    async def close(self) -> None:
        """Close the upstream."""
        await self._upstream.close()


def _import_litellm() -> None:
    """In a thread, since it takes seconds."""
    importlib.import_module("proxy.upstreams.litellm").import_litellm()


def _check(request: Json) -> None:
    """Raises ApiError 400 on what chat completions have no word for."""
    for key in _STATE:
        if request.get(key):
            raise ApiError.stateful(key)
    tools = request.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else []):
        if isinstance(tool, dict) and tool.get("type", "custom") not in ("function", "custom"):
            message = f"A tool of type '{tool['type']}' is not available with this model, functions are."
            raise ApiError.bad_request(message, f"tools[{index}].type", "tool_not_available")


def _from_messages(request: Json) -> Translated:
    from litellm.llms.anthropic.experimental_pass_through.adapters.transformation import LiteLLMAnthropicMessagesAdapter
    from litellm.types.utils import ModelResponse

    make: Any = LiteLLMAnthropicMessagesAdapter
    adapter = make()
    chat, names = adapter.translate_anthropic_to_openai(request)

    def back(answer: Json) -> Json:
        message = dict(adapter.translate_openai_response_to_anthropic(ModelResponse(**answer), names))
        content = [dict(block) for block in message["content"]]
        message["content"] = [block for block in content if block["type"] not in {"thinking", "redacted_thinking"}]
        if refusal := answer["choices"][0]["message"].get("refusal"):
            message |= {"content": [{"type": "text", "text": refusal}], "stop_reason": "refusal"}
        return message | {"id": f"msg_{message['id']}"}

    return {key: value for key, value in dict(chat).items() if key != "stream"}, back


def _from_responses(request: Json) -> Translated:
    from litellm.responses.litellm_completion_transformation.transformation import LiteLLMCompletionResponsesConfig

    config: Any = LiteLLMCompletionResponsesConfig
    chat = config.transform_responses_api_request_to_chat_completion_request(
        model=request["model"], input=request["input"], responses_api_request=request
    )

    def back(answer: Json) -> Json:
        found = config.transform_chat_completion_response_to_responses_api_response(
            request_input=request["input"], responses_api_request=request, chat_completion_response=answer
        )
        response: Json = found.model_dump(mode="json")
        refusal = answer["choices"][0]["message"].get("refusal")
        output = response["output"]
        for item in output:
            if item["type"] == "message":
                item["content"] = [part for part in item["content"] if part["text"] is not None]
                item["content"] += [{"type": "refusal", "refusal": refusal}] if refusal else []
        response["output"] = [i for i in output if i["type"] != "reasoning" and i.get("content") != []]
        echoed = {key: default if request.get(key) is None else request[key] for key, default in _ECHOED.items()}
        cut = {"reason": "max_output_tokens"} if response["status"] == "incomplete" else None
        return response | echoed | {"id": f"resp_{response['id']}", "incomplete_details": cut, "store": False}

    return chat, back


_TRANSLATORS: dict[str, Callable[[Json], Translated]] = {"messages": _from_messages, "responses": _from_responses}
