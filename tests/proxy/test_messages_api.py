"""`/v1/messages` as the anthropic client sees it, before a scripted upstream that speaks it."""

from collections.abc import Iterator

import anthropic
import pytest
from starlette.responses import JSONResponse

from proxy.settings import DEMO_KEY
from tests.proxy.clients import anthropic_client
from tests.proxy.replies import message, tool_use
from tests.proxy.servers import ScriptedUpstream, Served, served
from tests.proxy.test_http import HELLO, HITS


@pytest.fixture(scope="module")
def hit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("messages"), HITS, ScriptedUpstream()) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(hit: Served) -> None:
    hit.upstream.seen.clear()
    hit.upstream.reply = lambda number, body: message("A calm answer.")


def client(found: Served, key: str = DEMO_KEY) -> anthropic.Anthropic:
    return anthropic_client(found, key)


def test_an_answer_is_steered_scored_and_returned(hit: Served) -> None:
    raw = client(hit).messages.with_raw_response.create(
        model="m", max_tokens=50, messages=HELLO, system="Be brief.", extra_headers={"anthropic-beta": "x-1"}
    )
    assert raw.headers["x-valueflow-outcome"] == "in_range"
    assert (raw.parse().content[0].text, raw.parse().model) == ("A calm answer.", "m")
    headers, _ = hit.upstream.seen[0]
    assert hit.upstream.paths[-1] == "messages"
    assert (headers["anthropic-version"], headers["anthropic-beta"]) == ("2023-06-01", "x-1")
    assert "x-api-key" not in headers
    assert hit.upstream.bodies[0]["system"].startswith("Be brief.\n\n[operator outlook]")


def test_the_client_accepts_the_stream(hit: Served) -> None:
    hit.upstream.reply = lambda n, b: message("A calm answer to all.", tool_use(a=1), stop_reason="tool_use")
    with client(hit).messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == "A calm answer to all."
    assert (final.content[1].input, final.stop_reason) == ({"a": 1}, "tool_use")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (7, 5)


def test_errors_are_anthropics(hit: Served) -> None:
    with client(hit, "wrong") as made, pytest.raises(anthropic.AuthenticationError) as caught:
        made.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert caught.value.body["error"]["type"] == "authentication_error"
    with client(hit) as made, pytest.raises(anthropic.NotFoundError):
        made.messages.create(model="made-up", max_tokens=5, messages=HELLO)
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens is too large"}}
    hit.upstream.reply = lambda n, b: JSONResponse(error, 400)
    with client(hit) as made, pytest.raises(anthropic.BadRequestError, match="max_tokens is too large"):
        made.messages.create(model="m", max_tokens=5, messages=HELLO)
