"""Stream modes on a real socket: with the real openai client, byte by byte, and before upstreams that fail."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from starlette.responses import JSONResponse

from policies.plant import Key
from proxy.settings import DEMO_KEY
from tests.proxy.servers import (
    Scorer,
    ScriptedUpstream,
    Served,
    audited,
    chunks,
    completion,
    eventually,
    records,
    served,
    sse,
)

ENFORCE = "tenant: acme\ndebug: true\napply: always\nattempts: 2\ntargets:\n  benevolence: {min: 5, hard: true}\n"
WINDOW = ENFORCE + "stream: window\nwindow: 4\n"
MONITOR = ENFORCE.replace("attempts: 2", "mode: monitor") + "stream: monitor\n"
HELLO = [{"role": "user", "content": "Should I take my ill colleague's shift?"}]
VALUE = "svt/benevolence"
LONG = ("One two ", "three four ", "five six ", "seven.")


@contextmanager
def up(folder: Path, policy: str, reply: Any, scorer: Scorer | None = None, **more: Any) -> Iterator[Served]:
    answer = reply if callable(reply) else lambda *_: reply
    with served(folder, policy, ScriptedUpstream(reply=answer), scorer=scorer or Scorer(), **more) as found:
        yield found


@contextmanager
def stream(found: Served, debug: bool = False, timeout: float = 30, **more: Any) -> Iterator[httpx.Response]:
    body = {"model": "m", "messages": HELLO, "stream": True} | more
    headers = {"authorization": f"Bearer {DEMO_KEY}"} | ({"x-valueflow-debug": "1"} if debug else {})
    url = found.url + "/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=timeout) as response:
        yield response


def objects(raw: bytes) -> list[dict[str, Any]]:
    events = [part for part in raw.decode().split("\n\n") if part.startswith("data: {")]
    return [json.loads(part.removeprefix("data: ")) for part in events]


def text(raw: bytes) -> str:
    return "".join(c["delta"].get("content") or "" for e in objects(raw) for c in e.get("choices", []))


def ask(found: Served) -> Iterator[Any]:
    with openai.OpenAI(base_url=found.url + "/v1", api_key=DEMO_KEY, max_retries=0) as client:
        yield from client.chat.completions.create(model="m", messages=HELLO, stream=True)


def test_monitor_passes_the_upstreams_bytes_and_scores_them_afterwards(tmp_path: Path) -> None:
    sent = [b": hello\n\n", *chunks(*LONG, usage=True)]
    raw = b"".join(e if isinstance(e, bytes) else b"data: " + json.dumps(e).encode() + b"\n\n" for e in sent)
    raw += b"data: [DONE]\n\n"
    scorer = Scorer(delay=0.5)
    with up(tmp_path, MONITOR, lambda *_: sse(*sent), scorer) as found:
        with stream(found, stream_options={"include_usage": True}) as response:
            got = response.read()
        assert got == raw.replace(b"served-model", b"m")
        assert response.headers["x-valueflow-outcome"] == "pending"
        assert scorer.texts == []
        trace = response.headers["x-valueflow-trace"]
        url = f"{found.admin}/audit/{trace}"
        eventually(lambda: httpx.get(url).status_code == 200)
        record = httpx.get(url).json()
        assert (record["outcome"], record["tokens"]) == ("monitored", {"billed": 15, "returned": 15})
        assert scorer.texts == ["".join(LONG)]
        assert found.upstream.bodies[0]["stream_options"] == {"include_usage": True}
        eventually(lambda: found.running.product.open_requests == 0)


def test_off_streams_bytes_whatever_the_stream_mode(tmp_path: Path) -> None:
    with up(tmp_path, "tenant: acme\nmode: off\n", lambda *_: sse(*chunks("A."))) as found:
        with stream(found) as response:
            assert text(response.read()) == "A."
        assert response.headers["x-valueflow-outcome"] == "off"
        assert found.upstream.bodies[0]["messages"] == HELLO


def test_a_live_stream_is_steered_and_its_first_bytes_do_not_wait(tmp_path: Path) -> None:
    reply = lambda *_: sse(*chunks("First.")[:2], 20.0)  # noqa: E731
    with up(tmp_path, ENFORCE + "stream: monitor\n", reply) as found, stream(found) as response:
        parts = response.iter_raw()
        assert b"First." in next(parts) + next(parts)
        assert "[operator outlook]" in found.upstream.bodies[0]["messages"][0]["content"]


def test_debug_brings_the_measurements_in_the_last_chunk(tmp_path: Path) -> None:
    with up(tmp_path, MONITOR, lambda *_: sse(*chunks(*LONG))) as found, stream(found, debug=True) as response:
        raw = response.read()
    report = objects(raw)[-1]["valueflow"]
    assert report["outcome"] == "monitored"
    assert report["values"]["svt/benevolence"]["intensity"] == 6.0
    assert raw.endswith(b"data: [DONE]\n\n")


def test_the_upstreams_status_is_checked_before_the_stream_opens(tmp_path: Path) -> None:
    refused = JSONResponse({"error": {"message": "no"}}, 400)
    with up(tmp_path, MONITOR, lambda *_: refused) as found, pytest.raises(openai.BadRequestError):
        list(ask(found))


@pytest.mark.parametrize("policy", [MONITOR, WINDOW])
@pytest.mark.parametrize(
    "events",
    [
        [*chunks(*LONG)[:3], b'data: {"id": "ha'],
        chunks(*LONG)[:3],
        [*chunks(*LONG)[:4], {"error": {"message": "secret", "code": 500}}],
        [*chunks(*LONG)[:4], b"data: {nonsense\n\n"],
    ],
    ids=["half a frame", "no end", "500 after the stream began", "no JSON"],
)
def test_what_breaks_in_the_stream_is_an_error_that_the_sdk_raises(
    tmp_path: Path, events: list[Any], policy: str
) -> None:
    with up(tmp_path, policy.replace("window: 4", "window: 1"), lambda *_: sse(*events, done=False)) as found:
        with pytest.raises(openai.APIError) as caught:
            list(ask(found))
        assert "secret" not in str(caught.value.body)
        [record] = records(found)
        assert record["outcome"] == "error"
        assert record["tokens"]["billed"] > 0


def test_a_stalled_stream_ends_in_an_error(tmp_path: Path) -> None:
    stalled = lambda *_: sse(*chunks(*LONG)[:3], 20.0)  # noqa: E731
    with (
        up(tmp_path, MONITOR, stalled, upstream_read_seconds=0.3) as found,
        pytest.raises(openai.APIError, match="silent"),
    ):
        list(ask(found))


def test_window_lets_a_beginning_that_passes_stream_live_and_measures_the_whole(tmp_path: Path) -> None:
    scorer = Scorer()
    with up(tmp_path, WINDOW, lambda *_: sse(*chunks(*LONG, usage=True)), scorer) as found:
        with stream(found) as response:
            raw = response.read()
        assert text(raw) == "".join(LONG)
        assert b"usage" not in raw
        assert response.headers["x-valueflow-outcome"] == "pending"
        assert response.headers["x-valueflow-attempts"] == "1"
        eventually(lambda: len(records(found)) == 1)
        record = audited(found, response.headers["x-valueflow-trace"])
        assert (record["outcome"], record["tokens"]) == ("in_range", {"billed": 15, "returned": 15})
        assert scorer.texts == ["One two three four five six ", "".join(LONG)]


def test_window_asks_again_before_anything_left(tmp_path: Path) -> None:
    def reply(number: int, _: object) -> Any:
        return sse(*chunks(*(("Bad ", "bad bad bad bad ", "bad.") if number == 1 else LONG)))

    scorer = Scorer(lambda found: 4.0 if "Bad" in found else 7.0)
    with up(tmp_path, WINDOW, reply, scorer) as found:
        with stream(found) as response:
            raw = response.read()
        assert text(raw) == "".join(LONG)
        assert response.headers["x-valueflow-attempts"] == "2"
        eventually(lambda: len(records(found)) == 1)
        [record] = records(found)
        assert [a["verdict"] for a in record["attempts"]] == ["out_of_range", "accepted"]


def test_a_window_of_candidates_streams_the_best_and_learns_once_from_its_whole(tmp_path: Path) -> None:
    def reply(number: int, _: object) -> Any:
        return sse(*chunks(*(LONG if number == 1 else ("So ", "be ", "it."))))

    scorer = Scorer(lambda found: 9.0 if found.startswith("One") else 2.0)
    with up(tmp_path, WINDOW + "candidates: 2\n", reply, scorer) as found:
        with stream(found) as response:
            assert text(response.read()) == "".join(LONG)
        eventually(lambda: len(records(found)) == 1)
        [record] = records(found)
        sds = sorted(a["values"]["svt/benevolence"]["sd"] for a in record["attempts"])
        assert (record["outcome"], len(record["attempts"]), sds) == ("in_range", 2, [0.5, 0.5])
        sums = found.running.product.curves.sums.items()
        [learned] = [s for key, s in sums if (key.tenant, key.value, key.tactic) == ("acme", VALUE, "fresh")]
        assert 1.9 < learned.count.sum() <= 2


@pytest.mark.parametrize("policy", [MONITOR.replace("mode: monitor", "mode: steer"), WINDOW, ENFORCE])
def test_words_that_overflow_the_context_are_left_out_in_every_stream_mode(tmp_path: Path, policy: str) -> None:
    def reply(_: int, body: dict[str, Any]) -> Any:
        if "operator outlook" in str(body):
            return JSONResponse({"error": {"message": "maximum context length", "code": "x"}}, 400)
        return sse(*chunks(*LONG)) if body["stream"] else "".join(LONG)

    with up(tmp_path, policy, reply) as found:
        with stream(found) as response:
            assert text(response.read()) == "".join(LONG)
        eventually(lambda: len(records(found)) == 1)
        [record] = records(found)
        assert record["attempts"][0]["doses"] == {}
        assert record["treated"] is True
        assert len(record["conversation"]) == 64
        assert len(found.upstream.seen) == 2


def test_exemplars_are_the_first_to_leave_a_full_context(tmp_path: Path) -> None:
    policy = "tenant: acme\napply: always\ntargets:\n  hedonism: {max: -3, hard: true}\nstream: monitor\n"

    def reply(_: int, body: dict[str, Any]) -> Any:
        if "Example 1:" in str(body):
            return JSONResponse({"error": {"message": "maximum context length", "code": "x"}}, 400)
        return sse(*chunks(*LONG))

    with up(tmp_path, policy, reply) as found:
        with stream(found) as response:
            response.read()
        shown = [str(body["messages"]) for body in found.upstream.bodies]
    assert ["Example 1:" in one for one in shown] == [True, False]
    assert "operator outlook" in shown[1]


def test_a_stream_straight_through_teaches_the_curves(tmp_path: Path) -> None:
    with up(tmp_path, ENFORCE + "stream: monitor\n", lambda *_: sse(*chunks(*LONG))) as found:
        with stream(found) as response:
            response.read()
        eventually(lambda: len(records(found)) == 1)
        [record] = records(found)
        assert set(record["reach"]) == {VALUE}
        assert len(record["leakage"]) > 20
        sums = found.running.product.curves.sums
        assert sums[Key("acme", "m", VALUE, "fresh", "scripted")].count.sum() == 1


def test_an_answer_within_the_window_has_its_verdict_in_the_header(tmp_path: Path) -> None:
    with up(tmp_path, WINDOW, lambda *_: sse(*chunks("So ", "be it."))) as found, stream(found) as response:
        assert text(response.read()) == "So be it."
        assert response.headers["x-valueflow-outcome"] == "in_range"


def test_a_whole_that_misses_after_its_beginning_passed_is_not_called_in_range(tmp_path: Path) -> None:
    scorer = Scorer(lambda found: -5.0 if "seven" in found else 8.0)
    with up(tmp_path, WINDOW, lambda *_: sse(*chunks(*LONG)), scorer) as found:
        with stream(found) as response:
            response.read()
        eventually(lambda: len(records(found)) == 1)
        assert records(found)[0]["outcome"] == "missed"


def test_a_window_falls_back_to_buffer_where_it_must(tmp_path: Path) -> None:
    with up(tmp_path, WINDOW, "A calm answer.") as found, stream(found, n=1, logprobs=True) as response:
        assert text(response.read()) == "A calm answer."
        assert response.headers["x-valueflow-outcome"] == "in_range"
        assert found.upstream.bodies[0]["stream"] is False


def test_a_buffered_stream_opens_before_a_late_verdict(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(delay=1.0)
    with (
        served(tmp_path, ENFORCE, upstream, scorer=Scorer(), keepalive_after=0.2) as found,
        stream(found, debug=True) as response,
    ):
        assert response.headers["x-valueflow-outcome"] == "pending"
        raw = response.read()
        assert raw.startswith(b": ping\n\n: ping\n\n")
        assert text(raw) == "A calm answer."
        assert objects(raw)[-1]["valueflow"]["outcome"] == "in_range"
        assert records(found)[0]["outcome"] == "in_range"


def test_a_late_failure_is_an_error_in_the_stream(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(reply=lambda *_: JSONResponse({}, 500), delay=0.6)
    with served(tmp_path, ENFORCE, upstream, scorer=Scorer(), keepalive_after=0.2) as found:
        with pytest.raises(openai.APIError):
            list(ask(found))
        assert records(found)[0]["outcome"] == "error"


def test_a_late_miss_that_the_policy_wants_refused_is_an_error_in_the_stream(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(delay=0.4)
    policy = ENFORCE + "on_miss: error\n"
    with served(tmp_path, policy, upstream, scorer=Scorer(lambda _: 0.0), keepalive_after=0.1) as found:
        with pytest.raises(openai.APIError) as caught:
            list(ask(found))
        assert caught.value.code == "value_range_missed"
        assert records(found)[0]["outcome"] == "missed"


@pytest.mark.parametrize(
    ("policy", "reply", "more"),
    [
        (MONITOR, lambda *_: sse(*chunks(*LONG)[:3], 20.0), {}),
        (WINDOW, lambda *_: sse(*chunks(*LONG)[:2], 20.0), {}),
        (WINDOW.replace("window: 4", "window: 1"), lambda *_: sse(*chunks(*LONG)[:3], 20.0), {}),
        (ENFORCE, lambda *_: sse(b"{", 20.0), {}),
        (ENFORCE, lambda *_: sse(b"{", 20.0), {"keepalive_after": 0.2}),
    ],
    ids=["monitor, live", "window, held", "window, live", "buffer", "buffer, opened"],
)
def test_a_client_that_leaves_stops_everything(tmp_path: Path, policy: str, reply: Any, more: Any) -> None:
    with up(tmp_path, policy, reply, **more) as found:
        with pytest.raises(httpx.ReadTimeout), stream(found, timeout=1.0) as response:
            read_to_the_first_ping(response)
        product = found.running.product
        eventually(lambda: product.open_requests == 0)
        assert records(found)[0]["outcome"] == "cancelled"
        eventually(lambda: not busy(found))


def read_to_the_first_ping(response: httpx.Response) -> None:
    for part in response.iter_raw():
        if b"ping" in part:
            raise httpx.ReadTimeout("pings would go on")


def busy(found: Served) -> list[str]:
    """The tasks that still work for a request."""
    import asyncio

    async def names() -> list[str]:
        return [repr(t.get_coro()) for t in asyncio.all_tasks() if "steer" in repr(t) or "run_asgi" in repr(t)]

    return asyncio.run_coroutine_threadsafe(names(), found.loop).result(5)


def test_a_policy_that_is_swapped_leaves_the_open_request_alone(tmp_path: Path) -> None:
    from policies.policy import Policy

    upstream = ScriptedUpstream(delay=0.6)
    with served(tmp_path, ENFORCE, upstream, scorer=Scorer(), keepalive_after=0.1) as found:
        with stream(found) as response:
            before = response.headers["x-valueflow-policy"]
            found.running.product.policies = {"acme": Policy(tenant="acme", mode="off")}
            response.read()
        assert records(found)[0]["policy"] == before
        with stream(found) as response:
            assert response.headers["x-valueflow-outcome"] == "off"


def test_told_to_end_it_says_so_and_drains_what_is_open(tmp_path: Path) -> None:
    slow = lambda *_: sse(*chunks(*LONG)[:3], 1.0, *chunks(*LONG)[3:])  # noqa: E731
    with up(tmp_path, MONITOR, slow) as found, stream(found) as response:
        parts = response.iter_raw()
        raw = next(parts)
        assert httpx.get(found.admin + "/readyz").status_code == 200
        found.loop.call_soon_threadsafe(found.running.stop)
        eventually(lambda: httpx.get(found.admin + "/readyz").status_code == 503)
        eventually(lambda: refuses(found))
        raw += b"".join(parts)
        assert text(raw) == "".join(LONG)
        assert raw.endswith(b"data: [DONE]\n\n")


def refuses(found: Served) -> bool:
    try:
        httpx.get(found.url + "/healthz")
    except httpx.TransportError:
        return True
    return False


def test_what_does_not_drain_in_time_is_cut_and_audited(tmp_path: Path) -> None:
    endless = lambda *_: sse(*chunks(*LONG)[:3], 60.0)  # noqa: E731
    with up(tmp_path, MONITOR, endless, shutdown_seconds=1) as found, stream(found) as response:
        parts = response.iter_raw()
        next(parts)
        found.loop.call_soon_threadsafe(found.running.stop)
        with pytest.raises(httpx.TransportError):
            list(parts)
        eventually(lambda: found.running.product.open_requests == 0)
        assert records(found)[0]["outcome"] == "cancelled"


def test_json_is_buffered_in_every_mode(tmp_path: Path) -> None:
    with up(tmp_path, MONITOR, lambda *_: completion("A calm answer.")) as found:
        response = httpx.post(
            found.url + "/v1/chat/completions",
            json={"model": "m", "messages": HELLO},
            headers={"authorization": f"Bearer {DEMO_KEY}"},
        )
    assert response.headers["x-valueflow-outcome"] == "monitored"


def test_a_client_that_does_not_read_is_left(tmp_path: Path) -> None:
    flood = chunks(*["x" * 50_000] * 2000)
    with up(tmp_path, MONITOR, lambda *_: sse(*flood), client_seconds=0.3, upstream_bytes=2**30) as found:
        with stream(found) as response:
            next(response.iter_raw())
            time.sleep(1)
            eventually(lambda: found.running.product.open_requests == 0)
        assert records(found)[0]["outcome"] == "cancelled"
