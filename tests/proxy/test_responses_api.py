"""`/v1/responses` as the openai client sees it, before a scripted upstream that speaks it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.proxy.clients import openai_client
from tests.proxy.replies import CALL, output_message, output_text, response
from tests.proxy.servers import ScriptedUpstream, Served, served
from tests.proxy.test_http import HITS


@pytest.fixture(scope="module")
def hit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("responses")
    (folder / "policies").mkdir()
    (folder / "policies" / "rival.yaml").write_text(HITS.replace("acme", "rival"))
    with served(folder, HITS, ScriptedUpstream()) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(hit: Served) -> None:
    hit.upstream.seen.clear()
    hit.upstream.reply = lambda number, body: response("A calm answer.")


def client(found: Served) -> openai.OpenAI:
    return openai_client(found)


def test_an_answer_is_steered_scored_and_returned(hit: Served) -> None:
    raw = client(hit).responses.with_raw_response.create(model="m", input="Should I help?", instructions="Be brief.")
    assert raw.headers["x-valueflow-outcome"] == "in_range"
    assert (raw.parse().output_text, raw.parse().model) == ("A calm answer.", "m")
    assert hit.upstream.paths[-1] == "responses"
    assert hit.upstream.bodies[0]["instructions"].startswith("Be brief.\n\n[operator outlook]")


def test_the_client_accepts_the_stream(hit: Served) -> None:
    hit.upstream.reply = lambda number, body: response("A calm answer to all.", CALL)
    with client(hit).responses.stream(model="m", input="Should I help?") as stream:
        deltas = [e.delta for e in stream if e.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "A calm answer to all."
    assert final.output[1].arguments == CALL["arguments"]
    assert final.usage.total_tokens == 15
    plain = list(client(hit).responses.create(model="m", input="Should I help?", stream=True))
    assert plain[-1].type == "response.completed"
    assert hit.upstream.bodies[0]["stream"] is False


@pytest.mark.parametrize("own", ["Be brief.", None])
def test_what_steers_is_not_repeated_to_the_client(hit: Served, own: str | None) -> None:
    hit.upstream.reply = lambda number, body: response("A calm answer.", instructions=body["instructions"])
    with client(hit) as made:
        answer = made.responses.create(model="m", input="Should I help?", instructions=own)
        with made.responses.stream(model="m", input="Should I help?", instructions=own) as stream:
            repeated = {e.response.instructions for e in stream if hasattr(e, "response")}
    assert "operator outlook" in hit.upstream.bodies[0]["instructions"]
    assert (answer.instructions, repeated) == (own, {own})


def test_state_belongs_to_the_tenant_whose_account_it_is(hit: Served) -> None:
    with client(hit) as made, pytest.raises(openai.BadRequestError) as caught:
        made.responses.create(model="m", input="hi", previous_response_id="resp_1")
    assert (caught.value.param, caught.value.code) == ("previous_response_id", "state_not_available")
    assert not hit.upstream.seen
    first = client(hit).responses.create(model="own", input="hi")
    assert first.id != "resp_1"
    client(hit).responses.create(model="own", input="and now?", previous_response_id=first.id)
    assert hit.upstream.bodies[-1]["previous_response_id"] == "resp_1"
    with client(hit) as stranger, pytest.raises(openai.NotFoundError):
        stranger.responses.create(model="own", input="hi", previous_response_id="resp_1")


def test_another_tenant_is_no_owner(hit: Served) -> None:
    first = client(hit).responses.create(model="own", input="hi")
    add = hit.running.product.keys.add("rival")
    key = asyncio.run_coroutine_threadsafe(add, hit.loop).result(10)
    with (
        openai.OpenAI(base_url=hit.url + "/v1", api_key=key, max_retries=0) as rival,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        rival.responses.create(model="own", input="hi", previous_response_id=first.id)
    assert caught.value.code == "state_not_available"


def test_what_is_kept_is_named_by_sealed_ids_in_answers_and_in_streams(hit: Served) -> None:
    cited = {"type": "file_citation", "file_id": "file_1", "filename": "a.txt", "index": 0}
    item = output_message(output_text("A calm answer.") | {"annotations": [cited]})
    hit.upstream.reply = lambda number, body: response(item, conversation={"id": "conv_1"})
    with client(hit) as made:
        first = made.responses.create(model="own", input="hi")
        with made.responses.stream(model="own", input="hi") as stream:
            [added] = [e for e in stream if e.type == "response.output_text.annotation.added"]
            streamed = stream.get_final_response()
        file, conversation = first.output[0].content[0].annotations[0].file_id, first.conversation.id
        assert "file_1" != file == streamed.output[0].content[0].annotations[0].file_id == added.annotation["file_id"]
        assert "conv_1" != conversation == streamed.conversation.id
        search = {"type": "file_search", "vector_store_ids": ["vs_1"]}
        parts = [{"type": "input_file", "file_id": file}]
        asked = {"model": "own", "input": [{"role": "user", "content": parts}], "conversation": conversation}
        made.responses.create(**asked)
        body = hit.upstream.bodies[-1]
        assert (body["conversation"], body["input"][0]["content"][0]["file_id"]) == ("conv_1", "file_1")
        for more, param in (
            ({"conversation": "conv_1"}, "conversation"),
            ({"conversation": {"id": "conv_1"}}, "conversation.id"),
            ({"prompt": {"id": "pmpt_1"}}, "prompt.id"),
            ({"tools": [search]}, "tools[0].vector_store_ids"),
        ):
            with pytest.raises(openai.NotFoundError) as caught:
                made.responses.create(**asked | more)
            assert caught.value.param == param


def test_paths_under_which_an_upstream_keeps_things_are_its_owners(tmp_path: Path) -> None:
    store = {"id": "vs_1", "object": "vector_store", "file_ids": ["file_1"], "metadata": {"file_id": "mine"}}
    upstream = ScriptedUpstream(reply=lambda number, body: store)
    with served(tmp_path, HITS, upstream) as first:
        where = f"kind: openai, base_url: '{first.upstream.url}', model: s, paths: [chat/completions, vector_stores]"
        (tmp_path / "two").mkdir()
        models = f"models:\n  m: {{{where}}}\n  own: {{{where}, owner: acme}}\n"
        with served(tmp_path / "two", HITS, models=models) as found, client(found) as made:
            with pytest.raises(openai.BadRequestError) as caught:
                made.post("/vector_stores", body={"model": "m"}, cast_to=object)
            assert caught.value.code == "state_not_available"
            sealed = made.post("/vector_stores", body={"model": "own"}, cast_to=object)
            assert sealed["id"].startswith("vs_1_vf_")
            assert sealed["file_ids"][0].startswith("file_1_vf_")
            assert sealed["metadata"] == {"file_id": "mine"}
            made.post("/vector_stores", body={"model": "own", "file_ids": sealed["file_ids"]}, cast_to=object)
            assert first.upstream.bodies[-1]["file_ids"] == ["file_1"]
