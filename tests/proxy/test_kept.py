import json
from typing import Any

import pytest

from proxy.errors import ApiError
from proxy.wires.document import Document
from proxy.wires.kept import close, closed, kept, opened
from proxy.wires.seal import Seal
from proxy.wires.sse import Event

MINE = Seal(b"secret", "acme")
NAMES: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": "x"}, "previous_response_id"),
    ({"conversation": "x"}, "conversation"),
    ({"conversation": {"id": "x"}}, "conversation.id"),
    ({"prompt": {"id": "x", "variables": {"file_id": "mine"}}}, "prompt.id"),
    ({"input": [{"content": [{"type": "input_file", "file_id": "x"}]}]}, "input[0].content[0].file_id"),
    ({"tools": [{"vector_store_ids": ["x"]}]}, "tools[0].vector_store_ids"),
    ({"tools": [{"container": {"type": "auto", "file_ids": ["x"]}}]}, "tools[0].container.file_ids"),
    ({"tools": [{"container": "x"}]}, "tools[0].container"),
    ({"messages": [{"content": [{"source": {"file_id": "x"}}]}]}, "messages[0].content[0].source.file_id"),
    ({"container": {"id": "x", "expires_at": "soon"}}, "container.id"),
    ({"response": {"object": "response", "id": "x"}}, "response.id"),
    ({"object": "vector_store", "id": "x"}, "id"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "param"), NAMES)
def test_ids_are_opened_and_closed_wherever_they_stand(data: dict[str, Any], param: str) -> None:
    assert [found.param for found in kept(data)] == [param]
    raw = json.dumps(data).encode()
    document = Document(raw)
    close(document, MINE)
    sealed = document.edited()
    assert sealed == raw.replace(b'"x"', json.dumps(MINE.close("x")).encode())
    assert opened(Document(sealed), MINE).raw == raw
    with pytest.raises(ApiError) as caught:
        opened(Document(raw), MINE)
    assert (caught.value.status, caught.value.param) == (404, param)


@pytest.mark.parametrize(
    "free",
    [{"metadata": {"file_id": "x"}}, {"tools": [{"parameters": {"properties": {"file_id": {"type": "string"}}}}]},
     {"input": "x", "prompt": "x"}, {"object": "chat.completion", "id": "x"}, {"file_ids": [], "conversation": None},
     {"messages": [{"content": [{"type": "tool_use", "id": "x", "input": {"container": "x"}}]}]}],
)  # fmt: skip
def test_what_is_the_clients_own_or_no_id_is_let_be(free: dict[str, Any]) -> None:
    assert list(kept(free)) == []
    assert opened(Document(json.dumps(free).encode()), MINE).raw == json.dumps(free).encode()


def test_references_and_skills_are_kept_things_that_are_not_sealed() -> None:
    data = {"input": [{"type": "item_reference", "id": "msg_1"}], "container": {"skills": [{"skill_id": "pptx"}]}}
    assert [found.param for found in kept(data)] == ["input[0]", "container.skills[0].skill_id"]
    assert opened(Document(json.dumps(data).encode()), MINE).root.value == data


@pytest.mark.parametrize("odd", [7, {"a": 1}, [[]], [7]])
def test_what_stands_in_an_ids_place_and_is_none_is_not_found(odd: object) -> None:
    with pytest.raises(ApiError) as caught:
        opened(Document(json.dumps({"file_ids": odd}).encode()), MINE)
    assert caught.value.status == 404


def test_an_event_without_ids_keeps_its_bytes_and_others_what_stands_beside() -> None:
    plain, named = b'{"delta":"file_id"}', b'{"item": {"container_id": "x"}}'
    event = Event(b"event: a\ndata: " + plain + b"\n\n", plain)
    assert closed(event, json.loads(plain), MINE) is event
    found = closed(Event(b"event: a\ndata: " + named + b"\n\n", named), json.loads(named), MINE)
    assert found.raw == b"event: a\ndata: " + found.data + b"\n\n"
    assert json.loads(found.data)["item"]["container_id"] == MINE.close("x")
