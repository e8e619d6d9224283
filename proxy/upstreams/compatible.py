"""Any OpenAI-compatible server, over one pooled client; request and reply bytes are kept as they are.

Knows HTTP and this upstream's address and key; nothing of what the bytes say.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping

import httpx

from proxy.errors import ApiError, Unanswered
from proxy.upstreams.deadline import Deadline
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
        base = str(config.base_url).rstrip("/")
        self._urls = {path: httpx.URL(f"{base}/{path}") for path in self.paths}
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
        timeout = httpx.Timeout(min(self._limits.read_seconds, seconds), connect=self._limits.connect_seconds)
        request = self._client.build_request(
            "POST", self._urls[call.path], content=call.body, headers=self._headers(call), timeout=timeout
        )
        answer = Answer(self._limits, seconds)
        response = await answer.begin(self._client, request)
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


class Answer:
    """A response, within `seconds` from now: a `Stream`, bounded in bytes and in time."""

    def __init__(self, limits: Limits, seconds: float) -> None:
        self.headers: Mapping[str, str] = {}
        self._response: httpx.Response | None = None
        self._limits = limits
        self._seconds = seconds
        self._deadline = Deadline(asyncio.get_running_loop().time() + seconds)

    async def begin(self, client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        """Send the request; the response, of which the status is known and the body is not. Raises ApiError."""
        try:
            with self._deadline:
                self._response = await client.send(request, stream=True)
        except Exception as error:
            raise self._failure(error) from error
        finally:
            if self._response is None:
                self._deadline.close()
        return self._response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert self._response is not None
        parts, size = self._response.aiter_raw(), 0
        while True:
            try:
                with self._deadline:
                    part = await anext(parts, None)
            except Exception as error:
                raise self._failure(error) from error
            if part is None:
                return
            size += len(part)
            if size > self._limits.bytes:
                raise ApiError.upstream("The upstream's answer is too large.")
            yield part

    def _failure(self, error: Exception) -> ApiError:
        """The transport's error, or the end of the time, as ours."""
        if isinstance(error, httpx.ConnectTimeout):  # the transport says so of refused and of lost connections, too
            message = "The upstream could not be reached."
            return ApiError.upstream(message) if _was_connected(error) else Unanswered.upstream(message, False)
        if isinstance(error, httpx.ReadTimeout):
            silent = min(self._limits.read_seconds, self._seconds)
            return ApiError.timeout(f"The upstream was silent for {silent:.0f} s.")
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return ApiError.timeout(f"The upstream did not answer within {self._seconds:.0f} s.")
        # httpx's own, and those of aiohttp's that the transport does not translate
        return ApiError.upstream(f"The upstream could not be reached ({type(error).__name__}).")

    async def aclose(self) -> None:
        """Close the connection, or give it back when all was read."""
        self._deadline.close()
        if self._response is not None:
            await self._response.aclose()


def _was_connected(error: httpx.ConnectTimeout) -> bool:
    import aiohttp

    return not isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
