"""`/v1/completions`, scored but never steered, and paths that pass through, as the openai client sees them."""

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from starlette.responses import JSONResponse, Response

from proxy.errors import ApiError
from proxy.settings import DEMO_KEY
from proxy.wires.completions import CompletionsReply, CompletionsRequest
from proxy.wires.wire import Shown
from tests.proxy.replies import embedding, text_completion
from tests.proxy.servers import ScriptedUpstream, Served, served
from tests.proxy.test_http import HITS


@pytest.fixture(scope="module")
def hit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("others"), HITS, ScriptedUpstream()) as found:
        yield found


@pytest.fixture
def client(hit: Served) -> Iterator[openai.OpenAI]:
    hit.upstream.seen.clear()
    with openai.OpenAI(base_url=hit.url + "/v1", api_key=DEMO_KEY, max_retries=0) as made:
        yield made


def test_a_completion_is_scored_and_never_steered(hit: Served, client: openai.OpenAI) -> None:
    hit.upstream.reply = lambda n, b: text_completion(" help her.", " sleep.")
    raw = client.completions.with_raw_response.create(
        model="m", prompt="You should", n=2, extra_headers={"x-valueflow-debug": "1"}
    )
    assert raw.headers["x-valueflow-outcome"] == "monitored"
    found = raw.parse()
    assert ([c.text for c in found.choices], found.model) == ([" help her.", " sleep."], "m")
    assert "svt/benevolence" in found.valueflow["values"]
    assert hit.upstream.bodies == [{"model": "served-model", "prompt": "You should", "n": 2}]


def test_a_completion_is_replayed_as_a_stream(hit: Served, client: openai.OpenAI) -> None:
    hit.upstream.reply = lambda n, b: text_completion(" help her with all of it.", " sleep.")
    stream = client.completions.create(
        model="m", prompt="You should", stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    texts = {0: "", 1: ""}
    for choice in (c for chunk in chunks for c in chunk.choices):
        texts[choice.index] += choice.text
    assert texts == {0: " help her with all of it.", 1: " sleep."}
    assert chunks[-1].usage.total_tokens == 15
    assert hit.upstream.bodies == [{"model": "served-model", "prompt": "You should", "stream": False}]


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', b'{"choices":["x"]}'])
def test_what_is_no_completion_is_a_502(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        CompletionsReply(raw)
    assert caught.value.status == 502


def test_prompts_of_any_kind_and_bytes_are_kept() -> None:
    assert CompletionsRequest(b'{"model":"m","prompt":[[1,2]]}').question == ""
    assert CompletionsRequest(b'{"model":"m","prompt":["a","b"]}').question == "a"
    with pytest.raises(ApiError):
        CompletionsRequest(b'{"model":"m","prompt":7}')
    raw = json.dumps(text_completion("x")).encode()
    assert CompletionsReply(raw).body(Shown("served-model")) is raw


def test_embeddings_pass_through_with_our_key_check(hit: Served, client: openai.OpenAI) -> None:
    body = json.dumps(embedding(0.5, -1.0)).replace("-1.0", "-1.00").encode()
    hit.upstream.reply = lambda n, b: Response(body, media_type="application/json")
    raw = client.embeddings.with_raw_response.create(model="m", input="hi", encoding_format="float")
    assert raw.content == body
    assert raw.headers["x-valueflow-outcome"] == "off"
    assert raw.parse().data[0].embedding == [0.5, -1.0]
    assert hit.upstream.bodies[0]["model"] == "served-model"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").embeddings.create(model="m", input="hi")
    with pytest.raises(openai.BadRequestError):
        client.post("/embeddings", body={"model": "m", "input": "hi", "stream": True}, cast_to=object)


def test_only_listed_paths_pass_and_only_to_models_that_speak_them(tmp_path: Path) -> None:
    with served(tmp_path, HITS, ScriptedUpstream(reply=lambda n, b: JSONResponse({"ok": True}))) as first:
        where = f"kind: openai, base_url: '{first.upstream.url}', model: served"
        models = f"models:\n  a: {{{where}, paths: [chat/completions, rerank]}}\n  b: {{{where}}}\n"
        (tmp_path / "two").mkdir()
        with (
            served(tmp_path / "two", HITS, models=models) as found,
            openai.OpenAI(base_url=found.url + "/v1", api_key=DEMO_KEY, max_retries=0) as client,
        ):
            assert client.post("/rerank", body={"model": "a", "query": "q"}, cast_to=object) == {"ok": True}
            assert first.upstream.paths == ["rerank"]
            with pytest.raises(openai.BadRequestError) as caught:
                client.post("/rerank", body={"model": "b", "query": "q"}, cast_to=object)
            assert caught.value.code == "unsupported_endpoint"
            with pytest.raises(openai.NotFoundError) as caught:
                client.post("/moderations", body={"model": "a", "input": "q"}, cast_to=object)
            assert caught.value.code == "unknown_url"
