"""What upstreams answer on each wire, as an official server writes it; used to script upstreams."""

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
