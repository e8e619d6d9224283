"""What upstreams answer on each wire, as an official server writes it; used to script upstreams."""

import json
from typing import Any

CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}',
        "status": "completed"}  # fmt: skip
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Think of power."}]}
REFUSAL = {"type": "refusal", "refusal": "No."}


def output_message(*parts: dict[str, Any]) -> dict[str, Any]:
    """A message item of a response."""
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": list(parts)}


def output_text(text: str) -> dict[str, Any]:
    """A text part of a response's message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def response(*output: dict[str, Any] | str, **more: Any) -> dict[str, Any]:
    """A completed response; a string is a message of one text."""
    items = [output_message(output_text(item)) if isinstance(item, str) else item for item in output]
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "error": None,
        "incomplete_details": None, "instructions": None, "model": "served-model", "output": items,
        "parallel_tool_calls": True, "previous_response_id": None, "temperature": 1.0, "tool_choice": "auto",
        "tools": [], "top_p": 1.0, "text": {"format": {"type": "text"}}, "metadata": {},
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15} | details,
    } | more  # fmt: skip


def message(*content: dict[str, Any] | str, **more: Any) -> dict[str, Any]:
    """A finished message of Anthropic's; a string is a text block."""
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "served-model", "content": blocks,
        "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 5},
    } | more  # fmt: skip


def tool_use(**input_: Any) -> dict[str, Any]:
    """A tool call block of a message."""
    return {"type": "tool_use", "id": "toolu_1", "name": "f", "input": input_}


def text_completion(*texts: str) -> dict[str, Any]:
    """A legacy completion with a choice for each text."""
    choices = [{"text": t, "index": i, "logprobs": None, "finish_reason": "stop"} for i, t in enumerate(texts)]
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "served-model", "choices": choices,
        "usage": usage,
    }  # fmt: skip


def embedding(*numbers: float) -> dict[str, Any]:
    """One embedding."""
    data = [{"object": "embedding", "index": 0, "embedding": list(numbers)}]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return {"object": "list", "data": data, "model": "served-model", "usage": usage}


def response_events(*texts: str, **more: Any) -> list[dict[str, Any]]:
    """The events of a streamed response with reasoning and one message, as OpenAI sends them."""
    whole = response(REASONING, "".join(texts), **more)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    item, part = whole["output"][1], whole["output"][1]["content"][0]
    at = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    found: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": REASONING | {"summary": []}},
        {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
        {"type": "response.output_item.added", "output_index": 1,
         "item": item | {"status": "in_progress", "content": []}},
        {"type": "response.content_part.added", "part": part | {"text": ""}, **at},
        *({"type": "response.output_text.delta", "delta": text, "logprobs": [], **at} for text in texts),
        {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **at},
        {"type": "response.content_part.done", "part": part, **at},
        {"type": "response.output_item.done", "output_index": 1, "item": item},
        {"type": "response.completed", "response": whole},
    ]  # fmt: skip
    return [{"sequence_number": number, **event} for number, event in enumerate(found)]


def message_events(*texts: str, **more: Any) -> list[dict[str, Any]]:
    """The events of a streamed message with thinking and one text block, as Anthropic sends them."""
    usage = {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1}
    begun = message(stop_reason=None, usage=usage, **more)
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    return [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": thinking},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Of power."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": t}} for t in texts),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]  # fmt: skip


def named(*events: dict[str, Any]) -> list[bytes]:
    """Events as bytes, each with its type for a name."""
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
