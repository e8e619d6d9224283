import json

import pytest

from proxy.errors import ApiError
from proxy.wires.chat import ChatRequest
from proxy.wires.chat_stream import ChatStream
from proxy.wires.sse import Event
from proxy.wires.wire import Shown
from tests.proxy.servers import chunks

MESSAGES = [{"role": "user", "content": "hi"}]
SERVED = Shown("served-model")


def event(data: dict | bytes) -> Event:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Event(b"data: " + raw + b"\n\n", raw)


def passed(lens: ChatStream, *data: dict | bytes, shown: Shown = SERVED) -> list[bytes]:
    return [lens.read(event(item), shown) for item in data]


def test_bytes_pass_and_the_text_is_gathered() -> None:
    lens, sent = ChatStream(), [*chunks("A ", "calm answer.", usage=True), b"[DONE]"]
    assert passed(lens, *sent) == [*(event(item).raw for item in sent[:-1]), b""]
    assert lens.end(SERVED) == b"data: [DONE]\n\n"
    assert (lens.answers[0].text, lens.tokens, lens.complete) == ("A calm answer.", 15, True)


@pytest.mark.parametrize("more", [b"", b',"y":{"model":"other"}', b',"y":"\\"model\\":\\"a\\""'])
def test_only_the_models_name_changes(more: bytes) -> None:
    raw = b'{"id": "1",  "model" : "served-model","choices":[],"x":1.50%s}' % more
    assert passed(ChatStream(), raw, shown=Shown("m"))[0] == b"data: " + raw.replace(b"served-model", b"m") + b"\n\n"


def test_usage_that_was_not_asked_for_is_counted_and_hidden() -> None:
    lens = ChatStream()
    chunk = chunks("A")[1] | {"usage": None}
    first, last = passed(lens, chunk, chunks(usage=True)[-1], shown=Shown("served-model", include_usage=False))
    assert b"usage" not in first
    assert (last, lens.tokens) == (b"", 15)


def test_choices_tools_and_refusals() -> None:
    lens = ChatStream()
    deltas = [(1, {"content": "b"}), (0, {"content": "a"}), (0, {"tool_calls": [{"index": 0}]}), (1, {"refusal": "no"})]
    for index, delta in deltas:
        passed(lens, {"choices": [{"index": index, "delta": delta}]})
    assert [(a.text, a.tool_calls, a.refusal) for a in lens.answers] == [("a", True, True), ("b", True, True)]
    assert not lens.complete
    passed(lens, {"choices": [{"index": i, "delta": {}, "finish_reason": "stop"} for i in (0, 1)]})
    assert lens.complete


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"{}", {"error": {"message": "secret"}}, {"choices": [1]}, {"choices": [{"delta": None}]}]
)
def test_what_is_no_chunk_is_a_502_without_its_text(data: dict | bytes) -> None:
    with pytest.raises(ApiError) as caught:
        passed(ChatStream(), data)
    assert caught.value.status == 502
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(("halves", "text"), [(("\\ud83d", "\\ude00"), "\U0001f600"), (("\\ud83d", "x"), "\ufffdx")])
def test_halves_of_a_surrogate_pair_are_one_character_or_replaced(halves: tuple[str, str], text: str) -> None:
    lens = ChatStream()
    for half in halves:
        passed(lens, b'{"model":"%s","choices":[{"delta":{"content":"%s"}}]}' % (b"served-model", half.encode()))
    assert lens.answers[0].text == text


def test_half_a_surrogate_pair_in_the_models_name_is_a_502() -> None:
    with pytest.raises(ApiError):
        passed(ChatStream(), b'{"model":"\\ud800","choices":[]}', shown=Shown("m"))


def test_the_report_is_a_chunk_without_choices() -> None:
    lens = ChatStream()
    passed(lens, chunks("A")[1], b"[DONE]")
    report, done, _ = lens.end(Shown("m", extra={"outcome": "in_range"})).split(b"\n\n")
    chunk = json.loads(report.removeprefix(b"data: "))
    assert done == b"data: [DONE]"
    assert (chunk["id"], chunk["model"], chunk["choices"]) == ("chatcmpl-1", "m", [])
    assert chunk["valueflow"] == {"outcome": "in_range"}


@pytest.mark.parametrize(
    ("more", "possible"),
    [({}, True), ({"n": 1}, True), ({"n": 2}, False), ({"tools": [{}]}, False), ({"logprobs": True}, False),
     ({"response_format": {"type": "json_object"}}, False), ({"tools": []}, True)],
)  # fmt: skip
def test_what_forbids_a_window(more: dict, possible: bool) -> None:
    assert ChatRequest(json.dumps({"model": "m", "messages": MESSAGES} | more).encode()).windowable is possible
