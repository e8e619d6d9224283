"""A request through everything that is real: the openai client, the app, the small model, encoder and anchors."""

import json
import threading
import time
from pathlib import Path

import httpx

from proxy.settings import DEMO_KEY
from tests.proxy.clients import openai_client
from tests.proxy.servers import served

LOCAL = "models:\n  local/smollm2: {kind: local, max_tokens: 24}\n"
POLICY = """
tenant: acme
debug: true
apply: always
attempts: 2
budget: {seconds: 300}
targets:
  benevolence: {min: 5, hard: true}
  power: {max: 2}
record_text: full
"""


def test_a_real_model_is_steered_measured_and_asked_again(tmp_path: Path) -> None:
    with served(tmp_path, POLICY, models=LOCAL) as found:
        client = openai_client(found, timeout=120)
        raw = client.chat.completions.with_raw_response.create(
            model="local/smollm2",
            messages=[{"role": "user", "content": "My neighbour is ill. Should I cook for her?"}],
            extra_headers={"x-valueflow-debug": "1"},
            seed=1,
        )
        answer, report = raw.parse(), raw.parse().valueflow
        assert answer.choices[0].message.content
        assert 0 < answer.usage.completion_tokens <= 24
        assert report["outcome"] == "missed"
        assert len(report["attempts"]) == 2
        for attempt in report["attempts"]:
            assert attempt["doses"]["svt/benevolence"] > 0 > attempt["doses"]["svt/power"]
            assert {"svt/benevolence", "svt/power"} == set(attempt["values"])
            assert attempt["values"]["svt/benevolence"]["sd"] > 0
        trace = raw.headers["x-valueflow-trace"]
        import asyncio

        found.loop.call_soon_threadsafe(lambda: None)
        until = time.monotonic() + 5
        trail = None
        while trail is None and time.monotonic() < until:
            find = found.running.product.audit.find(trace)
            trail = asyncio.run_coroutine_threadsafe(find, found.loop).result(5)
        record = json.loads(trail.record)
        assert record["texts"]["answers"] == [answer.choices[0].message.content]
        assert record["attempts"] == report["attempts"]


def test_a_client_that_leaves_frees_the_model_for_the_next(tmp_path: Path) -> None:
    models = LOCAL.replace("24", "400")
    with served(tmp_path, "tenant: acme\nmode: off\n", models=models) as found:
        body = {"model": "local/smollm2", "messages": [{"role": "user", "content": "Tell me a very long story."}]}
        headers = {"authorization": f"Bearer {DEMO_KEY}"}

        def leave() -> None:
            try:
                httpx.post(found.url + "/v1/chat/completions", json=body, headers=headers, timeout=0.7)
            except httpx.ReadTimeout:
                return

        leaver = threading.Thread(target=leave)
        leaver.start()
        leaver.join()
        short = httpx.post(
            found.url + "/v1/chat/completions", json=body | {"max_tokens": 3}, headers=headers, timeout=60
        )
        assert short.json()["usage"]["completion_tokens"] == 3
        upstream = found.running.product.routes["local/smollm2"].members[0].upstream._upstream
        assert not upstream._turn.locked()
