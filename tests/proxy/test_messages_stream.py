import json
from typing import Any

import pytest

from proxy.errors import ApiError
from proxy.wires.messages import MessagesRequest
from proxy.wires.messages_stream import MessagesStream
from proxy.wires.sse import Event
from proxy.wires.wire import Answer, Shown
from tests.proxy.replies import message_events, tool_use

SERVED = Shown("served-model")
BEGUN = {"type": "content_block_start", "index": 0}


def event(data: dict[str, Any] | bytes) -> Event:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Event(b"event: x\ndata: " + raw + b"\n\n", raw)


def passed(lens: MessagesStream, *data: dict[str, Any] | bytes, shown: Shown = SERVED) -> list[bytes]:
    return [lens.read(event(item), shown) for item in data]


def test_bytes_pass_up_to_the_end_which_waits() -> None:
    lens, sent = MessagesStream(), message_events("A ", "calm answer.")
    assert passed(lens, *sent) == [*(event(item).raw for item in sent[:-2]), b"", b""]
    assert lens.end(SERVED) == b"".join(event(item).raw for item in sent[-2:])
    assert (lens.answers, lens.tokens, lens.complete, lens.ended) == ([Answer("A calm answer.")], 15, True, True)


def test_only_the_models_name_changes() -> None:
    raw = b'{ "type":"message_start","message" : {"model": "up",  "content":[],"x":1.50}}'
    assert passed(MessagesStream(), raw, shown=Shown("m"))[0] == event(raw.replace(b'"up"', b'"m"')).raw


def test_the_report_is_where_the_message_says_how_it_ended() -> None:
    lens = MessagesStream()
    passed(lens, *message_events("A."))
    delta, stop, _ = lens.end(Shown("m", {"outcome": "in_range"})).split(b"\n\n")
    data = json.loads(delta.split(b"data: ")[1])
    assert (data["type"], data["valueflow"]) == ("message_delta", {"outcome": "in_range"})
    assert json.loads(stop.split(b"data: ")[1]) == {"type": "message_stop"}


def test_what_was_no_end_after_all_is_let_go_in_its_place() -> None:
    lens, first, ping = MessagesStream(), message_events()[-2], {"type": "ping"}
    assert passed(lens, first, ping, first) == [b"", event(first).raw + event(ping).raw, b""]
    assert lens.end(SERVED) == event(first).raw


def test_a_broken_off_message_is_billed_its_input_and_what_there_is_of_its_text() -> None:
    lens = MessagesStream()
    passed(lens, *message_events("x" * 40)[:8])
    assert (lens.tokens, lens.complete) == (11 + 10, False)


def test_tools_and_refusals() -> None:
    lens = MessagesStream()
    passed(lens, BEGUN | {"content_block": tool_use()}, {"type": "message_delta", "delta": {"stop_reason": "refusal"}})
    assert lens.answers == [Answer("", tool_calls=True, refusal=True)]


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b"{}", {"type": "error", "error": {"message": "secret"}}, {"type": "message_start"}],
)
def test_what_is_no_event_is_a_502_without_its_text(data: dict[str, Any] | bytes) -> None:
    with pytest.raises(ApiError) as caught:
        passed(MessagesStream(), data)
    assert caught.value.status == 502
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("more", "possible"),
    [({}, True), ({"tools": [{"name": "f"}]}, False), ({"tools": []}, True),
     ({"output_config": {"format": {"type": "json_schema"}}}, False), ({"thinking": {"type": "enabled"}}, True)],
)  # fmt: skip
def test_what_forbids_a_window(more: dict[str, Any], possible: bool) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | more
    assert MessagesRequest(json.dumps(body).encode()).windowable is possible
