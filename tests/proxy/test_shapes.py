"""Shapes of requests and answers beside plain text, through the whole product, with the openai client."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.proxy.clients import openai_client
from tests.proxy.servers import Scorer, ScriptedUpstream, Served, completion, served
from tests.proxy.test_http import HELLO, HITS, MISSES

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":  1.50}'}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
DEBUG = {"x-valueflow-debug": "1"}


@pytest.fixture(scope="module")
def miss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("shapes"), MISSES + "attempts: 2\n", ScriptedUpstream()) as found:
        yield found


@pytest.fixture
def client(miss: Served) -> Iterator[openai.OpenAI]:
    miss.upstream.seen.clear()
    with opened(miss) as made:
        yield made


def opened(found: Served) -> openai.OpenAI:
    return openai_client(found, default_headers=DEBUG)


def choices(*texts: str) -> dict:
    made = completion("")
    listed = [made["choices"][0] | {"index": i, "message": {"content": t}} for i, t in enumerate(texts)]
    return made | {"choices": listed}


def test_a_turn_of_tool_calls_alone_is_unscored_by_kind(miss: Served, client: openai.OpenAI) -> None:
    miss.upstream.reply = lambda n, b: completion(None, tool_calls=[CALL])
    raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, tools=[FUNCTION])
    assert raw.headers["x-valueflow-outcome"] == "unscored"
    found = raw.parse()
    assert found.valueflow["attempts"][0]["unscored"] == "tool_calls_only"
    assert found.choices[0].message.tool_calls[0].function.arguments == '{"a":  1.50}'
    assert len(miss.upstream.seen) == 1


def test_text_beside_tool_calls_is_scored_and_asked_again_only_where_the_policy_says_so(
    miss: Served, client: openai.OpenAI, tmp_path: Path
) -> None:
    miss.upstream.reply = lambda n, b: completion("Let me look.", tool_calls=[CALL])
    raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, tools=[FUNCTION])
    assert raw.headers["x-valueflow-outcome"] == "missed"
    assert raw.headers["x-valueflow-attempts"] == "1"
    upstream = ScriptedUpstream(reply=miss.upstream.reply)
    with served(tmp_path, MISSES + "attempts: 2\nretry_tool_calls: true\n", upstream) as found, opened(found) as again:
        raw = again.chat.completions.with_raw_response.create(model="m", messages=HELLO, tools=[FUNCTION])
    assert raw.headers["x-valueflow-attempts"] == "2"


def test_json_stays_valid_and_its_strings_are_scored(tmp_path: Path) -> None:
    # answers so long that quoting one is worth its tokens
    usage = {"prompt_tokens": 500, "completion_tokens": 500, "total_tokens": 1000}
    upstream = ScriptedUpstream(reply=lambda n, b: completion('{"advice": "Help her.", "n": 1.50}') | {"usage": usage})
    policy, scorer = MISSES + "budget: {tokens: 100000}\nattempts: 4\n", Scorer(lambda text: 4.0)
    with served(tmp_path, policy, upstream, scorer=scorer) as found, opened(found) as client:
        answer = client.chat.completions.create(model="m", messages=HELLO, response_format=SCHEMA)
    assert answer.choices[0].message.content == '{"advice": "Help her.", "n": 1.50}'
    assert [b["response_format"] for b in upstream.bodies] == [SCHEMA] * len(upstream.bodies)
    assert set(scorer.texts) == {"Help her."}
    [draft, *_] = [b["messages"][-1]["content"] for b in upstream.bodies if "> " in b["messages"][-1]["content"]]
    assert "> Help her.\n" in draft
    assert "advice" not in draft


def test_json_is_skipped_where_the_policy_says_so(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(reply=lambda n, b: '{"advice": "Help her."}')
    with served(tmp_path, HITS + "structured: skip\n", upstream) as found, opened(found) as client:
        raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, response_format=SCHEMA)
        assert raw.headers["x-valueflow-outcome"] == "unscored"
        assert raw.parse().valueflow["attempts"][0]["unscored"] == "structured"
        raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
        assert raw.headers["x-valueflow-outcome"] == "in_range"


def test_all_choices_are_scored_and_returned(miss: Served, client: openai.OpenAI) -> None:
    miss.upstream.reply = lambda n, b: choices("A calm answer.", "Another one.")
    found = client.chat.completions.create(model="m", messages=HELLO, n=2)
    assert [c.message.content for c in found.choices] == ["A calm answer.", "Another one."]
    assert [b["n"] for b in miss.upstream.bodies] == [2, 2]


def test_parts_logprobs_and_limits_pass_untouched(miss: Served, client: openai.OpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    logprobs = {"content": [{"token": "Yes", "logprob": -0.5, "bytes": [89], "top_logprobs": []}], "refusal": None}

    def reply(_: int, __: object) -> dict:
        made = completion("Yes")
        made["choices"][0]["logprobs"] = logprobs
        return made

    miss.upstream.reply = reply
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]},
    ]
    found = client.chat.completions.create(
        model="m", messages=messages, logprobs=True, stop=["x"], max_completion_tokens=7
    )
    body = miss.upstream.bodies[0]
    assert (body["stop"], body["max_completion_tokens"], body["logprobs"]) == (["x"], 7, True)
    assert body["messages"][1] == messages[1]
    assert body["messages"][0]["content"].startswith("Be brief.\n\n[operator outlook]")
    assert found.choices[0].logprobs.content[0].logprob == -0.5


def test_reasoning_is_not_scored_as_the_answer(miss: Served, client: openai.OpenAI) -> None:
    miss.upstream.reply = lambda n, b: completion("<think>Power, power!", reasoning_content="More power!")
    raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
    assert raw.headers["x-valueflow-outcome"] == "unscored"
    assert raw.parse().valueflow["attempts"][0]["unscored"] == "empty"


def test_usage_counts_the_returned_answer_or_all_that_was_billed(
    miss: Served, client: openai.OpenAI, tmp_path: Path
) -> None:
    miss.upstream.reply = ScriptedUpstream.reply
    assert client.chat.completions.create(model="m", messages=HELLO).usage.total_tokens == 15
    with served(tmp_path, MISSES + "attempts: 2\n", usage="billed") as found, opened(found) as billed:
        usage = billed.chat.completions.create(model="m", messages=HELLO).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (20, 10, 30)
