import json
from typing import Any

import pytest

from proxy.errors import ApiError
from proxy.wires.responses import ResponsesRequest
from proxy.wires.responses_stream import ResponsesStream
from proxy.wires.seal import Seal
from proxy.wires.sse import Event
from proxy.wires.wire import Answer, Shown
from tests.proxy.replies import CALL, REFUSAL, response, response_events

SERVED = Shown("served-model")


def event(data: dict[str, Any] | bytes) -> Event:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Event(b"event: x\ndata: " + raw + b"\n\n", raw)


def passed(lens: ResponsesStream, *data: dict[str, Any] | bytes, shown: Shown = SERVED) -> list[bytes]:
    return [lens.read(event(item), shown) for item in data]


def test_bytes_pass_up_to_the_end_which_waits() -> None:
    lens, sent = ResponsesStream(), response_events("A ", "calm answer.")
    assert passed(lens, *sent) == [*(event(item).raw for item in sent[:-1]), b""]
    assert lens.end(SERVED) == event(sent[-1]).raw
    assert (lens.answers, lens.tokens, lens.complete) == ([Answer("A calm answer.")], 15, True)


def test_the_client_sees_its_models_name_and_sealed_ids_in_each_event_that_has_the_response() -> None:
    seal = Seal(b"s", "acme")
    shown, lens = Shown("m", {"outcome": "x"}, seal=seal), ResponsesStream()
    out = b"".join([*passed(lens, *response_events("A."), shown=Shown("m", seal=seal)), lens.end(shown)])
    responses = [json.loads(line[6:])["response"] for line in out.decode().split("\n") if '"response":' in line]
    assert len(responses) == 3
    assert {r["model"] for r in responses} == {"m"}
    assert {seal.open(r["id"], "id") for r in responses} == {"resp_1"}
    assert ["valueflow" in r for r in responses] == [False, False, True]


def test_what_steers_is_not_repeated_in_any_event() -> None:
    lens, shown = ResponsesStream(), Shown("m", instructions="Be brief.")
    sent = response_events("A.", instructions="Be brief.\n\n[operator outlook]")
    out = b"".join([*passed(lens, *sent, shown=shown), lens.end(shown)])
    assert b"outlook" not in out
    assert out.count(b'"instructions":"Be brief."') + out.count(b'"instructions": "Be brief."') == 3


def test_an_edited_event_keeps_every_other_byte() -> None:
    raw = b'{ "type":"response.created","response" : {"model": "up",  "x":1.50},"sequence_number":0}'
    assert passed(ResponsesStream(), raw, shown=Shown("m"))[0] == event(raw.replace(b'"up"', b'"m"')).raw


def test_the_beginning_is_there_before_the_end() -> None:
    lens = ResponsesStream()
    passed(lens, *response_events("A ", "calm answer.")[:7])
    assert (lens.answers[0].text, lens.tokens, lens.complete) == ("A ", 0, False)
    added = {"type": "response.output_item.added", "output_index": 2, "item": CALL}
    refused = {"type": "response.content_part.added", "part": REFUSAL}
    passed(lens, added, refused)
    assert lens.answers == [Answer("A ", tool_calls=True, refusal=True)]


def test_what_came_counts_where_the_end_repeats_nothing_of_it() -> None:
    lens = ResponsesStream()
    passed(lens, *response_events("A.")[:-1], {"type": "response.incomplete", "response": response()})
    assert (lens.answers, lens.complete) == ([Answer("A.")], True)


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b"{}", {"type": "error", "message": "secret"}, {"type": "x", "error": {"message": "secret"}},
     {"type": "response.completed", "response": {"output": "secret"}}],
)  # fmt: skip
def test_what_is_no_event_is_a_502_without_its_text(data: dict[str, Any] | bytes) -> None:
    with pytest.raises(ApiError) as caught:
        passed(ResponsesStream(), data)
    assert caught.value.status == 502
    assert "secret" not in caught.value.message


def test_an_error_follows_in_the_events_order() -> None:
    lens = ResponsesStream()
    passed(lens, *response_events("A.")[:3])
    data = json.loads(lens.broken(ApiError.upstream("It broke.")).split(b"data: ")[1])
    assert (data["type"], data["sequence_number"], data["message"]) == ("error", 3, "It broke.")
    assert data["error"]["code"] == "upstream_error"


@pytest.mark.parametrize(
    ("more", "possible"),
    [({}, True), ({"tools": [{"type": "function", "name": "f"}]}, False), ({"tools": []}, True),
     ({"text": {"format": {"type": "json_object"}}}, False), ({"text": {"format": {"type": "text"}}}, True),
     ({"include": ["message.output_text.logprobs"]}, False), ({"include": ["x"]}, True), ({"top_logprobs": 2}, False),
     ({"background": True}, False)],
)  # fmt: skip
def test_what_forbids_a_window(more: dict[str, Any], possible: bool) -> None:
    assert ResponsesRequest(json.dumps({"model": "m", "input": "hi"} | more).encode()).windowable is possible
