"""`/v1/responses` as the openai client sees it, before a scripted upstream that speaks it."""

import asyncio
from collections.abc import Iterator

import openai
import pytest

from proxy.settings import DEMO_KEY
from tests.proxy.replies import CALL, response
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
    return openai.OpenAI(base_url=found.url + "/v1", api_key=DEMO_KEY, max_retries=0)


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
