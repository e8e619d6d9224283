"""Live streams of every API that has them, on real sockets, with that API's official client."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from proxy.settings import DEMO_KEY
from tests.proxy.replies import message_events, named, response_events, text_completion
from tests.proxy.servers import Scorer, ScriptedUpstream, Served, eventually, records, served, sse
from tests.proxy.test_streams import LONG, MONITOR, WINDOW

QUESTION = "Should I take my ill colleague's shift?"
TEXT = "".join(LONG)


def _responses(found: Served) -> str:
    with (
        openai.OpenAI(base_url=found.url + "/v1", api_key=DEMO_KEY, max_retries=0) as client,
        client.responses.stream(model="m", input=QUESTION) as stream,
    ):
        seen = list(stream)
        final = stream.get_final_response()
    numbers = [event.sequence_number for event in seen if event.type != "response.output_text.delta"]
    assert numbers == sorted(numbers)
    assert (final.model, final.id, final.usage.total_tokens) == ("m", "resp_1", 15)
    assert final.output_text == "".join(e.delta for e in seen if e.type == "response.output_text.delta")
    return final.output_text


def _messages(found: Served) -> str:
    turns: Any = [{"role": "user", "content": QUESTION}]
    with (
        anthropic.Anthropic(base_url=found.url, api_key=DEMO_KEY, max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=50, messages=turns) as stream,
    ):
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert (final.model, final.id, final.stop_reason) == ("m", "msg_1", "end_turn")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (7, 5)
    assert text == final.content[1].text
    return text


@dataclass(frozen=True)
class Api:
    """One API: its path, what a client asks, an official server's events, how they end, and its official client."""

    path: str
    body: dict[str, Any]
    events: Callable[..., list[dict[str, Any]]]
    words: int
    """The event after which the first words are there."""
    ask: Callable[[Served], str]
    error: type[Exception]


RESPONSES = Api("responses", {"input": QUESTION}, response_events, 6, _responses, openai.APIError)
TURNS = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 50}
MESSAGES = Api("messages", TURNS, message_events, 7, _messages, anthropic.APIError)
each = pytest.mark.parametrize("api", [RESPONSES, MESSAGES], ids=lambda api: api.path)


@contextmanager
def up(folder: Path, policy: str, reply: Any, scorer: Scorer | None = None, **more: Any) -> Iterator[Served]:
    with served(folder, policy, ScriptedUpstream(reply=reply), scorer=scorer or Scorer(), **more) as found:
        yield found


@contextmanager
def stream(found: Served, api: Api, timeout: float = 30, **more: Any) -> Iterator[httpx.Response]:
    headers = {"authorization": f"Bearer {DEMO_KEY}", "x-valueflow-debug": "1" if more.pop("debug", False) else "0"}
    body = {"model": "m", "stream": True} | api.body | more
    with httpx.stream("POST", f"{found.url}/v1/{api.path}", json=body, headers=headers, timeout=timeout) as response:
        yield response


def live(api: Api, *texts: str) -> Callable[..., Any]:
    return lambda *_: sse(*named(*api.events(*texts)), done=False)


@each
def test_monitor_passes_the_upstreams_bytes_and_scores_them_afterwards(tmp_path: Path, api: Api) -> None:
    scorer = Scorer(delay=0.5)
    with up(tmp_path, MONITOR, live(api, *LONG), scorer) as found:
        with stream(found, api) as response:
            got = response.read()
        assert got == b"".join(named(*api.events(*LONG))).replace(b"served-model", b"m")
        assert response.headers["x-valueflow-outcome"] == "pending"
        assert scorer.texts == []
        eventually(lambda: len(records(found)) == 1)
        [record] = records(found)
        assert (record["outcome"], record["endpoint"]) == ("monitored", api.path)
        assert record["tokens"] == {"billed": 15, "returned": 15}
        assert scorer.texts == [TEXT]
        assert found.upstream.bodies[0]["stream"] is True


@each
@pytest.mark.parametrize("policy", [MONITOR, WINDOW])
def test_the_official_client_accepts_the_stream(tmp_path: Path, api: Api, policy: str) -> None:
    with up(tmp_path, policy, live(api, *LONG)) as found:
        assert api.ask(found) == TEXT


@each
def test_the_first_words_do_not_wait_for_the_rest(tmp_path: Path, api: Api) -> None:
    events = named(*api.events("First."))[: api.words + 1]
    with up(tmp_path, MONITOR, lambda *_: sse(*events, 20.0, done=False)) as found, stream(found, api) as response:
        raw = b""
        for part in response.iter_raw():
            raw += part
            if b"First." in raw:
                break
        assert b"First." in raw


@each
def test_window_asks_again_before_anything_left(tmp_path: Path, api: Api) -> None:
    def reply(number: int, _: object) -> Any:
        texts = ("Bad ", "bad bad bad bad ", "bad.") if number == 1 else LONG
        return sse(*named(*api.events(*texts)), done=False)

    scorer = Scorer(lambda found: 4.0 if "Bad" in found else 7.0)
    with up(tmp_path, WINDOW, reply, scorer) as found:
        assert api.ask(found) == TEXT
        eventually(lambda: len(records(found)) == 1)
        [record] = records(found)
        assert [a["verdict"] for a in record["attempts"]] == ["out_of_range", "accepted"]
        assert "operator outlook" in str(found.upstream.bodies[0])


@each
def test_debug_brings_the_measurements_at_the_end(tmp_path: Path, api: Api) -> None:
    with up(tmp_path, MONITOR, live(api, *LONG)) as found, stream(found, api, debug=True) as response:
        events = [json.loads(e.split("data: ")[1]) for e in response.read().decode().split("\n\n") if "data: " in e]
    [report] = [r for e in events if (r := e.get("valueflow") or e.get("response", {}).get("valueflow"))]
    assert report["values"]["svt/benevolence"]["intensity"] == 6.0


@each
@pytest.mark.parametrize("policy", [MONITOR, WINDOW.replace("window: 4", "window: 1")])
@pytest.mark.parametrize("end", [b"", b'event: x\ndata: {"ty', b'event: error\ndata: {"type":"error","error":{}}\n\n'])
def test_what_breaks_in_the_stream_is_an_error_that_the_sdk_raises(
    tmp_path: Path, api: Api, policy: str, end: bytes
) -> None:
    events = [*named(*api.events(*LONG))[: api.words + 2], end]
    with up(tmp_path, policy, lambda *_: sse(*events, done=False)) as found:
        with pytest.raises(api.error, match="upstream"):
            api.ask(found)
        [record] = records(found)
        assert record["outcome"] == "error"
        assert record["tokens"]["billed"] > 0


@each
def test_a_late_failure_is_an_error_in_the_stream(tmp_path: Path, api: Api) -> None:
    upstream = ScriptedUpstream(reply=lambda *_: sse(b"", done=False), delay=0.6)
    policy = WINDOW.replace("stream: window", "stream: buffer")
    with (
        served(tmp_path, policy, upstream, scorer=Scorer(), keepalive_after=0.2) as found,
        pytest.raises(api.error, match="upstream"),
    ):
        api.ask(found)


@each
def test_a_window_falls_back_to_buffer_where_it_must(tmp_path: Path, api: Api) -> None:
    tool = {"type": "function", "name": "f", "parameters": {}, "input_schema": {}}
    with up(tmp_path, WINDOW, lambda *_: sse(b"", done=False)) as found, stream(found, api, tools=[tool]) as response:
        response.read()
        assert found.upstream.bodies[0]["stream"] is False


@each
def test_a_client_that_leaves_stops_everything(tmp_path: Path, api: Api) -> None:
    events = named(*api.events(*LONG))[: api.words + 1]
    with up(tmp_path, MONITOR, lambda *_: sse(*events, 20.0, done=False)) as found:
        with pytest.raises(httpx.ReadTimeout), stream(found, api, timeout=0.5) as response:
            response.read()
        eventually(lambda: found.running.product.open_requests == 0)
        assert records(found)[0]["outcome"] == "cancelled"


def test_legacy_completions_stream_straight_through(tmp_path: Path) -> None:
    whole = text_completion(TEXT)
    chunk = {"choices": [{"text": TEXT, "index": 0, "logprobs": None, "finish_reason": None}], "usage": None}
    end = {"choices": [{"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"}], "usage": None}
    chunks = [whole | chunk, whole | end, whole | {"choices": []}]
    completions = Api("completions", {"prompt": QUESTION}, lambda: [], 0, lambda _: "", openai.APIError)
    with up(tmp_path, MONITOR, lambda *_: sse(*chunks)) as found:
        with stream(found, completions, stream_options={"include_usage": True}) as response:
            got = response.read()
        raw = b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks) + b"data: [DONE]\n\n"
        assert got == raw.replace(b"served-model", b"m")
        eventually(lambda: len(records(found)) == 1)
        assert records(found)[0]["tokens"] == {"billed": 15, "returned": 15}
