"""What upstreams answer on each wire, as an official server writes it; used to script upstreams."""

import json
from collections.abc import Sequence
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
    """The events of a streamed response with reasoning and one message, a delta for each text."""
    return response_stream(response(REASONING, "".join(texts), **more), texts)


def response_stream(whole: dict[str, Any], deltas: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The events of a streamed response, as OpenAI sends them; `deltas` are the text's, in place of one."""
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    found = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(whole["output"]):
        at = {"item_id": item["id"], "output_index": index}
        empty = {"message": {"content": []}, "function_call": {"arguments": ""}}.get(item["type"], {"summary": []})
        added = item | {"status": "in_progress"} | empty
        found.append({"type": "response.output_item.added", "output_index": index, "item": added})
        if item["type"] == "function_call":
            name, arguments = "response.function_call_arguments", item["arguments"]
            found += [{"type": f"{name}.delta", "delta": piece, **at} for piece in (arguments[:3], arguments[3:])]
            found.append({"type": f"{name}.done", "name": item["name"], "arguments": arguments, **at})
        for place, part in enumerate(item.get("content", [])):
            here = at | {"content_index": place}
            key, name = ("refusal",) * 2 if part["type"] == "refusal" else ("text", "output_text")
            more = {} if key == "refusal" else {"logprobs": []}
            found.append({"type": "response.content_part.added", "part": part | {key: ""}, **here})
            pieces = (deltas or [part[key]]) if key == "text" else [part[key]]
            found += [{"type": f"response.{name}.delta", "delta": piece, **more, **here} for piece in pieces]
            found.append({"type": f"response.{name}.done", key: part[key], **more, **here})
            found.append({"type": "response.content_part.done", "part": part, **here})
        found.append({"type": "response.output_item.done", "output_index": index, "item": item})
    found.append({"type": "response.completed", "response": whole})
    return [{"sequence_number": number, **event} for number, event in enumerate(found)]


def message_events(*texts: str, **more: Any) -> list[dict[str, Any]]:
    """The events of a streamed message with thinking and one text block, a delta for each text."""
    thinking = {"type": "thinking", "thinking": "Of power.", "signature": "s"}
    return message_stream(message(thinking, "".join(texts), **more), texts)


def message_stream(whole: dict[str, Any], deltas: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The events of a streamed message, as Anthropic sends them; `deltas` are the text's, in place of one."""
    usage = whole["usage"] | {"output_tokens": 1}
    begun = whole | {"content": [], "stop_reason": None, "usage": usage}
    found = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        match block["type"]:
            case "thinking":
                empty = {"thinking": "", "signature": ""}
                made = [{"type": f"{key}_delta", key: block[key]} for key in empty]
            case "tool_use":
                empty, written = {"input": {}}, json.dumps(block["input"])
                made = [{"type": "input_json_delta", "partial_json": piece} for piece in (written[:3], written[3:])]
            case _:
                empty = {"text": ""}
                made = [{"type": "text_delta", "text": piece} for piece in deltas or [block["text"]]]
        found.append({"type": "content_block_start", "index": index, "content_block": block | empty})
        found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in made]
        found.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    return [*found, {"type": "message_delta", "delta": ended, "usage": usage}, {"type": "message_stop"}]


def named(*events: dict[str, Any]) -> list[bytes]:
    """Events as bytes, each with its type for a name."""
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
