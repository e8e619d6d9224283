"""Any OpenAI-compatible server, over one pooled client; request and reply bytes are kept as they are.

Knows HTTP and this upstream's address and key; nothing of what the bytes say.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx

from proxy.errors import ApiError, Unanswered
from proxy.upstreams.retry_after import seconds_to_wait
from proxy.upstreams.upstream import Call, CompatibleModel, Limits, Reply

_PASSED_HEADERS = ("x-request-id", "openai-processing-ms")
_PASSED_STATUS = frozenset({400, 404, 409, 413, 415, 422, 429})
_AGAIN = frozenset({502, 503})
"""Beside 429: a server in between has not passed the request on, or this one does not take any now."""


def pooled_client(connections: int) -> httpx.AsyncClient:
    """The one client for all compatible upstreams; aiohttp carries the bytes, several times faster than httpcore."""
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, limit_per_host=connections, keepalive_timeout=60)
        return aiohttp.ClientSession(
            connector=connector, auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    return httpx.AsyncClient(transport=AiohttpTransport(client=session), follow_redirects=False, trust_env=False)


class Compatible:
    """One model of an OpenAI-compatible server."""

    def __init__(self, config: CompatibleModel, client: httpx.AsyncClient, limits: Limits) -> None:
        self.model = config.model
        self.paths = self.streams = config.paths
        self._url = str(config.base_url).rstrip("/")
        self._client = client
        self._limits = limits
        self._key = config.api_key

    async def complete(self, call: Call, seconds: float) -> Reply:
        """One completion. Raises ApiError: 504 on a timeout, the upstream's own for what the client did, else 502."""
        stream = await self.open(call, seconds)
        try:
            return Reply(b"".join([part async for part in stream]), stream.headers)
        finally:
            await stream.aclose()

    async def open(self, call: Call, seconds: float) -> "Answer":
        """The answer's bytes as they come, once its status says success. Raises as `complete`."""
        loop = asyncio.get_running_loop()
        answer = Answer(self._limits, seconds, loop.time() + seconds)
        async with answer.translated():
            timeout = httpx.Timeout(min(self._limits.read_seconds, seconds), connect=self._limits.connect_seconds)
            request = self._client.build_request(
                "POST", f"{self._url}/{call.path}", content=call.body, headers=self._headers(call), timeout=timeout
            )
            response = answer.response = await self._client.send(request, stream=True)
        if response.status_code == 200:
            answer.headers = {k: response.headers[k] for k in _PASSED_HEADERS if k in response.headers}
            return answer
        try:
            raw = b"".join([part async for part in answer])
        finally:
            await answer.aclose()
        raise self._failure(response, raw)

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        anthropic = call.path.split("/")[0] == "messages"
        if anthropic:
            headers["anthropic-version"] = "2023-06-01"
        if self._key:
            headers |= {"x-api-key": self._key} if anthropic else {"authorization": f"Bearer {self._key}"}
        return headers | dict(call.headers)

    def _failure(self, response: httpx.Response, raw: bytes) -> ApiError:
        """The upstream's error as ours. What is wrong with the request keeps its words; the operator's troubles do not.

        Messages of 404 and 429 name the operator's models, organisation and limits.
        """
        status = response.status_code
        if status not in _PASSED_STATUS:
            failure = Unanswered.upstream(f"The upstream answered with status {status}.")
            failure.again = status in _AGAIN
            failure.pause = seconds_to_wait(response.headers)
            return failure
        if status == 404:
            return ApiError.not_found("The upstream has no such model or path.")
        if status == 429:
            retry = response.headers.get("retry-after")
            headers = {"retry-after": retry} if retry else None
            limited = Unanswered(429, "The upstream is at its rate limit.", "rate_limit_error", headers=headers)
            limited.pause = seconds_to_wait(response.headers)
            return limited
        error: object = None
        with contextlib.suppress(ValueError, AttributeError):
            error = json.loads(raw).get("error")
        fields = error if isinstance(error, dict) else {}

        def text(key: str) -> str | None:
            return fields[key] if isinstance(fields.get(key), str) else None

        message = text("message") or f"The upstream answered with status {status}."
        return ApiError(status, message, text("type") or "invalid_request_error", text("param"), text("code"))

    async def close(self) -> None:
        """Nothing to do: the client is shared, and whoever made it closes it."""


@dataclass(slots=True)
class Answer:
    """A response of which the status is known and the body is not: a `Stream`, bounded in bytes and in time."""

    limits: Limits
    seconds: float
    until: float
    headers: Mapping[str, str] = field(default_factory=dict)
    response: httpx.Response | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert self.response is not None
        parts, size = self.response.aiter_raw(), 0
        while True:
            async with self.translated():
                part = await anext(parts, None)
            if part is None:
                return
            size += len(part)
            if size > self.limits.bytes:
                raise ApiError.upstream("The upstream's answer is too large.")
            yield part

    @contextlib.asynccontextmanager
    async def translated(self) -> AsyncIterator[None]:
        """The transport's errors, and the end of the time, as ours."""
        late = f"The upstream did not answer within {self.seconds:.0f} s."
        try:
            async with asyncio.timeout_at(self.until):
                yield
        except httpx.ConnectTimeout as error:  # the transport says so of refused and of lost connections, too
            message = "The upstream could not be reached."
            raise (
                ApiError.upstream(message) if _was_connected(error) else Unanswered.upstream(message, False)
            ) from error
        except httpx.ReadTimeout as error:
            silent = min(self.limits.read_seconds, self.seconds)
            raise ApiError.timeout(f"The upstream was silent for {silent:.0f} s.") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ApiError.timeout(late) from error
        except Exception as error:  # httpx's own, and those of aiohttp's that the transport does not translate
            raise ApiError.upstream(f"The upstream could not be reached ({type(error).__name__}).") from error

    async def aclose(self) -> None:
        """Close the connection, or give it back when all was read."""
        if self.response is not None:
            await self.response.aclose()


def _was_connected(error: httpx.ConnectTimeout) -> bool:
    import aiohttp

    return not isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
