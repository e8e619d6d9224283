import json

import pytest

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.messages import MessagesRequest
from proxy.wires.messages_reply import MessagesReply, error_body
from proxy.wires.wire import Answer, Shown
from tests.proxy.replies import message, tool_use

STEER = Instruction({}, system="[block]")
AGAIN = Instruction({}, "[block]", "try again")
USER = {"role": "user", "content": "hi"}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}]}


def request(messages: object = (USER,), **more: object) -> MessagesRequest:
    return MessagesRequest(json.dumps({"model": "m", "max_tokens": 9, "messages": messages} | more).encode())


def sent(asked: MessagesRequest, instruction: Instruction | None = None) -> dict:
    return json.loads(asked.body("up", instruction))


def test_steering_joins_the_system_text() -> None:
    assert sent(request(), STEER)["system"] == "[block]"
    assert sent(request(system=""), STEER)["system"] == "[block]"
    assert sent(request(system="Be brief."), STEER)["system"] == "Be brief.\n\n[block]"
    cached = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    assert sent(request(system=[cached]), STEER)["system"] == [cached, {"type": "text", "text": "[block]"}]


def test_every_other_byte_is_kept() -> None:
    raw = b'{"model":"m", "x":{"deep":[1.50,"\\u00e9"]},"messages":[{"role":"user","content":"h\\u00ed"}]}'
    assert MessagesRequest(raw).body("up") == raw.replace(b'"m"', b'"up"')


def test_feedback_is_a_last_user_turn_but_never_after_a_tools_result() -> None:
    asked = request()
    assert sent(asked, AGAIN)["messages"] == [USER, {"role": "user", "content": "try again"}]
    assert sent(asked, STEER)["messages"] == [USER]
    assert sent(request([USER, RESULT]), AGAIN)["messages"] == [USER, RESULT]
    prefill = {"role": "assistant", "content": "{"}
    assert sent(request([USER, prefill]), AGAIN)["messages"] == [USER, prefill]


def test_the_question_is_the_last_user_text_before_tool_results() -> None:
    assert request([USER, RESULT]).question == "hi"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [USER]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"model": "m", "messages": [USER], "stream": "yes"}, "stream"),
        ({"model": "m", "messages": [USER], "system": 3}, "system"),
    ],
)
def test_bad_requests_name_the_parameter(body: dict, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        MessagesRequest(json.dumps(body).encode())
    assert (caught.value.status, caught.value.param) == (400, param)


def test_state_is_refused_and_a_tools_own_input_is_none() -> None:
    file = {"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]}
    for asked, param in (
        (request([file]), "messages[0].content[0].source.file_id"),
        (request(container="c_1"), "container"),
    ):
        with pytest.raises(ApiError) as caught:
            asked.isolate(None)
        assert (caught.value.param, caught.value.code) == (param, "state_not_available")
    request([{"role": "assistant", "content": [tool_use(file_id="mine")]}, RESULT]).isolate(None)


def reply(*content: object, **more: object) -> MessagesReply:
    return MessagesReply(json.dumps(message(*content, **more)).encode())


def test_texts_are_scored_and_thinking_is_not() -> None:
    thinking = {"type": "thinking", "thinking": "Power!", "signature": "s"}
    assert reply(thinking, "one ", "two").answers == [Answer("one two")]
    assert reply(tool_use(a=1)).answers == [Answer("", tool_calls=True)]
    assert reply("I can't.", stop_reason="refusal").answers == [Answer("I can't.", refusal=True)]
    assert reply("x").tokens == 15


def test_the_reply_keeps_the_bytes_but_for_what_is_shown() -> None:
    raw = b'{ "model":"up","content":[], "x":1.00}'
    assert MessagesReply(raw).body(Shown("m")) == raw.replace(b'"up"', b'"m"')
    assert json.loads(MessagesReply(raw).body(Shown("m", {"outcome": "x"})))["valueflow"] == {"outcome": "x"}


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"content":"hi"}', b'{"content":[1]}', b'{"content":[{"type":"text"}]}']
)
def test_what_is_no_message_is_a_502(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        MessagesReply(raw)
    assert caught.value.status == 502


def events(found: MessagesReply, shown: Shown | None = None) -> list[dict]:
    made = []
    for raw in found.replay(shown or Shown("m")):
        name, data = raw.decode().removesuffix("\n\n").split("\n")
        made.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {made[-1]['type']}"
    return made


def test_replay_opens_fills_and_closes_each_block() -> None:
    raw = json.dumps(message("one two three four five", tool_use(a=1))).replace('{"a": 1}', '{"a":  1.50}').encode()
    found = events(MessagesReply(raw), Shown("m", {"outcome": "x"}))
    assert [e["type"] for e in found] == [
        "message_start",
        "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
        "content_block_start", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert found[0]["message"]["content"] == []
    assert found[0]["message"]["model"] == "m"
    assert found[6]["delta"] == {"type": "input_json_delta", "partial_json": '{"a":  1.50}'}
    assert found[-2]["delta"]["stop_reason"] == "end_turn"
    assert found[-2]["usage"]["output_tokens"] == 5
    assert found[-2]["valueflow"] == {"outcome": "x"}


def test_errors_have_anthropics_shape() -> None:
    body = json.loads(error_body(ApiError.bad_request("Must be a list.", param="messages")))
    assert body == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "messages: Must be a list."},
    }
    assert json.loads(error_body(ApiError.busy("x")))["error"]["type"] == "rate_limit_error"
    assert json.loads(error_body(ApiError.upstream("x")))["error"]["type"] == "api_error"
