"""Every wire with JSON of any kind in the members that it reads: it refuses in the client's words, or works."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.instruct import Instruction
from proxy.app import WIRES
from proxy.errors import ApiError
from proxy.wires.plain import plain
from proxy.wires.wire import Shown, Wire

AGAIN = Instruction({}, "[block]", "try again")
ODD: tuple[Any, ...] = (
    None, True, 3, 0.5, "", "x", [], {}, [3], ["x"], [{}], [None], {"type": "x"}, {"type": []}, {"type": {}},
    [{"type": {}, "text": 3}], [{"type": "text", "text": "x"}], [{"type": "output_text", "text": "x"}],
    [{"type": "summary_text", "text": 3}], {"format": 3}, {"format": {"type": []}}, {"file_id": "f"}, [{"role": {}}],
    [{"id": "x"}], [{"function": 3}], [{"role": "user"}], {"include_usage": True}, {"prompt_tokens": "x"},
)  # fmt: skip
values = st.sampled_from(ODD)


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with those members, and others of any kind."""
    others = {k: values for k in OPTIONAL if k not in members}
    return st.fixed_dictionaries(members, optional=others)


OPTIONAL = (
    "id", "index", "logprobs", "finish_reason", "annotations", "refusal", "citations", "input", "signature", "summary",
    "arguments", "name", "usage", "status", "stop_reason", "tool_calls", "function_call", "thinking",
)  # fmt: skip
ASKED = (
    "messages", "input", "system", "instructions", "tools", "prompt", "stream", "stream_options", "text",
    "response_format", "output_config", "container", "n", "metadata",
)  # fmt: skip
asked = st.fixed_dictionaries({"model": st.just("m")}, optional=dict.fromkeys(ASKED, values))
turns = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": values}), min_size=1)
PARTS = ("output_text", "refusal", "text", "thinking", "tool_use")
ITEMS = ("message", "reasoning", "function_call")
parts = st.lists(some(type=st.sampled_from(PARTS), text=st.just("x")), min_size=1, max_size=2)
items = st.lists(some(type=st.sampled_from(ITEMS), content=parts | values), min_size=1, max_size=2)
choices = st.lists(some(text=st.just("x"), message=some(content=st.just("x") | values)), min_size=1, max_size=2)
answered = some(choices=choices, output=items, content=parts) | some(choices=values, output=values, content=values)
every = pytest.mark.parametrize("wire", [*WIRES, plain("embeddings")], ids=lambda wire: wire.path)


@every
@given(asked, turns, st.booleans())
def test_requests(wire: Wire, body: dict[str, Any], usual: list[Any], whole: bool) -> None:
    if whole:
        body |= {"messages": usual, "input": usual}
    with suppress(ApiError):
        request = wire.request(json.dumps(body).encode())
        assert isinstance(request.question, str)
        assert isinstance(request.first_texts, str)
        with suppress(ApiError):
            request.isolate(None)
        made = json.loads(request.body("up", AGAIN))
        assert made["model"] == "up"
        assert not made.get("stream")


@every
@settings(max_examples=300)
@given(answered)
def test_replies(wire: Wire, body: dict[str, Any]) -> None:
    with suppress(ApiError):
        reply = wire.reply(json.dumps(body).encode(), {})
        assert all(isinstance(answer.text, str) for answer in reply.answers)
        assert reply.tokens >= 0
        reply.body(Shown("m", {"outcome": "x"}, {"total_tokens": 1}))
        for piece in reply.replay(Shown("m", {"outcome": "x"})):
            assert isinstance(piece, bytes)
