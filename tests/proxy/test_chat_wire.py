import json

import pytest

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.chat import ChatReply, ChatRequest, merged
from proxy.wires.parts import leaves, summed, without_thinking
from proxy.wires.seal import Seal
from proxy.wires.wire import Shown

STEER = Instruction({}, system="[block]")


def request(messages: object, **more: object) -> ChatRequest:
    return ChatRequest(json.dumps({"model": "m", "messages": messages} | more).encode())


def sent(chat: ChatRequest, instruction: Instruction | None = None) -> dict:
    return json.loads(chat.body("up", instruction))


USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER], [{"role": "system", "content": "[block]"}, USER]),
        (
            [{"role": "system", "content": "Be brief."}, USER],
            [{"role": "system", "content": "Be brief.\n\n[block]"}, USER],
        ),
        (
            [{"role": "developer", "content": "Be brief."}, USER],
            [{"role": "developer", "content": "Be brief.\n\n[block]"}, USER],
        ),
        (
            [{"role": "system", "content": [{"type": "text", "text": "a"}]}, USER],
            [{"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "[block]"}]}, USER],
        ),
        ([USER, {"role": "system", "content": "late"}], [USER, {"role": "system", "content": "late\n\n[block]"}]),
        ([{"role": "system", "content": ""}, USER], [{"role": "system", "content": "[block]"}, USER]),
    ],
    ids=["none", "system", "developer", "parts", "not first", "empty"],
)  # fmt: skip
def test_steering_joins_the_first_system_text(messages: list, expected: list) -> None:
    assert sent(request(messages), STEER)["messages"] == expected


def test_every_other_byte_is_kept() -> None:
    raw = b'{"model":"m", "x_new":{"deep":[1.50,"\\u00e9"]},"messages":[{"role":"user","content":"h\\u00ed"}],"seed":7}'
    body = ChatRequest(raw).body("up", STEER)
    assert body == raw.replace(b'"m"', b'"up"').replace(
        b'[{"role":"user"', b'[{"role":"system","content":"[block]"},{"role":"user"'
    )


def test_feedback_is_a_last_user_turn_and_attempts_start_from_the_original() -> None:
    chat = request([USER])
    first = sent(chat, Instruction({}, "[block]", "try again"))
    assert first["messages"][-1] == {"role": "user", "content": "try again"}
    assert sent(chat, STEER)["messages"] == [{"role": "system", "content": "[block]"}, USER]


def test_no_feedback_after_tool_calls() -> None:
    chat = request([USER, {"role": "tool", "tool_call_id": "1", "content": "42"}])
    assert sent(chat, Instruction({}, "", "try again"))["messages"][-1]["role"] == "tool"


def test_the_upstream_is_not_asked_to_stream() -> None:
    body = sent(request([USER], stream=True, stream_options={"include_usage": True}))
    assert body["stream"] is False
    assert "stream_options" not in body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [USER]}, "model"),
        ({"model": 3, "messages": [USER]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": "hi"}, "messages"),
        ({"model": "m", "messages": ["hi"]}, "messages[0].role"),
        ({"model": "m", "messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"model": "m", "messages": [USER], "stream": "yes"}, "stream"),
        ({"model": "m", "messages": [USER], "n": True}, "n"),
    ],
)
def test_bad_requests_name_the_parameter(body: dict, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        ChatRequest(json.dumps(body).encode())
    assert (caught.value.status, caught.value.param) == (400, param)


def reply(message: dict, **more: object) -> ChatReply:
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": "stop"} | more
    return ChatReply(
        json.dumps(
            {"id": "c1", "object": "chat.completion", "created": 1, "model": "up", "choices": [choice],
             "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
        ).encode()
    )  # fmt: skip


def chunks(found: ChatReply, **options: bool) -> list[dict]:
    extra = {"outcome": "x"} if options.get("debug") else None
    events = list(found.replay(Shown("m", extra, include_usage=options.get("usage", False))))
    assert events[-1] == b"data: [DONE]\n\n"
    return [json.loads(e.removeprefix(b"data: ")) for e in events[:-1]]


def test_replay_is_a_well_formed_stream() -> None:
    text = "one two  three four five six\nseven "
    found = chunks(reply({"content": text}))
    assert {c["id"] for c in found} == {"c1"}
    assert {c["model"] for c in found} == {"m"}
    deltas = [c["choices"][0]["delta"] for c in found]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(d.get("content", "") for d in deltas) == text
    assert [c["choices"][0]["finish_reason"] for c in found] == [None] * (len(found) - 1) + ["stop"]
    assert deltas[-1] == {}
    assert not any("usage" in c for c in found)


def test_replay_gives_usage_and_the_report_only_when_asked() -> None:
    found = chunks(reply({"content": "hi"}), usage=True, debug=True)
    assert found[-1]["choices"] == found[-2]["choices"] == []
    assert found[-1]["usage"]["total_tokens"] == 5
    assert found[-2]["valueflow"] == {"outcome": "x"}
    assert all(c["usage"] is None for c in found[:-1])


def test_replay_streams_the_text_of_parts() -> None:
    found = chunks(reply({"content": [{"type": "text", "text": "one"}, {"type": "image"}]}))
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in found) == "one"


def test_replay_numbers_tool_calls() -> None:
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in "ab"]
    found = chunks(reply({"content": None, "tool_calls": calls}, finish_reason="tool_calls"))
    sent_calls = [c["choices"][0]["delta"]["tool_calls"][0] for c in found if "tool_calls" in c["choices"][0]["delta"]]
    assert [(c["index"], c["id"]) for c in sent_calls] == [(0, "a"), (1, "b")]
    assert found[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_reply_keeps_the_bytes_but_for_the_model() -> None:
    raw = b'{"model": "up", "choices": [{"message": {"content": "hi", "x": 1.0}}]}'
    assert ChatReply(raw).body(Shown("m")) == raw.replace(b'"model": "up"', b'"model": "m"')
    assert ChatReply(raw).body(Shown("up")) is raw


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"\\uDFFF","messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"m","messages":[{"role":"system","content":"a","content":"b"}]}',
    ],
    ids=["surrogate", "surrogate in a name", "key twice"],
)
def test_ambiguous_json_is_a_400(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        ChatRequest(body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")
    assert json.loads(caught.value.body())


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"[]", b'{"choices":[]}', b'{"choices":null}', b'{"choices":[1]}', b'{"choices":[{}]}',
        b'{"choices":[{"message":"hi"}]}', b'{"choices":[{"message":{"content":1}}]}',
        b'{"choices":[{"message":{"tool_calls":{}}}]}', b'{"choices":[{"message":{"tool_calls":["f"]}}]}',
        b'{"choices":[{"message":{"content":"\\ud800"}}]}', b'{"choices":[{"message":{}}],"x":NaN}',
        b'{"choices":[{"message":{"content":"a","content":"b"}}]}',
    ],
)  # fmt: skip
def test_what_is_no_completion_is_a_502(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        ChatReply(raw)
    assert caught.value.status == 502


def test_fewer_choices_are_asked_for_where_fewer_are_missing() -> None:
    chat = request([USER], n=3)
    assert json.loads(chat.body("up", STEER, 2))["n"] == 2
    assert sent(chat)["n"] == 3


def test_merged_choices_keep_their_places_and_add_up_the_usage() -> None:
    def choices(*texts: str) -> ChatReply:
        listed = [{"index": i, "message": {"content": t}} for i, t in enumerate(texts)]
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 1}}
        return ChatReply(json.dumps({"model": "up", "choices": listed, "usage": usage}).encode())

    found = merged(choices("a", "b", "c"), [0, 2], choices("x", "z"))
    assert [a.text for a in found.answers] == ["x", "b", "z"]
    assert [c["index"] for c in found.json["choices"]] == [0, 1, 2]
    assert found.tokens == 10
    assert found.usage["completion_tokens_details"] == {"reasoning_tokens": 2}
    assert [a.text for a in merged(choices("a", "b"), [0, 1], choices("x")).answers] == ["x", "b"]


def test_summed_usage_keeps_what_is_no_number() -> None:
    assert summed([{"a": 1, "t": "x", "d": None}, {"a": 2, "t": "y", "d": {"b": 1}}]) == {
        "a": 3,
        "t": "y",
        "d": {"b": 1},
    }


@pytest.mark.parametrize(
    ("text", "scored"),
    [
        ('{"a": "one", "b": [{"c": "two"}, 3, null, "three"]}', "one\ntwo\nthree"),
        ('"one"', "one"),
        ("7", ""),
        ("no JSON", "no JSON"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_leaves_are_the_strings_of_a_json_text(text: str, scored: str) -> None:
    assert leaves(text) == scored


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>Hm.</think>\n\nYes.", "Yes."),
        (" <thinking>a <think> b</thinking>Yes.", "Yes."),
        ("<think>cut off", ""),
        ("I think <think> is a tag.", "I think <think> is a tag."),
    ],
)
def test_reasoning_is_no_answer(text: str, answer: str) -> None:
    assert without_thinking(text) == answer


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"store": True}, "store"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
         "messages[0].content[0].file.file_id"),
        ({"messages": [USER, {"role": "assistant", "audio": {"id": "audio_1"}}]}, "messages[1].audio"),
    ],
)  # fmt: skip
def test_state_is_refused(more: dict, param: str) -> None:
    chat = request(**{"messages": [USER]} | more)
    with pytest.raises(ApiError) as caught:
        chat.isolate(None)
    assert (caught.value.param, caught.value.code) == (param, "state_not_available")


def test_the_owner_stores_and_names_sealed_files() -> None:
    seal = Seal(b"s", "acme")
    part = {"type": "file", "file": {"file_id": seal.close("file_1")}}
    chat = request(messages=[{"role": "user", "content": [part]}], store=True)
    chat.isolate(seal)
    [sent] = json.loads(chat.body("up"))["messages"][0]["content"]
    assert sent["file"]["file_id"] == "file_1"
    with pytest.raises(ApiError) as caught:
        request(messages=[{"role": "user", "content": [{"file_id": "file_1"}]}]).isolate(seal)
    assert (caught.value.status, caught.value.param) == (404, "messages[0].content[0].file_id")
