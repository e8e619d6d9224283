"""The litellm upstream: the client's request cannot override the operator, and every exception has a translation."""

import asyncio
import inspect
import json
from typing import Any

import pytest

from proxy.errors import ApiError, Unanswered
from proxy.upstreams.litellm import ERRORS, PARAMETERS, LiteLLM, translated
from proxy.upstreams.upstream import Call, Limits, LiteLLMModel
from tests.proxy.servers import ScriptedUpstream, chunks, sse, upstream_serving

MESSAGES = [{"role": "user", "content": "hi"}]

pytestmark = pytest.mark.filterwarnings("ignore")  # litellm's own deprecations


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_KEY", "sk-operator")


def foreign_parameters() -> list[str]:
    from litellm import acompletion
    from litellm.types.utils import all_litellm_params

    signature = set(inspect.signature(acompletion).parameters)
    return sorted((signature | set(all_litellm_params)) - PARAMETERS - {"model", "stream", "kwargs", "self"})


def evil_value(name: str, url: str) -> Any:
    """What a hostile client would send for a parameter."""
    if name in {"fallbacks", "model_list", "context_window_fallback_dict"}:
        return [{"model": "openai/evil", "api_base": url, "api_key": "sk-evil"}]
    if name in {"extra_headers", "headers", "default_headers", "provider_specific_header"}:
        return {"authorization": "Bearer sk-evil", "host": url}
    if name in {"num_retries", "max_retries"}:
        return 4
    return url


def made(operator: ScriptedUpstream) -> LiteLLM:
    model = LiteLLMModel(kind="litellm", model="openai/gpt-x", api_base=operator.url, api_key_env="OPERATOR_KEY")
    return LiteLLM(model, Limits())


async def ask(body: dict[str, Any], operator: ScriptedUpstream, seconds: float = 20) -> bytes:
    return (await made(operator).complete(Call(json.dumps({"model": "openai/gpt-x"} | body).encode()), seconds)).body


@pytest.mark.usefixtures("key")
def test_no_other_parameter_of_litellm_has_an_effect() -> None:
    async def main() -> None:
        async with upstream_serving(ScriptedUpstream()) as operator, upstream_serving(ScriptedUpstream()) as stranger:
            names = foreign_parameters()
            assert len(names) > 200
            for name in names:
                body = {"messages": MESSAGES, name: evil_value(name, stranger.url)}
                reply = json.loads(await ask(body, operator))
                assert reply["choices"][0]["message"]["content"] == "A calm answer.", name
            assert len(operator.seen) == len(names)
            assert not stranger.seen
            assert {h["authorization"] for h, _ in operator.seen} == {"Bearer sk-operator"}
            assert {b["model"] for b in operator.bodies} <= {"gpt-x"}

    asyncio.run(main())


@pytest.mark.usefixtures("key")
def test_a_failing_upstream_is_asked_once() -> None:
    from starlette.responses import JSONResponse

    async def main() -> None:
        async with upstream_serving(ScriptedUpstream(reply=lambda n, b: JSONResponse({}, 500))) as operator:
            with pytest.raises(ApiError) as caught:
                await ask({"messages": MESSAGES, "num_retries": 3, "max_retries": 3}, operator)
            assert caught.value.status == 502
            assert len(operator.seen) == 1

    asyncio.run(main())


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(("status", "again"), [(429, True), (503, True), (500, False), (401, False)])
def test_what_the_provider_did_not_answer_may_be_asked_elsewhere(status: int, again: bool) -> None:
    from starlette.responses import JSONResponse

    async def main() -> None:
        error = JSONResponse({"error": {"message": "no"}}, status, headers={"retry-after": "3"})
        async with upstream_serving(ScriptedUpstream(reply=lambda n, b: error)) as operator:
            with pytest.raises(Unanswered) as caught:
                await ask({"messages": MESSAGES}, operator)
            assert (caught.value.again, caught.value.pause, len(operator.seen)) == (again, 3.0, 1)

    asyncio.run(main())


@pytest.mark.usefixtures("key")
def test_a_stream_of_the_provider_becomes_chunks() -> None:
    def reply(number: int, body: dict[str, Any]) -> Any:
        return sse(*chunks("A calm ", "answer.", usage=bool(body.get("stream_options"))))

    async def main() -> None:
        async with upstream_serving(ScriptedUpstream(reply=reply)) as operator:
            upstream = made(operator)
            body = {"model": "openai/gpt-x", "messages": MESSAGES, "stream_options": {"include_usage": True}}
            stream = await upstream.open(Call(json.dumps(body).encode()), 20)
            parts = b"".join([part async for part in stream]).decode().split("\n\n")
            await stream.aclose()
        assert parts[-2:] == ["data: [DONE]", ""]
        events = [json.loads(part.removeprefix("data: ")) for part in parts[:-2]]
        assert "".join(c["delta"].get("content") or "" for e in events for c in e["choices"]) == "A calm answer."
        assert events[-1]["usage"]["total_tokens"] == 15

    asyncio.run(main())


@pytest.mark.usefixtures("key")
def test_listed_parameters_and_unknown_ones_reach_the_provider() -> None:
    async def main() -> None:
        async with upstream_serving(ScriptedUpstream()) as operator:
            await ask({"messages": MESSAGES, "temperature": 0.25, "x_new": {"a": 1}}, operator)
            assert operator.bodies[0]["temperature"] == 0.25
            assert operator.bodies[0]["x_new"] == {"a": 1}

    asyncio.run(main())


@pytest.mark.usefixtures("key")
def test_a_slow_provider_is_a_504() -> None:
    async def main() -> None:
        async with upstream_serving(ScriptedUpstream(delay=5)) as operator:
            with pytest.raises(ApiError) as caught:
                await ask({"messages": MESSAGES}, operator, seconds=0.5)
            assert caught.value.status == 504

    asyncio.run(main())


def test_every_exception_of_litellm_is_in_the_table() -> None:
    from litellm import exceptions

    classes = {
        name
        for name in dir(exceptions)
        if isinstance(kind := getattr(exceptions, name), type) and issubclass(kind, Exception)
    }
    assert classes - set(ERRORS) == set()


def test_an_unknown_exception_is_a_502_without_its_text() -> None:
    error = translated(RuntimeError("prompt: my secret"))
    assert error.status == 502
    assert "secret" not in error.message
    assert error.headers == {"x-should-retry": "false"}


def test_litellm_is_not_imported_before_it_is_configured() -> None:
    import subprocess
    import sys

    code = "import sys, proxy.app, proxy.serve, proxy.cli.main; sys.exit('litellm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
