"""Responses and Messages before a model that speaks chat completions alone, as the official clients see them."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from anthropic.resources import Messages
from openai.resources.responses import Responses

from proxy.settings import DEMO_KEY
from tests.proxy.servers import ScriptedUpstream, Served, completion, served
from tests.proxy.test_http import HELLO, HITS

pytestmark = pytest.mark.filterwarnings("ignore")  # litellm's own deprecations

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


@pytest.fixture(scope="module")
def hit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("translate"), HITS, ScriptedUpstream()) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(hit: Served) -> None:
    hit.upstream.seen.clear()
    hit.upstream.paths.clear()
    hit.upstream.reply = ScriptedUpstream.reply


@pytest.fixture
def responses(hit: Served) -> Iterator[Responses]:
    with openai.OpenAI(base_url=hit.url + "/v1", api_key=DEMO_KEY, max_retries=0) as client:
        yield client.responses


@pytest.fixture
def messages(hit: Served) -> Iterator[Messages]:
    with anthropic.Anthropic(base_url=hit.url, api_key=DEMO_KEY, max_retries=0) as client:
        yield client.messages


def test_a_message_goes_out_as_chat_with_the_steering(hit: Served, messages: Messages) -> None:
    found = messages.create(model="chat-only", max_tokens=50, messages=HELLO, system="Be brief.")
    assert (found.content[0].text, found.model, found.stop_reason) == ("A calm answer.", "chat-only", "end_turn")
    assert hit.upstream.paths == ["chat/completions"]
    assert hit.upstream.bodies[0]["model"] == "served-model"
    assert hit.upstream.bodies[0]["messages"][0]["content"].startswith("Be brief.\n\n[operator outlook]")


def test_a_response_goes_out_as_chat_with_the_steering(hit: Served, responses: Responses) -> None:
    found = responses.create(model="chat-only", input="Should I help?", instructions="Be brief.", temperature=0.5)
    assert (found.output_text, found.model, found.temperature) == ("A calm answer.", "chat-only", 0.5)
    assert hit.upstream.paths == ["chat/completions"]
    assert hit.upstream.bodies[0]["messages"][0]["content"].startswith("Be brief.\n\n[operator outlook]")


def test_tool_calls_come_back_in_the_clients_shape(hit: Served, responses: Responses, messages: Messages) -> None:
    hit.upstream.reply = lambda n, b: completion(None, tool_calls=[CALL])
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    item = responses.create(model="chat-only", input="hi", tools=[{"type": "function", **function}]).output[-1]
    assert (item.type, item.call_id, item.arguments) == ("function_call", "call_1", '{"a": 1}')
    tools = [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    block = messages.create(model="chat-only", max_tokens=5, messages=HELLO, tools=tools).content[-1]
    assert (block.type, block.id, block.input) == ("tool_use", "call_1", {"a": 1})


def test_refusals_survive_and_reasoning_is_not_shown(hit: Served, responses: Responses, messages: Messages) -> None:
    hit.upstream.reply = lambda n, b: completion(None, refusal="No.", reasoning_content="Hm.")
    raw = responses.with_raw_response.create(model="chat-only", input="hi")
    assert raw.headers["x-valueflow-outcome"] == "refused"
    assert [(i.type, i.content[0].refusal) for i in raw.parse().output] == [("message", "No.")]
    found = messages.create(model="chat-only", max_tokens=5, messages=HELLO)
    assert (found.stop_reason, [b.text for b in found.content]) == ("refusal", ["No."])


def test_what_chat_has_no_word_for_is_refused(hit: Served, responses: Responses, messages: Messages) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        responses.create(model="chat-only", input="hi", tools=[{"type": "web_search"}])
    assert (caught.value.param, caught.value.code) == ("tools[0].type", "tool_not_available")
    with pytest.raises(anthropic.BadRequestError, match="cannot be translated"):
        messages.create(model="chat-only", max_tokens=5, messages=HELLO, tool_choice=7)
    assert not hit.upstream.seen
