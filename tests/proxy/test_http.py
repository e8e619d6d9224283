"""The HTTP face: the real app on a real socket, called with the real openai client and with plain HTTP."""

import asyncio
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from starlette.responses import JSONResponse, Response

from proxy.errors import ApiError
from proxy.settings import DEMO_KEY
from proxy.upstreams.local import check
from tests.proxy.clients import openai_client
from tests.proxy.servers import ScriptedUpstream, Served, audited, completion, eventually, folder, records, served, sse

ANY = "tenant: acme\ndebug: true\napply: always\naccept: 0.0\n"
HITS = ANY + "targets:\n  benevolence: {min: -10, hard: true}\n  power: {max: 2}\n"
MISSES = ANY + "targets:\n  benevolence: {min: 5, hard: true}\n"
OFF = "tenant: acme\nmode: off\n"
HELLO = [{"role": "user", "content": "Should I take my ill colleague's shift?"}]


@pytest.fixture(scope="module")
def hit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("hit"), HITS) as found:
        yield found


@pytest.fixture(scope="module")
def miss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("miss"), MISSES) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> None:
    for name in {"hit", "miss"} & set(request.fixturenames):
        upstream = request.getfixturevalue(name).upstream
        upstream.seen.clear()
        upstream.reply, upstream.delay, upstream.cancelled = ScriptedUpstream.reply, 0.0, 0


def client(found: Served, key: str = DEMO_KEY) -> openai.OpenAI:
    return openai_client(found, key)


def post(found: Served, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(
        found.url + "/v1/chat/completions",
        content=content,
        headers={"authorization": f"Bearer {DEMO_KEY}"} | {k.replace("_", "-"): v for k, v in headers.items()},
        timeout=30,
    )


def test_the_openai_client_gets_an_answer_and_the_headers(hit: Served) -> None:
    raw = client(hit).chat.completions.with_raw_response.create(model="m", messages=HELLO)
    assert raw.parse().choices[0].message.content == "A calm answer."
    assert raw.headers["x-valueflow-outcome"] == "in_range"
    assert raw.headers["x-valueflow-attempts"] == "1"
    assert raw.headers["x-valueflow-policy"].startswith("acme@")
    assert raw.headers["x-valueflow-evaluator"] == hit.running.product.scoring.version
    assert len(raw.headers["x-valueflow-trace"]) == 32


def test_the_model_is_called_as_the_client_called_it(hit: Served) -> None:
    answer = client(hit).chat.completions.create(model="m", messages=HELLO)
    assert answer.model == "m"
    assert hit.upstream.bodies[0]["model"] == "served-model"


def test_the_system_text_is_steered_and_unknown_fields_pass(hit: Served) -> None:
    client(hit).chat.completions.create(
        model="m", messages=[{"role": "system", "content": "Be brief."}, *HELLO], seed=3, extra_body={"x_new": {"a": 1}}
    )
    body = hit.upstream.bodies[0]
    assert body["messages"][0]["content"].startswith("Be brief.\n\n[operator outlook]")
    assert body["messages"][1:] == HELLO
    assert (body["seed"], body["x_new"]) == (3, {"a": 1})


def test_a_miss_is_retried_and_the_best_is_returned(miss: Served) -> None:
    raw = client(miss).chat.completions.with_raw_response.create(
        model="m", messages=HELLO, extra_headers={"x-valueflow-debug": "1"}
    )
    assert raw.headers["x-valueflow-outcome"] == "missed"
    report = raw.parse().valueflow
    assert len(report["attempts"]) == len(miss.upstream.seen) == 3
    assert report["tokens"] == {"billed": 45, "returned": 15}
    value = report["values"]["svt/benevolence"]
    assert value["range"] == [5.0, None]
    assert set(value) == {
        "intensity", "sd", "low", "high", "relevance", "range", "p", "posterior", "posterior_sd",
    }  # fmt: skip
    low, high = report["reach"]["svt/benevolence"]
    assert value["intensity"] < low + 5 < high + 5
    assert all(found["usual"] == "unknown" for found in report["leakage"].values())
    assert report["below_floor"] == {}


def test_a_draft_is_quoted_where_that_is_worth_its_tokens(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 500, "completion_tokens": 500, "total_tokens": 1000}
    scripted = ScriptedUpstream(reply=lambda number, body: completion("A calm answer.") | {"usage": usage})
    with served(tmp_path, MISSES + "budget: {tokens: 100000}\nattempts: 4\n", scripted) as found:
        post(found, {"model": "m", "messages": HELLO})
        tails = [body["messages"][-1]["content"] for body in scripted.bodies]
    assert tails[0] == HELLO[0]["content"]
    assert any("A calm answer." in tail for tail in tails[1:])


def test_streaming_is_replayed(hit: Served) -> None:
    stream = client(hit).chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "A calm answer."
    assert chunks[-1].usage.total_tokens == 15
    assert stream.response.headers["cache-control"] == "no-cache"
    assert hit.upstream.bodies[0]["stream"] is False


def test_tool_calls_survive(hit: Served) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    hit.upstream.reply = lambda number, body: completion(None, tool_calls=[call])
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    raw = client(hit).chat.completions.with_raw_response.create(model="m", messages=HELLO, tools=tools)
    assert raw.parse().choices[0].message.tool_calls[0].function.arguments == '{"a": 1}'
    assert raw.headers["x-valueflow-outcome"] == "unscored"


def test_models(hit: Served) -> None:
    assert [m.id for m in client(hit).models.list()] == ["m", "own", "chat-only"]
    assert client(hit).models.retrieve("m").id == "m"
    with pytest.raises(openai.NotFoundError):
        client(hit).models.retrieve("x")


@pytest.mark.parametrize("key", ["", "wrong", "vf-demo"])
def test_no_or_wrong_key_is_401(hit: Served, key: str) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client(hit, key or "none").chat.completions.create(model="m", messages=HELLO)
    assert caught.value.body["code"] == "invalid_api_key"
    assert not hit.upstream.seen


def shape(response: httpx.Response) -> tuple[int, str | None, str | None]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["content-type"] == "application/json"
    return response.status_code, error["param"], error["code"]


def test_errors_have_openais_shape(hit: Served) -> None:
    assert shape(httpx.post(hit.url + "/v1/chat/completions")) == (401, None, "invalid_api_key")
    assert shape(post(hit, b"{not json")) == (400, None, "invalid_json")
    response = post(hit, {"model": "m"})
    assert shape(response) == (400, "messages", None)
    assert response.headers["x-valueflow-outcome"] == "error"
    twice = b'{"model":"m","messages":[{"role":"system","content":"a","content":"b"}]}'
    assert shape(post(hit, twice)) == (400, None, "invalid_json")
    assert shape(post(hit, {"model": "gpt-x", "messages": HELLO})) == (404, "model", "model_not_found")
    assert shape(post(hit, b"{}", content_encoding="gzip")) == (415, None, "unsupported_encoding")
    assert shape(post(hit, b" " * 9_000_000)) == (413, None, "body_too_large")
    assert shape(httpx.get(hit.url + "/v1/nothing")) == (404, None, "unknown_url")
    assert shape(httpx.get(hit.url + "/v1/chat/completions")) == (405, None, "unknown_url")
    assert not hit.upstream.seen


def test_what_is_nested_too_deeply_or_has_too_many_messages_is_refused(hit: Served) -> None:
    deep = b'{"model":"m","messages":[{"role":"user","content":"[[["}],"x":' + b"[" * 65 + b"]" * 65 + b"}"
    assert shape(post(hit, deep)) == (400, None, "invalid_json")
    assert shape(post(hit, {"model": "m", "messages": HELLO * 4097})) == (400, "messages", "too_many_messages")
    assert not hit.upstream.seen


def test_a_body_without_length_is_bounded_too(hit: Served) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    response = httpx.post(
        hit.url + "/v1/chat/completions", content=endless(), headers={"authorization": f"Bearer {DEMO_KEY}"}
    )
    assert shape(response) == (413, None, "body_too_large")


def test_upstream_failures(hit: Served) -> None:
    def answer(status: int, body: object) -> None:
        hit.upstream.reply = lambda number, _: JSONResponse(body, status)

    request = {"model": "m", "messages": HELLO}
    answer(500, {"error": {"message": "secret host db-7 failed"}})
    response = post(hit, request)
    assert shape(response) == (502, None, "upstream_error")
    assert "db-7" not in response.text
    answer(401, {"error": {"message": "bad key sk-operator"}})
    assert "sk-operator" not in post(hit, request).text
    answer(400, {"error": {"message": "too long", "param": "messages", "code": "context_length_exceeded", "type": "t"}})
    assert shape(post(hit, request)) == (400, "messages", "context_length_exceeded")
    answer(404, {"error": {"message": "no model served-model in org-operator", "code": "model_not_found"}})
    response = post(hit, request)
    assert shape(response) == (404, None, None)
    assert "operator" not in response.text
    limit = {"error": {"message": "limit of org-operator"}}
    hit.upstream.reply = lambda number, _: JSONResponse(limit, 429, headers={"retry-after": "7"})
    response = post(hit, request)
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert "operator" not in response.text
    assert "x-should-retry" not in response.headers
    hit.upstream.reply = lambda number, _: Response("<html>")
    response = post(hit, request)
    assert shape(response) == (502, None, "upstream_error")
    assert response.headers["x-valueflow-outcome"] == "error"
    assert response.headers["x-should-retry"] == "false"


def test_an_unexpected_failure_is_a_plain_500_whose_text_is_not_logged(
    hit: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the client's secret")

    monkeypatch.setattr(hit.running.product.scoring, "score", broken)
    response = post(hit, {"model": "m", "messages": HELLO})
    assert shape(response) == (500, None, "internal_error")
    assert response.headers["x-should-retry"] == "false"
    assert response.headers["x-valueflow-policy"].startswith("acme@")
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        "unexpected RuntimeError on /v1/chat/completions"
    ]
    assert "secret" not in caplog.text


def test_the_request_id_is_that_of_the_returned_attempt(tmp_path: Path) -> None:
    def reply(number: int, _: object) -> Response:
        text = "A calm answer." if number == 1 else "I'm sorry, but I can't help with that."
        return JSONResponse(completion(text), headers={"x-request-id": f"r{number}"})

    with served(tmp_path, MISSES + "attempts: 2\n", ScriptedUpstream(reply=reply)) as found:
        response = post(found, {"model": "m", "messages": HELLO})
    assert response.headers["x-valueflow-attempts"] == "2"
    assert response.json()["choices"][0]["message"]["content"] == "A calm answer."
    assert response.headers["x-request-id"] == "r1"


def test_one_refusal_among_choices_does_not_refuse_the_reply(hit: Served) -> None:
    def reply(_: int, __: object) -> dict:
        made = completion("A calm answer.")
        refusal = {"role": "assistant", "content": "I'm sorry, but I can't help with that."}
        return made | {"choices": [*made["choices"], {"index": 1, "message": refusal, "finish_reason": "stop"}]}

    hit.upstream.reply = reply
    response = post(hit, {"model": "m", "messages": HELLO, "n": 2}, x_valueflow_debug="1")
    assert "refused" not in {a["verdict"] for a in response.json()["valueflow"]["attempts"]}


def test_health_and_metrics(hit: Served) -> None:
    client(hit).chat.completions.create(model="m", messages=HELLO)
    post(hit, {"model": "made-up", "messages": HELLO})
    assert httpx.get(hit.url + "/healthz").status_code == 200
    assert httpx.get(hit.url + "/readyz").json() == {"status": "ready"}
    text = httpx.get(hit.admin + "/metrics").text
    assert 'valueflow_requests_total{model="m",outcome="in_range",tenant="acme"}' in text
    assert 'valueflow_requests_total{model="other",outcome="error",tenant="acme"}' in text
    assert 'valueflow_intensity_count{tenant="acme",value="svt/benevolence"}' in text
    assert 'valueflow_tokens_total{kind="billed",model="m",tenant="acme"}' in text
    assert "made-up" not in text
    assert httpx.get(hit.url + "/metrics").status_code == 404


def test_a_client_that_leaves_stops_the_upstream_call(hit: Served) -> None:
    hit.upstream.delay = 20
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            hit.url + "/v1/chat/completions",
            json={"model": "m", "messages": HELLO},
            headers={"authorization": f"Bearer {DEMO_KEY}"},
            timeout=1,
        )
    eventually(lambda: hit.upstream.cancelled == 1)
    eventually(lambda: hit.running.product.open_requests == 0)


def test_on_miss_error_is_a_422_that_says_do_not_retry(tmp_path: Path) -> None:
    with served(tmp_path, MISSES + "on_miss: error\nattempts: 2\n") as found:
        response = post(found, {"model": "m", "messages": HELLO})
        assert shape(response) == (422, None, "value_range_missed")
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["x-valueflow-attempts"] == "2"
        text = httpx.get(found.admin + "/metrics").text
        assert 'valueflow_requests_total{model="m",outcome="missed",tenant="acme"} 1.0' in text
        assert 'outcome="error"' not in text


def test_off_leaves_request_and_reply_bytes_alone(tmp_path: Path) -> None:
    raw = b'{"model":"m",  "messages":[{"role":"user","content":"caf\\u00e9"}], "x":1.50}'
    body = json.dumps(completion("hi")).encode()
    upstream = ScriptedUpstream(reply=lambda number, _: Response(body, media_type="application/json"))
    with served(tmp_path, OFF, upstream) as found:
        response = post(found, raw)
        assert response.headers["x-valueflow-outcome"] == "off"
        assert response.content == body.replace(b'"served-model"', b'"m"')
        assert upstream.seen[0][1] == raw.replace(b'"m"', b'"served-model"')


def test_the_upstream_sees_the_operators_key_and_none_of_the_clients_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UP_KEY", "sk-operator")
    upstream = ScriptedUpstream()
    with served(tmp_path, OFF, upstream) as first:
        url = first.upstream.url
        models = f"models:\n  m: {{kind: openai, base_url: '{url}', model: x, api_key_env: UP_KEY}}\n"
        (tmp_path / "two").mkdir()
        with served(tmp_path / "two", OFF, models=models) as found:
            post(found, {"model": "m", "messages": HELLO}, cookie="a=b", x_forwarded_for="1.2.3.4")
    headers = upstream.seen[0][0]
    assert headers["authorization"] == "Bearer sk-operator"
    assert not {"cookie", "x-forwarded-for"} & set(headers)


def test_a_slow_upstream_is_a_504(tmp_path: Path) -> None:
    with served(tmp_path, OFF, ScriptedUpstream(delay=5), upstream_seconds=0.3) as found:
        assert shape(post(found, {"model": "m", "messages": HELLO})) == (504, None, "upstream_timeout")


def test_a_429_is_repeated_and_a_fallback_answers(tmp_path: Path) -> None:
    limit = JSONResponse({}, 429, headers={"retry-after": "0.1"})
    one = ScriptedUpstream(reply=lambda number, _: limit if number == 1 else "A calm answer.")
    two = ScriptedUpstream()
    with served(tmp_path, OFF, one) as first, served(folder(tmp_path), OFF, two):
        models = f"""models:
  limited: {{kind: openai, base_url: '{first.upstream.url}', model: x}}
  m:
    kind: route
    upstreams: [{{upstream: {{kind: openai, base_url: 'http://127.0.0.1:9/v1', model: y}}}}]
    fallback: [b]
  b: {{kind: openai, base_url: '{two.url}', model: z}}
"""
        with served(folder(tmp_path), OFF, models=models) as found:
            assert post(found, {"model": "limited", "messages": HELLO}).status_code == 200
            assert len(one.seen) == 2
            response = post(found, {"model": "m", "messages": HELLO})
    assert (response.status_code, response.json()["model"], two.bodies[0]["model"]) == (200, "m", "z")


def test_a_stalled_upstream_is_a_504_and_not_asked_again(tmp_path: Path) -> None:
    stalled = ScriptedUpstream(reply=lambda number, _: sse(b"{", 5.0))
    with served(tmp_path, OFF, stalled, upstream_read_seconds=0.3) as found:
        response = post(found, {"model": "m", "messages": HELLO})
    assert shape(response) == (504, None, "upstream_timeout")
    assert len(stalled.seen) == 1


def test_an_answer_beyond_the_bound_is_a_502(tmp_path: Path) -> None:
    huge = ScriptedUpstream(reply=lambda number, _: "x" * 5000)
    with served(tmp_path, OFF, huge, upstream_bytes=4096) as found:
        assert shape(post(found, {"model": "m", "messages": HELLO})) == (502, None, "upstream_error")


def test_only_listed_headers_of_the_upstream_reach_the_client(hit: Served) -> None:
    secret = {"set-cookie": "a=b", "openai-organization": "operator", "x-ratelimit-remaining-requests": "3"}
    hit.upstream.reply = lambda *_: JSONResponse(completion("A."), headers=secret | {"x-request-id": "r1"})
    headers = post(hit, {"model": "m", "messages": HELLO}).headers
    assert headers["x-request-id"] == "r1"
    assert not set(secret) & set(headers)


def test_a_slow_scorer_leaves_the_answer_unscored(hit: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(hit.running.product.scoring, "score", slow)
    monkeypatch.setattr(
        hit.running.product, "settings", hit.running.product.settings.model_copy(update={"scoring_seconds": 0.2})
    )
    response = post(hit, {"model": "m", "messages": HELLO}, x_valueflow_debug="1")
    assert (response.status_code, response.headers["x-valueflow-outcome"]) == (200, "unscored")
    assert response.json()["valueflow"]["values"]["svt/benevolence"]["unscored"] == "late"


def test_an_error_after_a_billed_attempt_is_audited_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError

    with served(tmp_path, HITS) as found:
        monkeypatch.setattr(found.running.product.scoring, "score", broken)
        response = post(found, {"model": "m", "messages": HELLO})
        assert (response.headers["x-should-retry"], response.headers["x-valueflow-attempts"]) == ("false", "1")
        record = audited(found, response.headers["x-valueflow-trace"])
        assert record["outcome"] == "error"
        assert record["tokens"] == {"billed": 15, "returned": 0}
        metrics = httpx.get(found.admin + "/metrics").text
    assert 'valueflow_tokens_total{kind="billed",model="m",tenant="acme"} 15.0' in metrics


def test_a_client_that_leaves_after_a_billed_attempt_is_audited_and_counted(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(delays=[0.0, 20.0])
    with served(tmp_path, MISSES, upstream) as found:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                found.url + "/v1/chat/completions",
                json={"model": "m", "messages": HELLO},
                headers={"authorization": f"Bearer {DEMO_KEY}"},
                timeout=2,
            )
        eventually(lambda: upstream.cancelled == 1)
        eventually(lambda: 'kind="billed",model="m",tenant="acme"} 15.0' in httpx.get(found.admin + "/metrics").text)
        [record] = records(found)
    assert (record["outcome"], record["asked"], record["tokens"]["billed"]) == ("cancelled", 2, 15)


def test_no_upstream_at_all_is_a_502(tmp_path: Path) -> None:
    models = "models:\n  m: {kind: openai, base_url: 'http://127.0.0.1:9/v1', model: x}\n"
    with served(tmp_path, OFF, models=models) as found:
        response = post(found, {"model": "m", "messages": HELLO})
        assert shape(response) == (502, None, "upstream_error")
        assert "x-should-retry" not in response.headers


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n"], ids=["hangs up", "no HTTP"])
def test_an_upstream_that_does_not_speak_http_is_a_502(tmp_path: Path, answer: bytes) -> None:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        models = f"models:\n  m: {{kind: openai, base_url: '{url}', model: x}}\n"
        with served(tmp_path, OFF, models=models) as found:
            response = post(found, {"model": "m", "messages": HELLO})
        server.shutdown()
    assert shape(response) == (502, None, "upstream_error")
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_tokens", 0), ("max_tokens", "7"), ("max_completion_tokens", 1.5), ("temperature", 2.1),
        ("temperature", True), ("top_p", 0), ("top_p", 1.1), ("seed", 1.0), ("n", 2), ("tools", []),
        ("response_format", {"type": "text"}), ("stop", "x"),
    ],
)  # fmt: skip
def test_the_local_model_refuses_what_it_cannot_do(key: str, value: object) -> None:
    with pytest.raises(ApiError) as caught:
        check({key: value})
    assert (caught.value.status, caught.value.param) == (400, key)


def test_the_local_model_takes_what_it_can_do() -> None:
    check({"max_tokens": 1, "temperature": 0, "top_p": 1, "seed": -(2**70), "n": 1, "stop": None, "tools": None})


def test_a_tenant_without_a_policy_is_403(tmp_path: Path) -> None:
    with served(tmp_path, OFF) as found:
        import asyncio

        add = found.running.product.keys.add("ghost")
        key = asyncio.run_coroutine_threadsafe(add, found.loop).result(10)
        response = post(found, {"model": "m", "messages": HELLO}, authorization=f"Bearer {key}")
        assert shape(response) == (403, None, "no_policy")


def test_more_requests_than_the_bound_are_429(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with (
        served(tmp_path, OFF, ScriptedUpstream(delay=1.5), concurrent_requests=2) as found,
        ThreadPoolExecutor(6) as pool,
    ):
        codes = sorted(
            r.status_code for r in pool.map(lambda _: post(found, {"model": "m", "messages": HELLO}), range(6))
        )
    assert codes == [200, 200, 429, 429, 429, 429]


def test_rollout_zero_measures_without_steering(tmp_path: Path) -> None:
    upstream = ScriptedUpstream()
    with served(tmp_path, HITS + "rollout: 0%\n", upstream) as found:
        assert post(found, {"model": "m", "messages": HELLO}).headers["x-valueflow-outcome"] == "monitored"
    assert upstream.bodies[0]["messages"] == HELLO
