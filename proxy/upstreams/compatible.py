"""Any OpenAI-compatible server, over one pooled client; request and reply bytes are kept as they are.

Knows HTTP and this upstream's address and key; nothing of what the bytes say.
"""

import asyncio
import contextlib
import json

import httpx

from proxy.errors import ApiError
from proxy.upstreams.upstream import Call, CompatibleModel, Reply

MAX_REPLY_BYTES = 32 * 1024 * 1024
_PASSED_HEADERS = ("x-request-id", "openai-processing-ms")
_PASSED_STATUS = frozenset({400, 404, 409, 413, 415, 422, 429})


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

    def __init__(self, config: CompatibleModel, client: httpx.AsyncClient) -> None:
        self.model = config.model
        self.paths = config.paths
        self._url = str(config.base_url).rstrip("/")
        self._client = client
        self._headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if config.api_key:
            self._headers["authorization"] = f"Bearer {config.api_key}"

    async def complete(self, call: Call, seconds: float) -> Reply:
        """One completion. Raises ApiError: 504 on a timeout, the upstream's own for what the client did, else 502."""
        try:
            async with asyncio.timeout(seconds):
                request = self._client.build_request(
                    "POST",
                    f"{self._url}/{call.path}",
                    content=call.body,
                    headers=self._headers,
                    timeout=httpx.Timeout(seconds, connect=10),
                )
                response = await self._client.send(request, stream=True)
                try:
                    raw = await self._read(response)
                finally:
                    await response.aclose()
        except httpx.ConnectTimeout as error:  # the transport says so of refused and of lost connections, too
            raise ApiError.upstream("The upstream could not be reached.", sent=_was_connected(error)) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ApiError.timeout(f"The upstream did not answer within {seconds:.0f} s.") from error
        except ApiError:
            raise
        except Exception as error:  # httpx's own, and those of aiohttp's that the transport does not translate
            raise ApiError.upstream(f"The upstream could not be reached ({type(error).__name__}).") from error
        if response.status_code != 200:
            raise self._failure(response, raw)
        return Reply(raw, {k: response.headers[k] for k in _PASSED_HEADERS if k in response.headers})

    async def _read(self, response: httpx.Response) -> bytes:
        parts, size = [], 0
        async for part in response.aiter_raw():
            size += len(part)
            if size > MAX_REPLY_BYTES:
                raise ApiError.upstream("The upstream's answer is too large.")
            parts.append(part)
        return b"".join(parts)

    def _failure(self, response: httpx.Response, raw: bytes) -> ApiError:
        """The upstream's error as ours. What is wrong with the request keeps its words; the operator's troubles do not.

        Messages of 404 and 429 name the operator's models, organisation and limits.
        """
        status = response.status_code
        if status not in _PASSED_STATUS:
            return ApiError.upstream(f"The upstream answered with status {status}.")
        if status == 404:
            return ApiError.not_found("The upstream has no such model or path.")
        if status == 429:
            retry = response.headers.get("retry-after")
            headers = {"retry-after": retry} if retry else None
            return ApiError(429, "The upstream is at its rate limit.", "rate_limit_error", headers=headers)
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


def _was_connected(error: httpx.ConnectTimeout) -> bool:
    import aiohttp

    return not isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
