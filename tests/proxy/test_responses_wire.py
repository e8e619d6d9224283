import contextlib
import json

import pytest

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.responses import ResponsesRequest
from proxy.wires.responses_reply import ResponsesReply
from proxy.wires.seal import Seal
from proxy.wires.wire import Answer, Shown
from tests.proxy.replies import CALL, REASONING, REFUSAL, output_message, output_text, response

STEER = Instruction({}, system="[block]")
AGAIN = Instruction({}, "[block]", "try again")
USER = {"role": "user", "content": "hi"}


def request(input_: object = "hi", **more: object) -> ResponsesRequest:
    return ResponsesRequest(json.dumps({"model": "m", "input": input_} | more).encode())


def sent(asked: ResponsesRequest, instruction: Instruction | None = None) -> dict:
    return json.loads(asked.body("up", instruction))


def developer(content: object) -> dict:
    return {"type": "message", "role": "developer", "content": content}


def test_steering_joins_the_instructions() -> None:
    assert sent(request(instructions="Be brief."), STEER)["instructions"] == "Be brief.\n\n[block]"
    assert sent(request(instructions=None), STEER)["instructions"] == "[block]"
    assert sent(request(), STEER)["instructions"] == "[block]"


def test_without_instructions_it_joins_the_first_system_item() -> None:
    body = sent(request([developer("Be brief."), USER]), STEER)
    assert body["input"] == [developer("Be brief.\n\n[block]"), USER]
    assert "instructions" not in body
    parts = [{"type": "input_text", "text": "Be brief."}]
    body = sent(request([developer(parts), USER]), STEER)
    assert body["input"][0]["content"] == [*parts, {"type": "input_text", "text": "[block]"}]


def test_every_turn_is_steered_anew() -> None:
    seal = Seal(b"s", "acme")
    asked = request(previous_response_id=seal.close("resp_0"))
    asked.isolate(seal)
    body = sent(asked, STEER)
    assert (body["instructions"], body["previous_response_id"]) == ("[block]", "resp_0")


def test_every_other_byte_is_kept() -> None:
    raw = b'{"model":"m", "x":{"deep":[1.50,"\\u00e9"]},"input":"h\\u00ed","store":false,"seed":7}'
    assert ResponsesRequest(raw).body("up") == raw.replace(b'"m"', b'"up"')


def test_feedback_is_a_last_user_item_but_never_after_a_tools_output() -> None:
    asked = request("hi")
    assert sent(asked, AGAIN)["input"] == [USER, {"role": "user", "content": "try again"}]
    assert sent(asked, STEER)["input"] == "hi"
    assert sent(request([USER]), AGAIN)["input"][-1]["content"] == "try again"
    output = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    assert sent(request([USER, output]), AGAIN)["input"] == [USER, output]


def test_the_question_is_the_last_user_text() -> None:
    assert request("hi").question == "hi"
    image = {"type": "input_image", "image_url": "https://x"}
    items = [USER, {"role": "user", "content": [{"type": "input_text", "text": "what?"}, image]}, CALL]
    assert request(items).question == "what?"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "hi"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": 3}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": ["hi"]}, "input[0].role"),
        ({"model": "m", "input": [{"type": {}}]}, "input[0].type"),
        ({"model": "m", "input": [{"role": None}]}, "input[0].type"),
        ({"model": "m", "input": "hi", "stream": 1}, "stream"),
        ({"model": "m", "input": "hi", "instructions": ["x"]}, "instructions"),
    ],
)
def test_bad_requests_name_the_parameter(body: dict, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        ResponsesRequest(json.dumps(body).encode())
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"input": [USER, {"id": "msg_1"}]}, "input[1]"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"file_id": "f"}]}]}, "input[0].content[0].file_id"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0].vector_store_ids"),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "tools[0].container"),
    ],
)  # fmt: skip
def test_state_is_refused_unless_it_is_the_tenants_own(more: dict, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        request(**{"input_": more.pop("input", "hi"), **more}).isolate(None)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, "state_not_available")


def test_a_functions_own_parameters_are_no_state() -> None:
    schema = {"type": "object", "properties": {"file_id": {"type": "string"}}}
    request(tools=[{"type": "function", "name": "f", "parameters": schema}]).isolate(None)


def test_nothing_is_stored_in_a_shared_account() -> None:
    asked = request()
    asked.isolate(None)
    assert sent(asked)["store"] is False
    asked.isolate(Seal(b"s", "acme"))
    assert "store" not in sent(asked)


def reply(*output: object, **more: object) -> ResponsesReply:
    return ResponsesReply(json.dumps(response(*output, **more)).encode())


def test_texts_are_scored_and_reasoning_is_not() -> None:
    two = output_message(output_text("one"), output_text("two"))
    assert reply(REASONING, two).answers == [Answer("one\ntwo")]
    assert reply(CALL).answers == [Answer("", tool_calls=True)]
    assert reply("Let me see.", CALL).answers == [Answer("Let me see.", tool_calls=True)]
    assert reply(output_message(REFUSAL)).answers == [Answer("", refusal=True)]
    assert reply("x").tokens == 15


def test_the_reply_keeps_the_bytes_but_for_what_is_shown() -> None:
    raw = b'{ "model":"up","output":[],"object":"response","id":"resp_1", "temperature":1.00}'
    assert ResponsesReply(raw).body(Shown("m")) == raw.replace(b'"up"', b'"m"')
    seal = Seal(b"s", "acme")
    shown = json.loads(ResponsesReply(raw).body(Shown("m", {"outcome": "x"}, seal=seal)))
    assert (seal.open(shown["id"], "id"), shown["valueflow"]) == ("resp_1", {"outcome": "x"})


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b'{"output":{}}', b'{"output":[1]}', b'{"output":[{}]}',
     b'{"output":[{"type":"message","content":"hi"}]}', b'{"output":[{"type":"message","content":[1]}]}',
     b'{"output":[{"type":"message","content":[{"type":"output_text"}]}]}'],
)  # fmt: skip
def test_what_is_no_response_is_a_502(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        ResponsesReply(raw)
    assert caught.value.status == 502


def events(found: ResponsesReply, shown: Shown | None = None) -> list[dict]:
    made = []
    for raw in found.replay(shown or Shown("m")):
        name, data = raw.decode().removesuffix("\n\n").split("\n")
        made.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {made[-1]['type']}"
    return made


def test_replay_is_a_numbered_stream_that_ends_with_the_whole_response() -> None:
    found = events(reply(REASONING, "one two three four five", CALL), Shown("m", {"outcome": "x"}))
    assert [e["sequence_number"] for e in found] == list(range(len(found)))
    assert [e["type"].removeprefix("response.") for e in found] == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    assert found[0]["response"]["output"] == []
    assert found[0]["response"]["status"] == "in_progress"
    assert "valueflow" not in found[0]["response"]
    assert found[-1]["response"]["valueflow"] == {"outcome": "x"}
    assert found[-1]["response"]["model"] == "m"


def test_an_incomplete_response_ends_so() -> None:
    assert events(reply("x", status="incomplete"))[-1]["type"] == "response.incomplete"


@pytest.mark.parametrize(
    "item", [{"role": ["user"]}, {"role": {}}, {"role": "user", "content": [{"type": ["item_reference"]}]}]
)
def test_members_of_another_type_than_ours_do_not_fail_us(item: dict) -> None:
    body = json.dumps({"model": "m", "input": [item | {"type": "message"}]}).encode()
    with contextlib.suppress(ApiError):
        ResponsesRequest(body).body("up", Instruction({}, "words"))


def test_a_message_without_content_is_no_response() -> None:
    with pytest.raises(ApiError) as caught:
        ResponsesReply(b'{"output": [{"type": "message"}]}')
    assert caught.value.status == 502
